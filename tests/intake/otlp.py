"""OTLP requests as senders make them, built with the official Protobuf classes."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF = "application/x-protobuf"
REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


def spans(seed: int, count: int = 3, app: str = "orders") -> ExportTraceServiceRequest:
    """A request of ``count`` server spans with ids of its own."""
    numbers = random.Random(seed)
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key in ("app_id", "service.name"):
        resource.resource.attributes.add(key=key).value.string_value = app
    now = time.time_ns()
    for at in range(count):
        resource.scope_spans.add() if not resource.scope_spans else None
        span = resource.scope_spans[0].spans.add(
            trace_id=numbers.randbytes(16),
            span_id=numbers.randbytes(8),
            name="GET /orders",
            kind=2,
            start_time_unix_nano=now + at,
            end_time_unix_nano=now + at + 1_000_000,
        )
        span.attributes.add(key="http.response.status_code").value.int_value = 200
    return request


def span_ids(request: ExportTraceServiceRequest) -> set[tuple[str, str]]:
    """(trace id, span id) of a request, in lower-case hex."""
    return {
        (span.trace_id.hex(), span.span_id.hex())
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def post(
    address: str, signal: str, body: bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers of the answer to a POST."""
    request = urllib.request.Request(
        f"{address}/v1/{signal}", data=body, headers={"Content-Type": PROTOBUF, **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def export(
    address: str, signal: str, message: bytes, compression: grpc.Compression = grpc.Compression.NoCompression
) -> bytes:
    """Raw answer to a gRPC export; raises ``grpc.RpcError``."""
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address.removeprefix("http://"), options=options) as channel:
        method = channel.unary_unary(METHODS[signal])
        answer: bytes = method(message, compression=compression, timeout=30)
        return answer


def from_json_line(line: str, signal: str) -> Any:
    """A line of OTLP/JSON as a Protobuf request; its ids are hex where Protobuf's JSON says base64."""
    document = json.loads(line)
    _hex_to_base64(document)
    return json_format.ParseDict(document, REQUESTS[signal]())


def _hex_to_base64(node: Any) -> None:
    import base64

    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("traceId", "spanId", "parentSpanId") and isinstance(value, str):
                node[key] = base64.b64encode(bytes.fromhex(value)).decode()
            else:
                _hex_to_base64(value)
    elif isinstance(node, list):
        for value in node:
            _hex_to_base64(value)
