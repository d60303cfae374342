-- purpose: how critical the registry says some apps are
-- parameters: apps Array(String)
-- columns: app_id, criticality
SELECT app_id, toString(argMax(a.criticality, a.valid_from)) AS criticality
FROM core_apps_current AS a
WHERE app_id IN {apps:Array(String)}
GROUP BY app_id
ORDER BY app_id
