"""Which records of a request the load will set aside, told before the request is answered.

The rules are those of ``otlp_span_fault``, ``otlp_point_fault`` and ``otlp_log_fault`` in sql/migrations, over
values of Python; a test holds both to the same verdicts. Protobuf is looked at through an outline of ids and times,
so that what a record says is never decoded here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from pipelines.ingest.telemetry.frames import Signal
from pipelines.ingest.telemetry.policy import load_policy

OUT_OF_RANGE = "time out of range"
LATE = "time later than its receipt"
TRACE_ID = "invalid trace id"
SPAN_ID = "invalid span id"

_HEX = re.compile(r"[0-9a-f]+\Z")

Faults = Counter[str]
"""Records set aside, by reason."""


@dataclass(frozen=True)
class Accepted:
    """Times that are accepted, in nanoseconds; ``received_to`` is where the future begins."""

    time_from: int
    time_to: int
    received_to: int

    @classmethod
    def at(cls, received: float) -> Accepted:
        """For a request received at this moment (seconds since 1970)."""
        policy = load_policy()
        return cls(policy.time_from, policy.time_to, (int(received) + policy.future_seconds) * 10**9)


def protobuf_faults(message: bytes, signal: Signal, accepted: Accepted) -> Faults:
    """Records of a Protobuf request that will be set aside; the request must be one."""
    outline = _outline(signal).FromString(message)
    outline.DiscardUnknownFields()
    return _OF_PROTOBUF[signal](outline, accepted)


def json_faults(document: dict[str, Any], signal: Signal, accepted: Accepted) -> Faults:
    """Records of a JSON request, in the protocol's names and types, that will be set aside."""
    return _OF_JSON[signal](document, accepted)


def _time_fault(first: int, others: Iterable[int], accepted: Accepted) -> str:
    """The fault of a record's times; the first must be there, others may be 0."""
    times = [first, *(one for one in others if one)]
    if any(not accepted.time_from <= one < accepted.time_to for one in times):
        return OUT_OF_RANGE
    return LATE if any(one >= accepted.received_to for one in times) else ""


def _counted(faults: Iterable[str]) -> Faults:
    return Counter(fault for fault in faults if fault)


def _spans_of_protobuf(outline: Any, accepted: Accepted) -> Faults:
    found: Faults = Counter()
    for resource in outline.items:
        for scope in resource.items:
            if not _all_regular(scope.SerializeToString(), accepted):
                found += _counted(
                    _id_fault(span.trace_id, 16, TRACE_ID)
                    or _id_fault(span.span_id, 8, SPAN_ID)
                    or _time_fault(span.start, (span.end, *(one.time for one in span.events)), accepted)
                    for span in scope.items
                )
    return found


_SPAN = np.dtype(
    [
        ("head", "V4"),
        ("trace_id", "<u8", 2),
        ("span_head", "V2"),
        ("span_id", "<u8"),
        ("start_tag", "u1"),
        ("start", "<u8"),
        ("end_tag", "u1"),
        ("end", "<u8"),
    ]
)
"""The outline of a span with both ids and both times as Protobuf writes it."""

_SPAN_HEAD, _SPAN_ID_HEAD = np.void(b"\x12\x2e\x0a\x10"), np.void(b"\x12\x08")


def _all_regular(scope: bytes, accepted: Accepted) -> bool:
    """Whether the outline of a scope holds nothing but spans without a fault; false where that cannot be told at once."""
    if len(scope) % _SPAN.itemsize:
        return False
    spans = np.frombuffer(scope, _SPAN)
    times = np.concatenate((spans["start"], spans["end"]))
    return bool(
        not len(spans)
        or (
            (spans["head"] == _SPAN_HEAD).all()
            and (spans["span_head"] == _SPAN_ID_HEAD).all()
            and (spans["start_tag"] == 0x39).all()
            and (spans["end_tag"] == 0x41).all()
            and spans["trace_id"].any(axis=1).all()
            and spans["span_id"].all()
            and times.min() >= accepted.time_from
            and times.max() < min(accepted.time_to, accepted.received_to)
        )
    )


def _id_fault(value: bytes, size: int, fault: str) -> str:
    return "" if len(value) == size and any(value) else fault


def _points_of_protobuf(outline: Any, accepted: Accepted) -> Faults:
    return _counted(
        _time_fault(point.time, (point.start, *(one.time for one in point.exemplars)), accepted)
        for resource in outline.items
        for scope in resource.items
        for metric in scope.items
        for data in _data_of(metric)
        for point in data.items
    )


def _data_of(metric: Any) -> Iterator[Any]:
    for _, data in metric.ListFields():
        yield data


def _records_of_protobuf(outline: Any, accepted: Accepted) -> Faults:
    return _counted(
        _time_fault(record.time or record.observed, (), accepted)
        for resource in outline.items
        for scope in resource.items
        for record in scope.items
    )


