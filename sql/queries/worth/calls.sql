-- purpose: calls between apps by day
-- parameters: first_day, last_day Date
-- columns: usage_date, caller, callee, calls, failed, retries, failed_retries, hurt
SELECT usage_date, caller, callee, calls, failed, retries, failed_retries, hurt
FROM core_app_calls_current
WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date}
ORDER BY usage_date, callee, caller
