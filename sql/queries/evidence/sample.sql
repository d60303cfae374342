-- purpose: a sample of bad and of good requests by a hash of their trace id, the same each time
-- parameters: teams Array(String), app_id String, range_from, range_to DateTime64(9) (the time asked for, its end not in it), base_from
--   DateTime64(9) (from here on good requests are compared), measure String (availability, latency or everything: all
--   requests of the range against those before), threshold_ns UInt64 (of latency), environments, routes Array(String)
--   (empty: all; with their method or of any), without_cold_starts UInt8, grpc_errors_keys, grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16), health_paths,
--   health_services, health_agents String, health_methods Array(String) (as core_request_slices takes them),
--   sample_size UInt32 (of each side)
-- columns: trace_id, side (bad or good), span_id (the request's own span), of_route
WITH
-- shared: shared/evidence_requests
SELECT TraceId AS trace_id, side, min(SpanId) AS span_id, argMin(route, SpanId) AS of_route
FROM sided
WHERE side != ''
GROUP BY trace_id, side
ORDER BY side, cityHash64(trace_id), trace_id
LIMIT {sample_size:UInt32} BY side
