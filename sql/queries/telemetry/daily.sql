-- purpose: activity per app and day of one calendar month, over its environments
-- parameters: month Date (first day)
-- columns: usage_date, app_id, requests, errors, duration_p95_ms (NULL where metrics alone tell of requests)
SELECT
    usage_date,
    app_id,
    sum(days.requests) AS requests,
    sum(days.errors) AS errors,
    if(requests = 0, NULL, nullIf(max(days.duration_p95_ms), 0)) AS duration_p95_ms
FROM core_app_telemetry_daily_current AS days
WHERE toStartOfMonth(usage_date) = {month:Date}
GROUP BY usage_date, app_id
ORDER BY usage_date, app_id
