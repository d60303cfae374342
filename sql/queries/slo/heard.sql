-- purpose: requests of all apps together, health checks too: by slice of requests from a moment on, by hour before it. A stretch
--   without any, where some were due, is telemetry that did not arrive
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (hours from here on), slices_from DateTime (begin of
--   an hour: slices from here on)
-- columns: start DateTime64(0), is_slice Bool, requests UInt64
-- Days that were published without their hours are told by their slices.
WITH days AS (SELECT period FROM current_batches WHERE table_name = 'core_request_hours')
SELECT toDateTime64(moment, 0, 'UTC') AS start, is_slice, sum(counted) AS requests
FROM
(
    SELECT hour AS moment, false AS is_slice, toUInt64(sum(hours.requests)) AS counted
    FROM core_request_hours_current AS hours
    WHERE hour >= {since:DateTime('UTC')} AND hour < {slices_from:DateTime('UTC')}
    GROUP BY moment
    UNION ALL
    SELECT toStartOfHour(slice_start) AS moment, false, toUInt64(sum(slices.requests))
    FROM core_request_slices AS slices
    WHERE (toDate(slice_start), batch_id) IN (
            SELECT period, batch_id FROM current_batches
            WHERE table_name = 'core_request_slices' AND period NOT IN days
        )
      AND slice_start >= {since:DateTime('UTC')} AND slice_start < {slices_from:DateTime('UTC')}
    GROUP BY moment
    UNION ALL
    SELECT slice_start AS moment, true, toUInt64(sum(slices.requests))
    FROM core_request_slices_current AS slices
    WHERE slice_start >= {slices_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')}
    GROUP BY moment
)
GROUP BY moment, is_slice
ORDER BY moment
