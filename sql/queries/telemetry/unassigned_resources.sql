-- purpose: spans that name neither app_id nor service.name, per day, newest first: nobody can be told
-- parameters: none
-- columns: day, spans, example_span, example_resource
SELECT
    toDate(Timestamp) AS day,
    count() AS spans,
    toString(any(SpanName)) AS example_span,
    toJSONString(any(ResourceAttributes)) AS example_resource
FROM {{otel}}.otel_traces_current
WHERE app_id = ''
GROUP BY day
ORDER BY day DESC
