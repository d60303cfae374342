-- purpose: rows of each batch in one partition of raw telemetry
-- parameters: table_name String, day Date, retention_days UInt16
-- columns: batch_id String, rows UInt64
SELECT toString(batch) AS batch_id, sum(part.rows) AS rows
FROM
(
    SELECT x_BatchId AS batch, count() AS rows
    FROM {{otel}}.otel_traces
    WHERE {table_name:String} = 'otel_traces' AND toDate(Timestamp) = {day:Date} AND retention_days = {retention_days:UInt16}
    GROUP BY batch
    UNION ALL
    SELECT x_BatchId AS batch, count() AS rows
    FROM {{otel}}.otel_logs
    WHERE {table_name:String} = 'otel_logs' AND toDate(Timestamp) = {day:Date} AND retention_days = {retention_days:UInt16}
    GROUP BY batch
    UNION ALL
    SELECT x_BatchId AS batch, count() AS rows
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
    WHERE _table = {table_name:String} AND toDate(TimeUnix) = {day:Date} AND retention_days = {retention_days:UInt16}
    GROUP BY batch
) AS part
GROUP BY batch
ORDER BY batch_id
