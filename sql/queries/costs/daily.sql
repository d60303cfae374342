-- purpose: cost per app, day and currency of one calendar month, whichever billing month charged it
-- parameters: month Date (first day)
-- columns: usage_date, app_id, team, billing_currency, billed_cost, effective_cost
SELECT
    usage_date,
    app_id,
    if(app_id = 'unallocated', 'unassigned', max(toString(team))) AS team,
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily_current AS costs
WHERE toStartOfMonth(usage_date) = {month:Date}
GROUP BY usage_date, app_id, billing_currency
ORDER BY usage_date, app_id, billing_currency
