-- purpose: five-minute slices of whole days from SERVER and CONSUMER spans, each (TraceId, SpanId) once
-- parameters: days Array(Date), batch_id UUID, latency_threshold_ns UInt64
-- columns: none
-- Copies of a span that differ count as the first in the order of the tuple, whichever the engine reads first.
INSERT INTO core_sli_slices (slice_start, app_id, environment, objective, good, total, batch_id)
SELECT
    toStartOfFiveMinutes(event.1) AS slice_start,
    event.2 AS app_id,
    event.3 AS environment,
    objective.1,
    countIf(objective.2),
    count(),
    {batch_id:UUID}
FROM
(
    SELECT
        min((
            toDateTime(Timestamp),
            toString(app_id),
            toString(environment),
            Duration,
            StatusCode IN ('Error', 'STATUS_CODE_ERROR')
                OR toUInt16OrZero(SpanAttributes['http.response.status_code']) >= 500
                OR toUInt16OrZero(SpanAttributes['http.status_code']) >= 500
        )) AS event
    FROM otel.otel_traces
    WHERE toDate(Timestamp) IN {days:Array(Date)}
        AND SpanKind IN ('Server', 'Consumer', 'SPAN_KIND_SERVER', 'SPAN_KIND_CONSUMER')
        AND app_id != ''
        AND x_BatchId IN (SELECT batch_id FROM otel.loaded_batches)
    GROUP BY TraceId, SpanId
)
ARRAY JOIN [('availability', NOT event.5), ('latency', event.4 <= {latency_threshold_ns:UInt64})] AS objective
GROUP BY slice_start, app_id, environment, objective.1
