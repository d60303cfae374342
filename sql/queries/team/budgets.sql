-- purpose: budgets of the chosen teams and of their apps, or of one app, those that need somebody first
-- parameters: teams Array(String), app_id String (empty: all)
-- columns: scope, name, billing_currency, period, first_day, last_day, as_of, budget, spent Decimal(38, 18), expected_total,
--   low_total, high_total Nullable(Float64), alert_share, next_share Nullable(Decimal(38, 18)), state, exhausted_on,
--   expected_on, earliest_on, latest_on Nullable(Date), basis
SELECT
    toString(b.scope) AS scope, name, toString(b.billing_currency) AS billing_currency, toString(b.period) AS period,
    first_day, last_day, as_of, budget, spent, expected_total, low_total, high_total, alert_share, next_share,
    toString(b.state) AS state, exhausted_on, expected_on, earliest_on, latest_on, basis
FROM mart_budget_states_current AS b
WHERE team IN {teams:Array(String)} AND scope != 'fleet'
  AND ({app_id:String} = '' OR (scope = 'app' AND name = {app_id:String}))
ORDER BY indexOf(['exhausted', 'over', 'alert', 'unknown', 'ok'], state), scope = 'app', name, billing_currency, period
