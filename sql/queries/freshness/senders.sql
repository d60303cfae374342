-- purpose: the newest telemetry of every app on every day it sent spans
-- parameters: none
-- columns: app_id, usage_date, last_seen DateTime64(9)
SELECT app_id, usage_date, max(days.last_seen) AS last_seen
FROM core_app_telemetry_daily_current AS days
WHERE days.spans > 0
GROUP BY app_id, usage_date
ORDER BY app_id, usage_date
