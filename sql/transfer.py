"""Takes everything a warehouse holds elsewhere: into files and back, or from the embedded warehouse to a server.

Rows go as Native blocks, table by table, and are counted and hashed on both sides; or a server is asked to write or load
a backup at a place of its own. Nothing here knows what a table
means; whether bills still tie is asked by who calls.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ConfigurationError, ControlTotalError, InputRefused, WarehouseError
from sql.catalog import statement
from sql.forms import RECORDS, filled
from sql.migrate import recorded
from sql.warehouse import Settings, Warehouse, one_line

MANIFEST = "manifest.json"
OF_THE_PLACE = ("schema_migrations", "warehouse_loaders")
"""Tables that say something of the warehouse itself, not of what is in it."""

_TELEMETRY = "telemetry"
_MAIN = "main"
_ALL_DAYS: Settings = {"max_partitions_per_insert_block": 0}
"""A stream may hold every day there is."""

_BLOCK_BYTES = 1 << 20

_SERVER_PLACE = re.compile(r"(?P<kind>disk|s3):(?P<name>[A-Za-z_]\w*)/(?P<path>[\w./-]+)", re.ASCII)
_DONE = frozenset({"BACKUP_CREATED", "RESTORED"})
_AT_WORK = frozenset({"CREATING_BACKUP", "RESTORING"})
_ASK_SECONDS = 0.2


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
    for name in manifest["tables"]:  # before anything is loaded
        if name not in known or not (folder / name).is_file():
            raise InputRefused(f"{folder}: {name} is missing, or no table of this version")
    for name, said in manifest["tables"].items():
        expected = Contents(int(said["rows"]), int(said["digest"]))
        yield known[name], _inserted(warehouse, known[name], _blocks(folder / name), expected)


@dataclass(frozen=True)
class ServerPlace:
    """Where a server itself keeps a backup: a disk of its own, or a bucket that a named collection of it describes."""

    kind: str
    name: str
    path: str

    @property
    def text(self) -> str:
        """The place as a statement says it; the parts hold nothing that would need an escape (``server_place``)."""
        return (
            f"Disk('{self.name}', '{self.path}')"
            if self.kind == "disk"
            else f"S3({self.name}, '{self.path}')"
        )


def server_place(text: str) -> ServerPlace | None:
    """The place ``disk:NAME/PATH`` or ``s3:COLLECTION/PATH`` says; None where it is a folder.

    Raises:
        ConfigurationError: it begins like one and is none.
    """
    if not text.startswith(("disk:", "s3:")):
        return None
    match = _SERVER_PLACE.fullmatch(text)
    if match is None or ".." in match["path"]:
        raise ConfigurationError(
            f"{text[:200]} is no place of a server: write disk:NAME/PATH (a disk that its configuration allows for backups) "
            "or s3:COLLECTION/PATH (a named collection with url and keys), of letters, digits and . _ - /"
        )
    return ServerPlace(**match.groupdict())


def server_backed_up(warehouse: Warehouse, place: ServerPlace) -> int:
    """Lets the server write every table to a place of its own; how many bytes lie there.

    Raises:
        ConfigurationError: the warehouse is embedded.
        WarehouseError: the server could not.
    """
    return _done_by_server(warehouse, "backup/backup", place)


def server_restored(warehouse: Warehouse, place: ServerPlace) -> int:
    """Lets the server load such a backup into the empty tables it was made of; how many bytes lay there.

    Raises:
        ConfigurationError: the warehouse is embedded.
        WarehouseError: the server could not, as tables of another version do not fit.
    """
    return _done_by_server(warehouse, "backup/restore", place)


def _done_by_server(warehouse: Warehouse, name: str, place: ServerPlace) -> int:
    """Begins a statement of the server's and asks until it is done: hours may pass, more than an answer is waited for."""
    form = warehouse.form
    if not form.database:
        raise ConfigurationError(
            f"{place.kind}:{place.name} would be a place of a server, and the warehouse is embedded: name a folder"
        )
    names = [table.names(warehouse) for table in tables(warehouse)]
    words = {
        "tables": ", ".join(
            f"TABLE `{one['in_database']}`.`{form.stored(one['of_table'])}`" for one in names
        ),
        "on_cluster": f" ON CLUSTER `{form.cluster}`" if form.cluster else "",
        "place": place.text,
        "id": f"'{uuid.uuid4()}'",
    }
    warehouse.execute_text(filled(statement(name), words))
    while True:
        found = warehouse.frame("queries/transfer/server_backup", id=words["id"].strip("'"))
        if found.is_empty():
            raise WarehouseError(
                f"the server does not know what became of its backup at {place.text}: does `warehouse.url` name one node?"
            )
        status, error, size = found.row(0)
        if status in _DONE:
            return int(size)
        if status not in _AT_WORK:
            raise WarehouseError(f"{place.text}: {one_line(error)}")
        time.sleep(_ASK_SECONDS)


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
