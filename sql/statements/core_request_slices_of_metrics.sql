-- purpose: five-minute slices of whole days from the histograms of request durations, of apps and environments whose servers
--   send no spans on the day or a sample of them
-- parameters: days Array(Date), batch_id UUID, grpc_errors_keys, grpc_errors_values, http_errors, caller_faults, health_paths,
--   health_services, health_agents, health_methods, bounds_ns, routes_kept, named_routes, sampler_types, sampled_trace_state as for
--   statements/core_request_slices; duration_metrics Array(String) (histograms of durations; of those an app sends at once
--   the first counts), duration_milliseconds Array(Float64) (of one unit of each), least_scale Int32 (an exponential
--   histogram of a lower one is too coarse to tell a duration)
-- columns: none
-- A cumulative series counts by what it grew since the point before, which may lie on the day before; one that fell or began
--   later than that point began anew. A first point counts where others of its process were there before it, as one that fails
--   for the first time does, or where it began within the hour before it.
--   An interval belongs to the slice its point lies in.
-- A duration is known where the histogram has every bound of the ladder; an exponential one is taken at its own bound below.
--   Nothing is interpolated: a request of another histogram counts, its duration does not.
INSERT INTO core_request_slices
    (slice_start, app_id, environment, version, route, kind, requests, errors, errors_by_class, timed, within, counted_from,
     is_cold_start, stands_for, errors_stand_for, batch_id)
