-- purpose: requests per app, environment and hour before a moment, in which there are any; health checks left out: they
--   come in whether or not anybody uses the app. Whole hours come from core_request_hours, of days published with them; in no order, which
--   would take half of the time
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (slices from here on)
-- columns: app_id, environment, hour DateTime64(0), requests, last_slice_end DateTime64(0)
WITH
    toStartOfHour({since:DateTime('UTC')} + INTERVAL 3599 SECOND) AS hours_from,
    toStartOfHour({as_of:DateTime('UTC')}) AS hours_to
SELECT
    app_id,
    toString(counted.environment) AS environment,
    toDateTime64(counted.hour, 0, 'UTC') AS hour,
    sum(counted.requests) AS requests,
    toDateTime64(max(counted.last_slice) + INTERVAL 5 MINUTE, 0, 'UTC') AS last_slice_end
FROM
(
    SELECT app_id, environment, hour, requests, last_slice
    FROM core_request_hours_current
    WHERE hour >= hours_from AND hour < hours_to AND kind != 'health'
    UNION ALL
    SELECT app_id, environment, toStartOfHour(slice_start) AS hour, requests, slice_start
    FROM core_request_slices_current
    WHERE slice_start >= {since:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')} AND kind != 'health'
      AND (
            slice_start < hours_from OR slice_start >= hours_to
            OR toDate(slice_start) NOT IN (SELECT period FROM current_batches WHERE table_name = 'core_request_hours')
        )
) AS counted
GROUP BY app_id, environment, hour
HAVING requests > 0
