-- purpose: budgets of the whole fleet, for who sees every team
-- parameters: teams Array(String), see_all_teams Bool
-- columns: scope, name, billing_currency, period, first_day, last_day, as_of, budget, spent Decimal(38, 18), expected_total,
--   low_total, high_total Nullable(Float64), alert_share, next_share Nullable(Decimal(38, 18)), state, exhausted_on,
--   expected_on, earliest_on, latest_on Nullable(Date), basis
SELECT
    toString(b.scope) AS scope, name, toString(b.billing_currency) AS billing_currency, toString(b.period) AS period,
    first_day, last_day, as_of, budget, spent, expected_total, low_total, high_total, alert_share, next_share,
    toString(b.state) AS state, exhausted_on, expected_on, earliest_on, latest_on, basis
FROM mart_budget_states_current AS b
WHERE {see_all_teams:Bool} AND notEmpty({teams:Array(String)}) AND scope = 'fleet'
ORDER BY billing_currency, period
