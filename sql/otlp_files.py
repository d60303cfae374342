"""How the engine reads bytes of OTLP: its names for their formats, its settings, the shapes it reads them in as type
text, and which errors lie with the bytes.

One shape serves JSON and Protobuf alike. Names are those of OTLP/JSON; a member left out is not parsed into a column.
Presence of a scalar is its being not NULL. What the bytes look like is told by whoever has them; nothing here reads any.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from models.errors import WarehouseError

ENGINE_FORMATS = {"json": "JSONEachRow", "protobuf": "ProtobufSingle", "protobuf_delimited": "Protobuf"}
"""Input format by encoding."""

_UNREADABLE_CODES = frozenset({6, 25, 26, 27, 32, 33, 72, 117, 128, 130, 131, 190, 306, 349, 436, 444, 467})
"""Codes the engine gives for bytes it cannot parse (ClickHouse, src/Common/ErrorCodes.cpp)."""

_LATER_INDEXES = (
    "idx_trace_id",
    "idx_duration",
    "idx_lower_body",
    *(
        f"idx_{what}_attr_{part}"
        for what in ("res", "scope", "span", "log", "attr")
        for part in ("key", "value")
    ),
)

_THROWN_BY_STATEMENT = 395
"""Code of ``throwIf``: the ingest statements throw it where a value is nested deeper than their structure, and where
text is not UTF-8 or an enum is not the protocol's."""

_ANY_OTLP: dict[str, str | int | float] = {
    "output_format_json_escape_forward_slashes": 0,
    "output_format_json_quote_denormals": 1,
    # Off: this pass hashes the nested types of every comparison; 0.3 of 0.5 s of a small object's plan.
    "optimize_and_compare_chain": 0,
    # Off: it hashes the nested types under a condition, up to 0.5 s of a plan.
    "use_query_condition_cache": 0,
    # An empty list is told from no value by the presence of its member.
    "allow_experimental_nullable_tuple_type": 1,
    # The patterns are ours (models/policy/redaction.yaml) and their cost is measured.
    "reject_expensive_hyperscan_regexps": 0,
}


def json_settings() -> dict[str, str | int | float]:
    """Settings OTLP/JSON is read with."""
    return {
        **_ANY_OTLP,
        "input_format_json_read_numbers_as_strings": 1,
        "input_format_skip_unknown_fields": 1,
        # Off: true is no number, and a statement that says so has its message put right.
        "input_format_json_read_bools_as_numbers": 0,
        # Every block costs 0.05 s of CPU time beside what is in it: fewer, larger ones than the engine's 10 MiB.
        "min_chunk_bytes_for_parallel_parsing": 40 << 20,
    }


def protobuf_settings(message: str) -> dict[str, str | int | float]:
    """Settings OTLP Protobuf is read with; ``message`` is the one of the schema to look for."""
    return {
        **_ANY_OTLP,
        "format_schema_source": "string",
        "format_schema": _schema(),
        "format_schema_message_name": message,
    }


IN_ORDER: dict[str, str | int | float] = {"max_threads": 1}
"""Settings under which messages are met in the order they stand in."""


def insert_settings() -> dict[str, str | int | float]:
    """Settings telemetry is inserted with."""
    return {
        # A partition is a day, and one object may hold a year.
        "max_partitions_per_insert_block": 0,
        # What people search by is indexed when parts are merged, which does it again anyway; that by batch stays.
        "exclude_materialize_skip_indexes_on_insert": ",".join(_LATER_INDEXES),
    }


def is_unreadable(error: WarehouseError) -> bool:
    """Whether the engine failed because of the bytes it read, not for a reason of its own."""
    return error.code in _UNREADABLE_CODES


def is_thrown(error: WarehouseError) -> bool:
    """Whether an ingest statement ended at a value that it does not store as it is."""
    return error.code == _THROWN_BY_STATEMENT


@cache
def _schema() -> str:
    return resources.files("sql").joinpath("otlp.proto").read_text(encoding="utf-8")


DEPTH = 1
"""Levels of arrays and key-value lists inside one attribute that the engine reads; a deeper one fails the statement,
and its message is flattened first."""

_SCALARS = (
    "stringValue Nullable(String), boolValue Nullable(Bool), intValue Nullable(Int64), "
    "doubleValue Nullable(Float64), bytesValue Nullable(String)"
)


def _any_value(depth: int) -> str:
    if depth == 0:
        return f"Tuple({_SCALARS}, arrayValue Nullable(String), kvlistValue Nullable(String))"
    inner = _any_value(depth - 1)
    return (
        f"Tuple({_SCALARS}, arrayValue Nullable(Tuple(values Array({inner}))), "
        f"kvlistValue Nullable(Tuple(values Array(Tuple(key String, value {inner})))))"
    )


def with_sender(structure: str) -> str:
    """A survey's structure with what names the sender of a resource."""
    sender = "resource Tuple(attributes Array(Tuple(key String, value Tuple(stringValue Nullable(String)))))"
    return structure.replace("Array(Tuple(", f"Array(Tuple({sender}, ", 1)


_ANY_VALUE = _any_value(DEPTH)
_KEY_VALUES = f"Array(Tuple(key String, value {_ANY_VALUE}))"
_ATTRIBUTES = f"attributes {_KEY_VALUES}"
_RESOURCE = f"resource Tuple({_ATTRIBUTES})"
_SCOPE = f"scope Tuple(name String, version String, {_ATTRIBUTES}, droppedAttributesCount UInt32)"

