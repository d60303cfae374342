"""Everything a warehouse holds, elsewhere: a backup and its restore, and the move to a server; figures are what they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import ConfigurationError, ControlTotalError, InputRefused
from pipelines.commands.transfer import back_up, move, restore
from sql import transfer
from sql.opening import open_warehouse, schema_applied
from sql.transfer import MANIFEST
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.conftest import SmallFleet
from tests.pipelines.test_pass import figures
from tests.server.conftest import Acting, Served, write_warehouse


@pytest.fixture(scope="module")
def backup(small_fleet: SmallFleet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A workspace after a pass, and a backup of it."""
    folder = tmp_path_factory.mktemp("backup")
    root = small_fleet.copy(small_fleet.passed, folder / "fleet")
    back_up(load_settings(root), folder / "kept", lambda _: None)
    return root, folder / "kept"


@pytest.mark.slow
def test_a_backup_restored_says_what_was_said_before(
    backup: tuple[Path, Path], small_fleet: SmallFleet, served: Served, server: Acting, tmp_path: Path
) -> None:
    """In another embedded warehouse and on a server."""
    root, kept = backup
    with open_warehouse(root, "reader") as warehouse:
        before = figures(warehouse)
    here = small_fleet.copy(small_fleet.simulated, tmp_path / "here")
    there = small_fleet.copy(small_fleet.simulated, tmp_path / "there")
    write_warehouse(there, server.url, "restored")
    schema_applied(there, server.settings("restored"))
    for one in (here, there):
        told: list[str] = []
        restore(load_settings(one), kept, told.append)
        assert "ties to its control totals" in told[-1]
        with open_warehouse(one, "reader") as warehouse:
            assert figures(warehouse) == before
        with pytest.raises(ConfigurationError, match=r"already holds .* row\(s\) in"):
            restore(load_settings(one), kept, told.append)


def test_an_embedded_warehouse_moves_to_a_server(
    backup: tuple[Path, Path], small_fleet: SmallFleet, server: Acting, tmp_path: Path
) -> None:
    root = small_fleet.copy(small_fleet.passed, tmp_path / "fleet")
    with open_warehouse(root, "reader") as warehouse:
        before = figures(warehouse)
    with pytest.raises(ConfigurationError, match="name no server to move to"):
        move(load_settings(root), lambda _: None)
    write_warehouse(root, server.url, "moved")
    schema_applied(root, server.settings("moved"))
    told: list[str] = []
    move(load_settings(root), told.append)
    assert "nothing reads it any more" in told[-1]
    with open_warehouse(root, "reader") as warehouse:
        assert figures(warehouse) == before
    with pytest.raises(ConfigurationError, match="database moved already holds"):
        move(load_settings(root), told.append)


HARMS = {
    "no manifest": (
        lambda kept: (kept / MANIFEST).unlink(),
        InputRefused,
        "is no backup that came to its end",
    ),
    "a table that is gone": (
        lambda kept: (kept / "main.core_apps.native").unlink(),
        InputRefused,
        "main.core_apps.native is missing",
    ),
    "another version": (
        lambda kept: _edit(kept, lambda found: found["migrations"].popitem()),
        InputRefused,
        "is of another version",
    ),
    "other rows than the manifest says": (
        lambda kept: _edit(kept, lambda found: found["tables"]["main.core_apps.native"].update(digest=1)),
        ControlTotalError,
        "core_apps: .* arrived of .*, or not as they were",
    ),
}


def _edit(kept: Path, change: object) -> None:
    found = json.loads((kept / MANIFEST).read_text())
    change(found)  # type: ignore[operator]
    (kept / MANIFEST).write_text(json.dumps(found))


@pytest.mark.parametrize("harm", HARMS)
def test_a_backup_that_is_not_what_was_written_is_refused(
    backup: tuple[Path, Path], small_fleet: SmallFleet, tmp_path: Path, harm: str
) -> None:
    do, error, said = HARMS[harm]
    kept = SmallFleet.copy(backup[1], tmp_path / "kept")
    do(kept)  # type: ignore[no-untyped-call]
    root = small_fleet.copy(small_fleet.simulated, tmp_path / "fleet")
    with pytest.raises(error, match=said):
        restore(load_settings(root), kept, lambda _: None)


def test_a_backup_does_not_overwrite_another(backup: tuple[Path, Path]) -> None:
    root, kept = backup
    with pytest.raises(ConfigurationError, match="name a folder that is not there"):
        back_up(load_settings(root), kept, lambda _: None)


def test_every_table_is_taken_the_ledger_first(fresh_warehouse: Warehouse) -> None:
    names = [table.name for table in transfer.tables(fresh_warehouse)]
    held = fresh_warehouse.frame_of(
        "SELECT name FROM system.tables WHERE endsWith(engine, 'MergeTree') AND database IN (currentDatabase(), '{{otel}}')"
    )["name"]
    assert set(names) == set(held) - {"schema_migrations", "warehouse_loaders"}
    assert names.index("raw_deliveries") < names.index("otel_traces")
