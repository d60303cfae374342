-- purpose: log records of some traces, of the teams' own apps, in the order of time
-- parameters: teams Array(String), trace_ids Array(String), read_from, read_to DateTime64(9), row_limit UInt32
-- columns: at DateTime64(3), app_id, severity, body, trace_id, span_id
-- Each record once, as otel_logs_current has it; the view itself would read every record of the time, as a trace is none
-- of its keys.
SELECT
    toDateTime64(Timestamp, 3, 'UTC') AS at,
    of_app AS app_id,
    toString(SeverityText) AS severity,
    leftUTF8(Body, 2000) AS body,
    TraceId AS trace_id,
    SpanId AS span_id
FROM
(
    SELECT Timestamp, SeverityText, Body, TraceId, SpanId, x_RecordHash, toString(l.app_id) AS of_app
    FROM {{otel}}.otel_logs AS l
    WHERE TraceId IN {trace_ids:Array(String)}
      AND Timestamp >= {read_from:DateTime64(9, 'UTC')} AND Timestamp < {read_to:DateTime64(9, 'UTC')}
      AND of_app IN (SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)})
      AND x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
    LIMIT 1 BY of_app, Timestamp, x_RecordHash
)
ORDER BY at, app_id, trace_id, span_id, body
LIMIT {row_limit:UInt32}
