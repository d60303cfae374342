-- purpose: a trace to look at for each version and route of some slices: the newest that failed, and the slowest
-- parameters: teams Array(String), apps Array(String) and slices Array(DateTime) (an app and the start of a slice of it,
--   pair by pair), grpc_errors_keys, grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16),
--   health_paths, health_services, health_agents String, health_methods Array(String) (as core_request_slices takes them)
-- columns: app_id, environment, version, route, slice_start DateTime64(0), failed_trace (empty: none failed), slowest_trace
--   (empty: none is timed or they are of a queue)
-- What is read first is said here: left to the engine, planning takes twice as long as reading.
WITH asked AS
(
    SELECT pair.1 AS app_id, pair.2 AS slice_start
    FROM (SELECT arrayJoin(arrayZip({apps:Array(String)}, {slices:Array(DateTime('UTC'))})) AS pair)
    WHERE pair.1 IN (SELECT app_id FROM mart_slo_states_current WHERE team IN {teams:Array(String)})
)
SELECT
    toString(t.app_id) AS app_id,
    toString(t.environment) AS environment,
    ResourceAttributes['service.version'] AS version,
    request_route(SpanName, SpanAttributes) AS route,
    toDateTime64(toStartOfFiveMinutes(Timestamp), 0, 'UTC') AS slice_start,
    argMaxIf(
        TraceId, (Timestamp, TraceId),
        request_error_class(
            SpanKind, StatusCode, SpanAttributes, {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)},
            {grpc_errors_keys:Array(String)}, {grpc_errors_values:Array(String)}) != '') AS failed_trace,
    argMaxIf(TraceId, (Duration, Timestamp, TraceId), has_end AND request_is_server(SpanKind)) AS slowest_trace
FROM {{otel}}.otel_traces AS t
PREWHERE (t.app_id, toStartOfFiveMinutes(Timestamp)) IN (SELECT app_id, slice_start FROM asked)
  AND Timestamp >= arrayMin({slices:Array(DateTime('UTC'))})
WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
  AND request_is(SpanKind)
  AND request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
        {health_agents:String}, {health_methods:Array(String)}) != 'health'
GROUP BY app_id, environment, version, route, slice_start
ORDER BY app_id, environment, version, route, slice_start
