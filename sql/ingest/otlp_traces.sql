-- purpose: OTLP traces of one object into otel.otel_traces, JSON or Protobuf alike
-- parameters: path String, format String (engine's name), structure String, encoding String (json or protobuf),
--   batch_id UUID, first_day Date, last_day Date (days inserted by this statement, at most 100),
--   time_from UInt64, time_to UInt64 (nanoseconds, range of accepted times)
-- columns: none
INSERT INTO otel.otel_traces
    (Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes,
     ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage,
     `Events.Timestamp`, `Events.Name`, `Events.Attributes`,
     `Links.TraceId`, `Links.SpanId`, `Links.TraceState`, `Links.Attributes`, x_BatchId)
WITH {encoding:String} = 'json' AS json
SELECT
    otlp_time(span.startTimeUnixNano),
    trace_id,
    span_id,
    otlp_span_id(span.parentSpanId, json),
    span.traceState,
    span.name,
    otlp_span_kind(span.kind),
    resource['service.name'],
    resource,
    scope_name,
    scope_version,
    otlp_map(span.attributes, json),
    if(span.endTimeUnixNano > span.startTimeUnixNano, span.endTimeUnixNano - span.startTimeUnixNano, 0),
    otlp_status_code(span.status.code),
    span.status.message,
    arrayMap(event -> otlp_time(if(event.timeUnixNano = 0, span.startTimeUnixNano, event.timeUnixNano)), span.events),
    arrayMap(event -> event.name, span.events),
    arrayMap(event -> otlp_map(event.attributes, json), span.events),
    arrayMap(link -> otlp_trace_id(link.traceId, json), span.links),
    arrayMap(link -> otlp_span_id(link.spanId, json), span.links),
    arrayMap(link -> link.traceState, span.links),
    arrayMap(link -> otlp_map(link.attributes, json), span.links),
    {batch_id:UUID}
FROM
(
    SELECT
        resource, scope_name, scope_version, span,
        otlp_trace_id(span.traceId, json) AS trace_id,
        otlp_span_id(span.spanId, json) AS span_id
    FROM
    (
        SELECT
            resource,
            scoped.scope.name AS scope_name,
            scoped.scope.version AS scope_version,
            arrayJoin(scoped.spans) AS span
        FROM
        (
            SELECT otlp_map(resourced.resource.attributes, json) AS resource, arrayJoin(resourced.scopeSpans) AS scoped
            FROM (SELECT arrayJoin(resourceSpans) AS resourced FROM file({path:String}, {format:String}, {structure:String}))
        )
    )
)
WHERE otlp_span_fault(trace_id, span_id, span.startTimeUnixNano, span.endTimeUnixNano, span.events.timeUnixNano, json,
        {time_from:UInt64}, {time_to:UInt64}) = ''
    AND toDate(otlp_time(span.startTimeUnixNano)) BETWEEN {first_day:Date} AND {last_day:Date}
