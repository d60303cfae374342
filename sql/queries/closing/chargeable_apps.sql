-- purpose: apps of one batch of the registry as they held in time, for the shared cost rules a month was closed by
-- parameters: batch_id UUID (of core_apps)
-- columns: app_id, valid_from, valid_to, team, cost_center, system, lifecycle, criticality, tags Array(String) (key=value,
--   in order)
SELECT app_id, valid_from, valid_to, toString(team) AS team, toString(cost_center) AS cost_center, toString(system) AS system,
    toString(lifecycle) AS lifecycle, toString(criticality) AS criticality,
    arraySort(arrayMap((key, value) -> concat(key, '=', value), mapKeys(apps.tags), mapValues(apps.tags))) AS tags
FROM core_apps AS apps
WHERE batch_id = {batch_id:UUID}
ORDER BY app_id, valid_from
