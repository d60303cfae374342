-- purpose: five-minute slices of whole days from SERVER and CONSUMER spans, each once as otel_traces_current has it
-- parameters: days Array(Date), batch_id UUID, latency_threshold_ns UInt64
-- columns: none
INSERT INTO core_sli_slices (slice_start, app_id, environment, objective, good, total, batch_id)
SELECT
    toStartOfFiveMinutes(toDateTime(Timestamp)) AS slice_start,
    toString(app_id) AS app,
    toString(environment) AS env,
    objective.1,
    countIf(objective.2),
    count(),
    {batch_id:UUID}
FROM
(
    SELECT
        Timestamp, app_id, environment, Duration,
        StatusCode IN ('Error', 'STATUS_CODE_ERROR')
            OR toUInt16OrZero(SpanAttributes['http.response.status_code']) >= 500
            OR toUInt16OrZero(SpanAttributes['http.status_code']) >= 500 AS is_error
    FROM otel.otel_traces_current
    WHERE toDate(Timestamp) IN {days:Array(Date)}
        AND SpanKind IN ('Server', 'Consumer', 'SPAN_KIND_SERVER', 'SPAN_KIND_CONSUMER')
        AND app_id != ''
)
ARRAY JOIN [('availability', NOT is_error), ('latency', Duration <= {latency_threshold_ns:UInt64})] AS objective
GROUP BY slice_start, app, env, objective.1
