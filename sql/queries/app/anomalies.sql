-- purpose: cost anomalies of one app, newest first
-- parameters: teams Array(String), app_id String
-- columns: billing_currency, start_date, end_date, kind, expected_cost, actual_cost, impact, state
SELECT
    toString(billing_currency) AS billing_currency, start_date, end_date, toString(kind) AS kind,
    expected_cost, actual_cost, impact, toString(state) AS state
FROM mart_cost_anomalies_current
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
ORDER BY start_date DESC, end_date DESC, billing_currency, kind, impact, actual_cost
LIMIT 50
