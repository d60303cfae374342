"""The one load path of OTLP: an object's bytes to rows of ``otel``, once per object whatever is killed when.

The engine parses; this keeps attempts apart by batch id, compares two independent counts and writes the ledger
line that makes a batch visible. Where objects come from is not known here.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from models.errors import ControlTotalError, ObjectRefused, WarehouseError
from pipelines.ingest.telemetry.frames import Encoding
from pipelines.ingest.telemetry.policy import load_policy
from pipelines.ingest.telemetry.repair import BrokenMessage, is_unreadable, repaired
from pipelines.ingest.telemetry.signals import READERS, SignalReader
from pipelines.ingest.telemetry.spool import Spooled, spool
from pipelines.ingest.telemetry.structures import proto_text
from sql.publish import new_batch_id
from sql.warehouse import Warehouse

State = Literal["loaded", "already", "refused"]


@dataclass(frozen=True)
class ObjectLoad:
    """What became of one object.

    ``rows`` counts records per signal, ``tables`` per table of ``otel`` (only where loaded now), ``rejected``
    records and messages set aside; ``reason`` is that of a refusal.
    """

    state: State
    rows: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    reason: str = ""
    tables: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeliveredObject:
    """An object as delivered; ``bytes`` and ``sha256`` are those of the source, packed or not."""

    source_name: str
    object_name: str
    bytes: int
    sha256: str
    modified_at: datetime


@dataclass(frozen=True)
class _Line:
    """One line of the ledger: an object's records of a signal on a day; what was set aside has no day."""

    delivered: DeliveredObject
    signal: str
    day: date
    rows: int
    rejected: int = 0


_NO_DAY = date(1970, 1, 1)


def load_object(
    warehouse: Warehouse,
    *,
    source_name: str,
    object_name: str,
    path: Path,
    sha256: str,
    modified_at: datetime,
    signal: Literal["traces", "metrics", "logs"] | None = None,
    encoding: Encoding | None = None,
    object_bytes: int | None = None,
) -> ObjectLoad:
    """Loads one object of OTLP, exactly once for its sha256, and returns what became of it.

    Args:
        path: the bytes, readable by the warehouse's process; plain or gzip.
        sha256: of the bytes as delivered; an object the ledger has as loaded or refused is not read again.
        signal: what the messages are of; None looks at the bytes (JSON lines may mix signals).
        encoding: None looks at the bytes.
        object_bytes: size as delivered, where ``path`` holds the object unpacked.

    Raises:
        WarehouseError: the warehouse failed for a reason that is not in the bytes; nothing became visible.
        ControlTotalError: the rows written are not those counted in the bytes; nothing became visible.
    """
    size = path.stat().st_size if object_bytes is None else object_bytes
    delivered = DeliveredObject(source_name, object_name, size, sha256, modified_at)
    earlier = recorded(warehouse, [sha256])
    if sha256 in earlier:
        return earlier[sha256]
    with tempfile.TemporaryDirectory(prefix="appfleet-otlp-") as folder:
        try:
            spooled = spool(path, Path(folder), object_name, signal, encoding)
            return _load(warehouse, delivered, spooled, Path(folder))
        except ObjectRefused as refusal:
            return _refused(warehouse, delivered, refusal.reason)


def _load(warehouse: Warehouse, delivered: DeliveredObject, spooled: Spooled, folder: Path) -> ObjectLoad:
    broken: list[BrokenMessage] = []
    try:
        batch_id, counted = _attempt(warehouse, spooled)
    except WarehouseError as error:
        if not is_unreadable(error):
            raise
        spooled, broken = repaired(
            spooled, folder, delivered.object_name, lambda piece: _is_readable(warehouse, piece)
        )
        batch_id, counted = _attempt(warehouse, spooled)
    survey = pl.concat(counted.values())
    good, bad = survey.filter(pl.col("fault") == ""), survey.filter(pl.col("fault") != "")
    for name in bad["signal"].unique(maintain_order=True).to_list():
        warehouse.execute(
            READERS[name].rejects,
            settings={**engine_settings(spooled, READERS[name]), "max_threads": 1},
            structure=READERS[name].survey_structure,
            source_name=delivered.source_name,
            object_name=delivered.object_name,
            sha256=delivered.sha256,
            first_bytes=load_policy().first_bytes,
            **_binding(spooled),
        )
    _set_aside(warehouse, delivered, broken)
    lines = _lines(delivered, good, bad)
    if broken:
        lines.append(_Line(delivered, spooled.signals[0], _NO_DAY, 0, len(broken)))
    _record(warehouse, lines or [_Line(delivered, spooled.signals[0], _NO_DAY, 0)], batch_id, "loaded", "")
    return _load_of(spooled, good, lines)


