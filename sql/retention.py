"""Raw telemetry past its retention: which partitions lie there, and their removal, which can be killed at any moment.

Rows are counted by batch into `telemetry_removals` before they go, so that what is gone is told from what is lost. Which
partitions may go is decided in `models.retention`; who may remove, and what is said about it, by those who call this.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import polars as pl

from models.errors import ControlTotalError
from models.retention import Partition
from sql.warehouse import Settings, Warehouse

TABLE = "telemetry_removals"
NO_BATCH = uuid.UUID(int=0)
_TRACES = "otel_traces"
_OF_ANY_SIZE: Settings = {"max_partition_size_to_drop": 0}
"""A server refuses to drop more than 50 GB at once, lest somebody err; here each partition was counted and shown."""


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


def remove(
    warehouse: Warehouse, ones: Sequence[Partition], done: Callable[[Partition], None] = lambda _: None
) -> None:
    """Removes partitions, one after the other, and tells each when it is gone.

    The caller holds the leases of whoever loads objects of telemetry or computes days of it. Killed at any moment, it can
    be run again: what was begun is ended, or counted and removed anew.

    Raises:
        ControlTotalError: a partition is not gone after it was dropped.
    """
    killed = {_place(one.partition): one for one in begun(warehouse)}
    for one in killed.values():
        if not _batches(warehouse, one.partition):
            _note(warehouse, one.removal_id, one.partition, "removed", {NO_BATCH: one.partition.rows}, {})
    for partition in ones:
        batches = _batches(warehouse, partition)
        if not batches:  # ended above, or dropped since they were listed
            continue
        ours = killed.get(_place(partition), Begun(uuid.uuid4(), replace(partition, rows=0)))
        medians = _medians(warehouse, partition) if partition.table == _TRACES else {}
        fresh = {batch: rows for batch, rows in batches.items() if batch not in ours.batches}
        _note(warehouse, ours.removal_id, partition, "removing", fresh, medians)
        warehouse.execute(
            "statements/drop_telemetry_partition",
            settings=_OF_ANY_SIZE if warehouse.form.database else None,
            table=warehouse.form.stored(partition.table),
            day=partition.day.isoformat(),
            retention_days=partition.retention_days,
        )
        left = sum(_batches(warehouse, partition).get(batch, 0) for batch in batches)
        if left:
            raise ControlTotalError(
                f"{partition.table} {partition.day}: {left:,} row(s) are there after their partition was dropped; run "
                "`appfleet retention apply` again"
            )
        rows = ours.partition.rows + sum(fresh.values())
        _note(warehouse, ours.removal_id, partition, "removed", {NO_BATCH: rows}, {})
        done(partition)


def _place(one: Partition) -> tuple[str, date, int]:
    return one.table, one.day, one.retention_days


def _batches(warehouse: Warehouse, one: Partition) -> dict[uuid.UUID, int]:
    """Batch -> its rows in a partition."""
    found = warehouse.frame(
        "queries/retention/batches",
        table_name=one.table,
        day=one.day.isoformat(),
        retention_days=one.retention_days,
    )
    return {uuid.UUID(batch): rows for batch, rows in found.iter_rows()}


def _medians(warehouse: Warehouse, one: Partition) -> dict[uuid.UUID, int]:
    """Batch -> the median start of its spans on the day of a partition."""
    found = warehouse.frame("queries/retention/medians", day=one.day.isoformat())
    return {uuid.UUID(batch): median for batch, median in found.iter_rows()}


def _note(
    warehouse: Warehouse,
    removal_id: uuid.UUID,
    partition: Partition,
    state: str,
    rows: Mapping[uuid.UUID, int],
    medians: Mapping[uuid.UUID, int],
) -> None:
    now = datetime.now(UTC)
    lines = [
        {
            "removal_id": str(removal_id),
            "table_name": partition.table,
            "day": partition.day,
            "retention_days": partition.retention_days,
            "state": state,
            "batch_id": str(batch),
            "rows": count,
            "bytes": partition.bytes if state == "removed" else 0,
            "median_ns": medians.get(batch, 0),
            "recorded_at": now,
        }
        for batch, count in rows.items()
    ]
    if lines:
        types = {"retention_days": pl.UInt16, "rows": pl.UInt64, "bytes": pl.UInt64}
        warehouse.insert(TABLE, pl.DataFrame(lines, schema_overrides=types))
