"""`appfleet retention`: what raw telemetry is past its retention, what its removal frees, and the removal.

Words and leases; partitions are counted and dropped by ``sql.retention``, and which may go is decided in
``models.retention``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime

from rich.console import Console
from rich.table import Table

from models.retention import Leaving, Partition, Retention, first_kept_day, leaving, retention
from models.settings import Settings
from pipelines.commands.collecting import size
from pipelines.compute import telemetry_days, volumes_due
from pipelines.compute.slices import DAY
from pipelines.ingest.telemetry.source import LEASE
from sql.damage import lost_rows
from sql.leases import lease
from sql.opening import open_warehouse
from sql.retention import partitions, remove
from sql.warehouse import Warehouse

SCOPES = ("pass", LEASE, "slices")
"""Leases of whoever loads objects of telemetry or computes days of it, in the order a pass takes them."""

_NOT_COMPUTED = "its slices are not computed from what is loaded: `appfleet run`, then again"
_BEFORE = "slices of the day after are to be computed, which begin with it: `appfleet run`, then again"
_LOST = "rows of its slices are lost, and are computed again from it: `appfleet run`, then again"
_NOT_MEASURED = "what its telemetry takes is not counted yet: `appfleet run`, then again"
_SHOWN = 10


def plan(console: Console, settings: Settings, now: datetime | None = None) -> list[Leaving]:
    """Says what is past its retention and what its removal would free; removes nothing."""
    kept = retention(settings.retention)
    with open_warehouse(settings.root, role="writer") as warehouse:
        found = _leaving(warehouse, settings, kept, now or datetime.now(UTC))
    _say(console, kept, found, "would free")
    return found


def apply(
    console: Console, settings: Settings, wait_seconds: float = 0.0, now: datetime | None = None
) -> list[Partition]:
    """Removes what is past its retention, partition by partition, and says what went.

    Raises:
        LeaseHeld: a pass runs, or somebody loads or computes telemetry, for longer than ``wait_seconds``.
        ControlTotalError: a partition is not gone after it was dropped.
    """
    kept = retention(settings.retention)
    with open_warehouse(settings.root, role="writer") as warehouse, ExitStack() as stack:
        for scope in SCOPES:
            stack.enter_context(lease(settings.root, scope, wait_seconds))
        found = _leaving(warehouse, settings, kept, now or datetime.now(UTC))
        gone = [one.partition for one in found if not one.waits]
        remove(warehouse, gone)
    _say(console, kept, found, "freed")
    return gone


def _leaving(warehouse: Warehouse, settings: Settings, kept: Retention, now: datetime) -> list[Leaving]:
    today = now.astimezone(UTC).date()
    found = partitions(warehouse, first_kept_day(kept, today))
    lost = [one.period for one in lost_rows(warehouse.frame, with_slices=True) if one.scope == "slices"]
    new = telemetry_days(warehouse, settings)[1]
    open_days = {
        **dict.fromkeys(volumes_due(warehouse), _NOT_MEASURED),
        **dict.fromkeys((day - DAY for day in [*lost, *new]), _BEFORE),
        **dict.fromkeys(lost, _LOST),
        **dict.fromkeys(new, _NOT_COMPUTED),
    }
    return leaving(found, kept, today, open_days)


def _say(console: Console, kept: Retention, found: Sequence[Leaving], verb: str) -> None:
    gone = [one.partition for one in found if not one.waits]
    if gone:
        table = Table("tier", "kept, days", "table", "days", "rows", "on disk, about")
        for (days, name), ones in sorted(_grouped(gone).items()):
            span = f"{len(ones)}: {_span([one.day for one in ones])}"
            rows, total = sum(one.rows for one in ones), sum(one.bytes for one in ones)
            table.add_row(kept.tiers(days), str(kept.kept(days)), name, span, f"{rows:,}", size(total))
        console.print(table)
    rows, total = sum(one.rows for one in gone), sum(one.bytes for one in gone)
    days = len({one.day for one in gone})
    console.print(
        f"{len(gone):,} partitions of {days:,} days past their retention, {rows:,} rows: {verb} about {size(total)}. "
        "What is computed from them stays."
        if gone
        else "Nothing that may go is past its retention."
    )
    waiting: dict[str, set[date]] = defaultdict(set)
    for one in found:
        if one.waits:
            waiting[one.waits].add(one.partition.day)
    for why, of in waiting.items():
        listed = ", ".join(str(day) for day in sorted(of)[:_SHOWN])
        more = f" and {len(of) - _SHOWN} more" if len(of) > _SHOWN else ""
        console.print(f"Past its retention, and kept: {listed}{more}: {why}.")


def _grouped(ones: Sequence[Partition]) -> dict[tuple[int, str], list[Partition]]:
    found: dict[tuple[int, str], list[Partition]] = defaultdict(list)
    for one in ones:
        found[one.retention_days, one.table].append(one)
    return found


def _span(days: Sequence[date]) -> str:
    first, last = min(days), max(days)
    return str(first) if first == last else f"{first} to {last}"
