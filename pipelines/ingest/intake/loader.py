"""Brings sealed segments into the warehouse, one after the other, for as long as it takes.

A segment is removed only after its load returned, that is after its line in the ledger exists. Requests nothing of
which could be loaded are kept beside it; a segment that fails for no reason in its bytes is halved, so that the others
in it are not held up. While the warehouse is away segments wait on disk; what their bytes mean is the business of
``pipelines.ingest.telemetry``.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from models.errors import WarehouseError, is_disk_full
from pipelines.ingest import LIVE_SOURCE
from pipelines.ingest.intake.journal import Journal, Segment
from pipelines.ingest.intake.wire import Kind
from pipelines.ingest.telemetry import ObjectLoad
from pipelines.ingest.telemetry.frames import Encoding
from sql.warehouse import Warehouse

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_ATTEMPTS = 5

_log = logging.getLogger(__name__)

OpenWarehouse = Callable[[], AbstractContextManager[Warehouse]]


class LoadObject(Protocol):
    """The load path of telemetry objects (``pipelines.ingest.telemetry.load_object``)."""

    def __call__(
        self,
        warehouse: Warehouse,
        *,
        source_name: str,
        object_name: str,
        path: Path,
        sha256: str,
        modified_at: datetime,
        signal: Any,
        encoding: Encoding,
        received_at: datetime,
        is_suspect: bool,
    ) -> ObjectLoad: ...


class Loader:
    """A thread that empties one kind of a journal into the warehouse.

    Kinds have a thread each, because loads of metrics take several times as long as others: no signal's
    visibility waits for another's.
    """

    def __init__(
        self, journal: Journal, kind: Kind, open_warehouse: OpenWarehouse, load_object: LoadObject
    ) -> None:
        self._journal = journal
        self._kind = kind
        self._open_warehouse = open_warehouse
        self._load_object = load_object
        self._connection = ExitStack()
        self._warehouse: Warehouse | None = None
        self._pause = _FIRST_PAUSE
        self._deadline: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"intake-loader-{kind}", daemon=True)
        self.loaded = 0
        self.last_problem = ""

    def start(self) -> None:
        """Begins to load."""
        self._thread.start()

    def end_by(self, deadline: float) -> None:
        """Asks the thread to end after what is sealed is loaded, or at ``deadline`` (``time.monotonic``)."""
        self._deadline = deadline
        self._stopped.set()

    def join(self) -> None:
        """Waits for the end asked for; a load under way then is given another second."""
        assert self._deadline is not None
        self._thread.join(max(0.0, self._deadline - time.monotonic()) + 1.0)

    def _run(self) -> None:
        try:
            self._connected()  # before the first segment, whose rows would wait for it
        except Exception as error:
            self.last_problem = str(error)
        while True:
            segment = self._journal.next_sealed(self._kind, 0.5)
            if self._deadline is not None and (segment is None or time.monotonic() > self._deadline):
                break
            if segment is not None and not self._loaded(segment) and self._stopped.is_set():
                break
        self._disconnect()

    def _loaded(self, segment: Segment) -> bool:
        try:
            self._settle(segment, self._load(segment))
        except Exception as error:  # whatever it is, the segment stays and the thread goes on
            self._failed(segment, error)
            return False
        self.loaded += 1
        self.last_problem = ""
        self._pause = _FIRST_PAUSE
        return True

    def _settle(self, segment: Segment, outcome: ObjectLoad) -> None:
        if outcome.state == "refused":
            kept = self._journal.set_aside(segment)
            _log.warning("what cannot be loaded is kept at %s: %s", kept, outcome.reason)
            return
        if outcome.lost:
            kept = self._journal.keep_apart(segment, outcome.lost)
            _log.warning("%d request(s) that cannot be loaded are kept at %s", len(outcome.lost), kept)
        self._journal.remove(segment)

    def _load(self, segment: Segment) -> ObjectLoad:
        warehouse = self._connected()
        with segment.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return self._load_object(
            warehouse,
            source_name=LIVE_SOURCE,
            object_name=segment.name,
            path=segment.path,
            sha256=sha256,
            modified_at=segment.created,
            signal=segment.kind,
            encoding=segment.encoding,
            received_at=segment.received,
            is_suspect=segment.stream.is_suspect,
        )

    def _connected(self) -> Warehouse:
        if self._warehouse is None:
            self._warehouse = self._connection.enter_context(self._open_warehouse())
        return self._warehouse

    def _failed(self, segment: Segment, error: Exception) -> None:
        self.last_problem = f"{segment.name} is not loaded: {error}"
        _log.warning("%s; trying again in %.1f s", self.last_problem, self._pause)
        if not is_disk_full(error) and self._answers():
            segment.failures += 1
        if segment.failures >= _ATTEMPTS and not self._journal.split(segment):
            _log.error(
                "%s failed %d times and is kept at %s",
                segment.name,
                _ATTEMPTS,
                self._journal.set_aside(segment),
            )
        elif segment.failures < _ATTEMPTS:
            self._journal.postpone(segment)
        self._stopped.wait(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _answers(self) -> bool:
        """Whether the warehouse is there, so that the fault lies with the segment; reconnects next time if not."""
        if self._warehouse is None:
            return False
        try:
            self._warehouse.execute("queries/ledger/alive")
        except WarehouseError:
            self._disconnect()
            return False
        return True

    def _disconnect(self) -> None:
        self._warehouse = None
        try:
            self._connection.close()
        except Exception as error:
            _log.warning("the connection to the warehouse did not close: %s", error)
