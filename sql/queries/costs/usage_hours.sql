-- purpose: what telemetry measures of apps in single hours, for charges by the hour
-- parameters: measures Array(String), days Array(Date) (days of those hours)
-- columns: hour, measure, app_id, quantity Decimal(38, 9)
SELECT
    toDateTime64(usage.hour, 6, 'UTC') AS hour,
    toString(usage.measure) AS measure,
    app_id,
    CAST(sum(toDecimal256(usage.quantity, 9)), 'Decimal(38, 9)') AS quantity
FROM core_app_usage_hours_current AS usage
WHERE has({measures:Array(String)}, toString(usage.measure)) AND toDate(usage.hour) IN {days:Array(Date)}
GROUP BY hour, measure, app_id
ORDER BY hour, measure, app_id
