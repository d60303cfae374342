-- purpose: how much of all requests is of each app and environment, health checks too
-- parameters: since DateTime (days from that one on)
-- columns: app_id, environment, requests
SELECT app_id, toString(d.environment) AS environment, sum(d.requests + d.health_checks) AS requests
FROM core_app_telemetry_daily_current AS d
WHERE d.usage_date >= toDate({since:DateTime('UTC')})
GROUP BY app_id, environment
HAVING requests > 0
ORDER BY app_id, environment
