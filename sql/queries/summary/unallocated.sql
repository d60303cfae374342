-- purpose: what no rule could give to an app, of the cost of some days, per currency
-- parameters: first_day Date, last_day Date
-- columns: billing_currency, billed_cost, unallocated_cost, unallocated_share
SELECT
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sumIf(toDecimal256(costs.billed_cost, 18), app_id = 'unallocated'), 'Decimal(38, 18)') AS unallocated_cost,
    if(billed_cost = 0, NULL, toFloat64(unallocated_cost) / toFloat64(billed_cost)) AS unallocated_share
FROM core_app_costs_daily_current AS costs
WHERE usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
GROUP BY billing_currency
ORDER BY billing_currency
