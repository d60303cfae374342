"""Leases of several machines on a real Postgres: one holder, a fence that only grows, and nothing of a lost one is current."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import pytest

from models.errors import ConfigurationError, ControlTotalError, LeaseHeld, LeaseLost
from sql import leases
from sql.leases import POSTGRES_VARIABLE, lease
from sql.opening import open_warehouse, schema_applied
from sql.publish import collect, head, may_be_removed, new_batch_id, publish
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.server.conftest import Served
from tests.server.test_kills import ROWS, assert_whole, ingest, write_bill
from tests.server.test_kills import published as published_bill

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def shared(emptied: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace on a server, whose leases are in Postgres."""
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres)
    return emptied


@pytest.fixture
def warehouse(shared: Path) -> Iterator[Warehouse]:
    """Its warehouse."""
    with open_warehouse(shared) as opened:
        yield opened


def asked(postgres: str, text: str) -> list[Any]:
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        return [row[0] for row in cursor.fetchall()]


def made(warehouse: Warehouse, name: str) -> uuid.UUID:
    """A batch of one team, not published."""
    batch = new_batch_id()
    warehouse.insert("core_teams", pl.DataFrame({"team": [name], "batch_id": [str(batch)]}))
    return batch


def published(warehouse: Warehouse, batch: uuid.UUID, rows: int = 1) -> Any:
    return publish(
        warehouse, "registry", DAY, batches={"core_teams": batch}, rows=rows, sha256=f"{batch}", version=NOW
    )


