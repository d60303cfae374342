-- purpose: the decision that holds of each proposed credit, with what it gives apps of the viewer's teams: the arrays
--   hold no other
-- right: see_statements
-- parameters: teams Array(String)
-- columns: credit_id, fence, seq, decision, month, from_app_id, from_team, from_cost_center, billing_currency, apps, teams,
--   cost_centers, first_days, last_days, failed_calls, hurt_requests, credits, worth_batch String, known_to, decided_by, reason,
--   decided_at
SELECT
    credit_id, fence, seq, toString(one.decision) AS decision, month, from_app_id, toString(one.from_team) AS from_team,
    toString(one.from_cost_center) AS from_cost_center, toString(one.billing_currency) AS billing_currency,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.apps, one.teams) AS apps,
    arrayFilter(t -> t IN {teams:Array(String)}, one.teams) AS teams,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.cost_centers, one.teams) AS cost_centers,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.first_days, one.teams) AS first_days,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.last_days, one.teams) AS last_days,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.failed_calls, one.teams) AS failed_calls,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.hurt_requests, one.teams) AS hurt_requests,
    arrayFilter((x, t) -> t IN {teams:Array(String)}, one.credits, one.teams) AS credits,
    toString(one.worth_batch) AS worth_batch, known_to, decided_by, reason, decided_at
FROM statement_credits_current AS one
WHERE hasAny(one.teams, {teams:Array(String)})
ORDER BY month, credit_id
