-- purpose: activity of whole days per app and environment: spans and metric points once each, logs as delivered
-- parameters: days Array(Date), batch_id UUID
-- columns: none
-- Percentiles are exact: quantileExact takes the sorted value at place floor(level * n) from 0. Requests are SERVER
-- and CONSUMER spans; copies of a span that differ count as the first in the order of the tuple.
INSERT INTO core_app_telemetry_daily
    (usage_date, app_id, environment, spans, logs, metric_points, requests, errors, duration_p50_ms, duration_p95_ms,
     last_seen, batch_id)
SELECT
    usage_date, app_id, environment,
    sum(part.spans), sum(part.logs), sum(part.metric_points), sum(part.requests), sum(part.errors),
    max(part.p50) / 1e6, max(part.p95) / 1e6, max(part.last_seen),
    {batch_id:UUID}
FROM
(
    SELECT
        toDate(event.1) AS usage_date,
        event.2 AS app_id,
        event.3 AS environment,
        count() AS spans,
        0 AS logs,
        0 AS metric_points,
        countIf(event.6) AS requests,
        countIf(event.6 AND event.5) AS errors,
        quantileExactIf(0.5)(event.4, event.6) AS p50,
        quantileExactIf(0.95)(event.4, event.6) AS p95,
        max(event.1) AS last_seen
    FROM
    (
        SELECT
            min((
                Timestamp,
                toString(app_id),
                toString(environment),
                Duration,
                StatusCode IN ('Error', 'STATUS_CODE_ERROR')
                    OR toUInt16OrZero(SpanAttributes['http.response.status_code']) >= 500
                    OR toUInt16OrZero(SpanAttributes['http.status_code']) >= 500,
                SpanKind IN ('Server', 'Consumer', 'SPAN_KIND_SERVER', 'SPAN_KIND_CONSUMER')
            )) AS event
        FROM otel.otel_traces
        WHERE toDate(Timestamp) IN {days:Array(Date)}
            AND app_id != ''
            AND x_BatchId IN (SELECT batch_id FROM otel.loaded_batches)
        GROUP BY TraceId, SpanId
    )
    GROUP BY usage_date, app_id, environment

    UNION ALL

    SELECT toDate(Timestamp), toString(app_id), toString(environment), 0, count(), 0, 0, 0, 0, 0, max(Timestamp)
    FROM otel.otel_logs
    WHERE toDate(Timestamp) IN {days:Array(Date)}
        AND app_id != ''
        AND x_BatchId IN (SELECT batch_id FROM otel.loaded_batches)
    GROUP BY 1, 2, 3

    UNION ALL

    SELECT toDate(TimeUnix), toString(app), toString(env), 0, 0, count(), 0, 0, 0, 0, max(TimeUnix)
    FROM
    (
        SELECT TimeUnix, any(app_id) AS app, any(environment) AS env
        FROM merge('otel', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)$')
        WHERE toDate(TimeUnix) IN {days:Array(Date)}
            AND app_id != ''
            AND x_BatchId IN (SELECT batch_id FROM otel.loaded_batches)
        GROUP BY
            _table, MetricName, StartTimeUnix, TimeUnix,
            sipHash128(mapSort(ResourceAttributes), ScopeName, ScopeVersion, mapSort(ScopeAttributes), mapSort(Attributes))
    )
    GROUP BY 1, 2, 3
) AS part
GROUP BY usage_date, app_id, environment
