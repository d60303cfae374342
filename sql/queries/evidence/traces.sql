-- purpose: bad requests to look at: the newest of each route, version and status, or the slowest where slowness is the fault
-- parameters: teams Array(String), app_id String, range_from, range_to DateTime64(9) (the time asked for, its end not in it), base_from
--   DateTime64(9) (from here on good requests are compared), measure String (availability, latency or everything: all
--   requests of the range against those before), threshold_ns UInt64 (of latency), environments, routes Array(String)
--   (empty: all; with their method or of any), without_cold_starts UInt8, grpc_errors_keys, grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16), health_paths,
--   health_services, health_agents String, health_methods Array(String) (as core_request_slices takes them),
--   per_kind, row_limit UInt32
-- columns: trace_id, at DateTime64(3), environment, route, version, status, error_text, duration_ms Float64 (null: the span has no end)
WITH
-- shared: shared/evidence_requests
SELECT
    TraceId AS trace_id,
    toDateTime64(Timestamp, 3, 'UTC') AS at,
    of_environment AS environment,
    route,
    version,
    if(request_http_status(SpanAttributes) > 0, toString(request_http_status(SpanAttributes)), error_class) AS status,
    error_text,
    if(has_end, Duration / 1e6, NULL) AS duration_ms
FROM sided
WHERE side = 'bad'
ORDER BY if({measure:String} = 'availability', 0, Duration) DESC, Timestamp DESC, TraceId
LIMIT {per_kind:UInt32} BY route, version, status
LIMIT {row_limit:UInt32}
