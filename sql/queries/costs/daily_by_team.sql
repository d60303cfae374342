-- purpose: cost per team, app, day and currency up to a day
-- parameters: as_of Date
-- columns: usage_date, team, app_id, billing_currency, billed_cost, effective_cost
SELECT
    usage_date,
    toString(team) AS team,
    app_id,
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily_current AS costs
WHERE usage_date <= {as_of:Date}
GROUP BY usage_date, team, app_id, billing_currency
ORDER BY usage_date, team, app_id, billing_currency
