-- purpose: what one batch of a billing source holds in the table, to compare with the count over the bytes
-- parameters: source_name String, batch_id UUID, periods Array(Date)
-- columns: period, currency, rows, sum_BilledCost, sum_EffectiveCost, sum_ListCost, sum_ContractedCost String
SELECT
    x_BillingPeriod AS period,
    toString(BillingCurrency) AS currency,
    count() AS rows,
    toString(sum(toDecimal256(BilledCost, 18))) AS sum_BilledCost,
    toString(sum(toDecimal256(EffectiveCost, 18))) AS sum_EffectiveCost,
    toString(sum(toDecimal256(ListCost, 18))) AS sum_ListCost,
    toString(sum(toDecimal256(ContractedCost, 18))) AS sum_ContractedCost
FROM raw_focus_costs
WHERE x_SourceName = {source_name:String} AND x_BatchId = {batch_id:UUID} AND has({periods:Array(Date)}, x_BillingPeriod)
GROUP BY period, currency
ORDER BY period, currency
