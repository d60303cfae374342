-- purpose: where the month will end for each of the chosen teams and for one of their apps, per currency
-- parameters: teams Array(String), app_id String (empty: the teams themselves)
-- columns: name, billing_currency, month, as_of, usage_to_date, other_charges, recurring_expected Decimal(38, 18),
--   expected_total, low_total, high_total Nullable(Float64), state, apps, apps_unpredicted, known_days UInt32
SELECT
    name, toString(f.billing_currency) AS billing_currency, month, as_of, usage_to_date, other_charges, recurring_expected,
    expected_total, low_total, high_total, toString(f.state) AS state, apps, apps_unpredicted, known_days
FROM mart_cost_forecasts_current AS f
WHERE team IN {teams:Array(String)}
  AND ((scope = 'team' AND {app_id:String} = '') OR (scope = 'app' AND name = {app_id:String}))
ORDER BY billing_currency, name
