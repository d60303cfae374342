-- purpose: days telemetry was delivered for, with a fingerprint of what feeds each: an equal one means nothing new
-- parameters: none
-- columns: day, fingerprint
-- What a collector inserted directly has no ledger line: its rows are counted per day (bloom index on x_BatchId).
SELECT day, hex(sipHash128(arraySort(groupArray(part)))) AS fingerprint
FROM
(
    SELECT period AS day, (toString(signal), toString(batch_id), sum(delivery.rows)) AS part
    FROM raw_deliveries AS delivery
    WHERE kind = 'telemetry' AND state = 'loaded' AND delivery.rows > 0
    GROUP BY period, signal, batch_id
    UNION ALL
    SELECT toDate(Timestamp) AS day, ('otel_traces', '', count()) AS part
    FROM {{otel}}.otel_traces WHERE x_BatchId = toUUID('00000000-0000-0000-0000-000000000000') GROUP BY day
    UNION ALL
    SELECT toDate(Timestamp) AS day, ('otel_logs', '', count()) AS part
    FROM {{otel}}.otel_logs WHERE x_BatchId = toUUID('00000000-0000-0000-0000-000000000000') GROUP BY day
    UNION ALL
    SELECT toDate(TimeUnix) AS day, ('otel_metrics', '', count()) AS part
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
    WHERE x_BatchId = toUUID('00000000-0000-0000-0000-000000000000') GROUP BY day
)
GROUP BY day
ORDER BY day