def _spans_of_json(document: dict[str, Any], accepted: Accepted) -> Faults:
    return _counted(
        _text_id_fault(span.get("traceId", ""), 32, 24, TRACE_ID)
        or _text_id_fault(span.get("spanId", ""), 16, 12, SPAN_ID)
        or _time_fault(
            _nanoseconds(span, "startTimeUnixNano"),
            (
                _nanoseconds(span, "endTimeUnixNano"),
                *(_nanoseconds(one, "timeUnixNano") for one in span.get("events", ())),
            ),
            accepted,
        )
        for span in _in_scopes(document, "resourceSpans", "scopeSpans", "spans")
    )


def _points_of_json(document: dict[str, Any], accepted: Accepted) -> Faults:
    return _counted(
        _time_fault(
            _nanoseconds(point, "timeUnixNano"),
            (
                _nanoseconds(point, "startTimeUnixNano"),
                *(_nanoseconds(one, "timeUnixNano") for one in point.get("exemplars", ())),
            ),
            accepted,
        )
        for metric in _in_scopes(document, "resourceMetrics", "scopeMetrics", "metrics")
        for data in metric.values()
        if isinstance(data, dict)
        for point in data.get("dataPoints", ())
    )


def _records_of_json(document: dict[str, Any], accepted: Accepted) -> Faults:
    return _counted(
        _time_fault(
            _nanoseconds(record, "timeUnixNano") or _nanoseconds(record, "observedTimeUnixNano"), (), accepted
        )
        for record in _in_scopes(document, "resourceLogs", "scopeLogs", "logRecords")
    )


def _in_scopes(document: dict[str, Any], resources: str, scopes: str, items: str) -> Iterator[dict[str, Any]]:
    for resource in document.get(resources, ()):
        for scope in resource.get(scopes, ()):
            yield from scope.get(items, ())


def _nanoseconds(record: dict[str, Any], name: str) -> int:
    return int(record.get(name, 0))


def _text_id_fault(text: str, digits: int, base64_length: int, fault: str) -> str:
    """Ids are hex; of the length base64 gives them they are base64."""
    if len(text.encode()) == base64_length:
        try:
            text = base64.b64decode(text, validate=True).hex()
        except (binascii.Error, ValueError):
            return fault
    text = text.lower()
    good = len(text.encode()) == digits and _HEX.match(text) and text.strip("0")
    return "" if good else fault


_OF_PROTOBUF: dict[Signal, Callable[[Any, Accepted], Faults]] = {
    "traces": _spans_of_protobuf,
    "metrics": _points_of_protobuf,
    "logs": _records_of_protobuf,
}
_OF_JSON: dict[Signal, Callable[[dict[str, Any], Accepted], Faults]] = {
    "traces": _spans_of_json,
    "metrics": _points_of_json,
    "logs": _records_of_json,
}

_BYTES, _FIXED64 = "bytes", "fixed64"
_OUTLINES: dict[Signal, dict[str, dict[int, tuple[str, str, bool]]]] = {
    "traces": {
        "Item": {
            1: ("trace_id", _BYTES, False),
            2: ("span_id", _BYTES, False),
            7: ("start", _FIXED64, False),
            8: ("end", _FIXED64, False),
            11: ("events", "Event", True),
        },
        "Event": {1: ("time", _FIXED64, False)},
    },
    "logs": {"Item": {1: ("time", _FIXED64, False), 11: ("observed", _FIXED64, False)}},
    "metrics": {
        "Item": {
            5: ("gauge", "Numbers", False),
            7: ("sum", "Numbers", False),
            9: ("histogram", "Histograms", False),
            10: ("exponential", "Exponentials", False),
            11: ("summary", "Summaries", False),
        },
        "Numbers": {1: ("items", "Number", True)},
        "Histograms": {1: ("items", "Histogram", True)},
        "Exponentials": {1: ("items", "Exponential", True)},
        "Summaries": {1: ("items", "Summary", True)},
        **{
            name: {
                2: ("start", _FIXED64, False),
                3: ("time", _FIXED64, False),
                number: ("exemplars", "Exemplar", True),
            }
            for name, number in (("Number", 5), ("Histogram", 8), ("Exponential", 11), ("Summary", 15))
        },
        "Exemplar": {2: ("time", _FIXED64, False)},
    },
}
"""Fields of a record that decide whether it counts: message -> number -> name, type, repeated."""


@cache
def _outline(signal: Signal) -> type[Message]:
    """The request of a signal with nothing but the ids and times of its records."""
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {_BYTES: kinds.TYPE_BYTES, _FIXED64: kinds.TYPE_FIXED64}
    file = descriptor_pb2.FileDescriptorProto(
        name=f"outline_{signal}.proto", package="outline", syntax="proto3"
    )
    groups = {
        "Request": {1: ("items", "Resource", True)},
        "Resource": {2: ("items", "Scope", True)},
        "Scope": {2: ("items", "Item", True)},
    }
    for name, members in {**groups, **_OUTLINES[signal]}.items():
        message = file.message_type.add(name=name)
        for number, (field_name, kind, repeated) in members.items():
            field = message.field.add(name=field_name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in scalars:
                field.type = scalars[kind]
            else:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".outline.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return cast(type[Message], message_factory.GetMessageClass(pool.FindMessageTypeByName("outline.Request")))
