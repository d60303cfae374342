"""Takes everything a warehouse holds elsewhere: into files and back, or from the embedded warehouse to a server.

Rows go as Native blocks, table by table, and are counted and hashed on both sides. Nothing here knows what a table
means; whether bills still tie is asked by who calls.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ConfigurationError, ControlTotalError, InputRefused
from sql.forms import RECORDS
from sql.migrate import recorded
from sql.warehouse import Settings, Warehouse

MANIFEST = "manifest.json"
OF_THE_PLACE = ("schema_migrations", "warehouse_loaders")
"""Tables that say something of the warehouse itself, not of what is in it."""

_TELEMETRY = "telemetry"
_MAIN = "main"
_ALL_DAYS: Settings = {"max_partitions_per_insert_block": 0}
"""A stream may hold every day there is."""

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Table:
    """A table by the part of a warehouse it is in, ``main`` or ``telemetry``, and its name."""

    part: str
    name: str

    def names(self, warehouse: Warehouse) -> dict[str, Any]:
        """Database and table in a warehouse, as statements bind them."""
        database = (
            warehouse.form.telemetry_database if self.part == _TELEMETRY else warehouse.form.main_database
        )
        return {"in_database": database, "of_table": self.name}

    @property
    def file_name(self) -> str:
        """Name of its file in a backup."""
        return f"{self.part}.{self.name}.native"


@dataclass(frozen=True)
class Contents:
    """What a table or a file holds: its rows, and a sum of their hashes."""

    rows: int
    digest: int


def tables(warehouse: Warehouse) -> list[Table]:
    """Tables that hold something of a workspace, the ledger first."""
    telemetry = warehouse.form.telemetry_database
    found = warehouse.frame(
        "queries/transfer/tables",
        telemetry_database=telemetry,
        records=sorted(RECORDS),
        left=list(OF_THE_PLACE),
    )
    return [
        Table(_TELEMETRY if row["database"] == telemetry else _MAIN, row["table"])
        for row in found.iter_rows(named=True)
    ]


def held(warehouse: Warehouse, table: Table) -> Contents:
    """What a table of a warehouse holds."""
    (row,) = warehouse.frame("queries/transfer/digest", **table.names(warehouse)).iter_rows(named=True)
    return Contents(row["rows"], row["digest"])


def refuse_filled(warehouse: Warehouse, what: str) -> None:
    """Returns when a warehouse holds nothing yet.

    Raises:
        ConfigurationError: it holds something, which would be mixed with what comes.
    """
    for table in tables(warehouse):
        rows = held(warehouse, table).rows
        if rows:
            raise ConfigurationError(
                f"{what} already holds {rows:,} row(s) in {table.name}: take a warehouse that is empty"
            )


def copied(old: Warehouse, new: Warehouse) -> Iterator[tuple[Table, Contents]]:
    """Copies every table from one warehouse to an empty one of the same version; tells each when it is there.

    Raises:
        ControlTotalError: a table does not hold afterwards what was sent.
    """
    for table in tables(old):
        before = held(old, table)
        blocks = old.stream("statements/transfer/rows", "Native", **table.names(old))
        yield table, _inserted(new, table, blocks, before)


def backed_up(warehouse: Warehouse, folder: Path) -> Iterator[tuple[Table, Contents]]:
    """Writes every table into a file of a new folder, and last a manifest of what is in them; tells each.

    The ledger is written first, so that what it names is in what follows even where telemetry comes in meanwhile.

    Raises:
        ConfigurationError: the folder is there already, or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot be made ({error.strerror}): name a folder that is not there"
        ) from None
    contents: dict[str, dict[str, int]] = {}
    for table in tables(warehouse):
        path = folder / table.file_name
        with path.open("wb") as file:
            for block in warehouse.stream("statements/transfer/rows", "Native", **table.names(warehouse)):
                file.write(block)
        found = _held_file(warehouse, path)
        contents[table.file_name] = {"rows": found.rows, "digest": found.digest}
        yield table, found
    migrations = {name: one.checksum for name, one in recorded(warehouse).items()}
    draft = folder / f".{MANIFEST}"
    draft.write_text(json.dumps({"migrations": migrations, "tables": contents}, indent=1), encoding="utf-8")
    draft.replace(folder / MANIFEST)


def restored(warehouse: Warehouse, folder: Path) -> Iterator[tuple[Table, Contents]]:
    """Loads a backup into an empty warehouse of the same version; tells each table when it is there.

    Raises:
        InputRefused: it is no whole backup, or of another version.
        ControlTotalError: a table does not hold afterwards what the manifest says.
    """
    manifest = _manifest(folder)
    now = {name: one.checksum for name, one in recorded(warehouse).items()}
    if manifest["migrations"] != now:
        raise InputRefused(
            f"{folder} is of another version: restore it with that one, then run `appfleet migrate`"
        )
    known = {table.file_name: table for table in tables(warehouse)}
    for name, said in manifest["tables"].items():
        if name not in known or not (folder / name).is_file():
            raise InputRefused(f"{folder}: {name} is missing, or no table of this version")
        expected = Contents(int(said["rows"]), int(said["digest"]))
        yield known[name], _inserted(warehouse, known[name], _blocks(folder / name), expected)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if set(found) == {"migrations", "tables"}:
            return dict(found)
    except (OSError, ValueError):
        pass
    raise InputRefused(f"{folder} is no backup that came to its end: it has no {MANIFEST} that can be read")


def _blocks(path: Path) -> Generator[bytes, None, None]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _held_file(warehouse: Warehouse, path: Path) -> Contents:
    if not path.stat().st_size:
        return Contents(0, 0)
    (row,) = warehouse.reading.frame("queries/transfer/file_digest", path=path).iter_rows(named=True)
    return Contents(row["rows"], row["digest"])


def _inserted(
    warehouse: Warehouse, table: Table, blocks: Generator[bytes, None, None], expected: Contents
) -> Contents:
    names = table.names(warehouse)
    if expected.rows:
        warehouse.insert_stream(f"{names['in_database']}.{names['of_table']}", blocks, "Native", _ALL_DAYS)
    found = held(warehouse, table)
    if found != expected:
        raise ControlTotalError(
            f"{table.name}: {found.rows:,} row(s) arrived of {expected.rows:,}, or not as they were: empty the new warehouse "
            "and do it again; the old one is as it was"
        )
    return found
