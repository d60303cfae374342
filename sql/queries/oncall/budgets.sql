-- purpose: what is left of every budget, by which method, until when and how sure
-- parameters: teams Array(String)
-- columns: app_id, environment, objective, budget_as_of DateTime64(0), budgeting_method, events_left, minutes_spent, minutes_allowed,
--   exhausts_at DateTime64(0), sli_low, sli_high, slices_counted UInt32, slices_missing UInt32, slices_quiet UInt32,
--   coverage, coverage_recent, is_frozen, unseen
SELECT
    app_id, toString(b.environment) AS environment, toString(b.objective) AS objective,
    toDateTime64(b.as_of, 0, 'UTC') AS budget_as_of, toString(b.budgeting_method) AS budgeting_method,
    events_left, minutes_spent, minutes_allowed, toDateTime64(b.exhausts_at, 0, 'UTC') AS exhausts_at, sli_low, sli_high,
    slices_counted, slices_missing, slices_quiet, coverage, coverage_recent, is_frozen, unseen
FROM mart_slo_budgets_current AS b
WHERE team IN {teams:Array(String)}
ORDER BY app_id, environment, objective
