-- purpose: the statement of a month in the reporting currency per cost centre and team; the rounding of that currency is of
--   no team, so it goes to a viewer with the right to see whole bills
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: cost_center, team (empty for rounding), reporting_currency, billed_cost, effective_cost, amount
SELECT
    toString(l.cost_center) AS cost_center,
    toString(l.team) AS team,
    toString(any(r.reporting_currency)) AS reporting_currency,
    CAST(sum(CAST(r.billed_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_cost,
    CAST(sum(CAST(r.effective_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS effective_cost,
    CAST(sum(CAST(r.amount AS Decimal(76, 18))) AS Decimal(38, 18)) AS amount
FROM mart_reporting_lines_current AS r
LEFT JOIN
(
    SELECT line, cost_center, mart_statement_lines_current.team AS team
    FROM mart_statement_lines_current
    WHERE statement_period = {billing_period:Date}
) AS l ON l.line = r.line
WHERE r.statement_period = {billing_period:Date}
    AND (l.team IN {teams:Array(String)} OR (l.team = '' AND {see_whole_bills:Bool}))
GROUP BY cost_center, team
ORDER BY team = '', amount DESC, team, cost_center
