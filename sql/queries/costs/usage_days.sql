-- purpose: what telemetry measures of apps on whole days, the weights of shared cost rules
-- parameters: measures Array(String), days Array(Date)
-- columns: day, measure, app_id, quantity Decimal(38, 9)
SELECT
    toDate(usage.hour) AS day,
    toString(usage.measure) AS measure,
    app_id,
    CAST(sum(toDecimal256(usage.quantity, 9)), 'Decimal(38, 9)') AS quantity
FROM core_app_usage_hours_current AS usage
WHERE has({measures:Array(String)}, toString(usage.measure)) AND toDate(usage.hour) IN {days:Array(Date)}
GROUP BY day, measure, app_id
ORDER BY day, measure, app_id
