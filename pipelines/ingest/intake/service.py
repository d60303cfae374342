"""The intake as a whole: journal, loader and the two servers, started and stopped together.

One intake per workspace, held by a lease. What each part does is in its own module.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models.redaction import redaction
from models.settings import Ports, Settings
from pipelines.ingest import LIVE_SOURCE
from pipelines.ingest.intake.grpc_front import serve_grpc
from pipelines.ingest.intake.heartbeat import Heartbeat
from pipelines.ingest.intake.http_front import HttpFront
from pipelines.ingest.intake.journal import SEGMENTS, Journal
from pipelines.ingest.intake.limits import Limits
from pipelines.ingest.intake.loader import Loader, LoadObject
from pipelines.ingest.intake.receiver import Receiver
from pipelines.ingest.intake.wire import SIGNALS
from pipelines.ingest.telemetry import load_object
from sql.leases import local_lease
from sql.opening import open_warehouse
from sql.state import state_folder
from sql.warehouse import Warehouse

HOST = "127.0.0.1"
LEASE = "intake"
_GRACE_SECONDS = 0.5
_DRAIN_SECONDS = 2.0

OpenWorkspace = Callable[[Path], AbstractContextManager[Warehouse]]


@dataclass(frozen=True)
class Addresses:
    """Where an intake listens, as exporters take it (``OTEL_EXPORTER_OTLP_ENDPOINT``)."""

    grpc: str
    http: str


class Intake:
    """Receives OTLP for a workspace and loads it; ``start`` returns when both ports accept."""

    def __init__(
        self,
        workspace: Path,
        limits: Limits | None = None,
        grpc_port: int = Ports.otlp_grpc,
        http_port: int = Ports.otlp_http,
        open_warehouse: OpenWorkspace = open_warehouse,
        load_object: LoadObject = load_object,
        cors_origins: tuple[str, ...] = (),
    ) -> None:
        self._workspace = workspace
        self._limits = limits or Limits()
        self._ports = (grpc_port, http_port)
        self._journal = Journal(state_folder(workspace, SEGMENTS), self._limits)
        self._receiver = Receiver(self._journal, self._limits)
        self._loaders = [
            Loader(self._journal, signal, lambda: open_warehouse(workspace), load_object)
            for signal in SIGNALS
        ]
        self._heartbeat = Heartbeat(
            LIVE_SOURCE,
            self._journal.loaded_through,
            lambda: open_warehouse(workspace),
            self._limits.heartbeat_seconds,
        )
        self._cors_origins = cors_origins
        self._held = ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="intake-loop", daemon=True)
        self._stop_fronts: Callable[[], Any] = _nothing_to_stop
        self.addresses = Addresses("", "")

    def start(self) -> Addresses:
        """Takes over segments left behind, listens, and begins to load.

        Raises:
            ConfigurationError: a port is taken.
            LeaseHeld: another intake runs for this workspace.
        """
        self._held.enter_context(local_lease(self._workspace, LEASE))
        self._thread.start()
        try:
            self.addresses = self._call(self._listen())
        except BaseException:
            self._end_loop()
            self._held.close()
            raise
        for loader in self._loaders:
            loader.start()
        self._heartbeat.start()
        return self.addresses

    def stop(self) -> None:
        """Refuses new requests, seals, loads what can be loaded in a moment, and lets go of the workspace."""
        self._call(self._stop_fronts())
        self._journal.close()
        deadline = time.monotonic() + _DRAIN_SECONDS
        for loader in self._loaders:
            loader.end_by(deadline)
        for loader in self._loaders:
            loader.join()
        self._heartbeat.stop(_GRACE_SECONDS)
        self._end_loop()
        self._held.close()

    def health(self) -> Mapping[str, Any]:
        """Counts since the start, bytes waiting for the warehouse, and the last problem (empty: none)."""
        counters = self._receiver.counters
        return {
            "accepted_requests": counters.accepted,
            "accepted_bytes": counters.accepted_bytes,
            "rejected_records": counters.rejected_records,
            "refused_requests": {str(status): count for status, count in sorted(counters.refused.items())},
            "waiting_bytes": self._journal.waiting_bytes(),
            "loaded_through": self._journal.loaded_through().isoformat(),
            "loaded_segments": sum(loader.loaded for loader in self._loaders),
            "last_problem": next((one.last_problem for one in self._loaders if one.last_problem), ""),
        }

    async def _listen(self) -> Addresses:
        grpc_port, http_port = self._ports
        front = HttpFront(self._receiver, self.health, self._cors_origins)
        self._journal.start()
        try:
            http_port = await front.start(HOST, http_port)
            server, grpc_port = await serve_grpc(self._receiver, HOST, grpc_port)
        except BaseException:
            await front.stop(0)
            self._journal.close()
            raise

        async def stop() -> None:
            await asyncio.gather(front.stop(_GRACE_SECONDS), server.stop(_GRACE_SECONDS))

        self._stop_fronts = stop
        return Addresses(f"http://{HOST}:{grpc_port}", f"http://{HOST}:{http_port}")

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def run_intake(settings: Settings, stop: threading.Event, announce: Callable[[Addresses], None]) -> None:
    """Runs the intake of a workspace until ``stop`` is set; ``announce`` gets the addresses once they accept.

    Raises:
        ConfigurationError: a port is taken, or ``redact:`` switches a rule that does not exist.
        LeaseHeld: another intake runs for this workspace.
    """
    ports = settings.ports
    opener = partial(open_warehouse, port=ports.warehouse)
    load = partial(load_object, hide=redaction(settings.redact))
    intake = Intake(
        settings.root,
        None,
        ports.otlp_grpc,
        ports.otlp_http,
        opener,
        load,
        cors_origins=settings.intake.cors_origins,
    )
    announce(intake.start())
    try:
        stop.wait()
    finally:
        intake.stop()


async def _nothing_to_stop() -> None:
    """Before ``start`` there is nothing."""
