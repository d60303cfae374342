-- purpose: what objects hold, counted apart from their load: records per file, table, day and fault
-- parameters: path, format, structure, encoding String; time_from, time_to, received_to UInt64
-- columns: file_name, table_name, day, fault (empty: it counts), records
WITH {encoding:String} = 'json' AS json
SELECT
    file_name,
    'otel_traces' AS table_name,
    if(fault = '', toDate(otlp_time(span.startTimeUnixNano)), toDate(0)) AS day,
    otlp_span_fault(otlp_trace_id(span.traceId, json), otlp_span_id(span.spanId, json),
        span.startTimeUnixNano, span.endTimeUnixNano, span.events.timeUnixNano,
        {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) AS fault,
    count() AS records
FROM
(
    SELECT toString(_file) AS file_name, arrayJoin(arrayFlatten(resourceSpans.scopeSpans.spans)) AS span
    FROM file({path:String}, {format:String}, {structure:String})
)
GROUP BY file_name, day, fault
ORDER BY file_name, day, fault
