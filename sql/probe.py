"""Whether a service lives, and whether what it needs is there: ``/healthz`` and ``/readyz`` for whoever starts and watches it.

An answer is a word or two and no more: who may ask is not known here, so nothing is told that is not for everybody. What a
service needs is said by the service, as a function that names what is missing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from models.errors import AppfleetError, ConfigurationError, MigrationError

LIVE, READY = "/healthz", "/readyz"

Missing = Callable[[], Sequence[str]]
"""Names what a service needs and does not find, each in a word; it may take its time."""

REMEMBERED_SECONDS = 2.0
"""How long an answer holds: several probes, or anybody who asks without end, cost one look."""

PATIENCE_SECONDS = 5.0
"""A look that takes longer says so by the word ``slow``: a probe waits no longer."""


class Probe:
    """Answers for one service; asks ``missing`` at most every two seconds, one look at a time."""

    def __init__(self, missing: Missing, clock: Callable[[], float] = time.monotonic) -> None:
        self._missing = missing
        self._clock = clock
        self._lock = threading.Lock()
        self._looking: threading.Thread | None = None
        self._words: tuple[str, ...] = ("starting",)
        self._looked_at = float("-inf")

    def answer(self, path: str) -> tuple[int, bytes] | None:
        """Status and body of a path of ours; None where it is another."""
        if path == LIVE:
            return 200, b"ok\n"
        if path != READY:
            return None
        words = self._now()
        return (503, f"missing: {', '.join(words)}\n".encode()) if words else (200, b"ready\n")

    def _now(self) -> tuple[str, ...]:
        with self._lock:
            if self._clock() - self._looked_at < REMEMBERED_SECONDS:
                return self._words
            if self._looking is None or not self._looking.is_alive():
                self._looking = threading.Thread(target=self._look, name="readyz", daemon=True)
                self._looking.start()
            looking = self._looking
        looking.join(PATIENCE_SECONDS)
        return ("slow",) if looking.is_alive() else self._words

    def _look(self) -> None:
        try:
            words = tuple(self._missing())
        except AppfleetError as error:
            words = (word_of(error),)
        except Exception:  # whatever it is, the service is not ready, and its log says why
            words = ("unknown",)
        self._words, self._looked_at = words, self._clock()


def word_of(error: AppfleetError) -> str:
    """The word an error is told by: ``schema``, ``settings`` or ``warehouse``."""
    if isinstance(error, MigrationError):
        return "schema"
    return "settings" if isinstance(error, ConfigurationError) else "warehouse"


class Health:
    """An ASGI application before another one, which answers the two paths whatever Host they are asked by."""

    def __init__(self, app: Any, missing: Missing) -> None:
        self._app = app
        self._probe = Probe(missing)

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answers, or passes on."""
        asks = (
            scope["type"] == "http" and scope["path"] in (LIVE, READY) and scope["method"] in ("GET", "HEAD")
        )
        answer = await asyncio.to_thread(self._probe.answer, scope["path"]) if asks else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        status, body = answer
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})


@dataclass
class HealthServer:
    """The two paths on a port of their own, in threads, for a service that speaks no HTTP."""

    missing: Missing
    address: str
    port: int

    def start(self) -> int:
        """Listens until the process ends; returns the port, where 0 takes a free one.

        Raises:
            ConfigurationError: the port is taken.
        """
        probe = Probe(self.missing)

        class Handler(BaseHTTPRequestHandler):
            timeout = PATIENCE_SECONDS

            def do_GET(self) -> None:
                status, body = probe.answer(self.path) or (404, b"there is /healthz and /readyz\n")
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        try:
            server = ThreadingHTTPServer((self.address, self.port), Handler)
        except OSError:
            raise ConfigurationError(
                f"port {self.port} for health is taken: stop what listens there, or set another under ports in appfleet.yaml"
            ) from None
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
        return int(server.server_address[1])
