"""Raw telemetry past its retention: which partitions lie there, and their removal, which can be killed at any moment.

Rows are counted by batch into `telemetry_removals` before they go, so that what is gone is told from what is lost. Which
partitions may go is decided in `models.retention`; who may remove, and what is said about it, by those who call this.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby

import polars as pl

from models.errors import ControlTotalError
from models.retention import Partition
from sql.warehouse import Settings, Warehouse

TABLE = "telemetry_removals"
NO_BATCH = uuid.UUID(int=0)
_TRACES = "otel_traces"
_OF_ANY_SIZE: Settings = {"max_partition_size_to_drop": 0}
"""A server refuses to drop more than 50 GB at once, lest somebody err; here each partition was counted and shown."""

_Place = tuple[str, date, int]


@dataclass(frozen=True)
class Begun:
    """A removal whose last line is not written; ``batches`` are counted."""

    removal_id: uuid.UUID
    partition: Partition
    batches: frozenset[uuid.UUID] = frozenset()


def partitions(warehouse: Warehouse, before: date) -> list[Partition]:
    """What lies in each partition of raw telemetry of days before one; bytes by the average of the partition."""
    sizes = warehouse.frame("queries/retention/sizes", telemetry_database=warehouse.form.telemetry_database)
    per_row = {(table, one): size for table, one, size in sizes.iter_rows()}
    found = warehouse.frame("queries/retention/partitions", before=before.isoformat())
    return [
        Partition(table, day, days, rows, round(rows * per_row.get((table, f"{day:%Y%m%d}-{days}"), 0.0)))
        for table, day, days, rows in found.iter_rows()
    ]


def removed_days(warehouse: Warehouse) -> dict[date, datetime]:
    """Day of which raw telemetry was removed, or begun to be -> since when."""
    return dict(warehouse.frame("queries/retention/removed").iter_rows())


def begun(warehouse: Warehouse) -> list[Begun]:
    """Removals that were killed between their first line and their last."""
    return [
        Begun(
            uuid.UUID(row["removal_id"]),
            Partition(row["table_name"], row["day"], row["retention_days"], row["rows"], 0),
            frozenset(uuid.UUID(batch) for batch in row["batches"]),
        )
        for row in warehouse.frame("queries/retention/begun").iter_rows(named=True)
    ]


def remove(warehouse: Warehouse, ones: Sequence[Partition]) -> None:
    """Removes partitions, day after day.

    The caller holds the leases of whoever loads objects of telemetry or computes days of it. Killed at any moment, it can
    be run again: what was begun is ended, or what is left of it is counted and removed.

    Raises:
        ControlTotalError: a partition is not gone after it was dropped.
    """
    _end_what_is_gone(warehouse)
    killed = {_place(one.partition): one for one in begun(warehouse)}
    for day, of_day in groupby(sorted(ones, key=lambda one: one.day), key=lambda one: one.day):
        _remove_day(warehouse, day, [*of_day], killed)


def _remove_day(
    warehouse: Warehouse, day: date, ones: Sequence[Partition], killed: Mapping[_Place, Begun]
) -> None:
    """Removes partitions of a day: all are counted before the first goes, and again after the last."""
    held = _batches(warehouse, day)
    medians = _medians(warehouse, day) if any(one.table == _TRACES for one in ones) else {}
    ours = {
        one: killed.get(_place(one), Begun(uuid.uuid4(), replace(one, rows=0)))
        for one in ones
        if _place(one) in held  # else it went since it was listed
    }
    fresh = {
        one: {batch: rows for batch, rows in held[_place(one)].items() if batch not in of.batches}
        for one, of in ours.items()
    }
    _write(
        warehouse,
        [
            _line(
                ours[one], one, "removing", batch, rows, medians.get(batch, 0) if one.table == _TRACES else 0
            )
            for one, batches in fresh.items()
            for batch, rows in batches.items()
        ],
    )
    for one in ours:
        warehouse.execute(
            "statements/drop_telemetry_partition",
            settings=_OF_ANY_SIZE if warehouse.form.database else None,
            table=warehouse.form.stored(one.table),
            day=day.isoformat(),
            retention_days=one.retention_days,
        )
    after = _batches(warehouse, day) if ours else {}
    for one in ours:
        left = sum(rows for batch, rows in after.get(_place(one), {}).items() if batch in held[_place(one)])
        if left:
            raise ControlTotalError(
                f"{one.table} {day}: {left:,} row(s) are there after their partition was dropped; run "
                "`appfleet retention apply` again"
            )
    _write(
        warehouse,
        [
            _line(of, one, "removed", NO_BATCH, of.partition.rows + sum(fresh[one].values()))
            for one, of in ours.items()
        ],
    )


def _end_what_is_gone(warehouse: Warehouse) -> None:
    """Writes the last line of removals that were killed after their partition went."""
    killed = begun(warehouse)
    held = {day: _batches(warehouse, day) for day in {one.partition.day for one in killed}}
    gone = [one for one in killed if _place(one.partition) not in held[one.partition.day]]
    _write(warehouse, [_line(one, one.partition, "removed", NO_BATCH, one.partition.rows) for one in gone])


def _place(one: Partition) -> _Place:
    return one.table, one.day, one.retention_days


def _batches(warehouse: Warehouse, day: date) -> dict[_Place, dict[uuid.UUID, int]]:
    """Partition of a day -> its batches and their rows."""
    found: dict[_Place, dict[uuid.UUID, int]] = {}
    for table, kept, batch, rows in warehouse.frame(
        "queries/retention/batches", day=day.isoformat()
    ).iter_rows():
        found.setdefault((table, day, kept), {})[uuid.UUID(batch)] = rows
    return found


def _medians(warehouse: Warehouse, day: date) -> dict[uuid.UUID, int]:
    """Batch -> the median start of its spans on a day."""
    found = warehouse.frame("queries/retention/medians", day=day.isoformat())
    return {uuid.UUID(batch): median for batch, median in found.iter_rows()}


def _line(
    removal: Begun, partition: Partition, state: str, batch: uuid.UUID, rows: int, median_ns: int = 0
) -> dict[str, object]:
    return {
        "removal_id": str(removal.removal_id),
        "table_name": partition.table,
        "day": partition.day,
        "retention_days": partition.retention_days,
        "state": state,
        "batch_id": str(batch),
        "rows": rows,
        "bytes": partition.bytes if state == "removed" else 0,
        "median_ns": median_ns,
        "recorded_at": datetime.now(UTC),
    }


def _write(warehouse: Warehouse, lines: Sequence[Mapping[str, object]]) -> None:
    if lines:
        types = {"retention_days": pl.UInt16, "rows": pl.UInt64, "bytes": pl.UInt64}
        warehouse.insert(TABLE, pl.DataFrame(lines, schema_overrides=types))
