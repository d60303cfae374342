"""The schema: applied once, resumed after a crash, commented, and as models and queries expect it."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.errors import MigrationError, WarehouseError
from models.schemas import SCHEMAS
from sql import migrate as migrate_module
from sql import opening
from sql.catalog import split_statements, statement, statements
from sql.forms import SINGLE_NODE, filled
from sql.local_warehouse.ownership import Place
from sql.migrate import Migration, migrate, migrations
from sql.opening import open_warehouse, schema_missing
from sql.warehouse import Warehouse
from tests.conftest import Migrated


def _states(warehouse: Warehouse) -> dict[str, str]:
    frame = warehouse.frame("queries/ledger/migrations")
    return dict(zip(frame["name"], frame["state"], strict=True))


def test_every_migration_is_applied_once(warehouse: Warehouse) -> None:
    assert _states(warehouse) == {one.name: "completed" for one in migrations()}
    assert migrate(warehouse) == []


def test_what_an_embedded_warehouse_lacks_is_told_without_making_it(
    warehouse: Warehouse, workspace: Path, tmp_path: Path
) -> None:
    """All of it where none was ever opened; nothing where one runs, which is asked and not disturbed."""
    assert [one.name for one in schema_missing(tmp_path, None)[0]] == [one.name for one in migrations()]
    assert list(tmp_path.iterdir()) == []
    assert schema_missing(workspace, opening.server_of(workspace))[0] == []
    assert warehouse.frame_of("SELECT 1").item() == 1


def test_a_migration_left_in_progress_is_applied_again(warehouse: Warehouse) -> None:
    last = migrations()[-1]
    warehouse.execute(
        "statements/record_migration", name=last.name, checksum=last.checksum, state="in_progress"
    )
    assert migrate(warehouse) == [last.name]
    assert _states(warehouse)[last.name] == "completed"


def test_the_last_state_of_a_migration_counts_with_its_checksum(warehouse: Warehouse) -> None:
    """One that did not end may be applied again with another text: it was released by neither."""
    for checksum, state in (("old", "in_progress"), ("new", "in_progress"), ("new", "completed")):
        warehouse.execute("statements/record_migration", name="9999_tried", checksum=checksum, state=state)
    (row,) = warehouse.frame("queries/ledger/migrations").rows()[-1:]
    assert row == ("9999_tried", "new", "completed")
    warehouse.execute_text("DELETE FROM schema_migrations WHERE name = '9999_tried'")


def test_an_edited_migration_is_refused(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = [Migration(one.name, one.text + "\n-- edited") for one in migrations()]
    monkeypatch.setattr(migrate_module, "migrations", lambda: edited)
    with pytest.raises(MigrationError, match=f"{edited[0].name} was edited"):
        migrate(warehouse)


def test_a_newer_warehouse_is_refused(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    older = migrations()[:-1]
    newest = migrations()[-1]
    monkeypatch.setattr(migrate_module, "migrations", lambda: older)
    with pytest.raises(MigrationError, match=f"{newest.name}, which this version does not know"):
        migrate(warehouse)


@pytest.mark.parametrize("after", [pytest.param(3, marks=pytest.mark.slow), 12])
def test_a_kill_in_the_middle_is_resumed(tmp_path: Path, migrated: Migrated, after: int) -> None:
    """The owner dies while migration ``after`` statements are done; the next start completes them."""
    workspace = migrated(tmp_path / "workspace")
    with pytest.raises(WarehouseError), open_warehouse(workspace) as warehouse:
        warehouse.execute_text("TRUNCATE TABLE schema_migrations")
        for name in warehouse.frame_of(
            "SELECT name FROM system.tables WHERE database = 'default' AND engine = 'View'"
        )["name"]:
            warehouse.execute_text(f"DROP VIEW {name}")
        _die_after(warehouse, workspace, after)
        migrate(warehouse)
    with open_warehouse(workspace) as warehouse:
        assert _states(warehouse) == {one.name: "completed" for one in migrations()}
        for table in SCHEMAS:
            assert warehouse.frame_of(f"SELECT count() AS n FROM {table}_current")["n"].to_list() == [0]


def _die_after(warehouse: Warehouse, workspace: Path, count: int) -> None:
    owner = Place(workspace).owner()
    assert owner
    done = 0
    run = warehouse.execute_text

    def counted(text: str, *args: Any, **kwargs: Any) -> None:
        nonlocal done
        done += 1
        if done == count:
            threading.Timer(0.002, os.kill, (owner.pid, signal.SIGKILL)).start()
        run(text, *args, **kwargs)

    warehouse.execute_text = counted  # type: ignore[method-assign]


def test_every_column_and_table_has_a_comment(warehouse: Warehouse) -> None:
    silent = warehouse.frame_of(
        "SELECT database || '.' || table || '.' || name AS name FROM system.columns"
        " WHERE database IN {databases:Array(String)} AND comment = '' AND table IN"
        " (SELECT name FROM system.tables WHERE engine LIKE '%MergeTree' AND database IN {databases:Array(String)})"
        " AND table NOT IN (SELECT name FROM system.tables WHERE total_rows IS NULL)"
        " AND table IN {tables:Array(String)}",
        tables=_our_tables(warehouse),
        databases=_our_databases(warehouse),
    )
    assert silent["name"].to_list() == []
    tables = warehouse.frame_of(
        "SELECT name FROM system.tables WHERE database IN {databases:Array(String)} AND comment = '' AND name IN {tables:Array(String)}",
        tables=_our_tables(warehouse),
        databases=_our_databases(warehouse),
    )
    assert tables["name"].to_list() == []


def test_every_column_of_a_view_has_a_comment_and_it_is_that_of_its_table(warehouse: Warehouse) -> None:
    """What people are told to read, and `DESCRIBE` shows."""
    text = filled("\n".join(one.text for one in migrations()), SINGLE_NODE)
    views = set(re.findall(r"VIEW (?:otel\.)?(\w+) AS", text))
    assert len(views) > 25
    columns = warehouse.frame_of(
        "SELECT table, name, comment FROM system.columns WHERE database IN {databases:Array(String)}"
        " AND table IN {tables:Array(String)}",
        databases=_our_databases(warehouse),
        tables=[*views, *_our_tables(warehouse)],
    )
    comments = {(table, name): comment for table, name, comment in columns.rows()}
    assert {table for table, _ in comments} >= views
    assert not [place for place, comment in comments.items() if not comment]
    compared = 0
    for (table, name), comment in comments.items():
        of = comments.get((re.sub("_(current|published)$", "", table), name))
        if table in views and of:
            assert comment == of, (table, name)
            compared += 1
    assert compared > 400
    described = warehouse.frame_of("DESCRIBE core_app_costs_daily_current")
    assert all(described["comment"])


def _our_databases(warehouse: Warehouse) -> list[str]:
    return [warehouse.form.main_database, warehouse.form.telemetry_database]


def _our_tables(warehouse: Warehouse) -> list[str]:
    """Tables the migrations make (tests of this session make others)."""
    text = filled("\n".join(one.text for one in migrations()), SINGLE_NODE)
    names = re.findall(r"CREATE TABLE IF NOT EXISTS (?:otel\.)?(\w+)", text)
    assert len(names) > 10
    return [*names, "schema_migrations"]


def test_columns_of_computed_tables_equal_the_schemas(warehouse: Warehouse) -> None:
    frame = warehouse.frame_of(
        "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()"
        " AND (table LIKE 'core\\_%' OR table LIKE 'mart\\_%') AND table NOT LIKE '%\\_current' ORDER BY table, position"
    )
    found: dict[str, dict[str, pl.DataType]] = {}
    for table, name, kind in frame.rows():
        found.setdefault(table, {})[name] = _polars_type(kind)
    for columns in found.values():
        columns.pop("batch_id")
    assert found == {table: dict(schema) for table, schema in SCHEMAS.items()}
    for table, schema in SCHEMAS.items():
        assert [*found[table]] == schema.names(), table


def _polars_type(kind: str) -> pl.DataType:
    """Type of Polars for a type of ClickHouse, as its documentation gives them."""
    plain: dict[str, pl.DataType] = {
        "String": pl.String(),
        "UUID": pl.Binary(),
        "Date": pl.Date(),
        "Bool": pl.Boolean(),
        "UInt8": pl.UInt8(),
        "UInt16": pl.UInt16(),
        "UInt32": pl.UInt32(),
        "UInt64": pl.UInt64(),
        "Int64": pl.Int64(),
        "Float64": pl.Float64(),
        "DateTime('UTC')": pl.Datetime("us", "UTC"),
        "DateTime64(9, 'UTC')": pl.Datetime("ns", "UTC"),
        "Decimal(38, 9)": pl.Decimal(38, 9),
        "Decimal(38, 18)": pl.Decimal(38, 18),
    }
    for wrapper in ("LowCardinality", "Nullable"):
        if kind.startswith(f"{wrapper}("):
            return _polars_type(kind[len(wrapper) + 1 : -1])
    if kind.startswith("Array("):
        return pl.List(_polars_type(kind[6:-1]))
    if kind.startswith("Map("):
        key, value = kind[4:-1].split(", ", 1)
        return pl.Map(_polars_type(key), _polars_type(value))
    return plain[kind]


PLACEHOLDER = re.compile(r"\{(\w+)\s*:\s*([^{}]+?)\}")
OF_TABLE = re.compile(r"those of (\w+)(?: without batch_id)?")
EACH = re.compile(r"for each of ([^:]+): ([^;]+)")


def _readable() -> list[str]:
    """Query files that read the warehouse alone, not a file given to them."""
    return [name for name in statements("queries") if not re.search(r"\bfile\s*\(", statement(name))]


NAMED = {
    "view": "core_app_costs_daily_current",
    "table_name": "otel_logs",
    "computed": "core_apps",
    "of_table": "otel_logs",
    "is_telemetry": 1,
    "pattern": "^otel_logs$",
    "period_column": "usage_date",
    "unit": "day",
}
"""What a query asks by name; names are not for readers to bind."""


@pytest.mark.parametrize("name", _readable())
def test_each_query_runs_on_an_empty_warehouse_with_its_declared_columns(
    empty: Warehouse, warehouse: Warehouse, name: str
) -> None:
    text = statement(name)
    placeholders = PLACEHOLDER.findall(_without_header(text))
    asked = warehouse if any(kind == "Identifier" for _, kind in placeholders) else empty
    named = {**NAMED, "in_database": asked.form.telemetry_database}
    parameters = {key: named.get(key) or _neutral(kind) for key, kind in placeholders}
    frame = asked.frame(name, **parameters)
    assert frame.columns == _declared(text)
    assert not any(kind == pl.UInt32 for kind in frame.dtypes) or "UInt32" in text, (
        "a DateTime comes as a number"
    )


@pytest.mark.parametrize("name", statements("queries") + statements("statements"))
def test_each_statement_names_purpose_parameters_and_columns(name: str) -> None:
    header = _header(statement(name))
    for key in ("purpose", "parameters", "columns"):
        assert header.get(key), f"{name}: no `-- {key}:`"
    parameters = {key for key, _ in PLACEHOLDER.findall(_without_header(statement(name)))}
    for one in parameters:
        plain = re.sub(r"_(keys|values)$", "", one)
        assert re.search(rf"\b({one}|{plain})\b", header["parameters"]), (
            f"{name}: parameter {one} is not declared"
        )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated):  # type: ignore[no-untyped-def]
    with open_warehouse(migrated(tmp_path_factory.mktemp("empty")), "reader") as opened:
        yield opened


def _without_header(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _header(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        named = re.match(r"--\s*(purpose|parameters|columns):\s*(.*)", line)
        if named:
            key = named.group(1)
            found[key] = named.group(2)
        elif key and line.startswith("--   "):
            found[key] += " " + line.lstrip("- ")
        else:
            key = ""
    return found


def _declared(text: str) -> list[str]:
    """Names of the header's columns: ``a, b Type; c``, ``those of <table>``, ``for each of 1h, 6h: bad_<w>``."""
    columns = EACH.sub(_expanded, _header(text)["columns"])
    columns = OF_TABLE.sub(lambda match: ", ".join(SCHEMAS[match.group(1)].names()), columns)
    while re.search(r"\([^()]*\)", columns):
        columns = re.sub(r"\([^()]*\)", "", columns)
    columns = re.sub(r":[^;]*(?=;|$)", "", columns)  # prose runs to the next semicolon
    parts = [one.strip() for one in re.split(r"[,;]", columns)]
    return [part.removeprefix("and ").split()[0] for part in parts if part.removeprefix("and ").split()]


