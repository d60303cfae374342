-- purpose: the current registry, for the attribution rules and statements: lines of an app in time
-- parameters: none
-- columns: app_id, app_name, team, lead, cost_center, lifecycle, resource_ids, patterns, holds_from, holds_to
SELECT app_id, app_name, toString(team) AS team, lead, toString(cost_center) AS cost_center,
    toString(lifecycle) AS lifecycle, resource_ids, patterns, holds_from, holds_to
FROM core_apps_current
ORDER BY app_id, holds_from
