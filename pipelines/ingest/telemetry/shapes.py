"""What an OTLP message may hold, taken from the protocol's own descriptors, with the names older senders use.

Tables only. ``messages`` reads them to put a message right; the engine reads its own structures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

REQUESTS: dict[str, type[Message]] = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
}
"""The request of each signal."""

RECORDS = frozenset(
    {
        "Span",
        "LogRecord",
        "NumberDataPoint",
        "HistogramDataPoint",
        "ExponentialHistogramDataPoint",
        "SummaryDataPoint",
    }
)
"""Messages that are one record each: what is set aside is set aside by them."""

OLD_SCOPES = 1000
"""Number of ``instrumentation_library_spans`` (``_metrics``, ``_logs``) beside ``scope_spans`` in OTLP 0.15 to 0.19."""

_OLD_NAMES = {
    "ResourceSpans": {"instrumentationLibrarySpans": "scope_spans"},
    "ResourceMetrics": {"instrumentationLibraryMetrics": "scope_metrics"},
    "ResourceLogs": {"instrumentationLibraryLogs": "scope_logs"},
    "ScopeSpans": {"instrumentationLibrary": "scope"},
    "ScopeMetrics": {"instrumentationLibrary": "scope"},
    "ScopeLogs": {"instrumentationLibrary": "scope", "logs": "log_records"},
}
"""Members by the names they had before OTLP 0.15 (logs: 0.14), by message: opentelemetry-proto, CHANGELOG."""


@dataclass(frozen=True)
class Member:
    """A field of a message, read once: asking the descriptor each time would cost more than what it says."""

    name: str
    kind: int
    is_repeated: bool
    message: Shape | None
    names: dict[str, int]
    """Numbers by name of an enum."""

    @property
    def is_number(self) -> bool:
        """Whether JSON has it as a number, or as the name of one."""
        return self.message is None and self.kind not in (
            FieldDescriptor.CPPTYPE_STRING,
            FieldDescriptor.CPPTYPE_BOOL,
        )


@dataclass(frozen=True)
class Shape:
    """A message: its fields by every name JSON may give them (camelCase, snake_case, older ones)."""

    name: str
    members: dict[str, Member]

    @property
    def is_record(self) -> bool:
        """Whether it is one record."""
        return self.name in RECORDS

    @cached_property
    def holds_records(self) -> bool:
        """Whether it is a record or a group of them, so that it can be set aside by itself."""
        return (
            self.is_record
            or self.name == "Metric"
            or (self.name.startswith(("Resource", "Scope")) and self.name not in ("Resource", "Scope"))
        )

    @cached_property
    def leads_to_records(self) -> bool:
        """Whether records lie in it."""
        return self.holds_records or any(
            one.message is not None and one.message.is_record for one in self.members.values()
        )


@cache
def shape(descriptor: Descriptor) -> Shape:
    """The shape of a message."""
    made = Shape(descriptor.name, {})
    _SHAPES[descriptor.full_name] = made
    by_name: dict[str, Member] = {}
    for field in descriptor.fields:
        inner = field.message_type
        nested = None if inner is None else _SHAPES.get(inner.full_name) or shape(inner)
        enum = {one.name: one.number for one in field.enum_type.values} if field.enum_type else {}
        by_name[field.name] = Member(field.json_name, field.cpp_type, field.is_repeated, nested, enum)
    made.members.update({one.name: one for one in by_name.values()} | by_name)
    for old, name in _OLD_NAMES.get(descriptor.name, {}).items():
        made.members.update({old: by_name[name], _snake(old): by_name[name]})
    return made


_SHAPES: dict[str, Shape] = {}
"""Messages being read: one of them may hold itself."""


@cache
def members() -> tuple[tuple[str, Member], ...]:
    """Every member of every message with each of its names; one name may be of several, ``sum`` of a number and a message."""
    for request in REQUESTS.values():
        shape(cast(Descriptor, request.DESCRIPTOR))
    return tuple((name, one) for each in _SHAPES.values() for name, one in each.members.items())


@cache
def lenient(signal: str) -> type[Message]:
    """The request of a signal as a class that takes any bytes as text and reads field 1000 of older senders.

    What it cannot parse is no Protobuf of that shape; what it can and the official class cannot is text that is
    not UTF-8.
    """
    pool = descriptor_pool.DescriptorPool()
    official = REQUESTS[signal].DESCRIPTOR
    for file in _with_imports(official.file):
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        for message in _nested(copy.message_type):
            for field in message.field:
                if field.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING:
                    field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            if message.name in ("ResourceSpans", "ResourceMetrics", "ResourceLogs"):
                scopes = next(field for field in message.field if field.number == 2)
                older = message.field.add()
                older.CopyFrom(scopes)
                older.name, older.number = "older_scopes", OLD_SCOPES
                older.ClearField("json_name")
                del message.reserved_range[:]
        pool.Add(copy)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName(official.full_name))
    return cast(type[Message], made)


def _with_imports(file: descriptor_pb2.FileDescriptorProto) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """A file after those it imports."""
    seen = {}

    def visit(one: descriptor_pb2.FileDescriptorProto) -> None:
        if one.name not in seen:
            for dependency in one.dependencies:
                visit(dependency)
            seen[one.name] = one

    visit(file)
    yield from seen.values()


def _nested(messages: object) -> Iterator[descriptor_pb2.DescriptorProto]:
    for message in messages:  # type: ignore[attr-defined]
        yield message
        yield from _nested(message.nested_type)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
