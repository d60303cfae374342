-- purpose: what telemetry measures of apps in single hours, for charges by the hour, as a month was closed
-- parameters: measures Array(String), days Array(Date), batches Array(UUID) (of each of these days, of core_app_usage_hours)
-- columns: hour, measure, app_id, quantity Decimal(38, 9)
SELECT
    toDateTime64(usage.hour, 6, 'UTC') AS hour,
    toString(usage.measure) AS measure,
    app_id,
    CAST(sum(toDecimal256(usage.quantity, 9)), 'Decimal(38, 9)') AS quantity
FROM core_app_usage_hours AS usage
WHERE has({measures:Array(String)}, toString(usage.measure)) AND has({batches:Array(UUID)}, usage.batch_id)
    AND has(arrayZip({days:Array(Date)}, {batches:Array(UUID)}), (toDate(usage.hour), usage.batch_id))
GROUP BY hour, measure, app_id
ORDER BY hour, measure, app_id
