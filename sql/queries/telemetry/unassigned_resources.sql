-- purpose: spans that name neither app_id nor service.name, per day, newest first: nobody can be told
-- parameters: none
-- columns: day, spans, example_span, example_resource
SELECT
    toDate(Timestamp) AS day,
    uniqExact(TraceId, SpanId) AS spans,
    toString(any(SpanName)) AS example_span,
    toJSONString(any(ResourceAttributes)) AS example_resource
FROM otel.otel_traces
WHERE app_id = '' AND x_BatchId IN (SELECT batch_id FROM otel.loaded_batches)
GROUP BY day
ORDER BY day DESC
