-- purpose: apps whose requests were told by a sample of their spans in the newest days of telemetry, the most first
-- parameters: days UInt16
-- columns: app_id, sampled, is_untold (a sampler does not say how many there were), stands_for, errors, errors_stand_for
--   Float64 (null then)
WITH (SELECT max(usage_date) FROM core_app_telemetry_daily_current) - {days:UInt16} AS since
SELECT
    app_id,
    sum(s.requests) AS sampled,
    countIf(isNull(s.stands_for)) > 0 AS is_untold,
    if(is_untold, NULL, toFloat64(sum(ifNull(s.stands_for, toDecimal128(0, 9))))) AS stands_for,
    sum(s.errors) AS errors,
    if(is_untold, NULL, toFloat64(sum(ifNull(s.errors_stand_for, toDecimal128(0, 9))))) AS errors_stand_for
FROM core_request_slices_current AS s
WHERE app_id IN (SELECT app_id FROM core_app_telemetry_daily_current WHERE usage_date > since AND sampled_requests > 0)
  AND toDate(slice_start) > since AND counted_from = 'sampled_spans' AND kind != 'health'
GROUP BY app_id
ORDER BY sampled DESC, app_id
