"""How what became of a request is worded in OTLP: a response of its own encoding, with its partial success if any."""

from __future__ import annotations

import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pipelines.ingest.intake.examine import Examined
from pipelines.ingest.telemetry.frames import Signal

_REJECTED = {"traces": "rejectedSpans", "metrics": "rejectedDataPoints", "logs": "rejectedLogRecords"}


def protobuf_response(found: Examined) -> bytes:
    """An ``Export...ServiceResponse``; those of all signals have the same numbers and types of fields."""
    if not found.rejected:
        return b""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = found.rejected
    response.partial_success.error_message = found.reason
    return bytes(response.SerializeToString())


def json_response(found: Examined, signal: Signal) -> bytes:
    """The same as JSON, where 64-bit integers are text."""
    if not found.rejected:
        return b"{}"
    partial = {_REJECTED[signal]: str(found.rejected), "errorMessage": found.reason}
    return json.dumps({"partialSuccess": partial}).encode()
