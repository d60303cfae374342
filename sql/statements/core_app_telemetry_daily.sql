-- purpose: activity of whole days per app and environment: spans, metric points and log records, once each as the
--   otel_*_current views have it
-- parameters: days Array(Date), batch_id UUID, and what says which spans are requests and which of them went wrong, as
--   for statements/core_request_slices: grpc_errors_keys, grpc_errors_values, http_errors, caller_faults, health_paths,
--   health_services, health_agents, health_methods; slices_batch_id UUID: slices of these days, whose requests are told by
--   metrics where spans do not
-- columns: none
-- Percentiles are exact: quantileExact takes the sorted value at place floor(level * n) from 0.
-- Requests are counted once: by the metrics of a day, app and environment where its slices are, else by spans.
INSERT INTO core_app_telemetry_daily
    (usage_date, app_id, environment, spans, logs, metric_points, requests, errors, health_checks, health_errors,
     duration_p50_ms, duration_p95_ms, last_seen, last_span_at, sampled_requests, batch_id)
WITH
-- shared: shared/spans_once
SELECT
    usage_date, app_id, environment,
    sum(part.spans), sum(part.logs), sum(part.metric_points), sum(part.requests), sum(part.errors),
    sum(part.health_checks), sum(part.health_errors),
    max(part.p50) / 1e6, max(part.p95) / 1e6, max(part.last_seen), max(part.last_span_at),
    sum(part.sampled),
    {batch_id:UUID}
FROM
(
    SELECT
        toDate(Timestamp) AS usage_date,
        toString(app_id) AS app_id,
        toString(environment) AS environment,
        count() AS spans,
        0 AS logs,
        0 AS metric_points,
        countIf(is_request) AS requests,
        countIf(is_request AND is_error) AS errors,
        countIf(kind = 'health' AND NOT is_measured) AS health_checks,
        countIf(kind = 'health' AND is_error AND NOT is_measured) AS health_errors,
        quantileExactIf(0.5)(Duration, is_request AND has_end) AS p50,
        quantileExactIf(0.95)(Duration, is_request AND has_end) AS p95,
        max(Timestamp) AS last_seen,
        CAST(max(Timestamp), 'Nullable(DateTime64(9, \'UTC\'))') AS last_span_at,
        0 AS sampled
    FROM
    (
        SELECT
            Timestamp, app_id, environment,
            Duration,
            has_end,
            (toDate(Timestamp), toString(app_id), toString(environment)) IN
            (
                SELECT DISTINCT toDate(slice_start), app_id, toString(environment) FROM core_request_slices
                WHERE batch_id = {slices_batch_id:UUID} AND counted_from = 'metrics'
            ) AS is_measured,
            if(
                request_is(SpanKind),
                request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
                    {health_agents:String}, {health_methods:Array(String)}),
                '') AS kind,
            kind = 'consumer' OR kind = 'server' AND NOT is_measured AS is_request,
            request_error_class(
                SpanKind, StatusCode, SpanAttributes, {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)},
                {grpc_errors_keys:Array(String)}, {grpc_errors_values:Array(String)}) != '' AS is_error
        FROM spans_once
        WHERE app_id != ''
    )
    GROUP BY usage_date, app_id, environment

    UNION ALL

    SELECT toDate(Timestamp), toString(app_id), toString(environment), 0, count(), 0, 0, 0, 0, 0, 0, 0, max(Timestamp), NULL, 0
    FROM {{otel}}.otel_logs_current
    WHERE toDate(Timestamp) IN {days:Array(Date)} AND app_id != ''
    GROUP BY 1, 2, 3

    UNION ALL

    SELECT toDate(TimeUnix), toString(app_id), toString(environment), 0, 0, count(), 0, 0, 0, 0, 0, 0, max(TimeUnix), NULL, 0
    FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|summary|histogram|exponential_histogram)_current$')
    WHERE toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
    GROUP BY 1, 2, 3

    UNION ALL

    SELECT
        toDate(slice_start), s.app_id, toString(s.environment), 0, 0, 0,
        sumIf(s.requests, kind != 'health'), sumIf(s.errors, kind != 'health'),
        sumIf(s.requests, kind = 'health'), sumIf(s.errors, kind = 'health'), 0, 0, toDateTime64(max(slice_start), 9, 'UTC'), NULL, 0
    FROM core_request_slices AS s
    WHERE batch_id = {slices_batch_id:UUID} AND counted_from = 'metrics' AND toDate(slice_start) IN {days:Array(Date)}
    GROUP BY 1, 2, 3

    UNION ALL

    SELECT
        toDate(slice_start), s.app_id, toString(s.environment), 0, 0, 0, 0, 0, 0, 0, 0, 0,
        toDateTime64(max(slice_start), 9, 'UTC'), NULL, sum(s.requests)
    FROM core_request_slices AS s
    WHERE batch_id = {slices_batch_id:UUID} AND counted_from = 'sampled_spans' AND toDate(slice_start) IN {days:Array(Date)}
    GROUP BY 1, 2, 3
) AS part
GROUP BY usage_date, app_id, environment
