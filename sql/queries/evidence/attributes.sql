-- purpose: what the bad requests of an app have in common against the good ones: counts by value of what tells requests
--   apart, and when each was first seen and first bad; dimension '' counts all requests
-- parameters: teams Array(String), app_id String, range_from, range_to DateTime64(9) (the time asked for, its end not in it), base_from
--   DateTime64(9) (from here on good requests are compared), measure String (availability, latency or everything: all
--   requests of the range against those before), threshold_ns UInt64 (of latency), environments, routes Array(String)
--   (empty: all; with their method or of any), without_cold_starts UInt8, grpc_errors_keys, grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16), health_paths,
--   health_services, health_agents String, health_methods Array(String) (as core_request_slices takes them),
--   left_out Array(String) (attributes that name one request, or a dimension here), named Array(String) (dimensions told
--   whatever their counts), least_bad UInt64 (fewer bad requests tell nothing of an attribute), value_limit UInt32
-- columns: dimension, value, bad, good, first_bad DateTime64(3) (null: none is bad), first_seen DateTime64(3) (null: not in the time
--   read)
WITH
-- shared: shared/evidence_requests
,
told AS
(
    SELECT
        side, Timestamp,
        arrayJoin(arrayConcat(
            [('', ''), ('route', route), ('version', version), ('environment', of_environment),
             ('status', multiIf(
                request_http_status(SpanAttributes) > 0, toString(request_http_status(SpanAttributes)),
                request_grpc_status(SpanAttributes) != '', request_grpc_status(SpanAttributes),
                error_class)),
             ('error text', if(side = 'bad', replaceRegexpAll(error_text, '[0-9a-fA-F-]{8,}|[0-9]+', '#'), ''))],
            arrayFilter(
                one -> NOT has({left_out:Array(String)}, one.1) AND length(one.2) BETWEEN 1 AND 200,
                arrayMap(
                    (key, text) -> (toString(key), text),
                    arrayConcat(mapKeys(ResourceAttributes), mapKeys(SpanAttributes)),
                    arrayConcat(mapValues(ResourceAttributes), mapValues(SpanAttributes)))))) AS pair
    FROM sided
    WHERE side != ''
)
SELECT
    pair.1 AS dimension,
    pair.2 AS value,
    countIf(side = 'bad') AS bad,
    countIf(side = 'good') AS good,
    if(bad = 0, NULL, toDateTime64(minIf(Timestamp, side = 'bad'), 3, 'UTC')) AS first_bad,
    toDateTime64(min(Timestamp), 3, 'UTC') AS first_seen
FROM told
GROUP BY dimension, value
HAVING dimension = '' OR (bad + good > 0 AND (has({named:Array(String)}, dimension) OR bad >= {least_bad:UInt64}))
ORDER BY dimension, bad DESC, good DESC, value
LIMIT {value_limit:UInt32} BY dimension
