"""OTLP requests made with the protocol's own message classes, and their bytes in every shape OTLP travels in."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar

NOON = 1_767_268_800_000_000_000
"""2026-01-01 12:00 UTC in nanoseconds."""
SECOND = 1_000_000_000

VALUES: dict[str, tuple[Any, str]] = {
    "text": ("plain", "plain"),
    "text.quotes": ('say "hi" / \\ \n\té 🚀', 'say "hi" / \\ \n\té 🚀'),
    "text.empty": ("", ""),
    "true": (True, "true"),
    "false": (False, "false"),
    "zero": (0, "0"),
    "int.large": (9_223_372_036_854_775_807, "9223372036854775807"),
    "int.small": (-9_223_372_036_854_775_808, "-9223372036854775808"),
    "double": (637.704, "637.704"),
    "double.whole": (10.0, "10"),
    "double.tiny": (1e-7, "1e-7"),
    "bytes": (b"\x00\xff\x10abc", "AP8QYWJj"),
    "list": (["many", 1, True, 2.5, b"\x01"], '["many",1,true,2.5,"AQ=="]'),
    "map": (
        {"a/b": "x", "n": 1, "deep": {"list": [1, [2, 3]]}},
        '{"a/b":"x","n":1,"deep":{"list":[1,[2,3]]}}',
    ),
    "list.empty": ([], "[]"),
    "map.empty": ({}, "{}"),
    "list.of.empty": ([[], {}, ""], '[[],{},""]'),
    "list.numbers": ([float("nan"), float("inf"), -0.5, 1e21, 1e-7], '["nan","inf",-0.5,1e21,1e-7]'),
    "double.nan": (float("nan"), "nan"),
    "double.infinite": (float("-inf"), "-inf"),
    "map.deeper": (
        {"1": {"2": {"3": {"4": {"5": [[b"\x01", True, None, 1e21, "\u2028\x01/"]]}}}}},
        '{"1":{"2":{"3":{"4":{"5":[["AQ==",true,null,1e21,"\\u2028\\u0001/"]]}}}}}',
    ),
    "map.deep": ({"one": {"two": {"three": "end"}}}, '{"one":{"two":{"three":"end"}}}'),
    "list.quotes": (['a"b', "c\nd"], '["a\\"b","c\\nd"]'),
}
"""Attribute -> value sent and the one text it must become."""


def any_value(value: Any) -> AnyValue:
    result = AnyValue()
    if value is None:
        return result
    if isinstance(value, bool):
        result.bool_value = value
    elif isinstance(value, str):
        result.string_value = value
    elif isinstance(value, int):
        result.int_value = value
    elif isinstance(value, float):
        result.double_value = value
    elif isinstance(value, bytes):
        result.bytes_value = value
    elif isinstance(value, list):
        result.array_value.values.extend(any_value(one) for one in value)
    else:
        result.kvlist_value.values.extend(pairs(value))
    return result


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def traces(
    count: int = 1, start: int = NOON, service: str = "Shop ", first: int = 1, **span: Any
) -> ExportTraceServiceRequest:
    """``count`` spans of one app, one millisecond apart; ``span`` sets fields of each."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(pairs({"service.name": service}))
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "lib", "1.2"
    for number in range(first, first + count):
        one = scope.spans.add(
            trace_id=(0xAB << 120 | number).to_bytes(16, "big"),
            span_id=(0xCD << 56 | number).to_bytes(8, "big"),
            name="GET /",
            kind=2,
            start_time_unix_nano=start + number * 1_000_000,
            end_time_unix_nano=start + number * 1_000_000 + 5_000_000,
        )
        for name, value in span.items():
            setattr(one, name, value)
    return request


def rich_traces() -> ExportTraceServiceRequest:
    """Every field that becomes a column, and every kind of attribute."""
    request = traces(3)
    resource = request.resource_spans[0]
    resource.resource.attributes.extend(
        pairs({"deployment.environment": " Prod", "cloud.resource_id": "ARN:X"})
    )
    one, two, three = resource.scope_spans[0].spans
    one.attributes.extend(pairs({key: value for key, (value, _) in VALUES.items()}))
    one.trace_state, one.parent_span_id = "a=b", b"\x11" * 8
    one.status.code, one.status.message = 2, "boom"
    event = one.events.add(time_unix_nano=NOON + 7, name="exception")
    event.attributes.extend(pairs({"exception.type": "E", "nested": {"k": [1, 2]}}))
    one.events.add(name="without time")
    link = one.links.add(trace_id=b"\x22" * 16, span_id=b"\x33" * 8, trace_state="c=d")
    link.attributes.extend(pairs({"why": ["a"]}))
    two.kind, two.status.code = 5, 1
    two.attributes.extend(pairs({"app_id": " Checkout ", "http.response.status_code": 503}))
    three.kind, three.end_time_unix_nano = 0, 0
    return request


