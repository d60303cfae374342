-- purpose: cost anomalies that are open, with their cause in a sentence where one is known
-- parameters: none
-- columns: app_id, team, billing_currency, kind, start_date, impact Decimal(38, 18), sentence
SELECT
    a.app_id AS app_id, toString(a.team) AS team, toString(a.billing_currency) AS billing_currency, toString(a.kind) AS kind,
    a.start_date AS start_date, a.impact AS impact, c.sentence AS sentence
FROM mart_cost_anomalies_current AS a
LEFT JOIN (SELECT app_id, billing_currency, first_day, sentence FROM mart_cost_causes_current WHERE subject = 'anomaly') AS c
    ON c.app_id = a.app_id AND c.billing_currency = a.billing_currency AND c.first_day = a.start_date
WHERE a.state = 'open'
ORDER BY app_id, billing_currency, start_date
