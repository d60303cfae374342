-- purpose: the decision that holds of each proposed credit that a person decided on, with what was proposed then
-- parameters: none
-- columns: credit_id, fence, seq, decision, month, from_app_id, from_team, from_cost_center, billing_currency, apps, teams,
--   cost_centers, first_days, last_days, failed_calls, hurt_requests, credits, worth_batch String, known_to, decided_by, reason,
--   decided_at
SELECT
    credit_id,
    fence,
    seq,
    toString(one.decision) AS decision,
    month,
    from_app_id,
    toString(one.from_team) AS from_team,
    toString(one.from_cost_center) AS from_cost_center,
    toString(one.billing_currency) AS billing_currency,
    apps,
    teams,
    cost_centers,
    first_days,
    last_days,
    failed_calls,
    hurt_requests,
    credits,
    toString(one.worth_batch) AS worth_batch,
    known_to,
    decided_by,
    reason,
    decided_at
FROM statement_credits_current AS one
ORDER BY month, credit_id
