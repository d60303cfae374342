-- purpose: spans delivered in copies that name another app, time or service: each copy counts, so they are told
-- parameters: none
-- columns: day, differs_in (app, time or service), spans, copies, example_trace, example_span, example_apps
--   Array(String)
-- Client and server of one call may share an id: kinds are told apart, as they are where spans are counted.
SELECT
    toDate(first_time) AS day,
    multiIf(length(span.apps) > 1, 'app', first_time != last_time, 'time', 'service') AS differs_in,
    count() AS spans,
    sum(span.copies) AS copies,
    min(trace_id) AS example_trace,
    argMin(span_id, trace_id) AS example_span,
    argMin(span.apps, trace_id) AS example_apps
FROM
(
    SELECT
        TraceId AS trace_id,
        SpanId AS span_id,
        count() AS copies,
        min(Timestamp) AS first_time,
        max(Timestamp) AS last_time,
        arraySort(groupUniqArray(toString(app_id))) AS apps
    FROM {{otel}}.otel_traces_current
    WHERE cityHash64(TraceId, SpanId, SpanKind) IN
    (
        SELECT cityHash64(TraceId, SpanId, SpanKind) AS id
        FROM {{otel}}.otel_traces
        WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
        GROUP BY id
        HAVING min(cityHash64(app_id, Timestamp, ServiceName)) != max(cityHash64(app_id, Timestamp, ServiceName))
    )
    GROUP BY trace_id, span_id, SpanKind
) AS span
GROUP BY day, differs_in
ORDER BY day DESC, differs_in
