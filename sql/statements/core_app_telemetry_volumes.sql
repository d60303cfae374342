-- purpose: what the telemetry of each app takes on whole days: records, bytes before compression, and series of metrics
-- parameters: days Array(Date), batch_id UUID
-- columns: none
-- Rows as they are kept, copies of a record among them: they take room too.
INSERT INTO core_app_telemetry_volumes (usage_date, app_id, signal, records, bytes, series, widest_metric, widest_series, batch_id)
SELECT toDate(Timestamp) AS day, toString(app_id) AS app, 'spans', count(), sum(byteSize(*)), 0, '', 0, {batch_id:UUID}
FROM {{otel}}.otel_traces
WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(Timestamp) IN {days:Array(Date)} AND app_id != ''
GROUP BY day, app
UNION ALL
SELECT toDate(Timestamp) AS day, toString(app_id) AS app, 'logs', count(), sum(byteSize(*)), 0, '', 0, {batch_id:UUID}
FROM {{otel}}.otel_logs
WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(Timestamp) IN {days:Array(Date)} AND app_id != ''
GROUP BY day, app
UNION ALL
SELECT
    day, app, 'points', sum(metrics.records), sum(metrics.bytes), sum(metrics.series), argMax(metric, (metrics.series, metric)),
    max(metrics.series), {batch_id:UUID}
FROM
(
    SELECT day, app, metric, count() AS records, sum(bytes) AS bytes, uniqExact(series) AS series
    FROM
    (
        SELECT
            toDate(TimeUnix) AS day, toString(app_id) AS app, toString(MetricName) AS metric, byteSize(*) AS bytes,
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes) AS series
        FROM {{otel}}.otel_metrics_gauge
        WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
        UNION ALL
        SELECT
            toDate(TimeUnix), toString(app_id), toString(MetricName), byteSize(*),
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
        FROM {{otel}}.otel_metrics_sum
        WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
        UNION ALL
        SELECT
            toDate(TimeUnix), toString(app_id), toString(MetricName), byteSize(*),
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
        FROM {{otel}}.otel_metrics_histogram
        WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
        UNION ALL
        SELECT
            toDate(TimeUnix), toString(app_id), toString(MetricName), byteSize(*),
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
        FROM {{otel}}.otel_metrics_exponential_histogram
        WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
        UNION ALL
        SELECT
            toDate(TimeUnix), toString(app_id), toString(MetricName), byteSize(*),
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
        FROM {{otel}}.otel_metrics_summary
        WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches) AND toDate(TimeUnix) IN {days:Array(Date)} AND app_id != ''
    )
    GROUP BY day, app, metric
) AS metrics
GROUP BY day, app
