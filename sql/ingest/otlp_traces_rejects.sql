-- purpose: spans of one object that do not count, to raw_rejects; positions count spans of the object from 1
-- parameters: path, format, structure, encoding String; time_from, time_to, received_to UInt64; source_name, object_name, sha256 String;
--   first_bytes UInt64 (read with max_threads = 1, else positions are not those of the object); hidden_keys, hidden_key_marks,
--   hidden_shapes, hidden_shape_marks Array(String), hidden_cards, hidden_card_mark String (what is hidden: models/redaction.py)
-- columns: none
INSERT INTO raw_rejects
    (kind, source_name, object_name, object_sha256, position, reason, detail, first_bytes, rejected_at)
WITH
    {encoding:String} = 'json' AS json,
    ({hidden_keys:Array(String)}, {hidden_key_marks:Array(String)}, {hidden_shapes:Array(String)},
        {hidden_shape_marks:Array(String)}, {hidden_cards:String}, {hidden_card_mark:String}) AS hide
SELECT
    'telemetry', {source_name:String}, {object_name:String}, {sha256:String}, position, fault,
    toValidUTF8(otlp_shown_text(format('sent by {}: span {} of trace {}, from {} to {} ns', otlp_sender(resource), span_id, trace_id,
        toString(span.startTimeUnixNano), toString(span.endTimeUnixNano)), hide)),
    toValidUTF8(left(otlp_shown_text(toString(ifNull(span.name, '')), hide), {first_bytes:UInt64})),
    now64(9)
FROM
(
    SELECT
        resource,
        span,
        rowNumberInAllBlocks() + 1 AS position,
        otlp_trace_id(span.traceId, json) AS trace_id,
        otlp_span_id(span.spanId, json) AS span_id,
        otlp_span_fault(trace_id, span_id, span.startTimeUnixNano, span.endTimeUnixNano, span.events.timeUnixNano,
            {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) AS fault
    FROM
    (
        SELECT sent.resource.attributes AS resource, arrayJoin(arrayFlatten(sent.scopeSpans.spans)) AS span
        FROM (SELECT arrayJoin(resourceSpans) AS sent FROM file({path:String}, {format:String}, {structure:String}))
    )
)
WHERE fault != ''
