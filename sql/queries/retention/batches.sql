-- purpose: rows of each batch in each partition of raw telemetry of a day
-- parameters: day Date
-- columns: table_name, retention_days UInt16, batch_id String, rows UInt64
SELECT toString(part.table_name) AS table_name, retention_days, toString(batch) AS batch_id, sum(part.rows) AS rows
FROM
(
    SELECT 'otel_traces' AS table_name, retention_days, x_BatchId AS batch, count() AS rows
    FROM {{otel}}.otel_traces
    WHERE toDate(Timestamp) = {day:Date}
    GROUP BY retention_days, batch
    UNION ALL
    SELECT 'otel_logs' AS table_name, retention_days, x_BatchId AS batch, count() AS rows
    FROM {{otel}}.otel_logs
    WHERE toDate(Timestamp) = {day:Date}
    GROUP BY retention_days, batch
    UNION ALL
    SELECT toString(_table) AS table_name, retention_days, x_BatchId AS batch, count() AS rows
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
    WHERE toDate(TimeUnix) = {day:Date}
    GROUP BY table_name, retention_days, batch
) AS part
GROUP BY table_name, retention_days, batch
ORDER BY table_name, retention_days, batch_id
