-- purpose: days of telemetry whose tables hold more or fewer records of a batch than the ledger says were loaded
-- parameters: days Array(Date), or none for all
-- columns: source_name, day, signal, batch_id String, loaded, held UInt64
-- Records that were removed because they were past their retention are not missed: telemetry_removals has their rows by batch,
-- counted before they went, in place of those in their partition.
-- What a collector inserted directly has no line in the ledger and cannot be missed here.
SELECT
    max(part.source) AS source_name, part.day AS day, part.signal AS signal, toString(part.batch) AS batch_id,
    sum(part.loaded) AS loaded, sum(part.held) AS held
FROM
(
    SELECT
        toString(source_name) AS source, period AS day, toString(delivery.signal) AS signal, batch_id AS batch,
        delivery.rows AS loaded, toUInt64(0) AS held
    FROM raw_deliveries AS delivery
    WHERE kind = 'telemetry' AND state = 'loaded' AND delivery.rows > 0
        AND (empty({days:Array(Date)}) OR has({days:Array(Date)}, period))
    UNION ALL
    SELECT '', toDate(Timestamp) AS day, 'traces', x_BatchId AS batch, toUInt64(0), count()
    FROM {{otel}}.otel_traces
    WHERE empty({days:Array(Date)}) OR has({days:Array(Date)}, toDate(Timestamp))
    GROUP BY day, batch, retention_days
    HAVING ('otel_traces', day, retention_days, batch) NOT IN
        (SELECT table_name, day, retention_days, batch_id FROM telemetry_removals WHERE state = 'removing')
    UNION ALL
    SELECT '', toDate(Timestamp) AS day, 'logs', x_BatchId AS batch, toUInt64(0), count()
    FROM {{otel}}.otel_logs
    WHERE empty({days:Array(Date)}) OR has({days:Array(Date)}, toDate(Timestamp))
    GROUP BY day, batch, retention_days
    HAVING ('otel_logs', day, retention_days, batch) NOT IN
        (SELECT table_name, day, retention_days, batch_id FROM telemetry_removals WHERE state = 'removing')
    UNION ALL
    SELECT '', toDate(TimeUnix) AS day, 'metrics', x_BatchId AS batch, toUInt64(0), count()
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
    WHERE empty({days:Array(Date)}) OR has({days:Array(Date)}, toDate(TimeUnix))
    GROUP BY _table, day, batch, retention_days
    HAVING (toString(_table), day, retention_days, batch) NOT IN
        (SELECT table_name, day, retention_days, batch_id FROM telemetry_removals WHERE state = 'removing')
    UNION ALL
    SELECT
        '', line.day AS day, replaceRegexpOne(toString(line.table_name), '^otel_([a-z]+).*$', '\\1'), line.batch_id AS batch,
        toUInt64(0), max(line.rows)
    FROM telemetry_removals AS line
    WHERE line.state = 'removing' AND (empty({days:Array(Date)}) OR has({days:Array(Date)}, line.day))
    GROUP BY line.table_name, line.day, line.retention_days, line.batch_id
) AS part
GROUP BY day, signal, batch_id
HAVING loaded > 0 AND loaded != held
ORDER BY source_name, day, signal, batch_id
