-- purpose: apps whose requests stopped against their own rhythm
-- parameters: none
-- columns: app_id, team, environment, silent_since DateTime64(0), apps_together UInt32,
--   requests_per_day, wait_hours (0: the days it missed say so, or far too few came)
SELECT
    app_id, toString(s.team) AS team, toString(s.environment) AS environment,
    toDateTime64(s.silent_since, 0, 'UTC') AS silent_since, apps_together,
    requests_per_day, wait_hours
FROM mart_app_silences_current AS s
ORDER BY app_id, environment
