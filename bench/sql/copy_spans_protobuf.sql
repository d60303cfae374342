-- purpose: the bare parse and insert of OTLP Protobuf spans: what telemetry ingest is compared with
-- parameters: path String
-- columns: none
CREATE TABLE bench_copy_spans ENGINE = MergeTree ORDER BY tuple()
AS SELECT span
FROM file({path:String}, 'ProtobufSingle',
    'resource_spans Nested(scope_spans Nested(spans Nested(trace_id String, span_id String, name String, start_time_unix_nano UInt64, end_time_unix_nano UInt64)))')
ARRAY JOIN arrayFlatten(resource_spans.scope_spans.spans) AS span
