-- purpose: what lies in each partition of raw telemetry of days before one, whatever batches it is of
-- parameters: before Date
-- columns: table_name, day, retention_days UInt16, rows UInt64
SELECT toString(part.table_name) AS table_name, day, retention_days, sum(part.rows) AS rows
FROM
(
    SELECT 'otel_traces' AS table_name, toDate(Timestamp) AS day, retention_days, count() AS rows
    FROM {{otel}}.otel_traces
    WHERE toDate(Timestamp) < {before:Date}
    GROUP BY day, retention_days
    UNION ALL
    SELECT 'otel_logs' AS table_name, toDate(Timestamp) AS day, retention_days, count() AS rows
    FROM {{otel}}.otel_logs
    WHERE toDate(Timestamp) < {before:Date}
    GROUP BY day, retention_days
    UNION ALL
    SELECT toString(_table) AS table_name, toDate(TimeUnix) AS day, retention_days, count() AS rows
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
    WHERE toDate(TimeUnix) < {before:Date}
    GROUP BY table_name, day, retention_days
) AS part
GROUP BY table_name, day, retention_days
ORDER BY day, table_name, retention_days
