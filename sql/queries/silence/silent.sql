-- purpose: silent apps, those that fell silent together first, then the longest silent
-- parameters: none
-- columns: app_id, environment, silent_since DateTime64(0), received, expected, apps_together UInt32
SELECT
    app_id, toString(s.environment) AS environment, toDateTime64(s.silent_since, 0, 'UTC') AS silent_since,
    received, expected, apps_together
FROM mart_app_silences_current AS s
ORDER BY apps_together DESC, silent_since, app_id, environment
