-- purpose: the newest span of every app on every day it sent any
-- parameters: none
-- columns: app_id, usage_date, last_seen DateTime64(9)
SELECT app_id, usage_date, assumeNotNull(max(days.last_span_at)) AS last_seen
FROM core_app_telemetry_daily_current AS days
WHERE days.spans > 0
GROUP BY app_id, usage_date
ORDER BY app_id, usage_date
