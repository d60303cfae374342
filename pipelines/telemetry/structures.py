"""The shapes in which the engine reads OTLP, as type text: one serves JSON and Protobuf alike.

Names are those of OTLP/JSON; a member left out is not parsed into a column. Presence of a scalar is its being
not NULL. Nothing here reads bytes.
"""

from __future__ import annotations

from importlib import resources

DEPTH = 3
"""Levels of arrays and key-value lists inside one attribute; deeper ones read as null."""

_SCALARS = (
    "stringValue Nullable(String), boolValue Nullable(Bool), intValue Nullable(Int64), "
    "doubleValue Nullable(Float64), bytesValue Nullable(String)"
)


def _any_value(depth: int) -> str:
    if depth == 0:
        return f"Tuple({_SCALARS})"
    inner = _any_value(depth - 1)
    return (
        f"Tuple({_SCALARS}, arrayValue Tuple(values Array({inner})), "
        f"kvlistValue Tuple(values Array(Tuple(key String, value {inner}))))"
    )


_ANY_VALUE = _any_value(DEPTH)
_ATTRIBUTES = f"attributes Array(Tuple(key String, value {_ANY_VALUE}))"
_RESOURCE = f"resource Tuple({_ATTRIBUTES})"
_SCOPE = f"scope Tuple(name String, version String, {_ATTRIBUTES}, droppedAttributesCount UInt32)"

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

TRACES = (
    f"resourceSpans Array(Tuple({_RESOURCE}, scopeSpans Array(Tuple({_SCOPE}, spans Array(Tuple({_SPAN}))))))"
)
TRACES_SURVEY = f"resourceSpans Array(Tuple(scopeSpans Array(Tuple(spans Array(Tuple({_SPAN_SURVEY}))))))"


def proto_text() -> str:
    """The schema the engine reads Protobuf with."""
    return resources.files("pipelines.telemetry").joinpath("otlp.proto").read_text(encoding="utf-8")
