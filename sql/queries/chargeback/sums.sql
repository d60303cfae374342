-- purpose: exact sums of a whole statement per currency, beside what nobody owns
-- parameters: billing_period Date, batch_id UUID (of mart_chargeback_lines)
-- columns: billing_currency, billed_cost, effective_cost, amount, unallocated_billed_cost, unallocated_effective_cost
SELECT
    toString(lines.billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(lines.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(lines.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost,
    CAST(sum(toDecimal256(lines.amount, 18)), 'Decimal(38, 18)') AS amount,
    CAST(sumIf(toDecimal256(lines.billed_cost, 18), lines.cost_type = 'unallocated'), 'Decimal(38, 18)') AS unallocated_billed_cost,
    CAST(sumIf(toDecimal256(lines.effective_cost, 18), lines.cost_type = 'unallocated'), 'Decimal(38, 18)') AS unallocated_effective_cost
FROM mart_chargeback_lines AS lines
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID}
GROUP BY billing_currency
ORDER BY billing_currency
