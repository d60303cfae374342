-- purpose: cost anomalies of the viewer's teams with the service that moved most, open ones first, then the newest, then
--   the largest against what was expected: an order in which no currency stands before another
-- parameters: teams Array(String)
-- columns: app_id, team, billing_currency, start_date, end_date, kind, state, expected_cost, actual_cost, impact,
--   service_name (empty: no cost of usage is known), service_change Decimal(38, 18) (its effective cost of usage in the days
--   of the episode beyond as many mean days of the 28 before; what is less than the last place is left out)
-- The service that moved most is found by 28 times its change, an exact number, in the direction of the episode.
WITH
    episodes AS
    (
        SELECT *, row_number() OVER (
            ORDER BY app_id, billing_currency, start_date, end_date, kind, impact, actual_cost, expected_cost) AS number
        FROM mart_cost_anomalies_current
        WHERE team IN {teams:Array(String)}
    ),
    moved AS
    (
        SELECT
            e.number AS number,
            toString(c.service_name) AS service,
            sumIf(toDecimal256(c.effective_cost, 18), c.usage_date >= e.start_date) AS cost_now,
            sumIf(toDecimal256(c.effective_cost, 18), c.usage_date < e.start_date) AS cost_before,
            28 * cost_now - any(dateDiff('day', e.start_date, e.end_date) + 1) * cost_before AS change_28,
            any(if(e.impact < 0, -1, 1)) * change_28 AS move
        FROM core_app_costs_daily_current AS c
        INNER JOIN episodes AS e ON e.app_id = c.app_id AND e.billing_currency = c.billing_currency
        WHERE c.team IN {teams:Array(String)}
          AND c.app_id IN (SELECT app_id FROM episodes)
          AND c.charge_category = 'Usage' AND c.charge_class = ''
          AND c.usage_date >= (SELECT min(start_date) - 28 FROM episodes)
          AND c.usage_date >= e.start_date - 28 AND c.usage_date <= e.end_date
        GROUP BY number, service
        ORDER BY number, move DESC, service
        LIMIT 1 BY number
    )
SELECT
    e.app_id AS app_id, toString(e.team) AS team, toString(e.billing_currency) AS billing_currency,
    e.start_date AS start_date, e.end_date AS end_date, toString(e.kind) AS kind, toString(e.state) AS state,
    e.expected_cost AS expected_cost, e.actual_cost AS actual_cost, e.impact AS impact,
    m.service AS service_name,
    CAST(m.change_28 / 28 AS Decimal(38, 18)) AS service_change
FROM episodes AS e
LEFT JOIN moved AS m ON m.number = e.number
ORDER BY
    state = 'open' DESC,
    start_date DESC,
    if(expected_cost = 0, inf, abs(toFloat64(impact) / toFloat64(expected_cost))) DESC,
    app_id, billing_currency, end_date DESC, kind, impact, actual_cost