_SCOPE_NAME = "scope Tuple(name String, version String)"

_SPAN_SURVEY = (
    "traceId String, spanId String, name String, startTimeUnixNano UInt64, endTimeUnixNano UInt64, "
    "events Array(Tuple(timeUnixNano UInt64))"
)
_SPAN = (
    "traceId String, spanId String, traceState String, parentSpanId String, name String, kind String, "
    f"startTimeUnixNano UInt64, endTimeUnixNano UInt64, {_ATTRIBUTES}, "
    f"events Array(Tuple(timeUnixNano UInt64, name String, {_ATTRIBUTES})), "
    f"links Array(Tuple(traceId String, spanId String, traceState String, {_ATTRIBUTES})), "
    "status Tuple(message String, code String)"
)

TRACES = f"resourceSpans Array(Tuple({_RESOURCE}, scopeSpans Array(Tuple({_SCOPE_NAME}, spans Array(Tuple({_SPAN}))))))"
TRACES_SURVEY = f"resourceSpans Array(Tuple(scopeSpans Array(Tuple(spans Array(Tuple({_SPAN_SURVEY}))))))"
TRACES_REJECTS = with_sender(TRACES_SURVEY)


_LOG_SURVEY = "timeUnixNano UInt64, observedTimeUnixNano UInt64, body Tuple(stringValue String)"
_LOG = (
    "timeUnixNano UInt64, observedTimeUnixNano UInt64, severityNumber String, severityText String, "
    f"body {_ANY_VALUE}, {_ATTRIBUTES}, flags UInt32, traceId String, spanId String, eventName String"
)

LOGS = (
    f"resourceLogs Array(Tuple({_RESOURCE}, schemaUrl String, scopeLogs Array(Tuple({_SCOPE}, schemaUrl String, "
    f"logRecords Array(Tuple({_LOG}))))))"
)
LOGS_SURVEY = f"resourceLogs Array(Tuple(scopeLogs Array(Tuple(logRecords Array(Tuple({_LOG_SURVEY}))))))"
LOGS_REJECTS = with_sender(LOGS_SURVEY)

_NUMBER = "asDouble Nullable(Float64), asInt Nullable(Int64)"
_EXEMPLARS = f"exemplars Array(Tuple(filteredAttributes {_KEY_VALUES}, timeUnixNano UInt64, {_NUMBER}, spanId String, traceId String))"
_POINT = f"{_ATTRIBUTES}, startTimeUnixNano UInt64, timeUnixNano UInt64, flags UInt32"
_COUNT = "count UInt64, sum Float64"
_EXTREMES = "min Float64, max Float64"
_BUCKETS = "Tuple(offset Int32, bucketCounts Array(UInt64))"
_TEMPORALITY = "aggregationTemporality String"


def _metrics(member: str) -> str:
    metric = f"name String, description String, unit String, {member}"
    return (
        f"resourceMetrics Array(Tuple({_RESOURCE}, schemaUrl String, scopeMetrics Array(Tuple({_SCOPE}, "
        f"schemaUrl String, metrics Array(Tuple({metric}))))))"
    )


def _data(member: str, point: str, *more: str) -> str:
    return f"{member} Tuple({', '.join((f'dataPoints Array(Tuple({point}))', *more))})"


METRICS = {
    "gauge": _metrics(_data("gauge", f"{_POINT}, {_NUMBER}, {_EXEMPLARS}")),
    "sum": _metrics(_data("sum", f"{_POINT}, {_NUMBER}, {_EXEMPLARS}", _TEMPORALITY, "isMonotonic Bool")),
    "histogram": _metrics(
        _data(
            "histogram",
            f"{_POINT}, {_COUNT}, {_EXTREMES}, bucketCounts Array(UInt64), explicitBounds Array(Float64), {_EXEMPLARS}",
            _TEMPORALITY,
        )
    ),
    "exponential_histogram": _metrics(
        _data(
            "exponentialHistogram",
            f"{_POINT}, {_COUNT}, {_EXTREMES}, scale Int32, zeroCount UInt64, positive {_BUCKETS}, negative {_BUCKETS}, {_EXEMPLARS}",
            _TEMPORALITY,
        )
    ),
    "summary": _metrics(
        _data("summary", f"{_POINT}, {_COUNT}, quantileValues Array(Tuple(quantile Float64, value Float64))")
    ),
}
"""By kind of metric: each table reads its own kind only."""

_POINT_SURVEY = "startTimeUnixNano UInt64, timeUnixNano UInt64"
_SAMPLED_SURVEY = f"{_POINT_SURVEY}, exemplars Array(Tuple(timeUnixNano UInt64))"
METRICS_SURVEY = (
    "resourceMetrics Array(Tuple(scopeMetrics Array(Tuple(metrics Array(Tuple(name String, "
    + ", ".join(
        _data(member, _SAMPLED_SURVEY) for member in ("gauge", "sum", "histogram", "exponentialHistogram")
    )
    + f", {_data('summary', _POINT_SURVEY)}))))))"
)
METRICS_REJECTS = with_sender(METRICS_SURVEY)
