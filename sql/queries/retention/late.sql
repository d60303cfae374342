-- purpose: records that came for days whose slices are computed no more, as raw telemetry of the day, or of the day before where
--   the day was published, had been removed: they count in no figure
-- parameters: none
-- columns: day, source_name, signal, records UInt64
SELECT period AS day, toString(delivery.source_name) AS source_name, toString(delivery.signal) AS signal, sum(delivery.rows) AS records
FROM raw_deliveries AS delivery
INNER JOIN
(
    SELECT day, min(since) AS began_at
    FROM
    (
        SELECT day, recorded_at AS since FROM telemetry_removals
        UNION ALL
        SELECT line.day + 1 AS day, greatest(line.recorded_at, first.published_at) AS since
        FROM telemetry_removals AS line
        INNER JOIN
        (
            SELECT period, min(published_at) AS published_at FROM period_head WHERE scope = 'slices' GROUP BY period
        ) AS first ON first.period = line.day + 1
    )
    GROUP BY day
) AS removed ON removed.day = delivery.period
WHERE delivery.kind = 'telemetry' AND delivery.state = 'loaded' AND delivery.rows > 0 AND delivery.recorded_at > removed.began_at
GROUP BY period, source_name, signal
ORDER BY day, source_name, signal
