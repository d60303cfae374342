-- purpose: open anomalies and the largest changes of the week so far, with their cause in a sentence, the largest share of what
--   was expected first: an order in which no currency stands before another
-- parameters: none
-- columns: subject (anomaly or week), app_id, team, billing_currency, first_day, last_day, cost_before, cost_now, change
--   Decimal(38, 18), sentence
SELECT
    toString(c.subject) AS subject, c.app_id AS app_id, toString(c.team) AS team, toString(c.billing_currency) AS billing_currency,
    first_day, last_day, cost_before, cost_now, change, sentence
FROM mart_cost_causes_current AS c
WHERE subject = 'week' OR (app_id, billing_currency, first_day) IN
    (SELECT app_id, billing_currency, start_date FROM mart_cost_anomalies_current WHERE state = 'open')
ORDER BY
    subject, if(cost_before = 0, inf, abs(toFloat64(change) / toFloat64(cost_before))) DESC,
    app_id, billing_currency, first_day, team
