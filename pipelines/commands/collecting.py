"""`appfleet gc`: words for people over ``sql.collection``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from models.policy import collection_grace
from models.settings import Settings
from sql.closings import LEASE
from sql.collection import Superseded, remove, superseded
from sql.leases import lease
from sql.opening import open_warehouse
from sql.publish import heads
from sql.warehouse import Warehouse

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def collect(
    console: Console,
    settings: Settings,
    dry_run: bool,
    wait_seconds: float = 0.0,
    now: datetime | None = None,
) -> list[Superseded]:
    """Removes what nobody can read any more and says what went; with ``dry_run`` only says what would.

    Raises:
        LeaseHeld: a pass runs, or somebody loads, closes or computes.
    """
    moment = now or datetime.now(UTC)
    if dry_run:
        # as the writer: a reader names no table of its own choice
        with open_warehouse(settings.root, role="writer") as warehouse:
            found = superseded(warehouse, moment, collection_grace())
        _say(console, found, "would free")
        return found
    with open_warehouse(settings.root, role="writer") as warehouse, ExitStack() as stack:
        for scope in ("pass", LEASE, *_scopes(warehouse)):
            stack.enter_context(lease(settings.root, scope, wait_seconds))
        found = superseded(warehouse, moment, collection_grace())
        remove(warehouse, found)
    _say(console, found, "freed")
    return found


def _scopes(warehouse: Warehouse) -> list[str]:
    """Every scope that was ever published: whoever writes one of them holds its lease."""
    return sorted({one.scope for one in heads(warehouse)})


def _say(console: Console, found: Sequence[Superseded], verb: str) -> None:
    hours = collection_grace().total_seconds() / 3600
    if not found:
        console.print(
            f"Nothing is superseded for longer than {hours:g} hours, or what is, a closed statement names."
        )
        return
    table = Table("what", "batch", "rows", "on disk, about")
    for one in found:
        table.add_row(one.scope, str(one.batch), f"{one.rows:,}", size(one.bytes))
    console.print(table)
    rows, total = sum(one.rows for one in found), sum(one.bytes for one in found)
    console.print(
        f"{len(found):,} batches superseded for longer than {hours:g} hours, {rows:,} rows: {verb} about {size(total)}."
    )


def size(count: float) -> str:
    """Bytes as people read them."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:,.0f} {_UNITS[unit]}" if unit == 0 else f"{count:,.1f} {_UNITS[unit]}"
