-- purpose: apps of the registry as they held in time, for shared cost rules
-- parameters: none
-- columns: app_id, valid_from, valid_to, team, cost_center, system, lifecycle
SELECT app_id, valid_from, valid_to, toString(team) AS team, toString(cost_center) AS cost_center, toString(system) AS system,
    toString(lifecycle) AS lifecycle
FROM core_apps_current
ORDER BY app_id, valid_from
