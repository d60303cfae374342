-- purpose: exact sums of one batch of core_app_costs_daily, before it is published
-- parameters: billing_period Date, batch_id UUID
-- columns: source_name, billing_currency, billed_cost, effective_cost
SELECT
    toString(source_name) AS source_name,
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily AS costs
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID}
GROUP BY source_name, billing_currency
ORDER BY source_name, billing_currency
