"""Maintenance windows that were said by command, as they are kept: read, and added to; never changed.

What a window means, and which of them hold, is ``models.maintenance``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import polars as pl

from models.errors import WarehouseError
from models.maintenance import MaintenanceAct, MaintenanceWindow, said_by_command
from sql.warehouse import Warehouse

ACTS = "maintenance_acts"
_SECOND = pl.Datetime("us", "UTC")
_COLUMNS = pl.Schema(
    {
        "act_id": pl.String(),
        "act": pl.String(),
        "acted_by": pl.String(),
        "acted_at": pl.Datetime("ms", "UTC"),
        "reason": pl.String(),
        "apps": pl.List(pl.String),
        "teams": pl.List(pl.String),
        "environments": pl.List(pl.String),
        "begins_at": _SECOND,
        "ends_at": _SECOND,
        "of_act": pl.String(),
    }
)


def maintenance_acts(warehouse: Warehouse) -> list[MaintenanceAct]:
    """Everything that was said, the oldest first."""
    frame = warehouse.frame("queries/maintenance/acts")
    return [_act(row) for row in frame.iter_rows(named=True)]


def _act(row: dict[str, Any]) -> MaintenanceAct:
    lists = {name: tuple(row[name]) for name in ("apps", "teams", "environments")}
    return MaintenanceAct(**{**row, **lists})


def said_windows(warehouse: Warehouse) -> list[MaintenanceWindow]:
    """The windows that hold of what was said."""
    return said_by_command(maintenance_acts(warehouse))


def write_maintenance_act(warehouse: Warehouse, act: MaintenanceAct) -> None:
    """Records what was said, and reads it back.

    Raises:
        WarehouseError: it is not there after it was written.
    """
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(act).items()}
    warehouse.insert(ACTS, pl.DataFrame([row], schema=_COLUMNS))
    if not any(one.act_id == act.act_id for one in maintenance_acts(warehouse)):
        raise WarehouseError("what was said of the maintenance window was not stored: do it again")
