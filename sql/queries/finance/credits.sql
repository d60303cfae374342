-- purpose: what failures of shared apps cost the apps of the viewer's teams, as it is computed now
-- right: see_statements
-- parameters: teams Array(String)
-- columns: those of mart_reliability_credits, known_to (last day they are computed to)
SELECT
    month, first_day, last_day, from_app_id, toString(one.from_team) AS from_team, app_id, toString(one.team) AS team,
    toString(one.billing_currency) AS billing_currency, failed_calls, hurt_requests, credit,
    (SELECT max(w.last_day) FROM mart_app_worth_current AS w) AS known_to
FROM mart_reliability_credits_current AS one
WHERE one.team IN {teams:Array(String)}
ORDER BY month, from_app_id, app_id, billing_currency
