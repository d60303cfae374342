"""The process that owns the warehouse, as commands start, share and lose it; and what a reader cannot do to it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.cli.conftest import COMMAND, appfleet, environment, make_workspace, owned
from tests.conftest import Migrated

SECRET = "outside-canary"


def processes(workspace: Path) -> list[int]:
    """Processes whose command line names the workspace, except this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if str(workspace).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def gone(workspace: Path, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while processes(workspace) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not processes(workspace)


def started(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments, "-w", str(workspace)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_owned(workspace: Path) -> dict[str, int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        owner = owner_of(workspace)
        if owner:
            return owner
        time.sleep(0.05)
    raise AssertionError("no owner file appeared")


def owner_of(workspace: Path) -> dict[str, int] | None:
    try:
        return json.loads((workspace / ".appfleet" / "owner.json").read_text())
    except (OSError, ValueError):
        return None


def test_killed_commands_leave_no_owner_and_a_stale_file_means_nothing(
    tmp_path: Path, migrated: Migrated
) -> None:
    workspace = make_workspace(migrated(tmp_path / "w"), warehouse="embedded")
    slow = started(workspace, "sql", "SELECT sum(sleep(1)) FROM system.numbers")
    owner = until_owned(workspace)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert gone(workspace)
    # What a killed owner leaves behind: a file that names a process of somebody else.
    path = workspace / ".appfleet" / "owner.json"
    path.write_text(json.dumps({**owner, "pid": 1}))
    assert appfleet(workspace, "sql", "SELECT 1 AS x", "--format", "csv").out == '"x"\n1\n'
    path.write_text("half a li")
    assert appfleet(workspace, "sql", "SELECT 1 AS x", "--format", "csv").out == '"x"\n1\n'
    assert gone(workspace)


def test_commands_at_once_share_one_owner(tmp_path: Path, migrated: Migrated) -> None:
    workspace = make_workspace(migrated(tmp_path / "w"), warehouse="embedded")
    commands = [started(workspace, "sql", "SELECT sleep(3) AS x", "--format", "csv") for _ in range(3)]
    owners = set()
    while any(one.poll() is None for one in commands):
        owner = owner_of(workspace)
        owners |= {owner["pid"]} if owner else set()
        time.sleep(0.05)
    for one in commands:
        out, err = one.communicate()
        assert (one.returncode, out) == (0, '"x"\n0\n'), err
    assert len(owners) == 1
    assert gone(workspace)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    workspace = make_workspace(migrated(tmp_path_factory.mktemp("served")), warehouse="embedded")
    (workspace / "secret.csv").write_text(f"{SECRET}\n")
    with owned(workspace):
        yield workspace


def ask(
    workspace: Path,
    statement: str,
    user: str = "reader",
    password: str | None = None,
    host: str | None = None,
    **parameters: str,
) -> tuple[int, str]:
    """Status and body of a statement over plain HTTP, as curl would send it."""
    state = workspace / ".appfleet"
    port = json.loads((state / "owner.json").read_text())["port"]
    password = (state / "credentials" / user).read_text() if password is None else password
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/?{urlencode(parameters)}", data=statement.encode(), method="POST"
    )
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    if host:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_reader_reads(served: Path) -> None:
    assert ask(served, "SELECT count() FROM core_apps_current") == (200, "0\n")
    assert ask(served, "SELECT getSetting('readonly')") == (200, "1\n")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT file('{secret}')",
        "SELECT * FROM file('{secret}', 'LineAsString')",
        "SELECT * FROM url('file://{secret}', 'LineAsString')",
        "SELECT * FROM s3('http://127.0.0.1:1/x.csv')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM executable('cat {secret}', 'LineAsString', 'x String')",
        "SELECT * FROM Python(x)",
        "SELECT * FROM input('x String')",
        "SELECT * FROM '{secret}'",
        "SELECT 1 INTO OUTFILE '{out}'",
        "SELECT 1; SELECT 2",
        "INSERT INTO core_apps SELECT * FROM core_apps",
        "WITH 1 AS x INSERT INTO core_apps SELECT * FROM core_apps",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "DROP TABLE core_apps",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "CREATE TABLE x (a UInt8) ENGINE = File(CSV, '{out}')",
    ],
)
def test_a_reader_never_leaves_the_warehouse(served: Path, statement: str) -> None:
    out = served / "out.csv"
    status, body = ask(served, statement.format(secret=served / "secret.csv", out=out))
    assert status in (400, 403, 404), body
    assert SECRET not in body
    assert not out.exists()
    assert ask(served, "SELECT 1") == (200, "1\n")


def test_settings_credentials_and_hosts(served: Path) -> None:
    for name, value in (("readonly", "0"), ("max_memory_usage", str(1 << 60)), ("max_execution_time", "0")):
        assert ask(served, "SELECT 1", **{name: value})[0] == 403, name
    assert ask(served, "SET readonly = 0", session_id="a")[0] == 403
    reader = (served / ".appfleet" / "credentials" / "reader").read_text()
    assert ask(served, "SELECT 1", password="wrong")[0] == 403
    assert ask(served, "SELECT 1", user="writer", password=reader)[0] == 403
    assert ask(served, "SELECT 1", user="default", password="")[0] == 403
    for host in ("evil.example", "evil.example:8123", "127.0.0.1.evil.example"):
        assert ask(served, "SELECT 1", host=host)[0] == 403, host
    assert ask(served, "SELECT 1", host="localhost:1") == (200, "1\n")
    for name in ("reader", "writer"):
        assert (served / ".appfleet" / "credentials" / name).stat().st_mode & 0o777 == 0o600
