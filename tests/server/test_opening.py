"""A warehouse on a server: the same figures as the embedded one, each mistake one sentence, nothing half done."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.errors import AppfleetError, ConfigurationError, DiskFull, MigrationError, WarehouseError
from sql import opening
from sql.catalog import statement, statements
from sql.migrate import migrations
from sql.opening import connected, open_warehouse, schema_applied, schema_missing
from sql.warehouse import Warehouse
from tests.conftest import SmallFleet
from tests.intake.test_tokens import certificate
from tests.pipelines.test_pass import figures
from tests.server.conftest import READY, Acting, Served, started, write_warehouse

ROOT = Path(__file__).resolve().parents[2]


def appfleet(root: Path, *arguments: str, code: int | None = 0) -> str:
    """What a command says, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", *arguments, "-w", str(root)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_pass_on_a_server_publishes_what_one_on_the_embedded_warehouse_does(
    small_fleet: SmallFleet, served: Served, server: Acting, tmp_path: Path
) -> None:
    """Every table, row for row, by the commands people use; the server reads no file and has none of our functions."""
    root = small_fleet.copy(small_fleet.simulated, tmp_path / "fleet")
    write_warehouse(root, server.url, "whole")
    with pytest.raises(AppfleetError, match="run `appfleet migrate`"):
        _open(root)
    assert appfleet(root, "migrate").splitlines() == [f"applied {one.name}" for one in migrations()]
    appfleet(root, "run")
    passed = small_fleet.copy(small_fleet.passed, tmp_path / "embedded")
    with open_warehouse(root, "reader") as there, open_warehouse(passed, "reader") as here:
        assert figures(there) == figures(here)
        assert all(rows for rows, _ in figures(there).values())
        assert (
            there.frame_of("SELECT count() AS n FROM system.functions WHERE origin = 'SQLUserDefined'").item()
            == 0
        )
    assert "nothing new" in appfleet(root, "run")


def test_what_a_plan_prints_is_what_migrating_does(served: Served, server: Acting, tmp_path: Path) -> None:
    root = served("planned", with_tables=False)
    plan = appfleet(root, "migrate", "--plan")
    settings = server.settings("planned")
    assert [one.name for one in schema_missing(root, settings)[0]] == [one.name for one in migrations()]
    assert "planned_otel.otel_traces" in plan and "FUNCTION" not in plan and "{{" not in plan
    schema_applied(root, settings)
    assert schema_missing(root, settings)[0] == []


