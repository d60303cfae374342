-- purpose: what telemetry measures of every app in each hour of whole days: requests and span seconds from spans, and what
--   the metrics of the policy say
-- parameters: days Array(Date), batch_id UUID, health_paths, health_services, health_agents String, health_methods
--   Array(String) as for statements/core_request_slices; counter_names, counter_measures, gauge_names, gauge_measures
--   Array(String): metrics of the policy and what they measure; slices_batch_id UUID: slices of these days, whose requests are
--   told by metrics where spans do not; rate_attributes Array(String) as for shared/stands_for
-- columns: none
-- A sampled span counts as what it stands for.
-- A counter counts by what it grew since the point before it, which may lie on the day before; one that fell began anew. Of a
--   series' first point its value counts where the series began within the hour before it, or other series of its process were
--   there before. Of metrics that measure the same the greatest counts.
INSERT INTO core_app_usage_hours (hour, app_id, measure, quantity, counted, batch_id)
WITH
-- shared: shared/spans_once
    ,
    spans AS
    (
        SELECT
            toStartOfHour(toDateTime(Timestamp, 'UTC')) AS hour,
            toString(app_id) AS app,
-- shared: shared/stands_for
            request_is(SpanKind)
                AND NOT (request_is_server(SpanKind) AND (toDate(Timestamp), toString(app_id), toString(environment)) IN
                (
                    SELECT DISTINCT toDate(slice_start), app_id, toString(environment) FROM core_request_slices
                    WHERE batch_id = {slices_batch_id:UUID} AND counted_from = 'metrics'
                ))
                AND request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
                    {health_agents:String}, {health_methods:Array(String)}) != 'health' AS is_request,
            if(has_end, toUInt128(Duration), 0) AS nanoseconds
        FROM spans_once
        WHERE app_id != ''
    ),
    points AS
    (
        SELECT
            toStartOfHour(toDateTime(at, 'UTC')) AS hour, app, metric,
            transform(metric, {counter_names:Array(String)}, {counter_measures:Array(String)}, '') AS measure,
            multiIf(
                is_delta, value,
                before IS NULL, if(watched_from < at OR began > at - INTERVAL 1 HOUR, value, 0),
                began >= before_at OR value < before, value,
                value - before) AS grown
        FROM
        (
            SELECT
                TimeUnix AS at, StartTimeUnix AS began, toString(app_id) AS app, toString(MetricName) AS metric, Value AS value,
                AggregationTemporality = 1 AS is_delta,
                lagInFrame(toNullable(Value)) OVER (
                    PARTITION BY app_id, MetricName, cityHash64(toString(mapSort(ResourceAttributes))), ScopeName,
                        cityHash64(toString(mapSort(Attributes)))
                    ORDER BY TimeUnix, StartTimeUnix, Value
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before,
                lagInFrame(TimeUnix) OVER (
                    PARTITION BY app_id, MetricName, cityHash64(toString(mapSort(ResourceAttributes))), ScopeName,
                        cityHash64(toString(mapSort(Attributes)))
                    ORDER BY TimeUnix, StartTimeUnix, Value
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before_at,
                min(TimeUnix) OVER (
                    PARTITION BY app_id, MetricName, cityHash64(toString(mapSort(ResourceAttributes))), StartTimeUnix) AS watched_from
            FROM {{otel}}.otel_metrics_sum_current
            WHERE toDate(TimeUnix) IN arrayConcat({days:Array(Date)}, arrayMap(day -> day - 1, {days:Array(Date)}))
                AND app_id != '' AND has({counter_names:Array(String)}, toString(MetricName)) AND isFinite(Value)
        )
        WHERE toDate(at) IN {days:Array(Date)}
    ),
    levels AS
    (
        SELECT
            toStartOfHour(toDateTime(TimeUnix, 'UTC')) AS hour, toString(app_id) AS app, toString(MetricName) AS metric,
            transform(metric, {gauge_names:Array(String)}, {gauge_measures:Array(String)}, '') AS measure,
            intDiv(sum(toInt128(Value)), count()) AS level, count() AS counted
        FROM
        (
            SELECT TimeUnix, app_id, MetricName, Value, ResourceAttributes, ScopeName, Attributes
            FROM {{otel}}.otel_metrics_gauge_current
            WHERE toDate(TimeUnix) IN {days:Array(Date)} AND has({gauge_names:Array(String)}, toString(MetricName))
            UNION ALL
            SELECT TimeUnix, app_id, MetricName, Value, ResourceAttributes, ScopeName, Attributes
            FROM {{otel}}.otel_metrics_sum_current
            WHERE toDate(TimeUnix) IN {days:Array(Date)} AND has({gauge_names:Array(String)}, toString(MetricName))
        )
        WHERE app_id != '' AND isFinite(Value) AND Value >= 0 AND Value < 1e18
        GROUP BY hour, app, metric, cityHash64(toString(mapSort(ResourceAttributes))), ScopeName,
            cityHash64(toString(mapSort(Attributes)))
    )
SELECT hour, app, measure, CAST(toDecimal256(quantity, 9) / 1000000000, 'Decimal(38, 9)'), counted, {batch_id:UUID}
FROM
(
    SELECT hour, app, measure, sum(part.quantity) AS quantity, sum(part.counted) AS counted
    FROM
    (
        SELECT hour, app, found.1 AS measure, found.2 AS quantity, found.3 AS counted
        FROM
        (
            SELECT
                hour, app,
                [
                    ('requests', toInt256(sumIf(toUInt256(stands_for), is_request)), countIf(is_request)),
                    ('span_seconds', toInt256(intDiv(sum(toUInt256(nanoseconds) * stands_for), 1000000000)), countIf(nanoseconds > 0))
                ] AS both
            FROM spans
            GROUP BY hour, app
        )
        ARRAY JOIN both AS found

        UNION ALL

        SELECT toStartOfHour(s.slice_start), s.app_id, 'requests', toInt256(sum(s.requests)) * 1000000000, sum(s.requests)
        FROM core_request_slices AS s
        WHERE s.batch_id = {slices_batch_id:UUID} AND s.counted_from = 'metrics' AND s.kind != 'health'
            AND toDate(s.slice_start) IN {days:Array(Date)}
        GROUP BY 1, 2
    ) AS part
    GROUP BY hour, app, measure

    UNION ALL

    SELECT hour, app, measure, max(total) AS quantity, max(points) AS counted
    FROM
    (
        SELECT hour, app, measure, metric, sum(toInt256(round(least(grown, 1e18) * 1e9))) AS total, count() AS points
        FROM points
        WHERE grown > 0
        GROUP BY hour, app, measure, metric
        UNION ALL
        SELECT hour, app, measure, metric, sum(toInt256(level) * 1000000000), sum(levels.counted)
        FROM levels
        GROUP BY hour, app, measure, metric
    )
    GROUP BY hour, app, measure
)
WHERE quantity > 0
