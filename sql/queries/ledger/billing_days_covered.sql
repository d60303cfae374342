-- purpose: what a batch of a billing source holds of a month on the days up to the last one that is published of it, to tell
--   a month that went on from one that was counted twice
-- parameters: source_name String, period Date, batch_id, published_batch UUID
-- columns: currency, rows, gross String (BilledCost without its sign)
SELECT toString(BillingCurrency) AS currency, count() AS rows, toString(sum(abs(toDecimal256(BilledCost, 18)))) AS gross
FROM raw_focus_costs
WHERE x_SourceName = {source_name:String} AND x_BillingPeriod = {period:Date} AND x_BatchId = {batch_id:UUID}
    AND toDate(ChargePeriodStart) <=
    (
        SELECT max(toDate(ChargePeriodStart))
        FROM raw_focus_costs
        WHERE x_SourceName = {source_name:String} AND x_BillingPeriod = {period:Date} AND x_BatchId = {published_batch:UUID}
    )
GROUP BY currency
ORDER BY currency
