-- purpose: lines that adjust closed months, on the statement of a month or of what was billed in it
-- right: see_statements
-- parameters: teams Array(String), billing_period Date
-- columns: statement_period, billing_period, line, adjustment, adjustment_of, cost_center, team, app_id, service_name,
--   billing_currency, billed_cost, effective_cost, amount
SELECT
    statement_period,
    l.billing_period AS billing_period,
    line,
    toString(adjustment) AS adjustment,
    adjustment_of,
    toString(cost_center) AS cost_center,
    toString(l.team) AS team,
    app_id,
    toString(service_name) AS service_name,
    toString(billing_currency) AS billing_currency,
    billed_cost,
    effective_cost,
    amount
FROM mart_statement_lines_current AS l
WHERE adjustment != '' AND l.team IN {teams:Array(String)}
    AND (statement_period = {billing_period:Date} OR l.billing_period = {billing_period:Date})
ORDER BY statement_period, line
