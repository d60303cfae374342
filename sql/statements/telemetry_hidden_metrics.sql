-- purpose: counts per day, attribute and rule what was hidden in the metrics of a batch, to raw_repairs; a mark a sender wrote
--   itself counts too
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
        toDate(TimeUnix) AS day,
        arrayJoin(arrayDistinct(arrayFlatten(arrayMap(
            pair -> arrayMap(rule -> (toString(pair.1), rule), extractAll(pair.2, '\\[redacted: ([a-z_]+)\\]')),
            arrayFilter(pair -> position(pair.2, '[redacted: ') > 0, arrayConcat(CAST(ResourceAttributes, 'Array(Tuple(String, String))'),
                CAST(ScopeAttributes, 'Array(Tuple(String, String))'),
                CAST(Attributes, 'Array(Tuple(String, String))'),
                arrayFlatten(CAST(`Exemplars.FilteredAttributes`, 'Array(Array(Tuple(String, String)))')))))))) AS hidden
    FROM (
        SELECT x_BatchId, TimeUnix, ResourceAttributes, ScopeAttributes, Attributes, `Exemplars.FilteredAttributes`
        FROM merge('{{otel}}', '^otel_metrics_(gauge|sum|histogram|exponential_histogram)$')
        UNION ALL
        SELECT x_BatchId, TimeUnix, ResourceAttributes, ScopeAttributes, Attributes, []
        FROM {{otel}}.otel_metrics_summary
    )
    WHERE x_BatchId = {batch_id:UUID} AND toDate(TimeUnix) BETWEEN {first_day:Date} AND {last_day:Date}
)
GROUP BY day, hidden
