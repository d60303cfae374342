-- purpose: apps that telemetry knows only by a default of the SDK (service.name unknown_service*): who forgot to set a name
-- parameters: none
-- columns: app_id, is_told_apart (its id names the sender), spans, logs, metric_points, last_seen
SELECT
    app_id,
    position(app_id, '@') > 0 AS is_told_apart,
    sum(day.spans) AS spans,
    sum(day.logs) AS logs,
    sum(day.metric_points) AS metric_points,
    max(day.last_seen) AS last_seen
FROM core_app_telemetry_daily_current AS day
WHERE startsWith(app_id, 'unknown_service')
GROUP BY app_id
ORDER BY is_told_apart, spans + logs + metric_points DESC, app_id
