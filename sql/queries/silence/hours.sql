-- purpose: hours with requests of each app and environment before a moment; health checks left out: they come in whether or
--   not anybody uses the app. Whole hours come from core_request_hours, of days published with them. One row per app and lists in
--   it: a row per hour would be millions of rows with the app's name in each
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (slices from here on)
-- columns: app_id, environment, hours Array(UInt32) (hours since 1970 with requests, in no order; one may come several times),
--   requests Array(UInt64) (of each of them), last_slice_end DateTime64(0)
WITH
    days AS (SELECT period FROM current_batches WHERE table_name = 'core_request_hours'),
    toStartOfHour({since:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hours_from,
    toStartOfHour({as_of:DateTime('UTC')}) AS hours_to
SELECT
    app_id,
    toString(counted.environment) AS environment,
    groupArray(intDiv(toUInt32(counted.hour), 3600)) AS hours,
    groupArray(toUInt64(counted.requests)) AS requests,
    toDateTime64(max(counted.last_slice) + INTERVAL 5 MINUTE, 0, 'UTC') AS last_slice_end
FROM
(
    SELECT app_id, environment, hour, requests, last_slice
    FROM core_request_hours_current
    WHERE hour >= hours_from AND hour < hours_to AND kind != 'health' AND requests > 0
    UNION ALL
    SELECT app_id, environment, toStartOfHour(slice_start) AS hour, sum(requests), max(slice_start)
    FROM core_request_slices
    WHERE (toDate(slice_start), batch_id) IN (
            SELECT period, batch_id FROM current_batches
            WHERE table_name = 'core_request_slices'
              AND (period IN (toDate({since:DateTime('UTC')}), toDate({as_of:DateTime('UTC')})) OR period NOT IN days)
        )
      AND slice_start >= {since:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')} AND kind != 'health'
      AND requests > 0
      AND (slice_start < hours_from OR slice_start >= hours_to OR toDate(slice_start) NOT IN days)
    GROUP BY app_id, environment, hour
) AS counted
GROUP BY app_id, environment
