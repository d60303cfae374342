-- purpose: requests of changed apps before and now, and on how many of the days telemetry was there: a day on which any app sent
--   some, from the first request of the app on
-- parameters: apps, currencies, metrics Array(String), first_days, last_days, before_first_days, before_last_days Array(Date) (the
--   changes, as shared/change_windows has them)
-- columns: number, requests_before, days_seen_before, days_before, requests_now, days_seen_now, days_now UInt64
WITH
    -- shared: shared/change_windows
    ,
    (SELECT groupUniqArray(usage_date) FROM core_app_telemetry_daily_current WHERE spans > 0) AS days_of_all
SELECT
    w.number AS number,
    sumIf(t.requests, t.usage_date BETWEEN w.before_first_day AND w.before_last_day) AS requests_before,
    toUInt64(arrayCount(one -> one BETWEEN greatest(any(w.before_first_day), min(t.usage_date)) AND any(w.before_last_day), days_of_all))
        AS days_seen_before,
    toUInt64(any(w.before_last_day - w.before_first_day) + 1) AS days_before,
    sumIf(t.requests, t.usage_date BETWEEN w.first_day AND w.last_day) AS requests_now,
    toUInt64(arrayCount(one -> one BETWEEN greatest(any(w.first_day), min(t.usage_date)) AND any(w.last_day), days_of_all))
        AS days_seen_now,
    toUInt64(any(w.last_day - w.first_day) + 1) AS days_now
FROM windows AS w
INNER JOIN
(
    SELECT app_id, usage_date, sum(telemetry.requests) AS requests
    FROM core_app_telemetry_daily_current AS telemetry
    WHERE app_id IN {apps:Array(String)} AND telemetry.requests > 0
    GROUP BY app_id, usage_date
) AS t ON t.app_id = w.app_id
GROUP BY number
ORDER BY number
