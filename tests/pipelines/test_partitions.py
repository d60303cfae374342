"""Partitions from the first data on, as Dagster learns them: by its schedules, its runs, passes and people's decisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from rich.console import Console

from pipelines.commands.deliveries import decide
from pipelines.commands.run import run_pass
from pipelines.orchestration.instance import dagster_home
from pipelines.orchestration.partitions import learn
from pipelines.orchestration.resources import Workspace
from pipelines.said import keep, said
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.billing.conftest import ROW
from tests.cli.conftest import csv_text, make_workspace
from tests.conftest import Migrated, SmallFleet
from tests.pipelines.test_record import DEFS, checks, run_job, told

RAW = "raw_focus_costs"
WHOLE = "published_rows_equal_their_control_totals of raw_focus_costs"
NOTHING: dict[str, Any] = {}


class Bills:
    """A workspace whose bills lie in ``bills/``, one file a month, and Dagster's history of it."""

    def __init__(self, workspace: Path, warehouse: Warehouse, history: dg.DagsterInstance) -> None:
        self.workspace, self.warehouse, self.history = workspace, warehouse, history

    def deliver(self, month: int, *costs: int) -> None:
        """The bill of a month of 2024: one row per cost."""
        first, end = date(2024, month, 1), date(2024, month + 1, 1)
        time = {
            "BillingPeriodStart": f"{first}T00:00:00Z",
            "BillingPeriodEnd": f"{end}T00:00:00Z",
            "ChargePeriodStart": f"{first}T00:00:00Z",
            "ChargePeriodEnd": f"{first.replace(day=2)}T00:00:00Z",
        }
        rows = [
            ROW
            | time
            | {"BilledCost": str(cost), "EffectiveCost": str(cost), "ResourceId": f"r{month}-{cost}"}
            for cost in costs
        ]
        self.put(f"{first:%Y-%m}.csv", csv_text([*rows[0]], rows))

    def put(self, name: str, content: str) -> None:
        (self.workspace / "bills" / name).write_text(content)

    def tick(self, step: str = "billing") -> list[str | None] | str:
        """The keys a schedule asks for now, or why it asks for none."""
        context = dg.build_schedule_context(
            instance=self.history,
            scheduled_execution_time=datetime.now(UTC),
            resources={"workspace": Workspace(directory=str(self.workspace))},
        )
        asked = DEFS.resolve_schedule_def(f"{step}_schedule")(context)
        if isinstance(asked, dg.SkipReason):
            return str(asked.skip_message)
        return [one.partition_key for one in asked]

    def run(self, key: str) -> bool:
        """Whether a run of Dagster for one month succeeds."""
        return run_job(self.history, self.workspace, "billing", key, raise_on_error=False).success

    def step(self, name: str = "billing") -> None:
        """A pass of the command line."""
        run_pass(load_settings(self.workspace), steps=[name])

    @property
    def partitions(self) -> list[str]:
        return list(self.history.get_dynamic_partitions("billing_months"))

    @property
    def rows(self) -> dict[str, int]:
        """Month -> rows readers see."""
        return dict(
            self.warehouse.frame_of(
                "SELECT toString(x_BillingPeriod), count() FROM raw_focus_costs_current GROUP BY 1"
            ).rows()
        )

    @property
    def told_rows(self) -> dict[str | None, int]:
        """Month -> rows as Dagster was told last."""
        return {key: said["dagster/partition_row_count"] for key, said in told(self.history, RAW).items()}

    @property
    def refused(self) -> list[str]:
        """What doctor says is refused."""
        return [one.text for one in said(self.warehouse) if one.kind == "refused"]

    @property
    def notes(self) -> list[str]:
        """What doctor says to look at."""
        return [one.text for one in said(self.warehouse) if one.kind == "note"]

    @property
    def taken(self) -> tuple[bool, list[str]]:
        """Whether everything delivered is taken, as Dagster was told last, and what is not."""
        return checks(self.history)["everything_delivered_is_taken of raw_focus_costs"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    """A workspace without bills, whose history Dagster has begun: to be copied."""
    workspace = make_workspace(
        migrated(tmp_path_factory.mktemp("partitions") / "w"),
        sources={"billing": [{"name": "bill", "format": "focus", "location": "bills"}]},
    )
    (workspace / "bills").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(dagster_home(load_settings(workspace))))
        with dg.DagsterInstance.get():
            pass
    return workspace


