-- purpose: attributes that a key of the redaction policy would hide and that are stored as they came, in rows a collector
--   inserted directly (their x_BatchId is zero); values that are masked already are left out
-- parameters: hidden_keys Array(String) (regular expressions over the whole key)
-- columns: signal, key, records UInt64
WITH toUUID('00000000-0000-0000-0000-000000000000') AS no_batch
SELECT signal, attribute.1 AS key, count() AS records
FROM
(
    SELECT 'traces' AS signal, ResourceAttributes AS of_resource, SpanAttributes AS of_record FROM {{otel}}.otel_traces WHERE x_BatchId = no_batch
    UNION ALL
    SELECT 'logs', ResourceAttributes, LogAttributes FROM {{otel}}.otel_logs WHERE x_BatchId = no_batch
    UNION ALL
    SELECT 'metrics', ResourceAttributes, Attributes
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$') WHERE x_BatchId = no_batch
)
ARRAY JOIN arrayConcat(CAST(of_resource, 'Array(Tuple(String, String))'), CAST(of_record, 'Array(Tuple(String, String))')) AS attribute
WHERE arrayExists(pattern -> match(attribute.1, pattern), {hidden_keys:Array(String)})
    AND NOT match(attribute.2, '^(\\*+|\\[redacted: .*)?$')
GROUP BY signal, key
ORDER BY records DESC, signal, key
