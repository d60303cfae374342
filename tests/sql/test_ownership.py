"""One process owns a workspace's warehouse, ends with its users, and nobody ever sees a lock."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import psutil
import pytest

from models.errors import ConfigurationError, WarehouseError
from sql.local_warehouse import process
from sql.local_warehouse.ownership import Place
from sql.local_warehouse.process import WarehouseProcess, open_warehouse
from sql.warehouse import Address, Warehouse
from tests.conftest import Migrated

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path, migrated: Migrated) -> Path:
    """A workspace of one test, whose warehouse nobody has opened yet."""
    return migrated(tmp_path / "workspace")


def _pid(workspace: Path) -> int:
    owner = Place(workspace).owner()
    assert owner
    return owner.pid


def _ended(pid: int, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def _command(workspace: Path, body: str) -> subprocess.Popen[str]:
    """A command of its own that uses the warehouse, like one a person runs."""
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from sql.local_warehouse.process import open_warehouse
        with open_warehouse(Path(sys.argv[1])) as warehouse:
            print("open", flush=True)
        """
    ) + textwrap.indent(textwrap.dedent(body), "    ")
    return subprocess.Popen(
        [sys.executable, "-c", code, str(workspace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_the_owner_ends_with_its_only_user(workspace: Path) -> None:
    with open_warehouse(workspace) as warehouse:
        assert warehouse.frame_of("SELECT 1 AS a")["a"].to_list() == [1]
        pid = _pid(workspace)
    assert _ended(pid, 1)
    assert Place(workspace).owner() is None


@pytest.mark.parametrize(("seconds", "is_patient"), [(0.5, True), (60, False)])
def test_an_owner_may_take_its_time_to_end_but_not_for_ever(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, is_patient: bool
) -> None:
    """What it still writes as it ends is written; one that does not end is killed."""
    monkeypatch.setattr(process, "END_SECONDS", 15.0 if is_patient else 1.0)
    done = tmp_path / "done"
    code = f"""import sys, time
sys.stdin.read()
print("ending", flush=True)
time.sleep({seconds})
open({str(done)!r}, "w").close()"""
    owner, pipe = WarehouseProcess(workspace), subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
    owner._process = child
    owner.stop()
    assert owner.exited()
    assert (child.returncode, done.exists()) == ((0, True) if is_patient else (-signal.SIGKILL, False))


def test_a_second_user_uses_the_owner_and_keeps_it(workspace: Path) -> None:
    with open_warehouse(workspace) as first:
        first.execute_text("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        second = _command(
            workspace, "sys.stdin.readline(); print(warehouse.frame_of('SELECT 7 AS a')['a'][0])"
        )
        assert second.stdout and second.stdin
        assert second.stdout.readline() == "open\n"
        pid = _pid(workspace)
    assert not _ended(pid, 0.5), "the owner goes on for its second user"
    second.stdin.write("\n")
    second.stdin.close()
    assert second.stdout.read() == "7\n"
    assert second.wait(20) == 0
    assert _ended(pid)


def test_a_killed_command_leaves_no_owner(workspace: Path) -> None:
    command = _command(workspace, "time.sleep(60)")
    assert command.stdout
    assert command.stdout.readline() == "open\n"
    pid = _pid(workspace)
    command.kill()
    command.wait()
    assert _ended(pid)


def test_a_killed_owner_is_one_sentence_and_the_next_open_starts_another(workspace: Path) -> None:
    with open_warehouse(workspace) as warehouse:
        warehouse.execute_text("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        warehouse.execute_text("INSERT INTO t SELECT 1")
        os.kill(_pid(workspace), signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(WarehouseError, match="went away") as error:
            warehouse.frame_of("SELECT 1")
        assert "\n" not in str(error.value)
        with open_warehouse(workspace) as again:
            assert again.frame_of("SELECT a FROM t")["a"].to_list() == [1]


def test_a_stale_owner_file_means_nothing(workspace: Path) -> None:
    place = Place(workspace)
    place.prepare()
    (place.state / "owner.json").write_text(f'{{"pid": {os.getpid()}, "port": 1, "started": "2020-01-01"}}')
    with open_warehouse(workspace) as warehouse:
        assert warehouse.frame_of("SELECT 1 AS a")["a"].to_list() == [1]


def test_many_commands_at_once_see_no_lock(workspace: Path) -> None:
    def use(number: int) -> int:
        total = 0
        for _ in range(3):
            with open_warehouse(workspace, "reader" if number % 2 else "writer") as warehouse:
                total += int(warehouse.frame_of("SELECT 1 AS a")["a"][0])
        return total

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == [3] * 4
    owner = Place(workspace).owner()
    assert owner is None or _ended(owner.pid)


def test_a_taken_port_is_one_sentence(workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(WarehouseError, match=f"port {port} of 127.0.0.1 is taken"),
            open_warehouse(workspace, port=port),
        ):
            pass


def test_a_supervisor_s_process_says_who_owns_and_starts_again(workspace: Path) -> None:
    process = WarehouseProcess(workspace)
    port = process.start()
    assert process.answers()
    with pytest.raises(WarehouseError, match=f"owned by process {_pid(workspace)} on port {port}"):
        WarehouseProcess(workspace).start(wait_seconds=0)
    os.kill(_pid(workspace), signal.SIGKILL)
    assert _ended(_pid(workspace))
    assert not process.answers()
    assert process.start() == port, "the same port after a restart"
    with open_warehouse(workspace) as warehouse:
        assert warehouse.frame_of("SELECT 1 AS a")["a"].to_list() == [1]
    assert process.answers(), "a command that found the owner running does not stop it"
    process.stop()
    assert not process.answers()


def test_a_server_without_our_tables_starts_again_after_a_kill(tmp_path: Path) -> None:
    """Its tables lie in databases of their own: nothing was ever made in the one that a connection begins in."""
    process = WarehouseProcess(tmp_path, limits=("--as-it-is", "--without-files", "--stay"))
    for start in range(3):
        address = Address("127.0.0.1", process.start())
        warehouse = Warehouse.over_http(address, "writer", process.place.password("writer"))
        warehouse.execute_text("CREATE DATABASE IF NOT EXISTS fleet")
        warehouse.execute_text("CREATE TABLE IF NOT EXISTS fleet.t (a UInt64) ENGINE = MergeTree ORDER BY a")
        warehouse.execute_text("INSERT INTO fleet.t SELECT count() FROM fleet.t")
        if start:
            warehouse.execute_text("CREATE TABLE IF NOT EXISTS t (a UInt64) ENGINE = MergeTree ORDER BY a")
            warehouse.execute_text("INSERT INTO t SELECT count() FROM t")
        warehouse.close()
        process.kill()
    process.start()
    with open_warehouse(tmp_path) as warehouse:
        assert warehouse.frame_of("SELECT a FROM fleet.t ORDER BY a")["a"].to_list() == [0, 1, 2]
        assert warehouse.frame_of("SELECT a FROM t ORDER BY a")["a"].to_list() == [0, 1]
        files = warehouse.frame_of("SELECT engine FROM system.databases WHERE name = 'default'")
        assert files.item() == "Atomic", "no file of this machine is a table"
    process.stop(at_once=True)


RUNNING = "SELECT count() AS n FROM system.processes WHERE query LIKE '%ignore(sipHash64(number))%' AND query NOT LIKE '%processes%'"
"""How many of the statements run that do not end by themselves."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_fast_also_during_a_statement(workspace: Path, number: signal.Signals) -> None:
    with open_warehouse(workspace) as warehouse:
        failed: list[str] = []

        def run() -> None:
            try:
                warehouse.frame_of(
                    "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))",
                    {"max_threads": 1},
                )
            except WarehouseError as error:
                failed.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        while not warehouse.frame_of(RUNNING)["n"][0]:
            assert not failed
        begin = time.monotonic()
        pid = _pid(workspace)
        os.kill(pid, number)
        assert _ended(pid, 10)
        assert time.monotonic() - begin < 6
        thread.join(10)
        assert len(failed) == 1


def test_a_folder_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.prepare()
    place.data.rmdir()
    place.data.write_text("not a folder")
    with pytest.raises(ConfigurationError) as error, open_warehouse(tmp_path):
        pass
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seconds", [0.3, pytest.param(0.8, marks=pytest.mark.slow)])
def test_a_kill_during_inserts_loses_nothing_acknowledged(workspace: Path, seconds: float) -> None:
    acknowledged: list[int] = []
    with open_warehouse(workspace) as warehouse:
        warehouse.execute_text("CREATE TABLE t (batch UInt64, a UInt64) ENGINE = MergeTree ORDER BY batch")
        pid = _pid(workspace)
        threading.Timer(seconds, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(WarehouseError):
            for batch in range(100_000):
                rows = [1, 10, 1000][batch % 3]
                warehouse.insert("t", pl.DataFrame({"batch": [batch] * rows, "a": range(rows)}))
                acknowledged.append(batch)
    assert acknowledged
    with open_warehouse(workspace) as warehouse:
        found = dict(warehouse.frame_of("SELECT batch, count() AS n FROM t GROUP BY batch").rows())
    for batch in acknowledged:
        assert found.pop(batch) == [1, 10, 1000][batch % 3]
    assert len(found) <= 1, "at most the one in flight, never twice"
    assert all(rows == [1, 10, 1000][batch % 3] for batch, rows in found.items())


def _refusal_of(warehouse: Warehouse) -> str:
    try:
        warehouse.frame_of("SELECT 1")
    except WarehouseError as error:
        return str(error)
    return ""


def test_more_statements_than_places_are_told_to_come_back(workspace: Path) -> None:
    process = WarehouseProcess(workspace, limits=["--at-once", "1", "--queue-seconds", "0.2"])
    process.start()
    try:
        with open_warehouse(workspace) as first, open_warehouse(workspace) as second:
            with ThreadPoolExecutor(1) as pool:
                long = pool.submit(first.frame_of, "SELECT sleep(2) AS slept")
                while "Too many simultaneous queries" not in _refusal_of(second):
                    assert not long.done()
                assert long.result().height == 1
            assert second.frame_of("SELECT 1 AS a")["a"].to_list() == [1]
    finally:
        process.stop()


def test_a_reader_has_limits_of_its_own(workspace: Path) -> None:
    process = WarehouseProcess(workspace, limits=["--reader-seconds", "1", "--reader-memory", "50000000"])
    process.start()
    try:
        with open_warehouse(workspace, "reader") as reader:
            with pytest.raises(WarehouseError, match="TIMEOUT_EXCEEDED"):
                reader.frame_of(
                    "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(number)", {"max_threads": 1}
                )
            with pytest.raises(WarehouseError, match="MEMORY_LIMIT_EXCEEDED"):
                reader.frame_of("SELECT length(groupArray(number)) FROM numbers(100000000)")
    finally:
        process.stop()


def test_connections_that_do_nothing_fill_no_place(workspace: Path) -> None:
    """They say nothing, or begin a request and never end it; nobody of them has shown a credential."""
    process = WarehouseProcess(workspace, limits=["--connections", "20"])
    port = process.start()
    idle: list[socket.socket] = []
    try:
        with open_warehouse(workspace) as warehouse:
            for said in (b"", b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
                for _ in range(60):
                    idle.append(socket.create_connection(("127.0.0.1", port)))
                    idle[-1].sendall(said)
                    assert process.answers()
                assert warehouse.frame_of("SELECT 1 AS a")["a"].to_list() == [1]
                with open_warehouse(workspace, "reader") as reader:
                    assert reader.frame_of("SELECT 2 AS a")["a"].to_list() == [2]
    finally:
        for one in idle:
            one.close()
        process.stop()


def _at_work(warehouse: Warehouse) -> pl.DataFrame:
    """Takes a place for a minute, and asks until there is one."""
    while True:
        try:
            return warehouse.frame_of(
                "SELECT sum(sleepEachRow(0.1)) AS a FROM numbers(600) SETTINGS max_block_size = 1, max_threads = 1"
            )
        except WarehouseError as error:
            if "Too many connections" not in str(error):
                raise


def _refusal_of_another(workspace: Path) -> str:
    try:
        with open_warehouse(workspace) as another:
            another.frame_of("SELECT 1")
    except WarehouseError as error:
        return str(error)
    return ""


def test_where_everybody_works_a_ping_is_answered_and_others_are_told_to_come_back(workspace: Path) -> None:
    process = WarehouseProcess(workspace, limits=["--connections", "3"])
    process.start()
    with ThreadPoolExecutor(3) as pool, open_warehouse(workspace) as warehouse:
        long = [pool.submit(_at_work, warehouse) for _ in range(3)]
        deadline = time.monotonic() + 30
        while not (said := _refusal_of_another(workspace)) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert "Too many connections" in said
        assert process.answers()
        assert not any(one.done() for one in long)
        process.stop(at_once=True)
        assert all(isinstance(one.exception(60), WarehouseError) for one in long)
