-- purpose: the largest changes of the week so far of the chosen teams, per currency, with their cause in a sentence
-- parameters: teams Array(String), row_limit UInt32 (per currency)
-- columns: app_id, team, billing_currency, first_day, last_day, cost_before, cost_now, change Decimal(38, 18), sentence
SELECT
    app_id, toString(c.team) AS team, toString(c.billing_currency) AS billing_currency, first_day, last_day,
    cost_before, cost_now, change, sentence
FROM mart_cost_causes_current AS c
WHERE c.team IN {teams:Array(String)} AND subject = 'week'
ORDER BY billing_currency, abs(change) DESC, app_id, team
LIMIT {row_limit:UInt32} BY billing_currency
