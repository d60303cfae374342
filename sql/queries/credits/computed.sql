-- purpose: what failures of shared apps cost the apps they hurt, as it is computed now, of every team
-- parameters: none
-- columns: those of mart_reliability_credits
SELECT
    month, first_day, last_day, from_app_id, toString(one.from_team) AS from_team, app_id, toString(one.team) AS team,
    toString(one.billing_currency) AS billing_currency, failed_calls, hurt_requests, credit
FROM mart_reliability_credits_current AS one
ORDER BY month, from_app_id, app_id, billing_currency
