-- purpose: attributes that a key of the redaction policy would hide and that are stored as they came, in rows a collector
--   inserted directly (their x_BatchId is zero); values that are masked already are left out
-- parameters: hidden_keys Array(String) (regular expressions over the whole key)
-- columns: signal, key, records UInt64
SELECT signal, key, sum(attributes) AS records
FROM
(
    SELECT 'traces' AS signal, toString(pair.1) AS key, count() AS attributes
    FROM otel.otel_traces
    ARRAY JOIN arrayConcat(CAST(ResourceAttributes, 'Array(Tuple(String, String))'), CAST(SpanAttributes, 'Array(Tuple(String, String))')) AS pair
    WHERE x_BatchId = toUUID('00000000-0000-0000-0000-000000000000') AND NOT match(pair.2, '^(\\*+|\\[redacted: .*)?$')
    GROUP BY key

    UNION ALL

    SELECT 'logs', toString(pair.1) AS key, count()
    FROM otel.otel_logs
    ARRAY JOIN arrayConcat(CAST(ResourceAttributes, 'Array(Tuple(String, String))'), CAST(LogAttributes, 'Array(Tuple(String, String))')) AS pair
    WHERE x_BatchId = toUUID('00000000-0000-0000-0000-000000000000') AND NOT match(pair.2, '^(\\*+|\\[redacted: .*)?$')
    GROUP BY key

    UNION ALL

    SELECT 'metrics', toString(pair.1) AS key, count()
    FROM merge('otel', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
    ARRAY JOIN arrayConcat(CAST(ResourceAttributes, 'Array(Tuple(String, String))'), CAST(Attributes, 'Array(Tuple(String, String))')) AS pair
    WHERE x_BatchId = toUUID('00000000-0000-0000-0000-000000000000') AND NOT match(pair.2, '^(\\*+|\\[redacted: .*)?$')
    GROUP BY key
)
WHERE arrayExists(pattern -> match(key, pattern), {hidden_keys:Array(String)})
GROUP BY signal, key
ORDER BY records DESC, signal, key
