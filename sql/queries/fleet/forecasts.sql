-- purpose: where the month will end for the whole fleet, per currency, for who sees every team
-- parameters: teams Array(String), see_all_teams Bool
-- columns: name, billing_currency, month, as_of, usage_to_date, other_charges, recurring_expected Decimal(38, 18),
--   expected_total, low_total, high_total Nullable(Float64), state, apps, apps_unpredicted, known_days UInt32
SELECT
    name, toString(f.billing_currency) AS billing_currency, month, as_of, usage_to_date, other_charges, recurring_expected,
    expected_total, low_total, high_total, toString(f.state) AS state, apps, apps_unpredicted, known_days
FROM mart_cost_forecasts_current AS f
WHERE {see_all_teams:Bool} AND notEmpty({teams:Array(String)}) AND scope = 'fleet'
ORDER BY billing_currency
