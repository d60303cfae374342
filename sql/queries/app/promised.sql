-- purpose: objectives of one app that are counted by occurrences, with their windows, as they hold now
-- parameters: teams Array(String), app_id String
-- columns: environment, objective, target, threshold_ms UInt32 (null: availability), route (empty: the whole app), without_cold_starts,
--   span_kinds (what counts, joined by commas), time_window, as_of DateTime64(0)
SELECT
    toString(s.environment) AS environment, toString(s.objective) AS objective, s.target AS target, s.threshold_ms AS threshold_ms,
    s.route AS route, s.without_cold_starts AS without_cold_starts, arrayStringConcat(o.span_kinds, ',') AS span_kinds,
    toString(o.time_window) AS time_window, toDateTime64(s.as_of, 0, 'UTC') AS as_of
FROM mart_slo_states_current AS s
INNER JOIN mart_slo_objectives_current AS o
    ON o.app_id = s.app_id AND o.environment = s.environment AND o.objective = s.objective
WHERE s.app_id = {app_id:String} AND s.team IN {teams:Array(String)} AND isNull(o.valid_to) AND s.total > 0
  AND o.app_id = {app_id:String} AND o.budgeting_method = 'Occurrences'
ORDER BY environment, objective
