-- purpose: the bare parse and insert of OTLP spans, one row per span with every member ingest reads, nothing mapped: what
--   telemetry ingest is compared with. JSON and Protobuf alike, by the format and its settings
-- parameters: path String, format String, structure String (those of pipelines.ingest.telemetry)
-- columns: none
CREATE OR REPLACE TABLE bench_bare_spans ENGINE = MergeTree ORDER BY tuple()
AS SELECT resource, scope, span
FROM
(
    SELECT resource, scope_spans.1 AS scope, scope_spans.2 AS spans
    FROM
    (
        SELECT resourceSpans.1 AS resource, resourceSpans.2 AS scope_spans
        FROM file({path:String}, {format:String}, {structure:String})
        ARRAY JOIN resourceSpans
    )
    ARRAY JOIN scope_spans
)
ARRAY JOIN spans AS span
