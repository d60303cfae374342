-- purpose: cost per team, app, line of the bill, day and currency up to a day
-- parameters: as_of Date
-- columns: usage_date, team, app_id, charge_category, charge_class, billing_currency, billed_cost, effective_cost
SELECT
    usage_date,
    toString(team) AS team,
    app_id,
    toString(charge_category) AS charge_category,
    toString(charge_class) AS charge_class,
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily_current AS costs
WHERE usage_date <= {as_of:Date}
GROUP BY usage_date, team, app_id, charge_category, charge_class, billing_currency
ORDER BY usage_date, team, app_id, charge_category, charge_class, billing_currency
