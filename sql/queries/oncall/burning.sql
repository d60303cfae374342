-- purpose: objectives, worst first: pages, tickets, each by burn; then the rest by what is left of the budget
-- parameters: teams Array(String), row_limit UInt32
-- columns: app_id, team, objective, state, since DateTime64(0), target, window_days, good, total, sli,
--   budget_remaining, burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_1d, burn_rate_3d, matching
SELECT
    app_id, toString(s.team) AS team, toString(s.objective) AS objective, toString(s.state) AS state,
    toDateTime64(s.since, 0, 'UTC') AS since,
    target, window_days, good, total, sli, budget_remaining,
    burn_rate_5m, burn_rate_1h, burn_rate_6h, burn_rate_1d, burn_rate_3d,
    count() OVER () AS matching
FROM mart_slo_status_current AS s
WHERE team IN {teams:Array(String)} AND state != 'no_data'
ORDER BY
    indexOf(['page', 'ticket', 'ok'], state),
    if(state = 'ok', 0, greatest(ifNull(burn_rate_1h, 0), ifNull(burn_rate_6h, 0), ifNull(burn_rate_3d, 0))) DESC,
    budget_remaining,
    app_id,
    objective
LIMIT {row_limit:UInt32}
