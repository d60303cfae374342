-- purpose: rows and exact sums of one batch of core_identity_costs, before it is published
-- parameters: billing_period Date, batch_id UUID
-- columns: source_name, billing_currency, billed_cost Decimal(38, 18), effective_cost Decimal(38, 18), rows UInt64
SELECT
    toString(costs.source_name) AS source_name,
    toString(costs.billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost,
    count() AS rows
FROM core_identity_costs AS costs
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID}
GROUP BY source_name, billing_currency
ORDER BY source_name, billing_currency
