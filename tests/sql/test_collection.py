"""What nobody can read any more is found and removed, and nothing else: against releases counted in plain Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from models.policy import collection_grace
from models.settings import Settings
from pipelines.commands.collecting import collect
from pipelines.ingest.billing.ledger import Hold, Ledger
from sql.closings import CLOSED, REOPENED, Closing, Reclassification, decide, write_reclassification
from sql.collection import Superseded, remove, superseded
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated

MONTH = date(2026, 3, 1)
NOTHING = timedelta(0)


def teams(warehouse: Warehouse, number: int) -> uuid.UUID:
    batch = new_batch_id()
    frame = pl.DataFrame({"team": [f"t{row}" for row in range(number)], "batch_id": [str(batch)] * number})
    warehouse.insert("core_teams", frame)
    return batch


def charges(warehouse: Warehouse, number: int, month: date = MONTH, source: str = "aws") -> uuid.UUID:
    batch = new_batch_id()
    frame = pl.DataFrame(
        {
            "x_SourceName": [source] * number,
            "x_BillingPeriod": [month] * number,
            "x_BatchId": [str(batch)] * number,
        }
    )
    warehouse.insert("raw_focus_costs", frame)
    return batch


def release(warehouse: Warehouse, scope: str, period: date, table: str, batch: uuid.UUID) -> datetime:
    """Publishes a batch and returns when it was there, with a moment between it and whatever comes next."""
    given = {"rows": 0, "sha256": str(batch), "version": datetime(2026, 3, 2, tzinfo=UTC)}
    done = publish(warehouse, scope, period, batches={table: batch}, **given)  # type: ignore[arg-type]
    time.sleep(0.002)
    return done.published_at


def found(warehouse: Warehouse, now: datetime, grace: timedelta = NOTHING) -> dict[uuid.UUID, Superseded]:
    return {one.batch: one for one in superseded(warehouse, now, grace)}


def emptied(warehouse: Warehouse) -> None:
    for table in ("core_teams", "raw_focus_costs", "period_head", "statement_closings",
                  "statement_reclassifications", "raw_held_deliveries"):  # fmt: skip
        warehouse.execute_text(f"TRUNCATE TABLE {table}")


@pytest.mark.parametrize(
    ("write", "scope", "period", "table"),
    [(teams, "registry", WHOLE_TABLE, "core_teams"), (charges, "billing/aws", MONTH, "raw_focus_costs")],
)
def test_a_batch_goes_once_it_was_superseded_for_the_grace(
    fresh_warehouse: Warehouse,
    write: Callable[[Warehouse, int], uuid.UUID],
    scope: str,
    period: date,
    table: str,
) -> None:
    """Four releases, of which the third publishes the first one's batch again: it is superseded twice, and the last time
    counts."""
    emptied(fresh_warehouse)
    a, b, c = (write(fresh_warehouse, rows) for rows in (1, 2, 3))
    at = [release(fresh_warehouse, scope, period, table, batch) for batch in (a, b, a, c)]
    grace = timedelta(hours=3)
    by_moment = [set(found(fresh_warehouse, moment + grace, grace)) for moment in at]
    assert by_moment == [set(), set(), {b}, {a, b}]
    late = found(fresh_warehouse, at[-1] + timedelta(days=999), grace)
    assert {one.batch: one.rows for one in late.values()} == {a: 1, b: 2}
    assert all(one.bytes > 0 and one.table == table for one in late.values())
    assert set(found(fresh_warehouse, at[-1] + grace - timedelta(milliseconds=1), grace)) == {b}


def test_what_an_attempt_left_goes_when_it_is_older_than_the_grace(fresh_warehouse: Warehouse) -> None:
    emptied(fresh_warehouse)
    begun = datetime.now(UTC)
    left = {teams(fresh_warehouse, 1), charges(fresh_warehouse, 1)}
    old = uuid.uuid4()  # of a version before ids told the time
    fresh_warehouse.insert("core_teams", pl.DataFrame({"team": ["x"], "batch_id": [str(old)]}))
    grace = collection_grace()
    assert set(found(fresh_warehouse, begun + grace - timedelta(seconds=1), grace)) == {old}
    assert set(found(fresh_warehouse, begun + grace + timedelta(minutes=1), grace)) == {old, *left}


def test_what_a_decision_names_never_goes(fresh_warehouse: Warehouse) -> None:
    """Closed, reopened, reclassified, waiting for a person: each names one superseded batch, and a rejected one none."""
    emptied(fresh_warehouse)
    warehouse = fresh_warehouse
    names = ("closed", "reopened", "reclassified", "held", "accepted", "rejected", "elsewhere", "current")
    batches = {name: charges(warehouse, 1) for name in names}
    for name in names:
        release(warehouse, "billing/aws", MONTH, "raw_focus_costs", batches[name])
    at = datetime(2026, 4, 1, tzinfo=UTC)
    for number, (name, state) in enumerate((("closed", CLOSED), ("reopened", REOPENED))):
        month = date(2026, 3 + number, 1)
        key = f"billing/aws {month:%Y-%m} raw_focus_costs"
        decide(warehouse, Closing(month, state, uuid.uuid4(), "ada", at, batches={key: batches[name]}))
    one = Reclassification(MONTH, {"k": batches["reclassified"]}, "ada", "why", at)
    write_reclassification(warehouse, one)
    for name, source in (("held", "aws"), ("accepted", "b"), ("rejected", "c")):
        if source != "aws":  # one line of a source and month holds
            batches[name] = charges(warehouse, 1, source=source)
        Ledger(warehouse, source).hold(
            Hold(
                source, MONTH, "s", name, "overlap", "why", batches[name], 1, {"USD/BilledCost": Decimal(1)}, {}, {}, at,
                ("o",), ("d",), ("d",), ("d",),
            )
        )  # fmt: skip
    later = datetime.now(UTC) + timedelta(days=400)
    gone = set(found(warehouse, later))
    assert {"rejected", "elsewhere"} == {name for name, batch in batches.items() if batch in gone}


def test_removal_that_is_cut_short_is_gone_on_with(fresh_warehouse: Warehouse) -> None:
    emptied(fresh_warehouse)
    warehouse = fresh_warehouse
    written = [teams(warehouse, 2), teams(warehouse, 3), charges(warehouse, 4), charges(warehouse, 5)]
    current = [teams(warehouse, 7), charges(warehouse, 9)]
    for batch in (written[0], written[1], current[0]):
        release(warehouse, "registry", WHOLE_TABLE, "core_teams", batch)
    for batch in (written[2], written[3], current[1]):
        release(warehouse, "billing/aws", MONTH, "raw_focus_costs", batch)
    other = charges(warehouse, 6, date(2026, 4, 1))  # the same batch id means nothing in another month
    release(warehouse, "billing/aws", date(2026, 4, 1), "raw_focus_costs", other)
    later = datetime.now(UTC) + timedelta(days=400)

    class Killed(Exception):
        pass

    def cut(_: Superseded) -> None:
        raise Killed

    left = set(found(warehouse, later))
    assert left == set(written)
    while left:
        with pytest.raises(Killed):
            remove(warehouse, list(found(warehouse, later).values()), cut)
        now = set(found(warehouse, later))
        assert len(now) == len(left) - 1 and now < left
        left = now
    assert warehouse.frame_of("SELECT count() FROM core_teams").item() == 7
    assert warehouse.frame_of("SELECT count() FROM raw_focus_costs").item() == 9 + 6
    # nothing is left to do, and what was removed takes no room
    remove(warehouse, [Superseded("core_teams", written[0], 2, 1)])
    parts = "SELECT sum(rows) FROM system.parts WHERE active AND table = 'core_teams' AND database = currentDatabase()"
    assert warehouse.frame_of(parts).item() == 7


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    """A workspace in which three days ago a table was published ten times, and never since."""
    root = migrated(tmp_path_factory.mktemp("superseded"))
    (root / "appfleet.yaml").write_text("warehouse: embedded\nsources: {billing: [], telemetry: []}\n")
    with open_warehouse(root) as warehouse:
        for number in range(1, 11):
            release(warehouse, "registry", WHOLE_TABLE, "core_teams", teams(warehouse, number))
        warehouse.execute_text(
            "ALTER TABLE period_head UPDATE published_at = published_at - INTERVAL 3 DAY WHERE 1 SETTINGS mutations_sync = 2"
        )
    return root


def test_what_goes_is_said_before_and_after(root: Path) -> None:
    said = StringIO()
    console = Console(file=said, width=200)
    settings = Settings(root, root, root)
    would = collect(console, settings, dry_run=True)
    assert [one.rows for one in would] == list(range(1, 10))
    with open_warehouse(root) as warehouse:
        assert warehouse.frame_of("SELECT count() FROM core_teams").item() == 55
    gone = collect(console, settings, dry_run=False)
    assert {one.batch for one in gone} == {one.batch for one in would}
    with open_warehouse(root) as warehouse:
        assert warehouse.frame_of("SELECT count() FROM core_teams").item() == 10
    assert collect(console, settings, dry_run=False) == []
    text = said.getvalue()
    assert "9 batches superseded for longer than 24 hours, 45 rows: would free about" in text
    assert "45 rows: freed about" in text and "Nothing is superseded" in text
    assert str(would[0].batch) in text


@pytest.mark.slow
def test_a_gc_that_is_killed_at_any_moment_leaves_what_is_published(root: Path) -> None:
    """Killed as soon as a batch is gone, again and again, until nothing is left to do."""
    command = [sys.executable, "-m", "pipelines.commands.cli", "gc", "-w", str(root)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    rows = "SELECT count() FROM core_teams"
    current = "SELECT count() FROM core_teams WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_teams')"
    kills = 0
    with open_warehouse(root) as warehouse:
        for _ in range(20):
            before = warehouse.frame_of(rows).item()
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            while process.poll() is None and warehouse.frame_of(rows).item() == before:
                time.sleep(0.002)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate(timeout=60)
            assert warehouse.frame_of(current).item() == 10
            if warehouse.frame_of(rows).item() == 10:
                break
        assert warehouse.frame_of(rows).item() == 10
    assert kills
