"""``appfleet backup``, ``restore`` and ``move``: everything a warehouse holds, elsewhere, and held against its control totals.

How rows travel lives in ``sql.transfer``; what a bill must tie to, in the queries of the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from models.errors import ConfigurationError, ControlTotalError
from models.settings import Settings
from sql import transfer
from sql.damage import lost_rows
from sql.leases import lease
from sql.local_warehouse import process
from sql.opening import open_warehouse
from sql.transfer import Contents, ServerPlace, Table
from sql.warehouse import Warehouse

Tell = Callable[[str], None]
WAIT_SECONDS = 60.0


def back_up(settings: Settings, place: Path | ServerPlace, tell: Tell) -> None:
    """Writes everything the warehouse of a workspace holds into a new folder, or a place of its server's, while no pass runs.

    Raises:
        ConfigurationError: the folder is there already, or the place is a server's and the warehouse is embedded.
        LeaseHeld: a pass runs.
    """
    with lease(settings.root, "pass", WAIT_SECONDS), open_warehouse(settings.root) as warehouse:
        if isinstance(place, ServerPlace):
            size = transfer.server_backed_up(warehouse, place)
            tell(f"the server wrote {size:,} bytes to {place.text}")
            return
        _tell(transfer.backed_up(warehouse, place), tell)
    tell(f"backup in {place}: keep it where this machine's disk is not")


def restore(settings: Settings, place: Path | ServerPlace, tell: Tell) -> None:
    """Loads a backup into the empty warehouse of a workspace, and holds every bill and release against its totals.

    Raises:
        ConfigurationError: the warehouse is not empty.
        InputRefused: it is no whole backup of this version.
        ControlTotalError: something is not as it was.
    """
    with lease(settings.root, "pass", WAIT_SECONDS), open_warehouse(settings.root) as warehouse:
        transfer.refuse_filled(warehouse, f"the warehouse of {settings.root}")
        if isinstance(place, ServerPlace):
            size = transfer.server_restored(warehouse, place)
            tell(f"the server loaded {size:,} bytes from {place.text}")
        else:
            _tell(transfer.restored(warehouse, place), tell)
        _refuse_untied(warehouse)
    tell("every release has the rows it was published with, and every bill ties to its control totals")


def move(settings: Settings, tell: Tell) -> None:
    """Copies the embedded warehouse of a workspace into the server its settings name, and holds both against each other.

    Raises:
        ConfigurationError: the settings name no server, or its database is not empty.
        ControlTotalError: something is not as it was.
    """
    if settings.warehouse is None:
        raise ConfigurationError("the settings name no server to move to: write its `warehouse.url` first")
    with ExitStack() as stack:
        stack.enter_context(lease(settings.root, "pass", WAIT_SECONDS))
        new = stack.enter_context(open_warehouse(settings.root))
        transfer.refuse_filled(new, f"database {settings.warehouse.database}")
        old = stack.enter_context(process.open_warehouse(settings.root))
        _tell(transfer.copied(old, new), tell)
        _refuse_untied(new)
        for name in ("queries/billing/control_totals", "queries/ledger/heads"):
            bound: dict[str, Any] = {"scope_prefix": ""} if name.endswith("heads") else {}
            if not _same(old.frame(name, **bound), new.frame(name, **bound)):
                raise ControlTotalError(
                    f"{name} says something else of the server than of the embedded warehouse"
                )
    tell(f"the embedded warehouse is kept below {settings.state}; nothing reads it any more")


def _tell(done: Iterator[tuple[Table, Contents]], tell: Tell) -> None:
    for table, found in done:
        if found.rows:
            tell(f"{found.rows:>12,} row(s) of {table.name}")


def _refuse_untied(warehouse: Warehouse) -> None:
    lost = lost_rows(warehouse.frame, with_slices=True)
    if lost:
        raise ControlTotalError(f"{lost[0]} (and {len(lost) - 1} more)")
    totals = warehouse.frame("queries/billing/control_totals")
    damaged = totals.filter(pl.col("damage") != 0)
    if not damaged.is_empty():
        raise ControlTotalError(f"a bill does not tie to its control totals: {damaged.row(0)}")


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    return one.sort(one.columns).equals(other.sort(other.columns)) if one.height else other.is_empty()
