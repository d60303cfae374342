-- purpose: requests of an app in a range and before it, and of which side each is; part of a WITH
-- parameters: those of evidence/attributes
-- columns: those of otel_traces that evidence needs, of_environment, version, route, error_class, error_text, side (bad, good or empty)
own AS
(
    SELECT app_id FROM mart_app_inventory_current WHERE team IN {teams:Array(String)} AND app_id = {app_id:String}
),
classified AS
(
    SELECT
        TraceId, SpanId, Timestamp, Duration, SpanKind, StatusCode, ResourceAttributes, SpanAttributes, has_end,
        toString(environment) AS of_environment,
        ResourceAttributes['service.version'] AS version,
        request_route(SpanName, SpanAttributes) AS route,
-- shared: shared/evidence_classified
        AS error_class,
-- shared: shared/evidence_text
        AS error_text
    FROM {{otel}}.otel_traces_current
    WHERE app_id = {app_id:String} AND {app_id:String} IN (SELECT app_id FROM own)
      AND Timestamp >= {base_from:DateTime64(9, 'UTC')} AND Timestamp < {range_to:DateTime64(9, 'UTC')}
      AND request_is(SpanKind)
      AND request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
            {health_agents:String}, {health_methods:Array(String)}) != 'health'
),
judged AS
(
    SELECT
        *,
        Timestamp >= {range_from:DateTime64(9, 'UTC')} AS is_in_range,
        multiIf(
            {measure:String} = 'everything', is_in_range,
            {measure:String} = 'latency', Duration > {threshold_ns:UInt64},
            error_class != '') AS is_wrong
    FROM classified
    WHERE ({measure:String} != 'latency' OR (has_end AND request_is_server(SpanKind)))
      AND (empty({environments:Array(String)}) OR of_environment IN {environments:Array(String)})
      AND (empty({routes:Array(String)}) OR route IN {routes:Array(String)}
        OR replaceRegexpOne(route, '^[A-Z]+ ', '') IN {routes:Array(String)})
      AND NOT ({without_cold_starts:UInt8} = 1 AND SpanAttributes['faas.coldstart'] = 'true')
),
sided AS
(
    SELECT *, multiIf(NOT is_wrong, 'good', is_in_range, 'bad', '') AS side
    FROM judged
)