def test_a_lease_has_one_holder_among_processes_and_names_it(shared: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from sql.leases import lease\n"
        f"with lease(Path({str(shared)!r}), 'costs'):\n    print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout and other.stdout.readline() == "held\n"
    said = rf"costs is being written by process {other.pid} on "
    with pytest.raises(LeaseHeld, match=said), lease(shared, "costs"):
        pass
    with lease(shared, "slices"):
        pass
    other.kill()
    other.wait()
    with lease(shared, "costs", wait_seconds=20) as ours:
        assert ours.fence


def test_databases_do_not_share_leases(shared: Path, served: Served) -> None:
    other = served("lease_of_another", with_tables=False)
    with lease(shared, "costs") as one, lease(other, "costs") as another:
        assert one.is_held() and another.is_held()
        assert one.fence and another.fence and one.fence < another.fence


def test_every_lease_has_a_higher_fence_than_those_before(shared: Path) -> None:
    fences: list[int] = []

    def take() -> None:
        for _ in range(5):
            with lease(shared, "costs", wait_seconds=30) as ours:
                assert ours.fence is not None
                fences.append(ours.fence)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(fences) == 20 and fences == sorted(set(fences))


def test_a_lease_lost_between_load_and_publish_publishes_nothing(
    shared: Path, warehouse: Warehouse, postgres: str
) -> None:
    batch = made(warehouse, "a")
    with lease(shared, "registry"):
        asked(
            postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'appfleet lease'",
        )
        with pytest.raises(LeaseLost, match="the lease of registry was lost while it was written"):
            published(warehouse, batch)
    assert head(warehouse, "registry", DAY) is None
    with lease(shared, "registry", wait_seconds=20):
        assert published(warehouse, batch).seq == 1


def test_a_bill_whose_lease_is_lost_after_its_rows_were_loaded_counts_once_when_it_is_loaded_again(
    shared: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bill(shared / "bill.csv")
    load = Warehouse.load

    def lost(self: Warehouse, *args: Any, **named: Any) -> None:
        load(self, *args, **named)
        asked(
            postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'appfleet lease'",
        )

    with open_warehouse(shared) as warehouse:
        with monkeypatch.context() as patch, pytest.raises(LeaseLost, match="the lease of .* was lost while"):
            patch.setattr(Warehouse, "load", lost)
            ingest(warehouse, shared)
        assert warehouse.frame_of("SELECT count() FROM raw_focus_costs").item() == ROWS, "loaded, and unread"
        assert published_bill(warehouse) == (0, 0)
    assert_whole(shared)


def test_one_who_publishes_under_an_older_lease_is_not_current(shared: Path, warehouse: Warehouse) -> None:
    """A stalled writer wakes up after another has published: its head, if it gets that far, is read by nobody."""
    late, newer = made(warehouse, "late"), made(warehouse, "newer")
    with lease(shared, "registry") as first:
        pass
    with lease(shared, "registry"):
        published(warehouse, newer)
    token = leases._HELD.set(first.__class__("registry", first.fence))
    try:
        with pytest.raises(LeaseLost, match="published under a newer lease"):
            published(warehouse, late)
    finally:
        leases._HELD.reset(token)
    warehouse.execute(  # the same, had it read the head before
        "statements/publish",
        scope="registry",
        period=DAY,
        fence=first.fence,
        seq=9,
        batches={"core_teams": late},
        rows=1,
        sums={},
        residues={},
        sha256="late",
        version="2026-03-02 00:00:00",
        published_at="2026-03-02 00:00:00",
    )
    assert warehouse.frame_of("SELECT team FROM core_teams_current")["team"].to_list() == ["newer"]
    found = head(warehouse, "registry", DAY)
    assert found and found.batches == {"core_teams": newer}


def test_rows_that_were_removed_before_their_head_are_withdrawn(shared: Path, warehouse: Warehouse) -> None:
    with lease(shared, "registry"):
        batch = made(warehouse, "a")
        warehouse.execute_text("TRUNCATE TABLE core_teams")
        with pytest.raises(ControlTotalError, match="0 of 1 rows are there after they were published"):
            published(warehouse, batch)
    found = head(warehouse, "registry", DAY)
    assert found and found.sha256 == "", "the next pass makes it again"


def test_what_nobody_published_is_removed_only_when_nobody_can_be_at_work_on_it(
    shared: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lease(shared, "registry") as ours:
        assert ours.grace_seconds > 3600
        at_work = made(warehouse, "of somebody at work")
        for name in "abc":
            release = published(warehouse, made(warehouse, name))
        collect(warehouse, [release])
        assert not may_be_removed(at_work)
        assert "of somebody at work" in teams(warehouse)
        now = time.time()
        monkeypatch.setattr("sql.publish.time.time", lambda: now + ours.grace_seconds + 1)
        collect(warehouse, [release])
        assert may_be_removed(at_work)

        def is_gone() -> bool:
            return teams(warehouse) == ["b", "c"]

        deadline = time.perf_counter() + 20
        while not is_gone():
            assert time.perf_counter() < deadline
            time.sleep(0.05)
    assert may_be_removed(at_work), (
        "a machine that loads alone holds the kernel's lock: nobody else can be at work"
    )


def teams(warehouse: Warehouse) -> list[str]:
    return sorted(warehouse.frame_of("SELECT team FROM core_teams")["team"])


def test_a_postgres_made_anew_goes_on_above_the_fences_that_were_used(
    shared: Path, warehouse: Warehouse, postgres: str
) -> None:
    with lease(shared, "registry") as before:
        published(warehouse, made(warehouse, "a"))
    assert before.fence
    asked(postgres, "SELECT setval('appfleet.fence', 1)")
    with (
        lease(shared, "registry"),
        pytest.raises(LeaseLost, match="where Postgres was made anew, run `appfleet migrate`"),
    ):
        published(warehouse, made(warehouse, "b"))
    asked(postgres, "SELECT 1")
    schema_applied(shared, load_settings(shared).warehouse)
    with lease(shared, "registry") as after:
        assert after.fence and after.fence > before.fence
        published(warehouse, made(warehouse, "b"))


@contextmanager
def pooled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each statement goes to another session, as a pool that keeps none gives them."""
    value = leases._value

    def elsewhere(postgres: Any, name: str, **parameters: object) -> object:
        with ExitStack() as stack:
            other = stack.enter_context(closing(psycopg2.connect(postgres.dsn)))
            other.autocommit = True
            return value(other, name, **parameters)

    monkeypatch.setattr(leases, "_value", elsewhere)
    yield


def test_a_pool_that_keeps_no_session_is_refused(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = pytest.raises(ConfigurationError, match="leads through a pool")
    with pooled(monkeypatch), refused, lease(shared, "costs"):
        pass


def test_a_postgres_nobody_reaches_is_told_without_its_password(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://someone:planted-Pa55@127.0.0.1:9/nothing")
    with (
        pytest.raises(ConfigurationError, match="Postgres cannot be reached") as caught,
        lease(shared, "costs"),
    ):
        pass
    assert "planted" not in str(caught.value) and "\n" not in str(caught.value)
