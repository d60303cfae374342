-- purpose: the spans of some traces of an app, across apps, in the order of time; of an app of another team only that there is a
--   span, its place and times, and whether it failed
-- parameters: teams Array(String), app_id String (an app of the teams that is in each of the traces), trace_ids Array(String),
--   read_from, read_to DateTime64(9), grpc_errors_keys, grpc_errors_values Array(String), http_errors, caller_faults Array(UInt16)
-- columns: trace_id, span_id, parent_id, app_id (empty: another team's), is_own (an app of the teams), name, kind, peer (what a
--   client span calls), start_ns Int64 (since 1970), at DateTime64(3), duration_ns UInt64 (0: no end), failed, status, error_text, version
WITH
own AS
(
    SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)}
),
found AS
(
    SELECT
        TraceId, SpanId, ParentSpanId, toString(app_id) AS of_app, toString(app_id) IN (SELECT app_id FROM own) AS of_team,
        SpanName, SpanKind, Timestamp, Duration, has_end, ResourceAttributes, SpanAttributes,
-- shared: shared/evidence_peer
        AS called,
-- shared: shared/evidence_classified
        AS error_class,
-- shared: shared/evidence_text
        AS said
    FROM {{otel}}.otel_traces_current
    WHERE TraceId IN {trace_ids:Array(String)}
      AND Timestamp >= {read_from:DateTime64(9, 'UTC')} AND Timestamp < {read_to:DateTime64(9, 'UTC')}
)
SELECT
    TraceId AS trace_id,
    SpanId AS span_id,
    ParentSpanId AS parent_id,
    if(of_team, of_app, '') AS app_id,
    of_team AS is_own,
    if(of_team, toString(SpanName), '') AS name,
    replaceOne(lowerUTF8(toString(SpanKind)), 'span_kind_', '') AS kind,
    if(of_team, called, '') AS peer,
    toUnixTimestamp64Nano(Timestamp) AS start_ns,
    toDateTime64(Timestamp, 3, 'UTC') AS at,
    if(has_end, Duration, 0) AS duration_ns,
    error_class != '' AS failed,
    if(of_team, error_class, '') AS status,
    if(of_team, said, '') AS error_text,
    if(of_team, ResourceAttributes['service.version'], '') AS version
FROM found
WHERE TraceId IN (SELECT TraceId FROM found WHERE of_team AND of_app = {app_id:String})
ORDER BY trace_id, start_ns, span_id, kind
