-- purpose: cost anomalies of the viewer's teams with what explains them, open ones first, then the newest, then the largest
--   against what was expected: an order in which no currency stands before another
-- parameters: teams Array(String)
-- columns: app_id, team, billing_currency, start_date, end_date, kind, state, expected_cost, actual_cost, impact,
--   service_name (that moved most; empty: no line of the bill), service_change Decimal(38, 18), service_share Nullable(Float64)
--   (of the impact), version, version_since Nullable(DateTime64), sentence (empty: not explained yet)
WITH causes AS
(
    SELECT *
    FROM mart_cost_causes_current AS c
    WHERE c.team IN {teams:Array(String)} AND subject = 'anomaly'
)
SELECT
    e.app_id AS app_id, toString(e.team) AS team, toString(e.billing_currency) AS billing_currency,
    e.start_date AS start_date, e.end_date AS end_date, toString(e.kind) AS kind, toString(e.state) AS state,
    e.expected_cost AS expected_cost, e.actual_cost AS actual_cost, e.impact AS impact,
    causes.driver_service AS service_name,
    causes.driver_change AS service_change,
    causes.driver_share AS service_share,
    causes.version AS version,
    toDateTime64(causes.version_since, 3, 'UTC') AS version_since,
    causes.sentence AS sentence
FROM mart_cost_anomalies_current AS e
LEFT JOIN causes ON causes.app_id = e.app_id AND causes.billing_currency = e.billing_currency AND causes.first_day = e.start_date
WHERE e.team IN {teams:Array(String)}
ORDER BY
    state = 'open' DESC,
    start_date DESC,
    if(expected_cost = 0, inf, abs(toFloat64(impact) / toFloat64(expected_cost))) DESC,
    app_id, billing_currency, end_date DESC, kind, impact, actual_cost