def load_group(
    warehouse: Warehouse, folder: Path, delivered: Mapping[str, DeliveredObject], spooled: Sequence[Spooled]
) -> dict[str, ObjectLoad] | None:
    """Loads many small objects of one shape as one batch, all of them or none: planning a statement costs more than
    reading a small object.

    Args:
        folder: holds the bytes of all objects and nothing else, one file each.
        delivered: file name -> the object in it; none of them is in the ledger, no two have the same bytes.
        spooled: the same objects, of one encoding and the same signals.

    Returns:
        File name -> what became of the object; None, and nothing is visible, when any object holds something to be
        set aside: each must then be loaded by itself.
    """
    whole = replace(spooled[0], path=folder / "*")
    try:
        batch_id, counted = _attempt(warehouse, whole, abandon_on_fault=True)
    except WarehouseError as error:
        if is_unreadable(error):
            return None
        raise
    survey = pl.concat(counted.values())
    if not survey.filter(pl.col("fault") != "").is_empty():
        return None
    lines: list[_Line] = []
    loads: dict[str, ObjectLoad] = {}
    for one in spooled:
        name = one.path.name
        good = survey.filter(pl.col("file_name") == name)
        own = _lines(delivered[name], good, good.clear()) or [
            _Line(delivered[name], one.signals[0], _NO_DAY, 0)
        ]
        lines += own
        loads[name] = _load_of(one, good, own)
    _record(warehouse, lines, batch_id, "loaded", "")
    return loads


def _lines(delivered: DeliveredObject, good: pl.DataFrame, bad: pl.DataFrame) -> list[_Line]:
    return [
        *(
            _Line(delivered, row["signal"], row["day"], row["records"])
            for row in _sums(good, "signal", "day")
        ),
        *(_Line(delivered, row["signal"], _NO_DAY, 0, row["records"]) for row in _sums(bad, "signal")),
    ]


def _load_of(spooled: Spooled, good: pl.DataFrame, lines: Sequence[_Line]) -> ObjectLoad:
    return ObjectLoad(
        "loaded",
        dict.fromkeys(spooled.signals, 0) | {row["signal"]: row["records"] for row in _sums(good, "signal")},
        sum(line.rejected for line in lines),
        tables={row["table_name"]: row["records"] for row in _sums(good, "table_name")},
    )


def _sums(survey: pl.DataFrame, *by: str) -> list[dict[str, Any]]:
    return survey.group_by(by, maintain_order=True).agg(pl.col("records").sum()).to_dicts()


def _attempt(
    warehouse: Warehouse, spooled: Spooled, abandon_on_fault: bool = False
) -> tuple[uuid.UUID, dict[str, pl.DataFrame]]:
    """Writes all records under a fresh batch id; returns it and what the survey counted per signal.

    With ``abandon_on_fault`` nothing is written any more once the survey found a record to set aside.
    """
    batch_id = new_batch_id()
    counted = {}
    for name in spooled.signals:
        reader = READERS[name]
        settings = engine_settings(spooled, reader)
        survey = warehouse.frame(
            reader.survey, settings=settings, structure=reader.survey_structure, **_binding(spooled)
        ).with_columns(signal=pl.lit(name))
        counted[name] = survey
        if abandon_on_fault and not survey.filter(pl.col("fault") != "").is_empty():
            break
        for target in reader.targets:
            good = survey.filter((pl.col("table_name") == target.table) & (pl.col("fault") == ""))
            for first_day, last_day in _day_ranges(good["day"].unique().sort().to_list()):
                warehouse.execute(
                    target.statement,
                    settings=settings,
                    structure=target.structure,
                    batch_id=batch_id,
                    first_day=first_day.isoformat(),
                    last_day=last_day.isoformat(),
                    **_binding(spooled),
                )
            if not good.is_empty():
                _verify(warehouse, target.table, batch_id, good)
    return batch_id, counted


def _verify(warehouse: Warehouse, table: str, batch_id: uuid.UUID, good: pl.DataFrame) -> None:
    days = good["day"].unique().sort().to_list()
    expected = sum(good["records"].to_list())
    written = warehouse.frame(
        f"queries/telemetry/batch_rows_{table}",
        batch_id=batch_id,
        first_day=days[0].isoformat(),
        last_day=days[-1].isoformat(),
    ).item()
    if written != expected:
        raise ControlTotalError(
            f"otel.{table}: {written} rows written where the object holds {expected}; nothing was published"
        )


