-- purpose: what telemetry measured of one app from a moment to another, and how many spans or metric points it rests on
-- parameters: app_id String, measures Array(String), first DateTime64(6), last DateTime64(6) (not in it)
-- columns: measure, quantity Decimal(38, 9), counted UInt64, hours UInt64
SELECT
    toString(usage.measure) AS measure,
    CAST(sum(toDecimal256(usage.quantity, 9)), 'Decimal(38, 9)') AS quantity,
    sum(usage.counted) AS counted,
    uniqExact(usage.hour) AS hours
FROM core_app_usage_hours_current AS usage
WHERE app_id = {app_id:String} AND has({measures:Array(String)}, toString(usage.measure))
    AND usage.hour >= {first:DateTime64(6, 'UTC')} AND usage.hour < {last:DateTime64(6, 'UTC')}
GROUP BY measure
ORDER BY measure