@pytest.fixture
def bills(tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bills]:
    workspace = SmallFleet.copy(empty, tmp_path / "w")
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(load_settings(workspace))))
    with (
        open_warehouse(workspace, role="reader") as warehouse,
        dg.DagsterInstance.get() as history,
    ):
        yield Bills(workspace, warehouse, history)


def test_a_schedule_asks_for_months_that_are_delivered_and_a_run_loads_the_one_it_is_asked_for(
    bills: Bills,
) -> None:
    assert bills.tick() == "nothing changed"
    bills.deliver(5, 1, 2)
    bills.deliver(6, 3, 4, 5)
    assert bills.tick() == bills.partitions == ["2024-05-01", "2024-06-01"]
    assert bills.rows == {}
    assert bills.run("2024-06-01")
    assert bills.rows == bills.told_rows == {"2024-06-01": 3}
    assert bills.history.get_materialized_partitions(dg.AssetKey(RAW)) == {"2024-06-01"}
    assert bills.run("2024-05-01")
    assert bills.rows == bills.told_rows == {"2024-05-01": 2, "2024-06-01": 3}

    # A month from before the first becomes a partition in its place, and what is known of the others stays.
    bills.deliver(2, 6)
    assert bills.tick() == ["2024-02-01", "2024-06-01"]
    assert bills.partitions == ["2024-02-01", "2024-05-01", "2024-06-01"]
    assert bills.told_rows == {"2024-05-01": 2, "2024-06-01": 3}
    assert bills.run("2024-02-01")
    assert bills.rows == bills.told_rows == {"2024-02-01": 1, "2024-05-01": 2, "2024-06-01": 3}
    assert bills.tick() == ["2024-06-01"], "nothing changed: the newest month says so"

    # What follows is asked for by what changed in its turn.
    assert bills.tick("costs") == "nothing changed", "nobody knows whose the charges are yet"
    for name in ("registry", "identities"):
        bills.step(name)
    assert bills.tick("costs") == bills.partitions
    bills.step("costs")
    assert bills.tick("costs") == "nothing changed"
    assert bills.tick("unit_costs") == bills.partitions


