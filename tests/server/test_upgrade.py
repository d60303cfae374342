"""A database of an older schema goes the way of docs/deploying.md, command by command: every figure is the same after, and there is
a way back. The version before is played by this one with fewer migrations, over rows of tables and columns it had.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from models.errors import MigrationError
from pipelines.commands import transfer
from pipelines.commands.transfer import back_up, restore
from sql import migrate
from sql.damage import lost_rows
from sql.health import warehouse_missing
from sql.opening import connected, open_warehouse, schema_applied
from sql.transfer import _ALL_DAYS, tables
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.conftest import SmallFleet, free_ports
from tests.deploy.test_serve import PORTS, answers, serving
from tests.pipelines.test_pass import figures, published_bills
from tests.pipelines.test_up import until
from tests.server.conftest import Acting, write_warehouse
from tests.server.test_opening import appfleet

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
(STEPS, BACK) = re.split(r"(?m)^Back to ", re.split(r"(?m)^## Upgrading$", DOCUMENT)[1])
NOW = tuple(migrate.migrations())
OF_WHOM = (
    "SELECT of_table, groupArray(of_column) FROM (SELECT table AS of_table, name AS of_column FROM system.columns "
    "WHERE database IN {databases:Array(String)} AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') "
    "ORDER BY of_table, position) GROUP BY of_table"
)


def commands_of(text: str) -> list[list[str]]:
    """The commands a text has in it, in their order, without the name of the program."""
    return [one.split()[1:] for one in re.findall(r"`(appfleet [a-z][^`]*)`", text)]


@contextmanager
def version_before(last: str) -> Iterator[None]:
    """Code that knows the migrations up to one alone."""
    known = [one for one in NOW if one.name <= last]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "migrations", lambda: known)
        # what it asks of tables is of its own ones, and this version's asks of later ones too
        patch.setattr(transfer, "lost_rows", lambda *_, **__: [])
        yield


@dataclass(frozen=True)
class View:
    """A view people read, with the columns it had."""

    name: str
    columns: tuple[str, ...]


def views(warehouse: Warehouse) -> list[View]:
    """Every current view of a warehouse, as its readers see it."""
    form = warehouse.form
    found = warehouse.frame_of(
        "SELECT database, table, groupArray(name) AS columns FROM (SELECT database, table, name FROM system.columns WHERE "
        "database IN {databases:Array(String)} AND endsWith(table, '_current') ORDER BY database, table, position) GROUP BY ALL",
        databases=[form.main_database, form.telemetry_database],
    )
    return [
        View(f"{'' if database == form.main_database else '{{otel}}.'}{table}", tuple(columns))
        for database, table, columns in found.rows()
    ]


def told(warehouse: Warehouse, seen: Sequence[View]) -> dict[str, tuple[int, int]]:
    """Rows of each view, and a sum of the hashes of the columns it had."""
    found = {}
    for view in seen:
        columns = ", ".join(f"`{name}`" for name in view.columns)
        text = f"SELECT count(), sum(cityHash64(tuple(*))) FROM (SELECT {columns} FROM {view.name})"
        [(rows, hashes)] = warehouse.frame_of(text).rows()
        found[view.name] = rows, hashes
    return found


def copied_into(new: Warehouse, old: Warehouse) -> None:
    """Rows of a warehouse of this version into one of an older schema: of its tables, and of their columns."""
    databases = [new.form.main_database, new.form.telemetry_database]
    had: dict[str, list[str]] = dict(new.frame_of(OF_WHOM, databases=databases).rows())
    gone: dict[str, int] = {}
    for table in tables(old):
        names, kept = table.names(old), _columns(old, table.name)
        if table.name not in had:
            if "batch_id" in kept:
                counted = f"SELECT toString(batch_id), count() FROM {table.name} GROUP BY ALL"
                gone |= dict(old.frame_of(counted).rows())
            continue
        columns = ", ".join(f"`{name}`" for name in had[table.name] if name in kept)
        blocks = old.stream_of(
            f"SELECT {columns} FROM {{in_database:Identifier}}.{{of_table:Identifier}}", "Native", **names
        )
        into = table.names(new)
        first = next(blocks, b"")
        if first:
            new.insert_stream(
                f"{into['in_database']}.{table.name}", _and_then(first, blocks), "Native", _ALL_DAYS
            )
    # A release of the version before told of its own tables alone, and what was computed of another code: a fingerprint holds it.
    new.execute_text(
        "ALTER TABLE period_head UPDATE rows = rows - toUInt64(arraySum(batch -> transform(toString(batch), "
        "{batches:Array(String)}, {counts:Array(UInt64)}, toUInt64(0)), mapValues(batches))), "
        "batches = mapFilter((name, batch) -> has({known:Array(String)}, toString(name)), batches), "
        "sha256 = if(startsWith(scope, 'billing/'), sha256, reverse(sha256)) WHERE 1 "
        "SETTINGS mutations_sync = 2",
        known=sorted(had),
        batches=[*gone, "-"],
        counts=[*gone.values(), 0],
    )
    new.execute_text("ALTER TABLE period_head DELETE WHERE empty(batches) SETTINGS mutations_sync = 2")


def _and_then(first: bytes, rest: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    yield first
    yield from rest


def _columns(warehouse: Warehouse, table: str) -> set[str]:
    found = warehouse.frame_of(
        "SELECT name FROM system.columns WHERE table = {of_table:String}", of_table=table
    )
    return set(found["name"])


@pytest.mark.parametrize("last", ["0024_alerts", "0034_routes"])
def test_an_older_database_is_upgraded_by_the_document_and_every_figure_stays(
    small_fleet: SmallFleet, server: Acting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.chdir(tmp_path)
    root = small_fleet.copy(small_fleet.simulated, tmp_path / "fleet")
    database = f"upgraded_{last[:4]}"
    write_warehouse(root, server.url, database)
    passed = small_fleet.copy(small_fleet.passed, tmp_path / "passed")
    with version_before(last):
        schema_applied(root, server.settings(database))
        with open_warehouse(root) as older, open_warehouse(passed) as full:
            copied_into(older, full)
            seen = views(older)
            before, bills = told(older, seen), published_bills(full)
            assert published_bills(older) == bills
            assert sum(rows > 0 for rows, _ in before.values()) > 15

    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with (root / "appfleet.yaml").open("a") as settings:
        settings.write(f"\n{yaml.safe_dump({'ports': ports})}")
    later = [one.name for one in NOW if one.name > last]
    first, *rest = commands_of(STEPS)
    assert first[0] == "backup"
    with version_before(last):  # by the version that runs
        back_up(load_settings(root), tmp_path / first[1], lambda _: None)
    assert warehouse_missing(root) == ["schema"]
    assert "run `appfleet migrate`" in appfleet(root, "status", code=1)
    said = {}
    for words in rest:
        if words[0] == "doctor":  # after the services
            with (
                serving("pages", root, tmp_path / "pages.log"),
                serving("intake", root, tmp_path / "intake.log"),
            ):
                for name in ("pages", "intake"):
                    until(lambda name=name: answers(name, root, "/readyz")[0] == 200, 90)  # type: ignore[misc]
        said[" ".join(words)] = appfleet(root, *words, **({"code": None} if words[0] == "doctor" else {}))
        if words == ["migrate"]:
            with connected(root, server.settings(database)) as warehouse:
                assert told(warehouse, seen) == before
                assert not lost_rows(warehouse.frame, with_slices=True)
    assert re.findall(r"(?m)^-- (\d{4}_\w+)$", said["migrate --plan"]) == later
    assert said["migrate"].splitlines() == [f"applied {name}" for name in later]
    assert (
        "Traceback" not in said["doctor"]
        and "Not whole" not in said["doctor"]
        and "migrat" not in said["doctor"]
    )
    with open_warehouse(root, "reader") as warehouse, open_warehouse(passed, "reader") as full:
        assert published_bills(warehouse) == bills
        assert figures(warehouse) == figures(full), "after the next pass"

    # the way back
    with version_before(last):
        with pytest.raises(MigrationError, match=f"{later[0]}, which this version does not know"):
            warehouse_of = open_warehouse(root)
            warehouse_of.__enter__()
        write_warehouse(root, server.url, f"{database}_back")
        for words in commands_of(BACK):
            if words[0] == "migrate":
                schema_applied(root, server.settings(f"{database}_back"))
            else:
                assert words == ["restore", first[1]]
                restore(load_settings(root), tmp_path / words[1], lambda _: None)
        with open_warehouse(root, "reader") as warehouse:
            assert told(warehouse, seen) == before and published_bills(warehouse) == bills
