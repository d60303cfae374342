-- purpose: activity per app up to a day: its last signal, and what it did in 30 days
-- parameters: as_of Date (last day counted)
-- columns: app_id, last_seen DateTime64(9), requests_30d, signals_30d, requests_ever
WITH usage_date > {as_of:Date} - 30 AS is_recent
SELECT
    app_id,
    max(d.last_seen) AS last_seen,
    sumIf(d.requests, is_recent) AS requests_30d,
    sumIf(d.spans + d.logs + d.metric_points, is_recent) AS signals_30d,
    sum(d.requests) AS requests_ever
FROM core_app_telemetry_daily_current AS d
WHERE app_id NOT IN ('', 'unallocated') AND usage_date <= {as_of:Date}
GROUP BY app_id
ORDER BY app_id
