"""OTLP over gRPC: the three Export methods as generic handlers over the raw bytes of their messages.

No message is decoded. Packed messages are handed over packed (gRPC's own unpacking has no cap on memory: a
300 kB message was measured to cost 600 MB before it was refused), so that ``wire.unpacked`` can bound them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from models.errors import ConfigurationError
from pipelines.ingest.intake.answers import protobuf_response
from pipelines.ingest.intake.limits import MIB, Refused
from pipelines.ingest.intake.receiver import Receiver
from pipelines.ingest.intake.wire import PROTOBUF, grpc_coding
from pipelines.ingest.telemetry.frames import Signal

_SERVICES = "/opentelemetry.proto.collector."
SIGNAL_OF_METHOD: dict[str, Signal] = {
    _SERVICES + "trace.v1.TraceService/Export": "traces",
    _SERVICES + "metrics.v1.MetricsService/Export": "metrics",
    _SERVICES + "logs.v1.LogsService/Export": "logs",
}

Export = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc comes without annotations
    def __init__(self, receiver: Receiver) -> None:
        self._handlers = {
            method: grpc.unary_unary_rpc_method_handler(_export(receiver, signal))
            for method, signal in SIGNAL_OF_METHOD.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a method, or None where there is no such method."""
        return self._handlers.get(handler_call_details.method)


def _export(receiver: Receiver, signal: Signal) -> Export:
    async def export(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        answer = b""
        try:
            with receiver.admitted(), receiver.held() as hold:
                hold.add(len(message))
                found = await receiver.take(signal, PROTOBUF, grpc_coding(message), message, hold)
                answer = protobuf_response(found)
        except Refused as refused:
            await context.abort(refused.code, refused.message, _trailers(refused))
        return answer

    return export


def _trailers(refused: Refused) -> tuple[tuple[str, bytes], ...]:
    """Status details; a sender repeats RESOURCE_EXHAUSTED only where RetryInfo says when.

    The Python exporter reads the delay from a trailer of its own instead.
    """
    status = Status(code=refused.code.value[0], message=refused.message)
    if not refused.retry_after:
        return (("grpc-status-details-bin", status.SerializeToString()),)
    retry = RetryInfo(retry_delay=Duration(seconds=refused.retry_after))
    detail = AnyMessage()
    detail.Pack(retry)
    status.details.append(detail)
    return (
        ("grpc-status-details-bin", status.SerializeToString()),
        ("google.rpc.retryinfo-bin", retry.SerializeToString()),
    )


async def serve_grpc(receiver: Receiver, host: str, port: int) -> tuple[grpc.aio.Server, int]:
    """A started server and the port it got (``port`` 0 takes a free one).

    Raises:
        ConfigurationError: the port is taken.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", receiver.limits.request_bytes + MIB),
            ("grpc.max_concurrent_streams", receiver.limits.concurrent_requests),
            ("grpc.per_message_decompression", 0),
        ]
    )
    server.add_generic_rpc_handlers((_Methods(receiver),))
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise ConfigurationError(
            f"port {port} is taken, so OTLP over gRPC cannot listen: end what uses it, or set ports.otlp_grpc in appfleet.yaml"
        )
    await server.start()
    return server, bound
