"""Takes a warehouse of version 0.1 out of use and makes a new one that holds its live telemetry.

Version 0.1 was the last one whose tables later ones do not build upon. Bills and telemetry files are delivered and can
be read again; what programs sent live is only in the warehouse, so its rows and their ledger lines are copied and
counted before the new warehouse takes the old one's place, and the old one is kept. Segments on disk are not touched.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from models.errors import ConfigurationError, ControlTotalError, WarehouseError
from sql.forms import SINGLE_NODE
from sql.local_warehouse.ownership import Place
from sql.local_warehouse.process import opened_alone
from sql.migrate import is_first_version, recorded
from sql.warehouse import Settings, Warehouse

KEPT_AS = "warehouse-0.1"
"""Folder beside the warehouse in which the old one is kept."""

_OTEL = SINGLE_NODE["otel"]
_LEDGER = ("raw_deliveries", "raw_rejects")
_EXACTLY: Settings = {"max_partitions_per_insert_block": 0, "input_format_skip_unknown_fields": 0}
"""Every column of the old table must be one of the new table, however many days a stream holds."""


@dataclass(frozen=True)
class Renewal:
    """What a renewal did: where the old warehouse is now, and the rows of live telemetry carried over per table."""

    kept: Path
    rows: dict[str, int]


def renew(workspace: Path, live_source: str) -> Renewal:
    """Replaces the warehouse of a workspace, made by version 0.1, by a new one with its live telemetry.

    Can be killed at any moment and run again: until it has ended no other process opens the warehouse.

    Args:
        live_source: name of the intake among the sources in the ledger.

    Raises:
        ConfigurationError: there is no warehouse, or it is not of version 0.1.
        WarehouseError: it is in use, or cannot be read; nothing has changed.
        ControlTotalError: the copy has not the rows of the old one; nothing has changed.
    """
    place = Place(workspace)
    if not place.state.is_dir():
        raise ConfigurationError(f"{workspace} holds no warehouse: there is nothing to renew")
    draft = Place(place.draft)
    with place.users(exclusive=True) as alone:
        if not alone:
            raise WarehouseError(
                f"the warehouse of {workspace} is in use: end `appfleet up`, wait for running commands, then renew again"
            )
        kept = place.state / KEPT_AS
        rows: dict[str, int] = {}
        if _has_files(place.data):
            shutil.rmtree(place.draft, ignore_errors=True)
            kept = _free(kept)
            rows = _carried(place, draft, live_source)
            place.data.rename(kept)
        elif not _has_files(draft.data):
            raise ConfigurationError(f"{workspace} holds no warehouse: there is nothing to renew")
        draft.data.rename(place.data)
        shutil.rmtree(place.draft)
    return Renewal(kept, rows)


def _carried(place: Place, draft: Place, live_source: str) -> dict[str, int]:
    """Makes the new warehouse and returns the rows of live telemetry it took over, per table."""
    with opened_alone(place.workspace, "--as-it-is") as old:
        if not is_first_version(recorded(old)):
            raise ConfigurationError(
                f"the warehouse of {place.workspace} is not one of version 0.1: there is nothing to renew"
            )
        draft.workspace.mkdir(mode=0o700)
        with opened_alone(draft.workspace) as new:
            return _copied(old, new, live_source)


def _copied(old: Warehouse, new: Warehouse, live_source: str) -> dict[str, int]:
    """Copies the ledger lines of live telemetry and the rows they make visible; those a collector inserted directly too."""
    for table in _LEDGER:
        _stream(old, new, "statements/renewal/ledger", "default", table, live_source)
    rows: dict[str, int] = {}
    tables = old.frame("statements/renewal/tables", database=_OTEL)["name"].to_list()
    for table in tables:
        _stream(old, new, "statements/renewal/rows", _OTEL, table, live_source)
        there, here = (
            one.frame("statements/renewal/counts", database=_OTEL, table=table, live_source=live_source)
            for one in (old, new)
        )
        if not there.equals(here):
            raise ControlTotalError(
                f"{_OTEL}.{table}: the copy does not have the rows of the old warehouse, batch by batch; "
                "nothing has changed: run `appfleet renew` again"
            )
        rows[table] = sum(here["rows"].to_list())
    return rows


def _stream(old: Warehouse, new: Warehouse, name: str, database: str, table: str, live_source: str) -> None:
    blocks = old.stream(name, "Native", database=database, table=table, live_source=live_source)
    new.insert_stream(f"{database}.{table}", blocks, "Native", _EXACTLY)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _free(path: Path) -> Path:
    """``path``, or with the first number that makes it a name nobody has."""
    number = 2
    free = path
    while free.exists():
        free = path.with_name(f"{path.name}-{number}")
        number += 1
    return free
