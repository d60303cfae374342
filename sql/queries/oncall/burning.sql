-- purpose: objectives with events, the worst state first, each by burn, then by what is left of the budget
-- parameters: teams Array(String), row_limit UInt32
-- columns: app_id, environment, team, objective, state, since DateTime64(0), target, threshold_ms UInt32, window_days, good,
--   total, sli, budget_remaining, burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_1d, burn_rate_3d, matching
SELECT
    app_id, toString(s.environment) AS environment, toString(s.team) AS team, toString(s.objective) AS objective,
    toString(s.state) AS state, toDateTime64(s.since, 0, 'UTC') AS since,
    target, threshold_ms, window_days, good, total, sli, budget_remaining,
    burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_1d, burn_rate_3d,
    count() OVER () AS matching
FROM mart_slo_status_current AS s
WHERE team IN {teams:Array(String)} AND state != 'no_data'
ORDER BY
    state_rank,
    if(state IN ('page', 'ticket'), greatest(ifNull(burn_rate_1h, 0), ifNull(burn_rate_6h, 0), ifNull(burn_rate_3d, 0)), 0) DESC,
    budget_remaining,
    app_id,
    environment,
    objective
LIMIT {row_limit:UInt32}
