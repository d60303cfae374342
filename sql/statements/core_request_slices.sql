-- purpose: five-minute slices of whole days from SERVER and CONSUMER spans, each span once as otel_traces_current has it
-- parameters: days Array(Date), batch_id UUID, grpc_errors_keys Array(String) (codes that are the server's fault, names
--   and numbers), grpc_errors_values Array(String) (their names), http_errors Array(UInt16) (first and last status that
--   is the server's fault), caller_faults Array(UInt16) (first and last that is the caller's), health_paths, health_services,
--   health_agents String (regular expressions), health_methods Array(String), bounds_ns Array(UInt64) (the ladder),
--   routes_kept UInt64, named_routes Array(String) (app, ASCII 31 and a route, with or without its method, that is never pooled),
--   rate_attributes Array(String) as for shared/stands_for, sampled_trace_state String (a regular expression), sampler_types Array(String) (they keep a part)
-- columns: none
-- Servers of a day, app and environment that the batch has from their metrics already are left out: they count once.
-- Only apps with more routes than keep their name are ranked: ranking costs more than everything else together.
INSERT INTO core_request_slices
    (slice_start, app_id, environment, version, route, kind, requests, errors, errors_by_class, timed, within, counted_from,
     is_cold_start, stands_for, errors_stand_for, batch_id)
WITH
-- shared: shared/sampled_servers
,
-- shared: shared/spans_once
,
measured AS
(
    SELECT DISTINCT toDate(slice_start), app_id, toString(environment)
    FROM core_request_slices
    WHERE batch_id = {batch_id:UUID} AND toDate(slice_start) IN {days:Array(Date)}
),
crowded AS
(
    SELECT toDate(Timestamp), toString(app_id)
    FROM {{otel}}.otel_traces
    WHERE toDate(Timestamp) IN {days:Array(Date)} AND request_is(SpanKind)
    GROUP BY 1, 2
    HAVING uniqExact(request_route(SpanName, SpanAttributes)) > {routes_kept:UInt64}
),
spans AS
(
    SELECT
        toString(app_id) AS app,
        toStartOfFiveMinutes(toDateTime(Timestamp, 'UTC')) AS slice_start,
        toDate(slice_start) AS day,
        environment,
        ResourceAttributes['service.version'] AS version,
        request_route(SpanName, SpanAttributes) AS route,
        request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
            {health_agents:String}, {health_methods:Array(String)}) AS kind,
        request_error_class(
            SpanKind, StatusCode, SpanAttributes, {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)},
            {grpc_errors_keys:Array(String)}, {grpc_errors_values:Array(String)}) AS error_class,
        has_end,
        SpanAttributes['faas.coldstart'] = 'true' AS is_cold,
-- shared: shared/stands_for
        has({sampler_types:Array(String)}, SpanAttributes['sampler.type']) AND stands_for = 1000000000 AS is_untold,
        toUInt8(arrayFirstIndex(bound -> Duration <= bound, {bounds_ns:Array(UInt64)})) AS rung
    FROM spans_once
    WHERE request_is(SpanKind) AND app_id != ''
      AND NOT (request_is_server(SpanKind) AND (toDate(Timestamp), toString(app_id), toString(environment)) IN measured)
),
weighed AS
(
    SELECT
        *,
        countIf(error_class != '') OVER (PARTITION BY day, app, route) AS route_errors,
        count() OVER (PARTITION BY day, app, route) AS route_requests
    FROM spans
    WHERE (day, app) IN crowded
),
placed AS
(
    SELECT
        * EXCEPT (route_errors, route_requests),
        dense_rank() OVER (PARTITION BY day, app ORDER BY route_errors DESC, route_requests DESC, route) AS place
    FROM weighed
    UNION ALL
    SELECT *, 1 AS place FROM spans WHERE (day, app) NOT IN crowded
)
SELECT
    slice_start,
    app,
    environment,
    version,
    if(
        place <= {routes_kept:UInt64}
            OR (notEmpty({named_routes:Array(String)})
                AND (has({named_routes:Array(String)}, concat(app, char(31), p.route))
                    OR has({named_routes:Array(String)}, concat(app, char(31), replaceRegexpOne(p.route, '^[A-Z]+ ', ''))))),
        p.route, '') AS kept_route,
    kind,
    count(),
    countIf(error_class != ''),
    sumMapIf(map(error_class, toUInt32(1)), error_class != ''),
    countIf(has_end),
    arrayMap(
        number -> arrayCount(one -> one <= number, groupArrayIf(rung, has_end AND rung > 0)),
        arrayEnumerate({bounds_ns:Array(UInt64)})),
    if(
        (toDate(slice_start), app, toString(environment)) IN sampled OR countIf(p.stands_for > 1000000000 OR is_untold) > 0,
        'sampled_spans', 'spans'),
    is_cold,
    if(countIf(is_untold) > 0, NULL, CAST(toDecimal256(sum(toInt256(p.stands_for)), 9) / 1000000000, 'Decimal(38, 9)')),
    if(
        countIf(is_untold) > 0, NULL,
        CAST(toDecimal256(sumIf(toInt256(p.stands_for), error_class != ''), 9) / 1000000000, 'Decimal(38, 9)')),
    {batch_id:UUID}
FROM placed AS p
GROUP BY slice_start, app, environment, version, kept_route, kind, is_cold
