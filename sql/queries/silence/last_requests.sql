-- purpose: the end of the last slice in which some apps and environments had requests; one of which none is kept has no row
-- parameters: apps Array(String)
-- columns: app_id, environment, last_slice_end DateTime64(0)
SELECT
    app_id, toString(s.environment) AS environment,
    toDateTime64(max(slice_start) + INTERVAL 5 MINUTE, 0, 'UTC') AS last_slice_end
FROM core_request_slices_current AS s
WHERE app_id IN {apps:Array(String)} AND kind != 'health' AND requests > 0
GROUP BY app_id, s.environment
ORDER BY app_id, environment
