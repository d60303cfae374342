-- purpose: the versions of changed apps in the days of the change and before, when each was first seen, and its requests now
-- parameters: apps, currencies, metrics Array(String), first_days, last_days, before_first_days, before_last_days Array(Date) (the
--   changes, as shared/change_windows has them)
-- columns: number, version, first_seen DateTime64, requests UInt64
WITH
    -- shared: shared/change_windows
SELECT
    w.number AS number,
    toString(s.version) AS version,
    toDateTime64(min(s.slice_start), 3, 'UTC') AS first_seen,
    sumIf(s.requests, toDate(s.slice_start) >= w.first_day) AS requests
FROM core_request_slices_current AS s
INNER JOIN windows AS w ON w.app_id = s.app_id
WHERE s.app_id IN {apps:Array(String)} AND s.version != '' AND s.kind IN ('server', 'consumer')
  AND toDate(s.slice_start) BETWEEN w.before_first_day AND w.last_day
GROUP BY number, version
ORDER BY number, first_seen, version