def rich_logs() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add(schema_url="https://r")
    resource.resource.attributes.extend(pairs({"service.name": "shop", "app_id": "Cart"}))
    scope = resource.scope_logs.add(schema_url="https://s")
    scope.scope.name, scope.scope.version = "lib", "1"
    scope.scope.attributes.extend(pairs({"scope": True}))
    scope.log_records.add(
        time_unix_nano=NOON,
        observed_time_unix_nano=NOON + 1,
        severity_number=10,
        severity_text="INFO",
        trace_id=b"\x44" * 16,
        span_id=b"\x55" * 8,
        flags=0x101,
        body=any_value("text"),
        event_name="page_view",
    ).attributes.extend(pairs({key: value for key, (value, _) in VALUES.items()}))
    scope.log_records.add(
        observed_time_unix_nano=NOON + 2, severity_number=24, body=any_value({"a": [1, "b"]})
    )
    scope.log_records.add(time_unix_nano=NOON + 3)
    return request


def rich_metrics() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add(schema_url="https://r")
    resource.resource.attributes.extend(pairs({"service.name": "shop"}))
    scope = resource.scope_metrics.add(schema_url="https://s")
    scope.scope.name, scope.scope.dropped_attributes_count = "lib", 3
    scope.scope.attributes.extend(pairs({"scope": [1]}))
    times = {"start_time_unix_nano": NOON, "time_unix_nano": NOON + SECOND}
    attributes = pairs({"route": "/", "n": 1})

    def exemplar(**value: Any) -> Exemplar:
        one = Exemplar(time_unix_nano=NOON + 5, span_id=b"\x66" * 8, trace_id=b"\x77" * 16, **value)
        one.filtered_attributes.extend(pairs({"x": "y"}))
        return one

    gauge = scope.metrics.add(name="temperature", unit="C", description="how warm").gauge
    gauge.data_points.add(as_double=-1.5, flags=0, **times).attributes.extend(attributes)
    gauge.data_points.add(as_int=7, time_unix_nano=NOON + SECOND)
    gauge.data_points.add(flags=1, time_unix_nano=NOON + 2 * SECOND)
    total = scope.metrics.add(name="requests").sum
    total.aggregation_temporality, total.is_monotonic = 2, True
    total.data_points.add(as_int=9_007_199_254_740_993, exemplars=[exemplar(as_int=3)], **times)
    histogram = scope.metrics.add(name="duration").histogram
    histogram.aggregation_temporality = 1
    histogram.data_points.add(
        count=3,
        sum=4.5,
        min=0.5,
        max=2.5,
        bucket_counts=[1, 2, 0],
        explicit_bounds=[1.0, 10.0],
        exemplars=[exemplar(as_double=0.25)],
        **times,
    ).attributes.extend(attributes)
    histogram.data_points.add(count=0, **times)
    exponential = scope.metrics.add(name="size").exponential_histogram
    exponential.aggregation_temporality = 2
    point = exponential.data_points.add(count=6, sum=1e300, scale=-3, zero_count=1, min=0, max=1e300, **times)
    point.positive.offset, point.negative.offset = 2, -4
    point.positive.bucket_counts.extend([1, 2])
    point.negative.bucket_counts.extend([2])
    summary = scope.metrics.add(name="old").summary.data_points.add(count=2, sum=3.0, **times)
    summary.quantile_values.add(quantile=0.5, value=1.0)
    summary.quantile_values.add(quantile=0.99, value=2.0)
    return request


def metrics_of(*kinds: str) -> ExportMetricsServiceRequest:
    """``rich_metrics`` with the metrics of these kinds alone: only their tables are written."""
    request = rich_metrics()
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    for place in reversed(range(len(metrics))):
        if metrics[place].WhichOneof("data") not in kinds:
            del metrics[place]
    return request


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def delimited(*requests: Message) -> bytes:
    """Each message after its length as a varint."""
    bodies = [one.SerializeToString() for one in requests]
    return b"".join(varint(len(body)) + body for body in bodies)


def prefixed(*requests: Message) -> bytes:
    """Each message after its length in four bytes, big-endian: the collector's file exporter."""
    bodies = [one.SerializeToString() for one in requests]
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def as_json(
    request: Message, *, ids: str = "base64", enums: str = "names", indent: int | None = None
) -> bytes:
    """OTLP/JSON; ids as ``base64``, ``hex`` or ``HEX``, enums as ``names`` or ``numbers``."""
    data = json_format.MessageToDict(request, use_integers_for_enums=enums == "numbers")
    if ids != "base64":
        _rewrite_ids(data, upper=ids == "HEX")
    return json.dumps(data, indent=indent, ensure_ascii=False).encode() + b"\n"


def as_snake_json(request: Message) -> bytes:
    """JSON with the field names of the .proto files."""
    return json.dumps(json_format.MessageToDict(request, preserving_proto_field_name=True)).encode() + b"\n"


def with_numbers(text: bytes) -> bytes:
    """64-bit integers as numbers instead of strings."""
    return re.sub(rb'("(?:\w+UnixNano|intValue|asInt|count|zeroCount)": )"(-?\d+)"', rb"\1\2", text)


def _rewrite_ids(node: Any, upper: bool) -> None:
    if isinstance(node, list):
        for one in node:
            _rewrite_ids(one, upper)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("traceId", "spanId", "parentSpanId"):
                text = base64.b64decode(value).hex()
                node[key] = text.upper() if upper else text
            else:
                _rewrite_ids(value, upper)
