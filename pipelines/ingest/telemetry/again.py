"""Loads objects of telemetry once more whose records were lost from the warehouse, from where their bytes still are.

What is loaded again is visible before the old batch is hidden, and the views count each record once meanwhile: killed at
any moment nothing is doubled and nothing that was there is missing. How a loss is found does not belong here.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import AppfleetError, ControlTotalError, DiskFull, ObjectRefused, WarehouseError
from models.redaction import redaction
from models.settings import Settings, TelemetrySource
from pipelines.ingest.registry import registry_retention
from pipelines.ingest.sources import ObjectStore, SourceObject, open_store
from pipelines.ingest.telemetry.load import TelemetryObject, load_delivered
from pipelines.ingest.telemetry.policy import spool_limits
from pipelines.ingest.telemetry.source import LEASE
from sql.damage import TELEMETRY
from sql.leases import lease
from sql.publish import IN_THE_BACKGROUND
from sql.state import state_folder
from sql.warehouse import Warehouse

REASON = "its records were lost and loaded again as another batch"

_AND_WAIT = {"lightweight_deletes_sync": 2}


@dataclass(frozen=True)
class LoadedAgain:
    """Objects that were loaded again, and why others could not be, in sentences that name them."""

    objects: tuple[str, ...]
    missing: tuple[str, ...]


def load_again(
    warehouse: Warehouse,
    settings: Settings,
    source: TelemetrySource,
    batches: Collection[str],
    wait_seconds: float = 60.0,
) -> LoadedAgain:
    """Loads the objects of damaged batches again; a batch all of whose objects were is hidden and removed.

    Of a batch with an object that is gone the rest of the rows stays visible.

    Raises:
        LeaseHeld: another process still reads telemetry objects of this workspace after ``wait_seconds``.
        WarehouseError: the warehouse cannot be reached.
        DiskFull: there is no room; run it again.
    """
    frame = warehouse.frame(
        "queries/damage/batch_objects", source_name=source.name, batches=sorted(set(batches))
    )
    lines = frame.to_dicts()
    missing: dict[str, str] = {}
    spool = state_folder(settings.root, "spool", "telemetry")
    with lease(settings.root, LEASE, wait_seconds), tempfile.TemporaryDirectory(dir=spool) as folder:
        try:
            store = open_store(source, settings.root)
            listed = {item.name: item for item in store.objects()}
        except AppfleetError as error:
            return LoadedAgain((), (f"{source.location}: {error}",))
        for name in dict.fromkeys(line["object_name"] for line in lines):
            own = [line for line in lines if line["object_name"] == name]
            why = _loaded(warehouse, settings, source, store, listed.get(name), own, Path(folder))
            if why:
                missing[name] = f"{name}: {why}"
        for batch in dict.fromkeys(line["batch_id"] for line in lines):
            if not any(line["object_name"] in missing for line in lines if line["batch_id"] == batch):
                _hide(warehouse, batch)
    done = [line["object_name"] for line in lines if line["object_name"] not in missing]
    return LoadedAgain(tuple(dict.fromkeys(done)), tuple(missing.values()))


def _loaded(
    warehouse: Warehouse,
    settings: Settings,
    source: TelemetrySource,
    store: ObjectStore,
    item: SourceObject | None,
    lines: list[dict[str, Any]],
    folder: Path,
) -> str:
    """Why an object was not loaded again, or an empty text."""
    if item is None:
        return "it is gone: put it back under its name, then run this again"
    target = folder / "object"
    try:
        fetched = store.fetch(item, target, spool_limits(), may_grow=True)
        if not all(_holds(target, fetched.sha256, line) for line in lines):
            return "it holds something else by now: put back what was delivered, then run this again"
        delivered = TelemetryObject.of_file(
            source.name, item.name, fetched.bytes, fetched.sha256, item.modified_at
        )
        load = load_delivered(
            warehouse,
            delivered,
            target,
            hide=redaction(settings.redact),
            keep=registry_retention(settings),
        )
    except DiskFull:
        raise
    except ObjectRefused as refusal:
        return refusal.reason
    except (ControlTotalError, WarehouseError) as error:
        if isinstance(error, WarehouseError) and error.code is None:
            raise
        return str(error).removeprefix(f"{item.name}: ")
    finally:
        target.unlink(missing_ok=True)
    return load.reason if load.state == "refused" else ""


def _holds(path: Path, sha256: str, line: Mapping[str, Any]) -> bool:
    """Whether an object still begins with the bytes that were loaded with a line of the ledger."""
    if sha256 == line["object_sha256"] or not line["content_bytes"]:
        return bool(sha256 == line["object_sha256"])
    with path.open("rb") as file:
        digest, left = hashlib.sha256(), int(line["content_bytes"])
        while left and (chunk := file.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
    return not left and digest.hexdigest() == line["content_sha256"]


def _hide(warehouse: Warehouse, batch_id: str) -> None:
    warehouse.execute("statements/telemetry_replaced", batch_id=batch_id, reason=REASON)
    warehouse.execute("statements/telemetry_hide_batch", settings=_AND_WAIT, batch_id=batch_id)
    for table in TELEMETRY:
        warehouse.execute(
            "statements/collect_telemetry",
            settings=IN_THE_BACKGROUND,
            table=warehouse.form.stored(table),
            batch_id=batch_id,
        )
