-- purpose: objectives that are in one of some states
-- parameters: wanted Array(String)
-- columns: app_id, environment, team, objective, state, since DateTime64(0), as_of DateTime64(0), good, total, target, budget_remaining,
--   of_route (empty: the whole app), sampled, stands_for, sli_scaled
SELECT
    app_id, toString(s.environment) AS environment, toString(s.team) AS team, toString(s.objective) AS objective,
    toString(s.state) AS state, toDateTime64(s.since, 0, 'UTC') AS since, toDateTime64(s.as_of, 0, 'UTC') AS as_of,
    good, total, target, budget_remaining,
    s.route AS of_route, sampled, stands_for, sli_scaled
FROM mart_slo_states_current AS s
WHERE state IN {wanted:Array(String)}
ORDER BY app_id, environment, objective
