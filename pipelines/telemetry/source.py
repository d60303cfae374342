"""Brings the objects of one configured source into ``otel``: lists, spools, hands over to ``load_object``.

Bad input is part of the outcome, never an exception; what an object holds is not known here.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from pipelines.settings import Settings, TelemetrySource
from pipelines.sources import ObjectStore, SourceObject, open_store
from pipelines.telemetry.load import ObjectLoad, load_object
from pipelines.telemetry.policy import spool_limits
from sql.publish import lease
from sql.warehouse import Warehouse

LEASE = "telemetry"
"""Scope of the one reader of objects: two at once could load the same bytes twice."""


@dataclass(frozen=True)
class Refusal:
    """An object, or a whole location, that could not be used, and why."""

    object_name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.object_name}: {self.reason}"


@dataclass(frozen=True)
class TelemetryOutcome:
    """One pass over a source.

    ``loaded`` and ``already`` count objects; ``records`` what was loaded now per signal, ``rows`` the same per
    table of ``otel``; ``rejected`` records and messages set aside now.
    """

    source: str
    loaded: int
    already: int
    records: dict[str, int]
    rows: dict[str, int]
    rejected: int
    refusals: tuple[Refusal, ...]
    seconds: float


def ingest_source(
    warehouse: Warehouse, settings: Settings, source: TelemetrySource, wait_seconds: float = 60.0
) -> TelemetryOutcome:
    """Loads what is new in a telemetry source, each object once for its bytes.

    Raises:
        LeaseHeld: another process still reads telemetry objects of this workspace after ``wait_seconds``.
        WarehouseError: the warehouse cannot be reached or failed; objects loaded before stay.
    """
    started = time.monotonic()
    spool = settings.state / "spool" / "telemetry"
    spool.mkdir(parents=True, exist_ok=True)
    loads: list[ObjectLoad] = []
    refusals: list[Refusal] = []
    with lease(settings.root, LEASE, wait_seconds), tempfile.TemporaryDirectory(dir=spool) as folder:
        try:
            store = open_store(source, settings.root)
            items = store.objects()
        except (ConfigurationError, InputRefused) as error:
            refusals.append(Refusal(source.location, str(error)))
            items = []
        for item in items:
            try:
                load = _loaded(warehouse, source, store, item, Path(folder) / "object")
            except ObjectRefused as refusal:
                load = ObjectLoad("refused", reason=refusal.reason)
            loads.append(load)
            if load.state == "refused":
                refusals.append(Refusal(item.name, load.reason))
    now = [load for load in loads if load.state == "loaded"]
    return TelemetryOutcome(
        source=source.name,
        loaded=len(now),
        already=sum(load.state == "already" for load in loads),
        records=_total(load.rows for load in now),
        rows=_total(load.tables for load in now),
        rejected=sum(load.rejected for load in now),
        refusals=tuple(refusals),
        seconds=time.monotonic() - started,
    )


def _loaded(
    warehouse: Warehouse, source: TelemetrySource, store: ObjectStore, item: SourceObject, target: Path
) -> ObjectLoad:
    spooled = store.fetch(item, target, spool_limits())
    return load_object(
        warehouse,
        source_name=source.name,
        object_name=item.name,
        path=spooled.path,
        sha256=spooled.sha256,
        modified_at=item.modified_at,
        object_bytes=spooled.bytes,
    )


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)
