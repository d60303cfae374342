-- purpose: the statement of a billing month per cost centre, team and currency; the rounding line of a currency is of
--   no team, so it goes to a viewer with the right to see whole bills (finance, the platform team)
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: cost_center, team (empty for rounding), owner, billing_currency, billed_cost, effective_cost, amount, unallocated, lines, apps
SELECT
    toString(l.cost_center) AS cost_center,
    toString(l.team) AS team,
    any(l.owner) AS owner,
    toString(l.billing_currency) AS billing_currency,
    CAST(sum(CAST(l.billed_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_cost,
    CAST(sum(CAST(l.effective_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS effective_cost,
    CAST(sum(CAST(l.amount AS Decimal(76, 18))) AS Decimal(38, 18)) AS amount,
    CAST(sumIf(CAST(l.billed_cost AS Decimal(76, 18)), l.app_id = 'unallocated') AS Decimal(38, 18)) AS unallocated,
    count() AS lines,
    uniqExactIf(l.app_id, l.app_id NOT IN ('unallocated', '')) AS apps
FROM mart_statement_lines_current AS l
WHERE statement_period = {billing_period:Date}
  AND (
        l.team IN {teams:Array(String)}
        OR (l.cost_type = 'rounding' AND {see_whole_bills:Bool})
    )
GROUP BY cost_center, team, billing_currency
ORDER BY billing_currency, team = '', amount DESC, team, cost_center
