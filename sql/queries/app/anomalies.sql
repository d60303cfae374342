-- purpose: cost anomalies of one app with what explains them, newest first
-- parameters: teams Array(String), app_id String
-- columns: billing_currency, start_date, end_date, kind, expected_cost, actual_cost, impact, state, sentence (empty: not
--   explained yet)
WITH causes AS
(
    SELECT billing_currency, first_day, sentence
    FROM mart_cost_causes_current AS c
    WHERE app_id = {app_id:String} AND c.team IN {teams:Array(String)} AND subject = 'anomaly'
)
SELECT
    toString(e.billing_currency) AS billing_currency, start_date, end_date, toString(kind) AS kind,
    expected_cost, actual_cost, impact, toString(state) AS state, causes.sentence AS sentence
FROM mart_cost_anomalies_current AS e
LEFT JOIN causes ON causes.billing_currency = e.billing_currency AND causes.first_day = e.start_date
WHERE e.app_id = {app_id:String} AND e.team IN {teams:Array(String)}
ORDER BY start_date DESC, end_date DESC, billing_currency, kind, impact, actual_cost
LIMIT 50
