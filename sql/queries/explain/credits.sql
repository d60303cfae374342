-- purpose: credits for failures of shared apps that one app has on the statement of a month, or on another one for a failure in the
--   month: what it pays or gets, for which failures, and who decided so
-- parameters: app_id String, billing_period Date
-- columns: statement_period, billing_period (month of the failures), adjustment_of, from_app_id, billing_currency, billed_cost, amount,
--   failed_calls, hurt_requests Int64, first_day, last_day, decision, decided_by, decided_at, reason
SELECT
    l.statement_period AS statement_period,
    l.billing_period AS billing_period,
    l.adjustment_of AS adjustment_of,
    d.from_app_id AS from_app_id,
    toString(l.billing_currency) AS billing_currency,
    l.billed_cost AS billed_cost,
    l.amount AS amount,
    if(l.app_id = d.from_app_id, arraySum(d.failed_calls), d.failed_calls[indexOf(d.apps, l.app_id)]) AS failed_calls,
    if(l.app_id = d.from_app_id, arraySum(d.hurt_requests), d.hurt_requests[indexOf(d.apps, l.app_id)]) AS hurt_requests,
    if(l.app_id = d.from_app_id, arrayMin(d.first_days), d.first_days[indexOf(d.apps, l.app_id)]) AS first_day,
    if(l.app_id = d.from_app_id, arrayMax(d.last_days), d.last_days[indexOf(d.apps, l.app_id)]) AS last_day,
    toString(d.decision) AS decision,
    d.decided_by AS decided_by,
    d.decided_at AS decided_at,
    d.reason AS reason
FROM mart_statement_lines_current AS l
INNER JOIN statement_credits_current AS d ON d.credit_id = l.adjustment_of
WHERE l.app_id = {app_id:String} AND l.adjustment = 'credit'
    AND (l.statement_period = {billing_period:Date} OR l.billing_period = {billing_period:Date})
ORDER BY statement_period, l.line
