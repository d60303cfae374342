-- purpose: silent apps of the viewer's teams, or of those the viewer chose, those that fell silent together first, then the longest silent
-- parameters: teams Array(String)
-- columns: app_id, team, environment, silent_since DateTime64(0), received, expected, requests_per_day, apps_together UInt32,
--   wait_hours (0: the days it missed say so, or far too few came)
SELECT
    app_id, toString(s.team) AS team, toString(s.environment) AS environment,
    toDateTime64(s.silent_since, 0, 'UTC') AS silent_since,
    received, expected, requests_per_day, apps_together, wait_hours
FROM mart_app_silences_current AS s
WHERE team IN {teams:Array(String)}
ORDER BY apps_together DESC, silent_since, app_id, environment
