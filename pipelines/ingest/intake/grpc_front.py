"""OTLP over gRPC: the three Export methods as generic handlers over the raw bytes of their messages, and the health check.

No message is decoded. Packed messages are handed over packed (gRPC's own unpacking has no cap on memory: a
300 kB message was measured to cost 600 MB before it was refused), so that ``wire.unpacked`` can bound them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from models.errors import ConfigurationError
from pipelines.ingest.intake.answers import protobuf_response
from pipelines.ingest.intake.door import Door
from pipelines.ingest.intake.gate import Gate
from pipelines.ingest.intake.limits import MIB, Refused, malformed
from pipelines.ingest.intake.receiver import Receiver
from pipelines.ingest.intake.wire import PROTOBUF, grpc_coding
from pipelines.ingest.telemetry.frames import Signal

_SERVICES = "/opentelemetry.proto.collector."
SIGNAL_OF_METHOD: dict[str, Signal] = {
    _SERVICES + "trace.v1.TraceService/Export": "traces",
    _SERVICES + "metrics.v1.MetricsService/Export": "metrics",
    _SERVICES + "logs.v1.LogsService/Export": "logs",
}

_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""``grpc.health.v1.HealthCheckResponse``, whose one field is the status."""

IsReady = Callable[[], Awaitable[bool]]


class _Methods(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc comes without annotations
    def __init__(self, receiver: Receiver, gate: Gate, is_ready: IsReady, is_exposed: bool) -> None:
        self._handlers = {
            method: _handler(receiver, gate, signal, is_exposed)
            for method, signal in SIGNAL_OF_METHOD.items()
        }
        self._handlers[_HEALTH] = grpc.unary_unary_rpc_method_handler(_health(is_ready))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The handler of a method, or None where there is no such method."""
        return self._handlers.get(handler_call_details.method)


def _handler(receiver: Receiver, gate: Gate, signal: Signal, is_exposed: bool) -> grpc.RpcMethodHandler:
    """An Export method. Where anybody may call, a message is read only after its sender showed a token: to a caller a stream
    of one message is the same."""

    async def unary(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        async def given() -> bytes:
            return message

        return await _answer(receiver, gate, signal, given, context)

    async def stream(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        async def first() -> bytes:
            async for message in messages:
                return message
            raise malformed("the call brings no request")

        return await _answer(receiver, gate, signal, first, context)

    if is_exposed:
        return grpc.stream_unary_rpc_method_handler(stream)
    return grpc.unary_unary_rpc_method_handler(unary)


async def _answer(
    receiver: Receiver,
    gate: Gate,
    signal: Signal,
    read: Callable[[], Awaitable[bytes]],
    context: grpc.aio.ServicerContext,
) -> bytes:
    answer = b""
    try:
        with receiver.admitted(), receiver.held() as hold:
            sender = gate.sender(_authorization(context))
            message = await read()
            hold.add(len(message))
            found = await receiver.take(signal, PROTOBUF, grpc_coding(message), message, hold, sender)
            answer = protobuf_response(found)
    except Refused as refused:
        await context.abort(refused.code, refused.message, _trailers(refused))
    return answer


def _authorization(context: grpc.aio.ServicerContext) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            return value
    return None


def _health(is_ready: IsReady) -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]:
    async def check(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return _SERVING if await is_ready() else _NOT_SERVING

    return check


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


async def serve_grpc(
    receiver: Receiver, gate: Gate, is_ready: IsReady, door: Door, port: int
) -> tuple[grpc.aio.Server, int]:
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
    server.add_generic_rpc_handlers((_Methods(receiver, gate, is_ready, door.is_exposed),))
    try:
        if door.certificate:
            bound = server.add_secure_port(door.at(port), door.certificate.credentials())
        else:
            bound = server.add_insecure_port(door.at(port))
    except RuntimeError:
        bound = 0
    if not bound:
        raise ConfigurationError(
            f"port {port} is taken, or {door.host} is no address of this machine, so OTLP over gRPC cannot listen: end what "
            "uses it, or set ports.otlp_grpc or intake.listen in appfleet.yaml"
        )
    await server.start()
    return server, bound