MISTAKES = {
    "nobody answers": ("http://127.0.0.1:9", {}, "http://127.0.0.1:9 does not answer"),
    "a name nobody knows": ("http://clickhouse.invalid:8123", {}, "has a name that nobody knows here"),
    "no user": ("", {"APPFLEET_WAREHOUSE_WRITER_USER": ""}, "APPFLEET_WAREHOUSE_WRITER_USER is not set"),
    "no password": (
        "",
        {"APPFLEET_WAREHOUSE_WRITER_PASSWORD": ""},
        "APPFLEET_WAREHOUSE_WRITER_PASSWORD is not set",
    ),
    "a wrong password": (
        "",
        {"APPFLEET_WAREHOUSE_WRITER_PASSWORD": "planted-Pa55"},
        "wrong user or password",
    ),
    "TLS where none is spoken": ("https", {}, "does not speak TLS as asked"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_server_that_cannot_be_used_is_told_in_one_sentence(
    served: Served, server: Acting, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    url, variables, said = MISTAKES[mistake]
    url = server.url.replace("http", "https") if url == "https" else url or server.url
    root = served("unreached", url=url, with_tables=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AppfleetError) as caught, open_warehouse(root):
        pass
    sentence = str(caught.value)
    assert said in sentence and "\n" not in sentence
    assert "planted-Pa55" not in sentence and "Traceback" not in sentence


def test_a_writer_who_may_only_read_is_refused(
    emptied: Path, server: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("USER", "PASSWORD"):
        monkeypatch.setenv(
            f"APPFLEET_WAREHOUSE_WRITER_{part}", server.environment[f"APPFLEET_WAREHOUSE_READER_{part}"]
        )
    for attempt in (lambda: _open(emptied), lambda: schema_applied(emptied, server.settings("read_only"))):
        with pytest.raises(
            WarehouseError, match="may only read: give it the rights `appfleet grants --plan`"
        ):
            attempt()


@contextmanager
def over_tls(url: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """A way to a server that speaks TLS by a certificate of its own; its address and the certificate."""
    shown = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    host, port = url.removeprefix("http://").split(":")
    listening = socket.create_server(("127.0.0.1", 0))

    def passed_on(source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                to.sendall(block)
        for one in (source, to):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        while True:
            try:
                here = context.wrap_socket(listening.accept()[0], server_side=True)
            except ssl.SSLError:
                continue  # of one who does not trust it
            except OSError:
                return
            there = socket.create_connection((host, int(port)))
            for pair in ((here, there), (there, here)):
                threading.Thread(target=passed_on, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listening.getsockname()[1]}", shown.certificate
    listening.close()


def test_a_certificate_is_trusted_by_its_authority_alone(
    emptied: Path, server: Acting, tmp_path: Path
) -> None:
    """Without the authority's file, and with that of another one, the sentence says so; with it the server is used."""
    (tmp_path / "another").mkdir()
    other = certificate(tmp_path / "another").certificate
    with over_tls(server.url, tmp_path) as (url, authority):
        settings = replace(server.settings(READY), url=url)
        for ca in (None, str(other)):
            with (
                pytest.raises(WarehouseError, match="shows a certificate that is not trusted: name the file"),
                connected(emptied, replace(settings, ca=ca)),
            ):
                pass
        with connected(emptied, replace(settings, ca=str(authority)), "reader") as warehouse:
            assert warehouse.frame_of("SELECT 7").item() == 7


def test_a_server_without_room_is_one_sentence_and_goes_on_once_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server").mkdir()
    full = tmp_path / "server" / ".appfleet" / "warehouse.d" / "full.xml"

    def no_room() -> None:
        full.write_text(
            "<clickhouse><storage_configuration><disks><default>"
            f"<keep_free_space_bytes>{1 << 60}</keep_free_space_bytes>"
            "</default></disks></storage_configuration></clickhouse>"
        )

    for before in (no_room, full.unlink):
        with started(tmp_path / "server", "--without-files", before=before) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            root, settings = tmp_path / "workspace", server.settings("full")
            write_warehouse(root, server.url, "full")
            if before is no_room:
                with pytest.raises(
                    DiskFull, match="the disk of the warehouse is full: make room and run again"
                ):
                    schema_applied(root, settings)
                assert "appfleet migrate" in appfleet(root, "status", code=1)
            else:
                assert schema_applied(root, settings) == [one.name for one in migrations()]


def test_a_server_that_is_too_old_is_refused(emptied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LEAST_VERSION", (99, 1))
    with (
        pytest.raises(WarehouseError, match=r"is ClickHouse \d+\.\d+.*; appfleet needs 99\.1 or newer"),
        open_warehouse(emptied, "reader"),
    ):
        pass


def says(monkeypatch: pytest.MonkeyPatch, said: Mapping[str, Any]) -> None:
    """Lets the server say these things of itself, as they are when it is asked."""
    frame = Warehouse.frame

    def told(self: Warehouse, name: str, /, *args: Any, **parameters: Any) -> pl.DataFrame:
        found = frame(self, name, *args, **parameters)
        return (
            found.with_columns(**{key: pl.lit(value) for key, value in said.items()})
            if "facts" in name
            else found
        )

    monkeypatch.setattr(Warehouse, "frame", told)


FACTS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "a clock an hour ahead": (
        {"clock": timedelta(hours=1)},
        None,
        "are 60 minutes apart: set both by the same time server",
    ),
    "a clock an hour behind": (
        {"clock": -timedelta(hours=1)},
        None,
        "are 60 minutes apart",
    ),
    "a user that may only read": ({"may_only_read": True}, None, "may only read"),
    "a cluster nobody knows": ({}, "main", "knows no cluster 'main'"),
    "a cluster on Cloud": ({"is_cloud": True, "shards": 1}, "main", "has no clusters"),
}


@pytest.mark.parametrize("fact", FACTS)
def test_what_a_server_says_of_itself_may_refuse_it(
    served: Served, server: Acting, monkeypatch: pytest.MonkeyPatch, fact: str
) -> None:
    """A server is played by the engine here: what it cannot be is said in its place."""
    said, cluster, sentence = FACTS[fact]
    said = {key: datetime.now(UTC) + value if key == "clock" else value for key, value in said.items()}
    root = served("facts", with_tables=False)
    says(monkeypatch, said)
    settings = replace(server.settings("facts"), cluster=cluster)
    with pytest.raises(AppfleetError, match=sentence), connected(root, settings, in_database=False):
        pass


def test_the_form_follows_what_a_server_says(
    emptied: Path, server: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, Any] = {}
    says(monkeypatch, said)
    for facts, cluster, name in (
        ({}, None, "server"),
        ({"is_cloud": True}, None, "cloud"),
        ({"shards": 1}, "main", "replicas"),
        ({"shards": 3}, "main", "shards"),
    ):
        said.clear()
        said.update(facts)
        with connected(emptied, replace(server.settings(READY), cluster=cluster)) as warehouse:
            assert warehouse.form.name == name


def test_a_schema_of_another_version_is_refused(served: Served, server: Acting) -> None:
    root = served("other")
    with open_warehouse(root) as warehouse:
        warehouse.execute("statements/record_migration", name="9999_later", checksum="x", state="completed")
    for role in ("writer", "reader"):
        with (
            pytest.raises(MigrationError, match="9999_later, which this version does not know"),
            open_warehouse(root, role),
        ):  # type: ignore[arg-type]
            pass
    with pytest.raises(MigrationError, match="9999_later"):
        schema_applied(root, server.settings("other"))


def test_two_workspaces_do_not_share_a_database(served: Served, server: Acting, tmp_path: Path) -> None:
    """The second is refused before anything of it is written; another folder of the same workspace joins by name."""
    first = served("shared")
    second = served("shared", root=tmp_path / "second", with_tables=False)
    settings = server.settings("shared")
    for attempt in (lambda: schema_applied(second, settings), lambda: _open(second)):
        with pytest.raises(ConfigurationError, match="database shared is not this workspace's: a folder on"):
            attempt()
    schema_applied(second, settings, join=True)
    _open(second)
    with pytest.raises(ConfigurationError, match="two may not load it without shared leases"):
        _open(first)
    os.environ["APPFLEET_POSTGRES_URL"] = "postgresql://somewhere"
    try:
        _open(first)
        _open(second)
    finally:
        del os.environ["APPFLEET_POSTGRES_URL"]


def _open(root: Path) -> None:
    with open_warehouse(root):
        pass


def test_workspaces_in_databases_of_their_own_do_not_see_each_other(emptied: Path, served: Served) -> None:
    other = served("two")
    with open_warehouse(emptied) as mine, open_warehouse(other) as theirs:
        mine.insert("core_teams", pl.DataFrame({"team": ["a"]}))
        assert mine.frame_of("SELECT count() FROM core_teams").item() == 1
        assert theirs.frame_of("SELECT count() FROM core_teams").item() == 0


AS_TYPED: Mapping[str, object] = {
    "String": "2026-03-01 00:00:00",  # which may be a name, a reason or a time
    "UInt64": 1,
    "Int32": 1,
    "UInt16": 1,
    "UUID": "00000000-0000-4000-8000-000000000001",
    "Date": "2026-03-01",
    "DateTime64(9, 'UTC')": "2026-03-01 00:00:00",
}
NAMED: Mapping[str, Mapping[str, str]] = {
    "statements/apply_deletions": {"table_name": "core_apps"},
    "statements/collect": {"table_name": "core_apps"},
    "statements/collect_telemetry": {"table": "otel_traces"},
    "statements/drop_telemetry_partition": {"table": "otel_traces"},
    "statements/transfer/rows": {"in_database": READY, "of_table": "core_apps"},
    "statements/create_database": {"database": READY},
}
"""Identifiers that statements are bound to."""
OF_FILES = ("statements/renewal/", "statements/detach_part")
"""Statements about the embedded warehouse's own folder: a server is never asked them."""


def test_every_statement_runs_on_a_server(emptied: Path) -> None:
    """Each once, on tables without rows; what a cluster is asked differs in where it runs alone (``tests/sql/test_forms``)."""
    names = [name for name in statements("statements") if not name.startswith(OF_FILES)]
    assert len(names) > 20
    with open_warehouse(emptied) as warehouse:
        for name in names:
            bound = {
                parameter: NAMED.get(name, {}).get(parameter, [] if "Array" in kind else AS_TYPED.get(kind))
                for parameter, kind in re.findall(r"\{(\w+) ?: ?([^{}]+)\}", statement(name))
            }
            assert None not in bound.values(), (name, bound)
            warehouse.execute(name, **bound)