WITH
-- shared: shared/sampled_servers
    ,
    told AS
    (
        SELECT DISTINCT toDate(Timestamp), toString(app_id), toString(environment)
        FROM {{otel}}.otel_traces
        WHERE toDate(Timestamp) IN {days:Array(Date)} AND request_is_server(SpanKind) AND app_id != ''
    ),
    arrayMap(bound -> bound / 1000000, {bounds_ns:Array(UInt64)}) AS ladder_ms,
    points AS
    (
        SELECT
            toDate(TimeUnix) AS day, toString(app_id) AS app, toString(environment) AS place,
            ResourceAttributes['service.version'] AS version, Attributes AS said,
            indexOf({duration_metrics:Array(String)}, toString(MetricName)) AS metric,
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes) AS series,
            sipHash128(mapSort(ResourceAttributes)) AS process,
            TimeUnix AS at, StartTimeUnix AS began, AggregationTemporality = 1 AS is_delta, Count AS total,
            arrayMap(bound -> round(bound * {duration_milliseconds:Array(Float64)}[metric], 6), ExplicitBounds) AS bounds_ms,
            if(
                hasAll(bounds_ms, ladder_ms) AND length(BucketCounts) = length(ExplicitBounds) + 1,
                arrayMap(bound -> arraySum(arraySlice(BucketCounts, 1, indexOf(bounds_ms, bound))), ladder_ms),
                CAST([], 'Array(UInt64)')) AS cumulated
        FROM {{otel}}.otel_metrics_histogram_current
        WHERE toDate(TimeUnix) IN arrayConcat({days:Array(Date)}, arrayMap(day -> day - 1, {days:Array(Date)}))
            AND app_id != '' AND has({duration_metrics:Array(String)}, toString(MetricName)) AND bitAnd(Flags, 1) = 0

        UNION ALL

        SELECT
            toDate(TimeUnix), toString(app_id), toString(environment), ResourceAttributes['service.version'], Attributes,
            indexOf({duration_metrics:Array(String)}, toString(MetricName)) AS metric,
            otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes),
            sipHash128(mapSort(ResourceAttributes)), TimeUnix, StartTimeUnix, AggregationTemporality = 1, Count,
            CAST([], 'Array(Float64)'),
            if(
                Scale >= {least_scale:Int32},
                arrayMap(
                    bound -> ZeroCount + arraySum(arrayFilter(
                        (held, number) -> exp2((PositiveOffset + number) * exp2(-Scale))
                            * {duration_milliseconds:Array(Float64)}[metric] <= bound * (1 + 1e-9),
                        PositiveBucketCounts, arrayEnumerate(PositiveBucketCounts))),
                    ladder_ms),
                CAST([], 'Array(UInt64)'))
        FROM {{otel}}.otel_metrics_exponential_histogram_current
        WHERE toDate(TimeUnix) IN arrayConcat({days:Array(Date)}, arrayMap(day -> day - 1, {days:Array(Date)}))
            AND app_id != '' AND has({duration_metrics:Array(String)}, toString(MetricName)) AND bitAnd(Flags, 1) = 0
    ),
    followed AS
    (
        SELECT
            *,
            count() OVER before AS earlier,
            lagInFrame(total) OVER before AS total_before,
            lagInFrame(cumulated) OVER before AS cumulated_before,
            lagInFrame(at) OVER before AS at_before,
            min(at) OVER (PARTITION BY app, metric, process, began) AS watched_from,
            min(metric) OVER (PARTITION BY day, app, place) AS metric_counted
        FROM points
        WINDOW before AS (
            PARTITION BY app, metric, series ORDER BY at, began, total ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ),
    grown AS
    (
        SELECT
            day, app, place, version, said, at,
            NOT is_delta AND earlier > 1 AND began < at_before AND total >= total_before AS is_continued,
            multiIf(
                is_delta, total, is_continued, toUInt64(total - total_before),
                earlier > 1 OR watched_from < at OR began > at - INTERVAL 1 HOUR, total, toUInt64(0)) AS requests,
            multiIf(
                empty(cumulated) OR (is_continued AND length(cumulated_before) != length(cumulated)), CAST([], 'Array(UInt64)'),
                is_continued AND arrayExists((now, then) -> now < then, cumulated, cumulated_before), CAST([], 'Array(UInt64)'),
                is_continued, arrayMap((now, then) -> toUInt64(now - then), cumulated, cumulated_before),
                cumulated) AS within
        FROM followed
        WHERE metric = metric_counted AND day IN {days:Array(Date)}
            AND ((day, app, place) NOT IN told OR (day, app, place) IN sampled)
    ),
    counted AS
    (
        SELECT
            toStartOfFiveMinutes(toDateTime(at, 'UTC')) AS slice, day, app, place, version,
            request_route(request_method(said), said) AS route,
            request_kind('Server', route, said, {health_paths:String}, {health_services:String}, {health_agents:String},
                {health_methods:Array(String)}) AS kind,
            request_error_class(
                'Server', if(said['error.type'] != '' AND request_http_status(said) = 0, 'Error', 'Unset'), said,
                {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)}, {grpc_errors_keys:Array(String)},
                {grpc_errors_values:Array(String)}) AS error_class,
            said['faas.coldstart'] = 'true' AS is_cold,
            sum(g.requests) AS requests,
            sumIf(g.requests, notEmpty(g.within)) AS timed,
            sumForEachIf(g.within, notEmpty(g.within)) AS within_each
        FROM grown AS g
        WHERE g.requests > 0
        GROUP BY slice, day, app, place, version, route, kind, error_class, is_cold
    ),
    weighed AS
    (
        SELECT
            *,
            sumIf(c.requests, error_class != '') OVER (PARTITION BY day, app, route) AS route_errors,
            sum(c.requests) OVER (PARTITION BY day, app, route) AS route_requests
        FROM counted AS c
    ),
    placed AS
    (
        SELECT *, dense_rank() OVER (PARTITION BY day, app ORDER BY route_errors DESC, route_requests DESC, route) AS rank
        FROM weighed
    )
SELECT
    slice,
    app,
    place,
    version,
    if(
        rank <= {routes_kept:UInt64}
            OR has({named_routes:Array(String)}, concat(app, char(31), p.route))
            OR has({named_routes:Array(String)}, concat(app, char(31), replaceRegexpOne(p.route, '^[A-Z]+ ', ''))),
        p.route, '') AS kept_route,
    kind,
    sum(p.requests),
    sumIf(p.requests, error_class != ''),
    sumMapIf(map(error_class, toUInt32(p.requests)), error_class != ''),
    sum(p.timed),
    if(sum(p.timed) = 0, arrayMap(_ -> toUInt64(0), ladder_ms), sumForEachIf(p.within_each, p.timed > 0)),
    'metrics',
    is_cold,
    toDecimal128(sum(p.requests), 9),
    toDecimal128(sumIf(p.requests, error_class != ''), 9),
    {batch_id:UUID}
FROM placed AS p
GROUP BY slice, app, place, version, kept_route, kind, is_cold
