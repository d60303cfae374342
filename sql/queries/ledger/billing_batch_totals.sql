-- purpose: what one batch of a billing source holds in the table, per object, in one read: totals to compare with the
--   count over the bytes, the exact fingerprint of the rows, and the lowest charge hashes of objects not sketched yet
-- parameters: source_name String, batch_id UUID, periods Array(Date), sketch_hashes UInt64,
--   sketched Array(String) (objects to sketch) with limits Array(UInt64) (hashes below the limit are enough for one)
-- columns: period, currency, object_name, rows, sum_BilledCost, sum_EffectiveCost, sum_ListCost, sum_ContractedCost String,
--   gross String (BilledCost without its sign), row_hash_sum UInt64, sketch Array(UInt64)
SELECT
    x_BillingPeriod AS period,
    toString(BillingCurrency) AS currency,
    toString(x_ObjectName) AS object_name,
    count() AS rows,
    toString(sum(toDecimal256(BilledCost, 18))) AS sum_BilledCost,
    toString(sum(toDecimal256(EffectiveCost, 18))) AS sum_EffectiveCost,
    toString(sum(toDecimal256(ifNull(ListCost, 0), 18))) AS sum_ListCost,
    toString(sum(toDecimal256(ifNull(ContractedCost, 0), 18))) AS sum_ContractedCost,
    toString(sum(abs(toDecimal256(BilledCost, 18)))) AS gross,
    sum(cityHash64(x_ChargeHash, BilledCost, EffectiveCost, ifNull(ConsumedQuantity, 0), ifNull(PricingQuantity, 0))) AS row_hash_sum,
    arraySlice(
        arraySort(
            groupUniqArrayIf(
                x_ChargeHash,
                x_ChargeHash <= transform(toString(x_ObjectName), {sketched:Array(String)}, {limits:Array(UInt64)}, toUInt64(0))
            )
        ),
        1,
        {sketch_hashes:UInt64}
    ) AS sketch
FROM raw_focus_costs
WHERE x_SourceName = {source_name:String} AND x_BatchId = {batch_id:UUID} AND has({periods:Array(Date)}, x_BillingPeriod)
GROUP BY period, currency, object_name
ORDER BY period, currency, object_name
