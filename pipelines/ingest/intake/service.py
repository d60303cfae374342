"""The intake as a whole: journal, loaders, gate and the two servers, started and stopped together.

One intake per journal; several of them may feed one warehouse. What each part does is in its own module.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from models.errors import AppfleetError
from models.redaction import Redaction, redaction
from models.settings import IntakeSettings, Ports, Settings
from pipelines.ingest.intake.catalogue import Catalogue, Described
from pipelines.ingest.intake.door import Door, named, opened
from pipelines.ingest.intake.gate import Describing, Gate, GateOptions
from pipelines.ingest.intake.grpc_front import serve_grpc
from pipelines.ingest.intake.heartbeat import Heartbeat, Speaker
from pipelines.ingest.intake.http_front import HttpFront, Served
from pipelines.ingest.intake.journal import SEGMENTS, Journal, held_journal, journal_folder
from pipelines.ingest.intake.left_out import load_left_out
from pipelines.ingest.intake.limits import Limits
from pipelines.ingest.intake.loader import Loader, LoadObject
from pipelines.ingest.intake.policy import intake_policy
from pipelines.ingest.intake.receiver import Receiver
from pipelines.ingest.intake.token_file import FILE_NAME, TokenFile, token_file
from pipelines.ingest.intake.wire import SIGNALS
from pipelines.ingest.registry import CurrentRetention
from pipelines.ingest.telemetry import ObjectLoad, load_object
from sql.opening import open_warehouse
from sql.state import state_folder
from sql.warehouse import Warehouse

_READY_SECONDS = 1.0
"""How long an answer about readiness holds: whoever asks more often learns no more."""
_log = logging.getLogger(__name__)
_GRACE_SECONDS = 0.5
_DRAIN_SECONDS = 2.0

OpenWorkspace = Callable[[Path], AbstractContextManager[Warehouse]]


@dataclass(frozen=True)
class Addresses:
    """Where an intake listens, as exporters take it (``OTEL_EXPORTER_OTLP_ENDPOINT``)."""

    grpc: str
    http: str


@dataclass(frozen=True)
class Senders:
    """Who may send: the file of tokens, the catalogue of apps, and the door they come through."""

    file: TokenFile
    door: Door
    catalogue: Describing


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
        settings: IntakeSettings | None = None,
        senders: Senders | None = None,
        hide: Redaction | None = None,
    ) -> None:
        self._settings = settings or IntakeSettings()
        self._folder = self._settings.journal or state_folder(workspace) / SEGMENTS
        self._senders = senders or Senders(TokenFile(state_folder(workspace) / FILE_NAME), Door(), Described)
        self._limits = limits or Limits()
        self._ports = (grpc_port, http_port)
        self._journal = Journal(self._folder, self._limits)
        self._receiver = Receiver(self._journal, self._limits)
        self._gate = Gate(
            self._senders.file,
            GateOptions(self._senders.door.is_exposed, self._settings.limits),
            self._senders.catalogue,
        )
        self._open = partial(open_warehouse, workspace)
        load_left: LoadObject = partial(load_left_out, hide=hide or redaction())
        self._loaders = [
            *(Loader(self._journal, signal, self._open, load_object) for signal in SIGNALS),
            Loader(self._journal, "left", self._open, load_left),
        ]
        self._heartbeat: Heartbeat | None = None
        self._held = ExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="intake-loop", daemon=True)
        self._stopped = threading.Event()
        self._catalogue = threading.Thread(target=self._follow, name="intake-catalogue", daemon=True)
        self._stop_fronts: Callable[[], Any] = _nothing_to_stop
        self._lacks: Mapping[str, str] = {}
        self._asked_at = float("-inf")
        self.addresses = Addresses("", "")

    def start(self) -> Addresses:
        """Takes over segments left behind, listens, and begins to load.

        Raises:
            ConfigurationError: a port is taken, or the tokens cannot be read.
            LeaseHeld: another intake writes this journal.
        """
        journal_id = self._held.enter_context(held_journal(self._folder))
        self._heartbeat = Heartbeat(
            Speaker(self._settings.name, journal_id, datetime.now(UTC)),
            self._journal,
            self._gate,
            self._open,
            self._limits.heartbeat_seconds,
        )
        self._thread.start()
        try:
            self._gate.start()
            self.addresses = self._call(self._listen())
        except BaseException:
            self._end_loop()
            self._held.close()
            raise
        for loader in self._loaders:
            loader.start()
        self._heartbeat.start()
        self._catalogue.start()
        return self.addresses

    def stop(self) -> None:
        """Refuses new requests, seals, loads what can be loaded in a moment, and lets go of the journal."""
        self._stopped.set()
        self._gate.wants_catalogue.set()
        self._call(self._stop_fronts())
        self._journal.close()
        deadline = time.monotonic() + _DRAIN_SECONDS
        for loader in self._loaders:
            loader.end_by(deadline)
        for loader in self._loaders:
            loader.join()
        if self._heartbeat is not None:
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
            "last_problem": next((one.last_problem for one in self._loaders if one.last_problem), "")
            or self._gate.problem,
            **self._of_tokens(),
        }

    def _of_tokens(self) -> dict[str, Any]:
        """What came today with each token, where there are any."""
        today = datetime.now(UTC).date()
        uses = {name: asdict(use) for (day, name), use in self._gate.uses().items() if day == today}
        return {} if self._gate.is_open else {"tokens": uses}

    async def lacks(self) -> Mapping[str, str]:
        """What keeps the intake from taking requests well, by part; empty where it is ready. Says nothing secret."""
        if time.monotonic() - self._asked_at > _READY_SECONDS:
            self._asked_at = time.monotonic()
            problem = await self._loop.run_in_executor(None, self._journal.problem)
            silent = self._heartbeat.silent_seconds() if self._heartbeat else None
            is_away = silent is None or silent > intake_policy().warehouse_away_seconds
            found = {"journal": problem, "warehouse": "not reached" if is_away else ""}
            self._lacks = {part: what for part, what in found.items() if what}
        return self._lacks

    async def _is_ready(self) -> bool:
        return not await self.lacks()

    def _follow(self) -> None:
        """Follows the catalogue for the apps of teams and for those that are gone."""
        while not self._stopped.is_set():
            self._gate.wants_catalogue.wait(intake_policy().catalogue_look_seconds)
            self._gate.wants_catalogue.clear()
            try:
                self._gate.look_at_catalogue()
            except AppfleetError as error:
                _log.error("apps and their teams are as they were: %s", error)

    async def _listen(self) -> Addresses:
        grpc_port, http_port = self._ports
        door, gate = self._senders.door, self._gate
        origins = frozenset(self._settings.cors_origins)
        front = HttpFront(Served(self._receiver, gate, door, self.health, self.lacks, origins))
        self._journal.start()
        try:
            http_port = await front.start(http_port)
            server, grpc_port = await serve_grpc(self._receiver, gate, self._is_ready, door, grpc_port)
        except BaseException:
            await front.stop(0)
            self._journal.close()
            raise

        async def stop() -> None:
            await asyncio.gather(front.stop(_GRACE_SECONDS), server.stop(_GRACE_SECONDS))

        self._stop_fronts = stop
        return Addresses(f"{door.scheme}://{door.at(grpc_port)}", f"{door.scheme}://{door.at(http_port)}")

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def run_intake(
    settings: Settings,
    stop: threading.Event,
    announce: Callable[[Addresses], None],
    grpc_port: int | None = None,
    http_port: int | None = None,
) -> None:
    """Runs the intake of a workspace until ``stop`` is set; ``announce`` gets the addresses once they accept. A port that is
    given counts instead of the settings' own.

    Raises:
        ConfigurationError: a port is taken, ``redact:`` switches a rule that does not exist, or others could send without a
            token or in clear.
        LeaseHeld: another intake writes the same journal.
    """
    ports, file = settings.ports, token_file(settings)
    hide = redaction(settings.redact)
    intake = Intake(
        settings.root,
        None,
        ports.otlp_grpc if grpc_port is None else grpc_port,
        ports.otlp_http if http_port is None else http_port,
        partial(open_warehouse, port=ports.warehouse),
        _stamping(settings, hide),
        replace(named(settings.intake, os.environ), journal=journal_folder(settings)),
        Senders(file, opened(settings.intake, file, datetime.now(UTC)), Catalogue(settings)),
        hide,
    )
    announce(intake.start())
    try:
        stop.wait()
    finally:
        intake.stop()


def _stamping(settings: Settings, hide: Redaction) -> LoadObject:
    """Loads segments with what is hidden and how long rows are kept, as the catalogue says then."""
    kept = CurrentRetention(settings)

    def load(warehouse: Warehouse, **segment: Any) -> ObjectLoad:
        return load_object(warehouse, hide=hide, keep=kept(), **segment)

    return load


async def _nothing_to_stop() -> None:
    """Before ``start`` there is nothing."""
