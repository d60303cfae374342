-- purpose: metric points of one object that do not count, to raw_rejects; positions count points of the object from 1
-- parameters: path, format, structure, encoding String; time_from, time_to, received_to UInt64; source_name, object_name, sha256 String;
--   first_bytes UInt64 (read with max_threads = 1, else positions are not those of the object); hidden_keys, hidden_key_marks,
--   hidden_shapes, hidden_shape_marks Array(String), hidden_cards, hidden_card_mark String (what is hidden: models/redaction.py)
-- columns: none
INSERT INTO raw_rejects
    (kind, source_name, object_name, object_sha256, position, reason, detail, first_bytes, rejected_at)
WITH
    ({hidden_keys:Array(String)}, {hidden_key_marks:Array(String)}, {hidden_shapes:Array(String)},
        {hidden_shape_marks:Array(String)}, {hidden_cards:String}, {hidden_card_mark:String}) AS hide
SELECT
    'telemetry', {source_name:String}, {object_name:String}, {sha256:String}, position, fault,
    toValidUTF8(otlp_shown_text(format('sent by {}: point of {} at {} ns, series from {} ns', otlp_sender(resource), point.1, toString(point.2), toString(point.3)), hide)),
    toValidUTF8(left(otlp_shown_text(toString(ifNull(metric_name, '')), hide), {first_bytes:UInt64})),
    now64(9)
FROM
(
    SELECT
        resource,
        metric_name,
        point,
        rowNumberInAllBlocks() + 1 AS position,
        otlp_point_fault(point.2, point.3, point.4, {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) AS fault
    FROM
    (
        SELECT
                resource,
                metric.name AS metric_name,
                arrayJoin(arrayConcat(
                    arrayMap(p -> ('otel_metrics_gauge', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.gauge.dataPoints),
                    arrayMap(p -> ('otel_metrics_sum', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.sum.dataPoints),
                    arrayMap(p -> ('otel_metrics_histogram', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.histogram.dataPoints),
                    arrayMap(p -> ('otel_metrics_exponential_histogram', p.timeUnixNano, p.startTimeUnixNano, p.exemplars.timeUnixNano), metric.exponentialHistogram.dataPoints),
                    arrayMap(p -> ('otel_metrics_summary', p.timeUnixNano, p.startTimeUnixNano, CAST([], 'Array(UInt64)')), metric.summary.dataPoints))) AS point
        FROM
        (
                SELECT sent.resource.attributes AS resource, arrayJoin(arrayFlatten(sent.scopeMetrics.metrics)) AS metric
                FROM (SELECT arrayJoin(resourceMetrics) AS sent FROM file({path:String}, {format:String}, {structure:String}))
        )
    )
)
WHERE fault != ''
