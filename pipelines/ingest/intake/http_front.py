"""OTLP over HTTP/1.1: POST /v1/traces, /v1/metrics and /v1/logs, Protobuf or JSON; GET /healthz and /readyz; CORS by an
allow-list.

h11 speaks the protocol; this module keeps time and size, and words the answers. Errors are a
``google.rpc.Status`` in the encoding of the request, as the OTLP specification asks.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import h11
from google.rpc.status_pb2 import Status

from models.errors import ConfigurationError
from models.loopback import names_this_machine
from pipelines.ingest.intake.answers import json_response, protobuf_response
from pipelines.ingest.intake.door import Door
from pipelines.ingest.intake.gate import Gate
from pipelines.ingest.intake.limits import Refused, busy, malformed, too_large, unsupported
from pipelines.ingest.intake.receiver import MemoryHold, Receiver
from pipelines.ingest.intake.wire import JSON, PROTOBUF, SIGNALS
from pipelines.ingest.telemetry.frames import Encoding, Signal

_ENCODINGS = {"application/x-protobuf": PROTOBUF, "application/json": JSON}
_CONTENT_TYPES = {encoding: content_type for content_type, encoding in _ENCODINGS.items()}
_SIGNAL_OF_PATH = {f"/v1/{signal}": signal for signal in SIGNALS}
_HEALTH_PATH, _READY_PATH = "/healthz", "/readyz"
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(?:\s*,\s*[A-Za-z0-9-]+)*")
_PREFLIGHT_SECONDS = 7200
"""How long a browser may remember the answer to a preflight; no browser takes more."""
_HEADER_BYTES = 16 << 10
_READ_BYTES = 1 << 18
_HANDSHAKE_SECONDS = 10.0
_DRAIN_BYTES = 64 << 20
_DRAIN_SECONDS = 1.0

Health = Callable[[], Mapping[str, Any]]
Ready = Callable[[], Awaitable[Mapping[str, str]]]
"""What is not as it must be, by part; empty where requests are welcome."""


@dataclass(frozen=True)
class Served:
    """What an HTTP server answers for: a receiver behind a gate and a door, and what is told of their health.

    Pages of ``cors_origins`` may send from a browser, no others.
    """

    receiver: Receiver
    gate: Gate
    door: Door
    health: Health
    ready: Ready
    cors_origins: frozenset[str] = frozenset()


@dataclass
class _Answer:
    status: int
    content_type: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class HttpFront:
    """An HTTP server for one receiver."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listens and returns the port it got (``port`` 0 takes a free one).

        Raises:
            ConfigurationError: the port is taken.
        """
        door = self._served.door
        context = door.certificate.context() if door.certificate else None
        try:
            self._server = await asyncio.start_server(
                self._connected,
                door.host,
                port,
                backlog=1024,
                ssl=context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if context else None,
            )
        except OSError:
            raise ConfigurationError(
                f"port {port} is taken, or {door.host} is no address of this machine, so OTLP over HTTP cannot listen: end what "
                "uses it, or set ports.otlp_http or intake.listen in appfleet.yaml"
            ) from None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, grace: float) -> None:
        """Stops listening; requests under way get ``grace`` seconds, idle connections none."""
        if self._server is not None:
            self._server.close()
        for task, connection in list(self._connections.items()):
            if connection.stop():
                task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=grace)
        for task in list(self._connections):
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        crowded = len(self._connections) >= self._served.receiver.limits.connections
        connection = _Connection(self._served, reader, writer, crowded)
        self._connections[task] = connection
        try:
            await connection.run()
        except (TimeoutError, OSError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # the sender is gone, too slow, or we are stopping: nobody is left to answer
        finally:
            del self._connections[task]
            writer.close()


class _Connection:
    """One connection: requests one after the other."""

    def __init__(
        self,
        served: Served,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        crowded: bool,
    ) -> None:
        self._served = served
        self._receiver = served.receiver
        self._reader = reader
        self._writer = writer
        self._crowded = crowded
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADER_BYTES)
        self._busy = False
        self._stopping = False

    def stop(self) -> bool:
        """Asks the connection to end after its request; true where it is idle."""
        self._stopping = True
        return not self._busy

    async def run(self) -> None:
        """Answers requests until either side is done."""
        limits = self._receiver.limits
        patience = limits.header_seconds
        while True:
            try:
                async with asyncio.timeout(patience):
                    event = await self._event()
            except h11.RemoteProtocolError as error:
                await self._send(
                    _Answer(error.error_status_hint, "text/plain", f"{error}\n".encode()), last=True
                )
                return
            if not isinstance(event, h11.Request):
                return
            self._busy = True
            answer = await self._answered(event)
            # What is left of a refused body is not read as a request: the connection ends.
            whole = self._protocol.their_state in (h11.DONE, h11.MUST_CLOSE)
            await self._send(answer, last=self._stopping or not whole)
            if not whole:
                await self._drain()
            if self._protocol.our_state is not h11.DONE:
                return
            self._protocol.start_next_cycle()
            self._busy = False
            patience = limits.idle_seconds

    async def _answered(self, request: h11.Request) -> _Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        content_type = headers.get("content-type", "").split(";")[0].strip().lower()
        encoding = _ENCODINGS.get(content_type, PROTOBUF)
        path = request.target.decode("latin-1").split("?")[0]
        is_exposed = self._served.door.is_exposed
        if not is_exposed and not names_this_machine(headers.get("host", "")):
            return _refusal_text(403, encoding, "this intake answers to 127.0.0.1 and localhost only")
        if path == _HEALTH_PATH and request.method == b"GET":
            await self._event()
            # Whoever comes from elsewhere without a token learns that it lives, and nothing of what it does.
            health = {"alive": True} if is_exposed else self._served.health()
            return _Answer(200, "application/json", json.dumps(health).encode())
        if path == _READY_PATH and request.method == b"GET":
            await self._event()
            lacks = await self._served.ready()
            body = json.dumps({"ready": not lacks, **lacks}).encode()
            return _Answer(503 if lacks else 200, "application/json", body)
        signal = _SIGNAL_OF_PATH.get(path)
        if signal is None:
            known = ", ".join(_SIGNAL_OF_PATH)
            return _refusal_text(404, encoding, f"there is nothing at this path: post to {known}")
        origin = headers.get("origin")
        if origin is not None and origin not in self._served.cors_origins:
            # What a browser sends for a page that is not on the list is not wanted, whatever it is.
            return _refusal_text(
                403,
                encoding,
                f"pages of {origin[:200]!r} may not send here: add their origin to intake.cors_origins in appfleet.yaml",
            )
        shared: tuple[tuple[str, str], ...] = ()
        if origin is not None:
            shared = (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        if request.method == b"OPTIONS":
            await self._event()
            return _Answer(204, "text/plain", headers=(*shared, *_preflight(headers)))
        if request.method != b"POST":
            return _refusal_text(405, encoding, "send telemetry with POST", (("Allow", "POST"), *shared))
        answer = await self._taken(signal, encoding, content_type, headers)
        if shared:
            shared = (*shared, ("Access-Control-Expose-Headers", "Retry-After"))
        return replace(answer, headers=(*answer.headers, *shared))

    async def _taken(
        self, signal: Signal, encoding: Encoding, content_type: str, headers: Mapping[str, str]
    ) -> _Answer:
        try:
            with self._receiver.admitted(), self._receiver.held() as hold:
                if self._crowded:
                    raise busy("there are as many connections as may be", 1)
                sender = self._served.gate.sender(headers.get("authorization"))
                if content_type not in _ENCODINGS:
                    known = " or ".join(_ENCODINGS)
                    raise unsupported(f"content type {content_type[:80]!r} is not read here: send {known}")
                coding = headers.get("content-encoding", "identity").strip().lower() or "identity"
                async with asyncio.timeout(self._receiver.limits.body_seconds):
                    limit = self._receiver.limits.request_bytes
                    limit = min(limit, sender.request_bytes) if sender else limit
                    body = await self._body(headers, hold, limit)
                found = await self._receiver.take(signal, encoding, coding, body, hold, sender)
        except Refused as refused:
            retry = (("Retry-After", str(refused.retry_after)),) if refused.retry_after else ()
            asks = (("WWW-Authenticate", "Bearer"),) if refused.status == 401 else ()
            return _refusal_text(refused.status, encoding, refused.message, (*retry, *asks))
        except TimeoutError:
            return _refusal_text(408, encoding, "the body did not arrive in time")
        body = json_response(found, signal) if encoding == JSON else protobuf_response(found)
        return _Answer(200, _CONTENT_TYPES[encoding], body)

    async def _body(self, headers: Mapping[str, str], hold: MemoryHold, limit: int) -> bytes:
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            if self._protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._protocol.send(go_on) or b"")
            try:
                event = await self._event()
            except h11.RemoteProtocolError:
                raise malformed("the body is not framed as its headers say") from None
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            if not isinstance(event, h11.Data):
                raise malformed("the body breaks off")
            size += len(event.data)
            if size > limit:
                raise too_large(limit)
            hold.add(len(event.data))
            parts.append(bytes(event.data))

    async def _event(self) -> Any:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._protocol.receive_data(await self._reader.read(_READ_BYTES))

    async def _send(self, answer: _Answer, last: bool) -> None:
        headers = [*answer.headers]
        if answer.status != 204:
            headers += [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        if last:
            headers.append(("Connection", "close"))
        protocol = self._protocol
        data = protocol.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        data += protocol.send(h11.Data(data=answer.body)) or b""
        data += protocol.send(h11.EndOfMessage()) or b""
        self._writer.write(data)
        async with asyncio.timeout(self._receiver.limits.body_seconds):
            await self._writer.drain()

    async def _drain(self) -> None:
        """Reads on for a moment, so that a sender still writing sees the answer and not a reset."""
        if self._writer.can_write_eof():  # not under TLS
            self._writer.write_eof()
        left = _DRAIN_BYTES
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0 and (data := await self._reader.read(_READ_BYTES)):
                left -= len(data)


def _preflight(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What a page of a listed origin may send: telemetry, with the headers it asks for."""
    asked = headers.get("access-control-request-headers", "")
    return (
        ("Allow", "POST"),
        ("Access-Control-Allow-Methods", "POST"),
        ("Access-Control-Allow-Headers", asked if _HEADER_NAMES.fullmatch(asked) else "content-type"),
        ("Access-Control-Max-Age", str(_PREFLIGHT_SECONDS)),
    )


def _refusal_text(
    status: int, encoding: Encoding, message: str, headers: tuple[tuple[str, str], ...] = ()
) -> _Answer:
    if encoding == JSON:
        return _Answer(status, _CONTENT_TYPES[JSON], json.dumps({"message": message}).encode(), headers)
    return _Answer(status, _CONTENT_TYPES[PROTOBUF], Status(message=message).SerializeToString(), headers)
