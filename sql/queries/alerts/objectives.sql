-- purpose: objectives that are in one of some states, and those whose alerts stay as they are, as too much of the last slices is missing
-- parameters: wanted Array(String)
-- columns: app_id, environment, team, objective, state, since DateTime64(0), as_of DateTime64(0), good, total, target,
--   budget_remaining, is_frozen, budgeting_method, slices_bad, slices_counted UInt32, of_route (empty: the whole app), sampled, stands_for,
--   sli_scaled, question (what is counted instead of requests; empty: requests),
--   fired_by (alert policies by which it fires; empty: the built-in windows)
SELECT
    s.app_id AS app_id, toString(s.environment) AS environment, toString(s.team) AS team, toString(s.objective) AS objective,
    toString(s.state) AS state, toDateTime64(s.since, 0, 'UTC') AS since, toDateTime64(s.as_of, 0, 'UTC') AS as_of,
    good, total, target, budget_remaining, is_frozen, budgeting_method, slices_bad, slices_counted,
    s.route AS of_route, sampled, stands_for, sli_scaled, question, fired_by
FROM mart_slo_states_current AS s
LEFT JOIN
-- shared: shared/objective_questions
    AS q ON q.of_app = s.app_id AND q.of_place = toString(s.environment) AND q.of_name = toString(s.objective)
LEFT JOIN
(
    SELECT
        app_id, toString(environment) AS place, toString(objective) AS name, is_frozen,
        toString(budgeting_method) AS budgeting_method, slices_bad, slices_counted
    FROM mart_slo_budgets_current
) AS b ON b.app_id = s.app_id AND b.place = toString(s.environment) AND b.name = toString(s.objective)
WHERE state IN {wanted:Array(String)} OR is_frozen
ORDER BY app_id, environment, objective