def test_what_a_pass_refuses_or_holds_is_a_red_check_until_it_is_mended(
    bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untold(*_: object) -> None:
        raise AssertionError("there is nothing new to tell")

    bills.deliver(5, *range(1, 11))
    bills.step()
    assert bills.taken == (True, [])
    told_once = told(bills.history, RAW)

    bills.put("bad.csv", "no,bill\n")
    bills.step()
    passed, (sentence,) = bills.taken
    assert not passed and "bad.csv" in sentence
    assert told(bills.history, RAW) == told_once, "nothing was published"
    with monkeypatch.context() as patched:
        patched.setattr("pipelines.orchestration.record.record", untold)
        bills.step()

    (bills.workspace / "bills" / "bad.csv").unlink()
    bills.deliver(5, 1, 2)  # a month that shrinks waits for a person
    bills.step()
    passed, (sentence,) = bills.taken
    assert not passed and sentence.startswith("bill/2024-05/")
    assert bills.rows == bills.told_rows == {"2024-05-01": 10}
    assert bills.run("2024-05-01"), "what is published stays materialised"
    assert bills.told_rows == {"2024-05-01": 10} and bills.taken == (False, [sentence])

    decide(
        Console(quiet=True),
        load_settings(bills.workspace),
        "accept",
        "bill/2024-05",
        by="ann",
        why="",
        newest_only=False,
        wait_seconds=60,
    )
    assert bills.rows == bills.told_rows == {"2024-05-01": 2}
    assert bills.taken == (True, [])
    with monkeypatch.context() as patched:
        patched.setattr("pipelines.orchestration.record.record", untold)
        bills.step()


def test_a_run_for_a_month_that_is_refused_fails_by_its_reason(bills: Bills) -> None:
    bills.deliver(5, 1)
    bills.step()
    bills.put("2024-06.csv", "no,bill\n")
    assert bills.tick() == ["2024-05-01"], "the newest month's run repeats what is refused"
    passed, (sentence,) = bills.taken
    assert not passed and "2024-06.csv" in sentence
    assert bills.refused == [sentence], "what a schedule finds is said by doctor too"
    learn(bills.history, "billing_month", [date(2024, 6, 1)])
    assert not bills.run("2024-06-01")
    assert bills.told_rows == {"2024-05-01": 1}
    assert bills.refused == [sentence]
    bills.deliver(6, 2)
    bills.tick()
    assert bills.refused == [], "it is mended"


@pytest.mark.slow
def test_what_a_run_of_one_month_notes_holds_until_a_schedule_sees_it_mended(bills: Bills) -> None:
    """No pass of the command line is made: what ticks and runs say is all that doctor knows."""
    for month in (5, 6, 7):
        bills.deliver(month, month)
    bills.put("may again.csv", (bills.workspace / "bills/2024-05.csv").read_text())
    bills.put("june again.csv", (bills.workspace / "bills/2024-06.csv").read_text())
    for key in bills.tick():
        assert key and bills.run(key)
    assert [" 2024-05: " in note or " 2024-06: " in note for note in bills.notes] == [True, True], bills.notes
    both = bills.notes
    assert bills.tick() == ["2024-07-01"] and bills.run("2024-07-01")
    assert sorted(bills.notes) == sorted(both), "nothing changed"
    (bills.workspace / "bills/june again.csv").unlink()
    assert bills.tick() == ["2024-07-01"] and bills.run("2024-07-01")
    [left] = bills.notes
    assert "2024-05" in left and left in both
    (bills.workspace / "bills/may again.csv").unlink()
    bills.tick()
    assert bills.notes == []


@pytest.mark.parametrize("by_dagster", [True, False])
def test_lost_rows_are_a_red_check(bills: Bills, by_dagster: bool) -> None:
    """Whoever runs the step: Dagster shows what is lost by source and month, until it is loaded again."""
    bills.deliver(5, 1, 2)
    bills.deliver(6, 3)
    bills.step()
    whole = checks(bills.history)[WHOLE]
    with open_warehouse(bills.workspace) as writer:
        writer.execute_text(
            "DELETE FROM raw_focus_costs WHERE BilledCost = 1", {"lightweight_deletes_sync": 2}
        )
    if by_dagster:
        assert not bills.run("2024-06-01"), "what follows is held up"
    else:
        bills.step()
    passed, wrong = checks(bills.history)[WHOLE]
    assert whole == (True, []) and not passed
    assert [one.partition(";")[0] for one in wrong] == ["bill 2024-05: 1 of 2 row(s) published are lost"]


def test_what_days_were_refused_for_is_over_when_none_is_left_to_do(bills: Bills) -> None:
    with open_warehouse(bills.workspace) as writer:
        keep(writer, "slices", {"refused": ("files 2024-05-01: lost",), "note": ("n",)}, [])
    assert bills.refused and bills.notes
    assert bills.tick("slices") == "nothing changed"
    assert not bills.refused and not bills.notes


def test_every_month_published_before_a_kill_is_told_beside_what_the_next_pass_publishes(
    bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    bills.deliver(5, 1)
    bills.deliver(6, 2, 3)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("pipelines.orchestration.record.record", killed)
        bills.step()
    assert bills.partitions == [] and bills.told_rows == NOTHING
    bills.deliver(7, 4, 5, 6)
    bills.step()
    assert bills.rows == bills.told_rows == {"2024-05-01": 1, "2024-06-01": 2, "2024-07-01": 3}
    assert bills.partitions == sorted(bills.rows)


def test_a_schedule_waits_for_the_runs_it_asked_for(bills: Bills) -> None:
    bills.deliver(5, 1)
    job = DEFS.resolve_job_def("billing")
    bills.history.create_run_for_job(job_def=job, status=dg.DagsterRunStatus.STARTED)
    assert bills.tick() == "runs of the tick before are still under way"
