-- purpose: every generation of every objective, as it was published last
-- parameters: none
-- columns: app_id, environment, objective, generation, valid_from, valid_to, indicator, target, threshold_ms UInt32, time_window,
--   budgeting_method, slice_minutes UInt16, slice_target, missing_slices, quiet_slices, span_kinds, source, route, without_cold_starts,
--   alerting (rules of its own alert policies as JSON; empty: the built-in windows)
SELECT
    app_id, toString(o.environment) AS environment, toString(o.objective) AS objective, generation,
    toDateTime64(o.valid_from, 0, 'UTC') AS valid_from, toDateTime64(o.valid_to, 0, 'UTC') AS valid_to,
    toString(o.indicator) AS indicator, target, threshold_ms, toString(o.time_window) AS time_window,
    toString(o.budgeting_method) AS budgeting_method, slice_minutes, slice_target,
    toString(o.missing_slices) AS missing_slices, toString(o.quiet_slices) AS quiet_slices,
    span_kinds, source, route, without_cold_starts, alerting
FROM mart_slo_objectives_current AS o
ORDER BY app_id, environment, objective, generation
