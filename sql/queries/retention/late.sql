-- purpose: records that came for days of which raw telemetry had been removed: the day's figures are no longer computed, so
--   they count in none
-- parameters: none
-- columns: day, source_name, signal, records UInt64
SELECT period AS day, toString(delivery.source_name) AS source_name, toString(delivery.signal) AS signal, sum(delivery.rows) AS records
FROM raw_deliveries AS delivery
INNER JOIN
(
    SELECT day, min(recorded_at) AS began_at FROM telemetry_removals GROUP BY day
) AS removed ON removed.day = delivery.period
WHERE delivery.kind = 'telemetry' AND delivery.state = 'loaded' AND delivery.rows > 0 AND delivery.recorded_at > removed.began_at
GROUP BY period, source_name, signal
ORDER BY day, source_name, signal
