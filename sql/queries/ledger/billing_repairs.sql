-- purpose: what the rows of one batch of a billing source say was repaired in them, by object, month, column and reason
-- parameters: source_name String, batch_id UUID, periods Array(Date)
-- columns: object_name, period, subject, reason, records UInt64, amounts Map(String, String) (key <currency>/<metric>),
--   example
SELECT
    object_name,
    period,
    subject,
    reason,
    sum(rows) AS records,
    CAST(
        arrayFlatten(groupArray([(concat(currency, '/BilledCost'), billed), (concat(currency, '/EffectiveCost'), effective)])),
        'Map(String, String)'
    ) AS amounts,
    min(one_value) AS example
FROM
(
    SELECT
        toString(x_ObjectName) AS object_name,
        x_BillingPeriod AS period,
        toString(BillingCurrency) AS currency,
        toString(repair.subject) AS subject,
        toString(repair.reason) AS reason,
        count() AS rows,
        toString(sum(toDecimal256(BilledCost, 18))) AS billed,
        toString(sum(toDecimal256(EffectiveCost, 18))) AS effective,
        min(toValidUTF8(repair.delivered)) AS one_value
    FROM raw_focus_costs
    ARRAY JOIN x_Repairs AS repair
    WHERE x_SourceName = {source_name:String} AND x_BatchId = {batch_id:UUID} AND has({periods:Array(Date)}, x_BillingPeriod)
    GROUP BY object_name, period, currency, subject, reason
)
GROUP BY object_name, period, subject, reason
ORDER BY object_name, period, subject, reason
