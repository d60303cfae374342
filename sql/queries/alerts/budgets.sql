-- purpose: budgets that need somebody
-- parameters: wanted Array(String) (states)
-- columns: scope, name, team, billing_currency, period, first_day, last_day, as_of, budget, spent Decimal(38, 18),
--   alert_share Nullable(Decimal(38, 18)), state, exhausted_on, expected_on Nullable(Date)
SELECT
    toString(b.scope) AS scope, name, toString(b.team) AS team, toString(b.billing_currency) AS billing_currency,
    toString(b.period) AS period, first_day, last_day, as_of, budget, spent, alert_share, toString(b.state) AS state,
    exhausted_on, expected_on
FROM mart_budget_states_current AS b
WHERE state IN {wanted:Array(String)}
ORDER BY scope, name, billing_currency, period
