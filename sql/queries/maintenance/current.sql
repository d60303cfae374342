-- purpose: when which apps are in maintenance, of stretches that end after a moment
-- parameters: since DateTime
-- columns: name, reason, said_by, app_id (*: all apps), environment (*: all), begins_at DateTime64(0), ends_at DateTime64(0)
SELECT
    name, reason, said_by, app_id, toString(m.environment) AS environment,
    toDateTime64(m.begins_at, 0, 'UTC') AS begins_at, toDateTime64(m.ends_at, 0, 'UTC') AS ends_at
FROM mart_maintenance_current AS m
WHERE m.ends_at > {since:DateTime('UTC')}
ORDER BY begins_at, name, app_id, environment
