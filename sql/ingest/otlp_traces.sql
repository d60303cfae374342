-- purpose: OTLP traces of one object into otel.otel_traces, JSON or Protobuf alike. Attributes become text in the
--   innermost query, before anything is unfolded: carrying their nested type on costs the planner time
-- parameters: path String, format String (engine's name), structure String, encoding String (json or protobuf),
--   batch_id UUID, first_day, last_day Date (no row of another day is written, as none is counted after),
--   time_from, time_to UInt64 (nanoseconds, range of accepted times), received_to UInt64 (later than receipt from here)
--   hidden_keys, hidden_key_marks, hidden_shapes, hidden_shape_marks Array(String), hidden_cards, hidden_card_mark String
--   (what is hidden before it is stored: models/redaction.py)
--   kept_apps, kept_tiers Array(String), kept_app_days, kept_tier_days Array(UInt16), kept_usual UInt16 (how long a row is kept:
--   models/retention.py)
-- columns: none
INSERT INTO {{otel}}.otel_traces
    (Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName,
     ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage,
     `Events.Timestamp`, `Events.Name`, `Events.Attributes`, `Links.TraceId`, `Links.SpanId`,
     `Links.TraceState`, `Links.Attributes`, has_end, x_BatchId, retention_days)
WITH
    {encoding:String} = 'json' AS json,
    ({hidden_keys:Array(String)}, {hidden_key_marks:Array(String)}, {hidden_shapes:Array(String)},
        {hidden_shape_marks:Array(String)}, {hidden_cards:String}, {hidden_card_mark:String}) AS hide,
    ({kept_apps:Array(String)}, {kept_app_days:Array(UInt16)}, {kept_tiers:Array(String)}, {kept_tier_days:Array(UInt16)},
        {kept_usual:UInt16}) AS kept
SELECT
    otlp_time(started),
    otlp_trace_id(trace_id, json) AS trace,
    otlp_span_id(span_id, json) AS span,
    otlp_span_id(parent_id, json),
    otlp_sound(trace_state, json),
    otlp_sound(span_name, json),
    otlp_span_kind(kind),
    resource['service.name'],
    resource,
    otlp_sound(scope_name, json),
    otlp_sound(scope_version, json),
    attributes,
    if(ended = 0, 0, ended - started),
    otlp_status_code(status_code),
    otlp_sound(status_message, json),
    arrayMap(moment -> otlp_time(if(moment = 0, started, moment)), event_time),
    otlp_sound_list(event_name, json),
    event_attributes,
    arrayMap(id -> otlp_trace_id(id, json), link_trace_id),
    arrayMap(id -> otlp_span_id(id, json), link_span_id),
    otlp_sound_list(link_trace_state, json),
    link_attributes,
    ended >= started,
    {batch_id:UUID},
    otlp_retention(otlp_app(resource, attributes, resource['service.name']), resource['service.criticality'], kept)
FROM
(
    SELECT * FROM
    (
        SELECT * FROM
        (
            SELECT
                otlp_maps_1(resourceSpans.resource.attributes, json, hide) AS resource,
                resourceSpans.scopeSpans.scope.name AS scope_name,
                resourceSpans.scopeSpans.scope.version AS scope_version,
                resourceSpans.scopeSpans.spans.traceId AS trace_id,
                resourceSpans.scopeSpans.spans.spanId AS span_id,
                resourceSpans.scopeSpans.spans.parentSpanId AS parent_id,
                resourceSpans.scopeSpans.spans.traceState AS trace_state,
                resourceSpans.scopeSpans.spans.name AS span_name,
                resourceSpans.scopeSpans.spans.kind AS kind,
                resourceSpans.scopeSpans.spans.startTimeUnixNano AS started,
                resourceSpans.scopeSpans.spans.endTimeUnixNano AS ended,
                otlp_maps_3(resourceSpans.scopeSpans.spans.attributes, json, hide) AS attributes,
                resourceSpans.scopeSpans.spans.status.code AS status_code,
                resourceSpans.scopeSpans.spans.status.message AS status_message,
                resourceSpans.scopeSpans.spans.events.timeUnixNano AS event_time,
                resourceSpans.scopeSpans.spans.events.name AS event_name,
                otlp_maps_4(resourceSpans.scopeSpans.spans.events.attributes, json, hide) AS event_attributes,
                resourceSpans.scopeSpans.spans.links.traceId AS link_trace_id,
                resourceSpans.scopeSpans.spans.links.spanId AS link_span_id,
                resourceSpans.scopeSpans.spans.links.traceState AS link_trace_state,
                otlp_maps_4(resourceSpans.scopeSpans.spans.links.attributes, json, hide) AS link_attributes
            FROM file({path:String}, {format:String}, {structure:String})
        )
        ARRAY JOIN
            resource, scope_name, scope_version, trace_id, span_id, parent_id, trace_state, span_name, kind,
            started, ended, attributes, status_code, status_message, event_time, event_name,
            event_attributes, link_trace_id, link_span_id, link_trace_state, link_attributes
    )
    ARRAY JOIN
        scope_name, scope_version, trace_id, span_id, parent_id, trace_state, span_name, kind, started,
        ended, attributes, status_code, status_message, event_time, event_name, event_attributes,
        link_trace_id, link_span_id, link_trace_state, link_attributes
)
ARRAY JOIN
    trace_id, span_id, parent_id, trace_state, span_name, kind, started, ended, attributes,
    status_code, status_message, event_time, event_name, event_attributes, link_trace_id,
    link_span_id, link_trace_state, link_attributes
WHERE otlp_span_fault(trace, span, started, ended, event_time,
        {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) = ''
    AND toDate(otlp_time(started)) BETWEEN {first_day:Date} AND {last_day:Date}
