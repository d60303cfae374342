-- purpose: apps whose requests stopped against their own rhythm
-- parameters: none
-- columns: app_id, team, environment, silent_since DateTime64(0), apps_together UInt32
SELECT
    app_id, toString(s.team) AS team, toString(s.environment) AS environment,
    toDateTime64(s.silent_since, 0, 'UTC') AS silent_since, apps_together
FROM mart_app_silences_current AS s
ORDER BY app_id, environment
