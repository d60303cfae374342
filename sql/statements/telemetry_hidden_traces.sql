-- purpose: counts what was changed in the traces of a batch, to raw_repairs: per day, attribute and rule what was hidden (a mark
--   a sender wrote itself counts too), and per day the spans whose end is before their start
-- parameters: batch_id UUID; first_day, last_day Date; source_name, object_name, sha256 String
-- columns: none
INSERT INTO raw_repairs
    (kind, source_name, object_name, object_sha256, period, subject, reason, records, example, recorded_at)
SELECT
    'telemetry', {source_name:String}, {object_name:String}, {sha256:String}, day, hidden.1,
    concat('hidden by rule ', hidden.2), count(), '', now64(9)
FROM
(
    SELECT
        toDate(Timestamp) AS day,
        arrayJoin(arrayDistinct(arrayFlatten(arrayMap(
            pair -> arrayMap(rule -> (toString(pair.1), rule), extractAll(pair.2, '\\[redacted: ([a-z_]+)\\]')),
            arrayFilter(pair -> position(pair.2, '[redacted: ') > 0, arrayConcat(CAST(ResourceAttributes, 'Array(Tuple(String, String))'),
                CAST(SpanAttributes, 'Array(Tuple(String, String))'),
                arrayFlatten(CAST(`Events.Attributes`, 'Array(Array(Tuple(String, String)))')),
                arrayFlatten(CAST(`Links.Attributes`, 'Array(Array(Tuple(String, String)))')))))))) AS hidden
    FROM {{otel}}.otel_traces
    WHERE x_BatchId = {batch_id:UUID} AND toDate(Timestamp) BETWEEN {first_day:Date} AND {last_day:Date}
)
GROUP BY day, hidden

UNION ALL

SELECT
    'telemetry', {source_name:String}, {object_name:String}, {sha256:String}, toDate(Timestamp) AS day, 'endTimeUnixNano',
    'end before the start read as no end', count(), min(concat(toString(app_id), ' at ', toString(Timestamp))), now64(9)
FROM {{otel}}.otel_traces
WHERE x_BatchId = {batch_id:UUID} AND toDate(Timestamp) BETWEEN {first_day:Date} AND {last_day:Date}
    AND NOT has_end AND Duration > 0
GROUP BY day
