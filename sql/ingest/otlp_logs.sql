-- purpose: OTLP logs of one object into otel.otel_logs, JSON or Protobuf alike. Attributes become text in the
--   innermost query, before anything is unfolded: carrying their nested type on costs the planner time.
--   Hashes are made of those texts in a query of their own: a name is analysed again wherever it stands.
--   Equal records of one message are numbered and the number goes into their hash: a message sent again gives the same
-- parameters: path String, format String (engine's name), structure String, encoding String (json or protobuf),
--   batch_id UUID, first_day, last_day Date (no row of another day is written, as none is counted after),
--   time_from, time_to UInt64 (nanoseconds, range of accepted times), received_to UInt64 (later than receipt from here)
--   hidden_keys, hidden_key_marks, hidden_shapes, hidden_shape_marks Array(String), hidden_cards, hidden_card_mark String
--   (what is hidden before it is stored: models/redaction.py)
--   kept_apps, kept_tiers Array(String), kept_app_days, kept_tier_days Array(UInt16), kept_usual UInt16 (how long a row is kept:
--   models/retention.py)
-- columns: none
INSERT INTO {{otel}}.otel_logs
    (Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body,
     ResourceSchemaUrl, ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes,
     LogAttributes, EventName, x_RecordHash, x_BatchId, retention_days)
WITH
    {encoding:String} = 'json' AS json,
    ({hidden_keys:Array(String)}, {hidden_key_marks:Array(String)}, {hidden_shapes:Array(String)},
        {hidden_shape_marks:Array(String)}, {hidden_cards:String}, {hidden_card_mark:String}) AS hide,
    ({kept_apps:Array(String)}, {kept_app_days:Array(UInt16)}, {kept_tiers:Array(String)}, {kept_tier_days:Array(UInt16)},
        {kept_usual:UInt16}) AS kept
SELECT
    otlp_time(otlp_log_time(moment, observed)),
    otlp_trace_id(trace_id, json),
    otlp_span_id(span_id, json),
    toUInt8(bitAnd(flags, 255)),
    otlp_sound(severity_text, json),
    otlp_severity(severity_number),
    resource['service.name'],
    body,
    otlp_sound(resource_schema, json),
    resource,
    otlp_sound(scope_schema, json),
    otlp_sound(scope_name, json),
    otlp_sound(scope_version, json),
    scope_attributes,
    attributes,
    otlp_sound(event_name, json),
    cityHash64(record_hash, occurrence),
    {batch_id:UUID},
    otlp_retention(otlp_app(resource, attributes, resource['service.name']), resource['service.criticality'], kept)
FROM
(
    SELECT * FROM
    (
        SELECT * FROM
        (
            SELECT *, arrayEnumerateUniqRanked(1, record_hash, 3) AS occurrence
            FROM
            (
                SELECT
                    *,
                    otlp_record_hashes(resource, scope_name, scope_version, scope_attributes, moment, observed, trace_id,
                        span_id, severity_text, severity_number, body, attributes, event_name, json) AS record_hash
                FROM
                (
                    SELECT
                        otlp_maps_1(resourceLogs.resource.attributes, json, hide) AS resource,
                        resourceLogs.schemaUrl AS resource_schema,
                        resourceLogs.scopeLogs.scope.name AS scope_name,
                        resourceLogs.scopeLogs.scope.version AS scope_version,
                        otlp_maps_2(resourceLogs.scopeLogs.scope.attributes, json, hide) AS scope_attributes,
                        resourceLogs.scopeLogs.schemaUrl AS scope_schema,
                        resourceLogs.scopeLogs.logRecords.timeUnixNano AS moment,
                        resourceLogs.scopeLogs.logRecords.observedTimeUnixNano AS observed,
                        resourceLogs.scopeLogs.logRecords.traceId AS trace_id,
                        resourceLogs.scopeLogs.logRecords.spanId AS span_id,
                        resourceLogs.scopeLogs.logRecords.flags AS flags,
                        resourceLogs.scopeLogs.logRecords.severityText AS severity_text,
                        resourceLogs.scopeLogs.logRecords.severityNumber AS severity_number,
                        otlp_texts_3(resourceLogs.scopeLogs.logRecords.body, json, hide) AS body,
                        otlp_maps_3(resourceLogs.scopeLogs.logRecords.attributes, json, hide) AS attributes,
                        resourceLogs.scopeLogs.logRecords.eventName AS event_name
                    FROM file({path:String}, {format:String}, {structure:String})
                )
            )
        )
        ARRAY JOIN
            resource, resource_schema, scope_name, scope_version, scope_attributes, scope_schema, moment,
            observed, trace_id, span_id, flags, severity_text, severity_number, body, attributes,
            event_name, record_hash, occurrence
    )
    ARRAY JOIN
        scope_name, scope_version, scope_attributes, scope_schema, moment, observed, trace_id, span_id,
        flags, severity_text, severity_number, body, attributes, event_name, record_hash, occurrence
)
ARRAY JOIN
    moment, observed, trace_id, span_id, flags, severity_text, severity_number, body, attributes,
    event_name, record_hash, occurrence
WHERE otlp_time_fault(otlp_log_time(moment, observed), {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) = ''
    AND toDate(otlp_time(otlp_log_time(moment, observed))) BETWEEN {first_day:Date} AND {last_day:Date}
