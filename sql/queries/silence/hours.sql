-- purpose: requests per app, environment and hour before a moment, in which there are any; health checks left out: they
--   come in whether or not anybody uses the app
-- parameters: as_of DateTime (end of the newest slice counted), since DateTime (slices from here on)
-- columns: app_id, environment, hour DateTime64(0), requests, last_slice_end DateTime64(0)
SELECT
    app_id,
    toString(s.environment) AS environment,
    toDateTime64(toStartOfHour(slice_start), 0, 'UTC') AS hour,
    sum(s.requests) AS requests,
    toDateTime64(max(slice_start) + INTERVAL 5 MINUTE, 0, 'UTC') AS last_slice_end
FROM core_request_slices_current AS s
WHERE slice_start >= {since:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')} AND kind != 'health'
GROUP BY app_id, environment, hour
HAVING requests > 0
ORDER BY app_id, environment, hour
