-- purpose: requests since a moment of apps that sampled: how many are a sample, and what all of them stand for
-- parameters: window_from, as_of DateTime (slices from the one on, before the other), routed Array(String) (apps whose routes are
--   told apart), and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them, whose slices are left out)
-- columns: app_id, environment, kind, route (empty: of every route, or the rare ones), is_cold_start, sampled, is_untold (a sampler does not say), stands_for,
--   errors_stand_for Float64 (null then)
-- Only apps of which some day was sampled are read; of them every slice, as a window may begin within a day.
WITH
-- shared: shared/maintained
SELECT
    app_id, toString(s.environment) AS environment, toString(s.kind) AS kind,
    if(app_id IN {routed:Array(String)}, toString(s.route), '') AS route, is_cold_start,
    sumIf(s.requests, counted_from = 'sampled_spans') AS sampled,
    countIf(isNull(s.stands_for) AND counted_from = 'sampled_spans') > 0 AS is_untold,
    if(is_untold, NULL, toFloat64(sum(ifNull(s.stands_for, toDecimal128(s.requests, 9))))) AS stands_for,
    if(is_untold, NULL, toFloat64(sum(ifNull(s.errors_stand_for, toDecimal128(s.errors, 9))))) AS errors_stand_for
FROM core_request_slices_current AS s
WHERE app_id IN
    (
        SELECT app_id FROM core_app_telemetry_daily_current
        WHERE usage_date >= toDate({window_from:DateTime('UTC')}) AND sampled_requests > 0
    )
  AND slice_start >= {window_from:DateTime('UTC')} AND slice_start < {as_of:DateTime('UTC')} AND kind IN ('server', 'consumer')
  AND NOT
-- shared: shared/in_maintenance
GROUP BY app_id, environment, kind, route, is_cold_start
ORDER BY app_id, environment, kind, route, is_cold_start
