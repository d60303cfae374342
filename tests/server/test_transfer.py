"""Everything a warehouse holds, elsewhere: a backup and its restore, and the move to a server; figures are what they were."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from models.errors import ConfigurationError, ControlTotalError, InputRefused, WarehouseError
from pipelines.commands.transfer import back_up, move, restore
from sql import transfer
from sql.opening import open_warehouse, schema_applied
from sql.transfer import MANIFEST, server_place
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.conftest import SmallFleet
from tests.pipelines.test_pass import figures
from tests.server.conftest import BACKUPS, Acting, Served, started, write_warehouse


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


@pytest.mark.slow
def test_a_server_writes_its_backup_to_a_disk_of_its_own_and_loads_it_again(
    backup: tuple[Path, Path], server: Acting, tmp_path: Path
) -> None:
    assert_written_and_loaded_by(server, backup, tmp_path / "fleet", f"disk:{BACKUPS}/of/today")


@pytest.mark.slow
def test_a_server_writes_its_backup_to_a_bucket_its_configuration_names(
    backup: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server").mkdir()
    with _bucket_named("kept") as collection, started(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert_written_and_loaded_by(server, backup, tmp_path / "fleet", "s3:kept/of/today", collection)


def assert_written_and_loaded_by(
    server: Acting, backup: tuple[Path, Path], root: Path, place: str, before_all: str = "SELECT 1"
) -> None:
    """What a server writes to a place of its own is what it loads from there into its emptied tables."""
    SmallFleet.copy(backup[0], root)
    write_warehouse(root, server.url, "kept_by_itself")
    schema_applied(root, server.settings("kept_by_itself"))
    restore(load_settings(root), backup[1], lambda _: None)
    told: list[str] = []
    at = server_place(place)
    assert at
    with open_warehouse(root) as warehouse:
        warehouse.execute_text(before_all)
        before = figures(warehouse)
        back_up(load_settings(root), at, told.append)
        assert re.fullmatch(r"the server wrote [1-9][\d,]+ bytes to (Disk|S3)\(.*\)", told[-1])
        with pytest.raises(WarehouseError, match="already exists"):
            back_up(load_settings(root), at, told.append)
        with pytest.raises(ConfigurationError, match="already holds"):
            restore(load_settings(root), at, told.append)
        for table in transfer.tables(warehouse):
            warehouse.execute_text(
                "TRUNCATE TABLE {in_database:Identifier}.{of_table:Identifier}", **table.names(warehouse)
            )
        assert figures(warehouse) != before
        restore(load_settings(root), at, told.append)
        assert figures(warehouse) == before
    assert "ties to its control totals" in told[-1]


@contextmanager
def _bucket_named(name: str) -> Iterator[str]:
    """A bucket, and the statement by which a server's administrator describes it."""
    bucket = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    bucket.start()
    host, port = bucket.get_host_and_port()
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
    client.create_bucket(Bucket="kept")
    yield (
        f"CREATE NAMED COLLECTION {name} AS url = 'http://{host}:{port}/kept', "
        "access_key_id = 'test', secret_access_key = 'test'"
    )
    bucket.stop()


def test_a_place_of_a_server_is_named_in_one_way(backup: tuple[Path, Path]) -> None:
    assert server_place("kept") is server_place("/var/disk:1/x") is None
    for text in (
        "disk:",
        "disk:a",
        "disk:a/",
        "s3:a/../b",
        "s3:a'/b",
        "disk:a/b'",
        "s3:a b/c",
        "disk:1/b",
        "s3://kept/x",
    ):
        with pytest.raises(ConfigurationError, match=r"write disk:NAME/PATH"):
            server_place(text)
    place = server_place("disk:backups/of/2026-11")
    assert place
    with pytest.raises(ConfigurationError, match="the warehouse is embedded: name a folder"):
        back_up(load_settings(backup[0]), place, lambda _: None)


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


def test_a_backup_that_is_not_what_was_written_is_refused(
    backup: tuple[Path, Path], small_fleet: SmallFleet, tmp_path: Path
) -> None:
    root = small_fleet.copy(small_fleet.simulated, tmp_path / "fleet")
    with open_warehouse(root):  # whoever restores finds it open
        for harm, (do, error, said) in HARMS.items():
            kept = SmallFleet.copy(backup[1], tmp_path / harm)
            do(kept)  # type: ignore[no-untyped-call]
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
