-- purpose: what nobody owns of the last 30 days of cost, per currency
-- parameters: none
-- columns: billing_currency, billed_cost, unallocated_cost, unallocated_share
SELECT
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sumIf(toDecimal256(costs.billed_cost, 18), app_id = 'unallocated'), 'Decimal(38, 18)') AS unallocated_cost,
    if(billed_cost = 0, NULL, toFloat64(unallocated_cost) / toFloat64(billed_cost)) AS unallocated_share
FROM core_app_costs_daily_current AS costs
WHERE usage_date > (SELECT max(usage_date) FROM core_app_costs_daily_current) - 30
GROUP BY billing_currency
ORDER BY billing_currency