def _expanded(match: re.Match[str]) -> str:
    windows = [one.strip() for one in match.group(1).split(",")]
    names = [one.strip().split()[0] for one in match.group(2).split(",")]
    return ", ".join(name.replace("<w>", window) for window in windows for name in names)


def _neutral(kind: str) -> Any:
    kind = kind.strip()
    if kind.startswith("Nullable("):
        return None
    if kind.startswith("Array("):
        return []
    if kind.startswith("Map("):
        return {}
    if kind.startswith("DateTime"):
        return "2026-01-02 00:00:00"
    if kind.startswith("Date"):
        return "2026-01-01"
    if kind.startswith(("UInt", "Int", "Decimal", "Float")):
        return 3
    if kind == "Bool":
        return False
    if kind == "UUID":
        return "00000000-0000-0000-0000-000000000000"
    return ""


def test_engines_and_the_telemetry_database_are_words() -> None:
    """Another kind of warehouse fills them; what is written out by name would stay a single node's."""
    texts = [one.text for one in migrations()] + [statement("statements/create_schema_migrations")]
    words = {word: f"of_a_cluster_{word}" for word in SINGLE_NODE}
    for text in texts:
        elsewhere = "\n".join(
            line for line in filled(text, words).splitlines() if not line.strip().startswith("--")
        )
        elsewhere = re.sub(r"'(?:[^']|'')*'", "''", elsewhere)  # comments of columns
        assert not re.search(r"\w*MergeTree|\botel\s*\.|\{\{|\}\}", elsewhere)
        assert set(re.findall(r"ENGINE\s*=\s*(\w+)", elsewhere)) <= set(words.values())


def test_a_word_outside_the_table_is_refused() -> None:
    with pytest.raises(MigrationError, match=r"\{\{shard\}\}, which is none of"):
        filled("ENGINE = {{shard}}", SINGLE_NODE)


def test_a_checksum_is_of_the_file_as_written(warehouse: Warehouse) -> None:
    recorded = dict(warehouse.frame("queries/ledger/migrations").select("name", "checksum").iter_rows())
    folder = Path(migrate_module.__file__).with_name("migrations")
    for name, checksum in recorded.items():
        written = (folder / f"{name}.sql").read_text(encoding="utf-8").strip().rstrip(";")
        assert checksum == hashlib.sha256(written.encode()).hexdigest(), name


def test_a_migration_file_holds_statements() -> None:
    for one in migrations():
        assert split_statements(one.text), one.name
        assert re.fullmatch(r"\d{4}_\w+", one.name)
