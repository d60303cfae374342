-- purpose: spans delivered more than once in copies that name another app, service or time: each of them counts
-- parameters: shown UInt64
-- columns: day, kind (what the copies differ in), spans, example_trace, example_span, apps Array(String); the total of
--   a kind stands in every line
SELECT
    toDate(first_time) AS day,
    multiIf(apps > 1, 'app', times > 1, 'time', 'service') AS kind,
    count() AS spans,
    any(trace_id) AS example_trace,
    any(span_id) AS example_span,
    any(app_ids) AS apps_named
FROM
(
    SELECT
        TraceId AS trace_id,
        SpanId AS span_id,
        uniqExact(app_id) AS apps,
        uniqExact(Timestamp) AS times,
        min(Timestamp) AS first_time,
        arraySort(groupUniqArray(3)(toString(app_id))) AS app_ids
    FROM otel.otel_traces_current
    GROUP BY trace_id, span_id, SpanKind
    HAVING count() > 1
)
GROUP BY day, kind
ORDER BY day DESC, kind
LIMIT {shown:UInt64}
