-- purpose: figures of the objectives alerts are about, by the key of the alert
-- parameters: wanted Array(String) (keys of alerts)
-- columns: alert_key, burn_5m, burn_1h, burn_6h, burn_1d, burn_3d Nullable(Float64), bad UInt64, budget_spent Nullable(Float64)
SELECT
    concat('slo/', app_id, '/', toString(s.environment), '/', toString(s.objective)) AS alert_key,
    burn_rate_5m AS burn_5m, burn_rate_1h AS burn_1h, burn_rate_6h AS burn_6h, burn_rate_1d AS burn_1d, burn_rate_3d AS burn_3d,
    toUInt64(total - good) AS bad, 1 - budget_remaining AS budget_spent
FROM mart_slo_status_current AS s
WHERE alert_key IN {wanted:Array(String)}
ORDER BY alert_key