def _is_readable(warehouse: Warehouse, spooled: Spooled) -> bool:
    """Whether the engine can read every message of a file, in full."""
    for name in spooled.signals:
        for target in READERS[name].targets:
            try:
                warehouse.frame(
                    f"queries/telemetry/readable_{name}",
                    settings=engine_settings(spooled, READERS[name]),
                    path=spooled.path,
                    format=spooled.engine_format,
                    structure=target.structure,
                )
            except WarehouseError as error:
                if is_unreadable(error):
                    return False
                raise
    return True


def engine_settings(spooled: Spooled, reader: SignalReader) -> dict[str, str | int | float]:
    """Settings the engine reads a spooled file with."""
    settings: dict[str, str | int | float] = {
        "output_format_json_escape_forward_slashes": 0,
        "output_format_json_quote_denormals": 1,
        # Off: this pass hashes the nested types of every comparison; 0.3 of 0.5 s of a small object's plan.
        "optimize_and_compare_chain": 0,
    }
    if spooled.family == "json":
        settings["input_format_json_read_numbers_as_strings"] = 1
        settings["input_format_skip_unknown_fields"] = 1
    else:
        settings["format_schema_source"] = "string"
        settings["format_schema"] = proto_text()
        settings["format_schema_message_name"] = reader.message
    return settings


def _binding(spooled: Spooled) -> dict[str, Any]:
    policy = load_policy()
    return {
        "path": spooled.path,
        "format": spooled.engine_format,
        "encoding": spooled.family,
        "time_from": policy.time_from,
        "time_to": policy.time_to,
    }


def _day_ranges(days: list[date]) -> Iterator[tuple[date, date]]:
    """First and last day of each insert."""
    size = load_policy().days_per_insert
    for start in range(0, len(days), size):
        part = days[start : start + size]
        yield part[0], part[-1]


def recorded(warehouse: Warehouse, sha256s: Sequence[str]) -> dict[str, ObjectLoad]:
    """The outcome the ledger already has for bytes, by their sha256."""
    found: dict[str, ObjectLoad] = {}
    frame = warehouse.frame("queries/telemetry/recorded", sha256s=list(sha256s))
    for (sha256,), lines in frame.group_by(["sha256"], maintain_order=True):
        loaded = lines.filter(pl.col("state") == "loaded")
        if loaded.is_empty():
            found[str(sha256)] = ObjectLoad("refused", reason=lines["reason"][0])
        else:
            rows = dict(loaded.select("signal", "rows").iter_rows())
            found[str(sha256)] = ObjectLoad("already", rows, sum(loaded["rejected"].to_list()))
    return found


def _refused(warehouse: Warehouse, delivered: DeliveredObject, reason: str) -> ObjectLoad:
    _record(warehouse, [_Line(delivered, "", _NO_DAY, 0)], new_batch_id(), "refused", reason)
    return ObjectLoad("refused", reason=reason)


def _record(
    warehouse: Warehouse, lines: Sequence[_Line], batch_id: uuid.UUID, state: State, reason: str
) -> None:
    warehouse.execute(
        "statements/telemetry_delivery",
        source_name=lines[0].delivered.source_name,
        object_names=[line.delivered.object_name for line in lines],
        sha256s=[line.delivered.sha256 for line in lines],
        object_bytes=[line.delivered.bytes for line in lines],
        modified=[
            line.delivered.modified_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") for line in lines
        ],
        batch_id=batch_id,
        signals=[line.signal for line in lines],
        days=[line.day.isoformat() for line in lines],
        rows=[line.rows for line in lines],
        rejected=[line.rejected for line in lines],
        state=state,
        reason=reason,
    )


def _set_aside(warehouse: Warehouse, delivered: DeliveredObject, broken: list[BrokenMessage]) -> None:
    if not broken:
        return
    now = datetime.now(UTC)
    warehouse.insert(
        "raw_rejects",
        pl.DataFrame(
            [
                {
                    "kind": "telemetry",
                    "source_name": delivered.source_name,
                    "object_name": delivered.object_name,
                    "object_sha256": delivered.sha256,
                    "position": one.position,
                    "reason": "unreadable message",
                    "detail": one.detail,
                    "first_bytes": one.first_bytes,
                    "rejected_at": now,
                }
                for one in broken
            ]
        ),
    )
