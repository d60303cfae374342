"""The shapes in which the engine reads OTLP, as type text: one serves JSON and Protobuf alike.

Names are those of OTLP/JSON; a member left out is not parsed into a column. Presence of a scalar is its being
not NULL. Nothing here reads bytes.
"""

from __future__ import annotations

from importlib import resources

DEPTH = 1
"""Levels of arrays and key-value lists inside one attribute that the engine reads; a deeper one fails the statement,
and its message is flattened first (``deep``)."""

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


def proto_text() -> str:
    """The schema the engine reads Protobuf with."""
    return resources.files("pipelines.ingest.telemetry").joinpath("otlp.proto").read_text(encoding="utf-8")
