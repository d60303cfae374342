"""What a Python pipeline does with the bytes of OTLP: decode, then Arrow columns. The other way, to compare with.

Fewer members than ingest reads (no events, links or status) and nothing is inserted: it errs to its own advantage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_TEXTS = pa.map_(pa.string(), pa.string())
_SCHEMA = pa.schema(
    [
        ("trace", pa.string()),
        ("span", pa.string()),
        ("name", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("kind", pa.int64()),
        ("resource", _TEXTS),
        ("attributes", _TEXTS),
    ]
)


def from_protobuf(path: Path) -> pa.Table:
    """Spans of a Protobuf object, decoded by the Protobuf package's own C code."""
    request = ExportTraceServiceRequest.FromString(path.read_bytes())

    def rows() -> Iterator[tuple[Any, ...]]:
        for group in request.resource_spans:
            resource = _pairs(group.resource.attributes)
            for scope in group.scope_spans:
                for span in scope.spans:
                    yield (
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.name,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        span.kind,
                        resource,
                        _pairs(span.attributes),
                    )

    return _table(rows())


def from_json(path: Path) -> pa.Table:
    """Spans of an object of OTLP/JSON lines, decoded by the standard library."""

    def rows() -> Iterator[tuple[Any, ...]]:
        with path.open("rb") as file:
            for line in file:
                for group in json.loads(line)["resourceSpans"]:
                    resource = _json_pairs(group["resource"]["attributes"])
                    for scope in group["scopeSpans"]:
                        for span in scope["spans"]:
                            yield (
                                span["traceId"],
                                span["spanId"],
                                span["name"],
                                int(span["startTimeUnixNano"]),
                                int(span["endTimeUnixNano"]),
                                span["kind"],
                                resource,
                                _json_pairs(span["attributes"]),
                            )

    return _table(rows())


DECODERS: dict[str, Callable[[Path], pa.Table]] = {"json": from_json, "protobuf": from_protobuf}


def _table(rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)]
    return pa.table(arrays, schema=_SCHEMA)


def _pairs(attributes: Any) -> list[tuple[str, str]]:
    return [(one.key, one.value.string_value or str(one.value.int_value)) for one in attributes]


def _json_pairs(attributes: Any) -> list[tuple[str, str]]:
    return [(one["key"], one["value"].get("stringValue") or one["value"]["intValue"]) for one in attributes]
