"""What Dagster knows after passes of the command line and after runs of its own: each partition's own figures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from pipelines.commands.run import dagster_home, run_pass
from pipelines.orchestration.definitions import build_defs
from pipelines.orchestration.resources import Workspace
from pipelines.steps import STEPS
from pipelines.work import CHECKS
from sql.local_warehouse import open_warehouse
from sql.publish import Release, heads
from sql.workspace import load_settings
from tests.conftest import SmallFleet

ROOT = Path(__file__).resolve().parents[2]
SEPTEMBER, OCTOBER = date(2026, 9, 1), date(2026, 10, 1)
NEW_APP = """---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: newcomer}
spec: {type: service, lifecycle: production, owner: alpha}
"""
AGAIN = """
import sys
from pathlib import Path
from pipelines.commands.run import run_pass
from pipelines.steps import STEPS
from sql.workspace import load_settings
done = run_pass(load_settings(Path(sys.argv[1])), steps=list(STEPS))
print(done.exit_code, sum(step.published for step in done.steps), "dagster" in sys.modules)
"""


@pytest.fixture(scope="module")
def workspace(small_fleet: SmallFleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SmallFleet.copy(small_fleet.passed, tmp_path_factory.mktemp("record") / "workspace")


@pytest.fixture
def history(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(load_settings(workspace))))
    with dg.DagsterInstance.get() as instance:
        yield instance


def told(instance: dg.DagsterInstance, table: str) -> dict[str | None, dict[str, object]]:
    """The newest figures Dagster has of a table, by partition."""
    records = instance.fetch_materializations(dg.AssetKey(table), limit=1000).records
    found: dict[str | None, dict[str, object]] = {}
    for record in records:  # the newest come first
        one = record.asset_materialization
        assert one
        found.setdefault(one.partition, {key: value.value for key, value in one.metadata.items()})
    return found


def published(workspace: Path, scope: str) -> dict[date, list[Release]]:
    with open_warehouse(workspace, role="reader") as warehouse:
        releases: dict[date, list[Release]] = {}
        for release in heads(warehouse, scope):
            releases.setdefault(release.period, []).append(release)
    return releases


@pytest.mark.parametrize(
    ("scope", "step"), [("billing/", "billing"), ("costs", "costs"), ("slices", "slices")]
)
def test_a_partition_has_its_own_rows_and_sums(
    history: dg.DagsterInstance, workspace: Path, scope: str, step: str
) -> None:
    releases = published(workspace, scope)
    assert len(releases) > 1
    for table in STEPS[step].tables:
        found = told(history, table)
        assert set(found) == {period.isoformat() for period in releases}
        for period, ones in releases.items():
            said = found[period.isoformat()]
            assert said["dagster/partition_row_count"] == sum(one.rows for one in ones)
            for key in {key for one in ones for key in one.sums}:
                total = sum(one.sums.get(key, 0) for one in ones)
                assert said[f"sum {key}"] == format(total, "f")


def test_every_table_is_known_and_every_check_passed(history: dg.DagsterInstance) -> None:
    assert [table for step in STEPS.values() for table in step.tables if not told(history, table)] == []
    records = history.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION))
    answers = [record.event_log_entry.asset_check_evaluation for record in records]
    assert {(one.asset_key.to_user_string(), one.check_name, one.passed) for one in answers if one} == {
        (check.table, check.name, True) for check in CHECKS.values()
    }


def test_an_unchanged_pass_tells_nothing_and_needs_no_dagster(
    history: dg.DagsterInstance, workspace: Path
) -> None:
    before = {
        table: len(history.fetch_materializations(dg.AssetKey(table), limit=1000).records)
        for step in STEPS.values()
        for table in step.tables
    }
    ran = subprocess.run(
        [sys.executable, "-c", AGAIN, str(workspace)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["0", "0", "False"]
    assert before == {
        table: len(history.fetch_materializations(dg.AssetKey(table), limit=1000).records) for table in before
    }


def test_a_run_of_dagster_tells_each_partition_its_own_and_keeps_the_figures_of_what_did_not_change(
    history: dg.DagsterInstance, workspace: Path
) -> None:
    job = build_defs(resources={"workspace": Workspace(directory=str(workspace))}).resolve_job_def("costs")
    before = told(history, "core_app_costs_daily")
    ran = job.execute_in_process(instance=history, partition_key=OCTOBER.isoformat())
    assert ran.success
    after = told(history, "core_app_costs_daily")
    figures = {key for key in after[OCTOBER.isoformat()] if key.startswith(("sum ", "dagster/partition"))}
    assert len(figures) > 2
    for month in (SEPTEMBER, OCTOBER):
        one, other = before[month.isoformat()], after[month.isoformat()]
        assert {key: one[key] for key in figures} == {key: other[key] for key in figures}
    assert after[OCTOBER.isoformat()]["unchanged"] == 1


def test_what_was_published_before_a_kill_is_told_by_the_next_pass(
    history: dg.DagsterInstance, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(workspace)
    before = told(history, "core_apps")[None]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    apps = workspace / "catalog"
    (path, *_) = sorted(apps.rglob("*.yaml"))
    path.write_text(path.read_text() + "\n# changed\n" + NEW_APP)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("pipelines.orchestration.record.record", killed)
        run_pass(settings, steps=["registry"])
    assert told(history, "core_apps")[None] == before
    done = run_pass(settings, steps=["registry"])
    assert [step.published for step in done.steps] == [0]
    (releases,) = published(workspace, "registry").values()
    after = told(history, "core_apps")[None]
    assert (
        after["dagster/partition_row_count"] == releases[0].rows == before["dagster/partition_row_count"] + 1
    )
