"""Says in the warehouse how far live telemetry is loaded and what came with each token, every few seconds, whether or not any
arrives.

What is not loaded yet holds the moment back; what was set aside, and said so, does not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

import polars as pl

from pipelines.ingest.intake.gate import Gate, Use
from pipelines.ingest.intake.journal import Journal
from sql.warehouse import Warehouse

_log = logging.getLogger(__name__)

OpenWarehouse = Callable[[], AbstractContextManager[Warehouse]]
Uses = Mapping[tuple[date, str], Use]


@dataclass(frozen=True)
class Speaker:
    """Who speaks: an intake's name, the id of its journal, and when its process started."""

    name: str
    journal: str
    started_at: datetime


class Heartbeat:
    """A thread that writes one line of ``raw_intake_heartbeats`` now and then, and lines of ``raw_intake_token_uses``."""

    def __init__(
        self, speaker: Speaker, journal: Journal, gate: Gate, open_warehouse: OpenWarehouse, seconds: float
    ) -> None:
        self._speaker = speaker
        self._journal = journal
        self._gate = gate
        self._open_warehouse = open_warehouse
        self._seconds = seconds
        self._written: Uses = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake-heartbeat", daemon=True)
        self._reached: float | None = None
        self.problem = ""

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Writes a last line and ends, within ``patience`` seconds."""
        self._stopped.set()
        self._thread.join(patience)

    def silent_seconds(self) -> float | None:
        """How long ago the warehouse took a line; None where it never did."""
        return None if self._reached is None else time.monotonic() - self._reached

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with ExitStack() as held:
                    self._beat_in(held.enter_context(self._open_warehouse()))
            except Exception as error:  # the intake goes on; whoever reads the line sees that it is old
                if str(error) != self.problem:
                    _log.warning("how far telemetry is loaded is not written: %s", error)
                self.problem = str(error)
                self._stopped.wait(self._seconds)

    def _beat_in(self, warehouse: Warehouse) -> None:
        """Writes until told to stop.

        Raises:
            WarehouseError: the warehouse went away.
        """
        while True:
            ending = self._stopped.is_set()
            self._write(warehouse, "ended" if ending else "running")
            self._reached = time.monotonic()
            self.problem = ""
            if ending:
                return
            self._stopped.wait(self._seconds)

    def _write(self, warehouse: Warehouse, state: Literal["running", "ended"]) -> None:
        moment = self._journal.loaded_through()
        warehouse.execute(
            "statements/intake_heartbeat",
            intake=self._speaker.name,
            journal=self._speaker.journal,
            loaded_through=moment.strftime("%Y-%m-%d %H:%M:%S.%f"),
            waiting_bytes=self._journal.waiting_bytes(),
            state=state,
        )
        uses = self._gate.uses()
        fresh = {key: use for key, use in uses.items() if self._written.get(key) != use}
        if fresh:
            warehouse.insert("raw_intake_token_uses", self._rows(fresh))
        self._written = uses
        self._gate.forget(uses, datetime.now(UTC).date())

    def _rows(self, uses: Uses) -> pl.DataFrame:
        now = datetime.now(UTC)
        return pl.DataFrame(
            [
                {
                    "token": name,
                    "day": day,
                    "intake": self._speaker.name,
                    "journal": self._speaker.journal,
                    "started_at": self._speaker.started_at,
                    "requests": use.requests,
                    "bytes": use.bytes,
                    "rejected_records": use.rejected_records,
                    "limited": use.limited,
                    "refused": use.refused,
                    "last_at": datetime.fromtimestamp(use.last_at, UTC),
                    "recorded_at": now,
                }
                for (day, name), use in uses.items()
            ]
        )
