"""What is tried again and what fails at once; the settings Dagster is given; the runs a machine took with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from models.errors import (
    AppfleetError,
    ConfigurationError,
    ControlTotalError,
    DamagedData,
    DiskFull,
    LeaseHeld,
    LeaseLost,
    MigrationError,
    ObjectRefused,
    StatementRefused,
    WarehouseError,
)
from models.retries import is_transient, retry_policy
from models.settings import DagsterSettings, Settings
from pipelines.orchestration import instance as of_instance
from pipelines.orchestration import schedules
from pipelines.orchestration.code_server import GONE, WORKER_TAG, CodePlace, fail_lost_runs
from pipelines.orchestration.definitions import build_defs
from pipelines.orchestration.instance import SOURCE_TAG, STORAGE_VARIABLE, enter_history
from pipelines.orchestration.retries import only_what_passes_again, step_retries
from pipelines.orchestration.schedules import requests
from pipelines.steps import STEPS
from pipelines.work import Due
from sql.leases import POSTGRES_VARIABLE

PASSES = [
    LeaseHeld("somebody writes"),
    LeaseLost("the connection ended"),
    WarehouseError("the warehouse went away"),
    WarehouseError("timeout", 159),
    WarehouseError("too many parts", 252),
    WarehouseError("keeper", 999),
]
STAYS = [
    WarehouseError("no such column", 47),
    WarehouseError("wrong password", 516),
    StatementRefused("a write", 164),
    DamagedData("gone", 40),
    MigrationError("an older schema"),
    ConfigurationError("a wrong key"),
    ObjectRefused("a.csv", "ragged", 3),
    ControlTotalError("two counts differ"),
    DiskFull("the warehouse"),
    ValueError("a fault of ours"),
]


@pytest.mark.parametrize("error", PASSES, ids=str)
def test_what_may_pass_is_let_out_to_be_tried_again(error: AppfleetError) -> None:
    assert is_transient(error)
    with pytest.raises(type(error)) as caught, only_what_passes_again():
        raise error
    assert caught.value is error


@pytest.mark.parametrize("error", STAYS, ids=str)
def test_everything_else_fails_at_once(error: Exception) -> None:
    assert not is_transient(error)
    with pytest.raises(dg.Failure) as caught, only_what_passes_again():
        raise error
    assert not caught.value.allow_retries
    assert str(error) in str(caught.value.description)


def test_every_code_has_its_name_and_comes_once() -> None:
    text = (Path(__file__).parents[2] / "models/policy/retries.yaml").read_text()
    lines = yaml.safe_load(text)["transient"]
    assert len({line["code"] for line in lines}) == len({line["name"] for line in lines}) == len(lines)
    assert all(re.fullmatch(r"[A-Z_]+", line["name"]) for line in lines)


def test_the_engine_calls_the_codes_by_these_names(fresh_warehouse: object) -> None:
    """The names are the engine's own."""
    text = (Path(__file__).parents[2] / "models/policy/retries.yaml").read_text()
    lines = yaml.safe_load(text)["transient"]
    named = fresh_warehouse.frame_of(  # type: ignore[attr-defined]
        "SELECT code, errorCodeToName(code) AS name FROM (SELECT arrayJoin({codes:Array(Int32)}) AS code)",
        codes=[line["code"] for line in lines],
    )
    assert dict(named.rows()) == {line["code"]: line["name"] for line in lines}


@pytest.mark.parametrize(
    ("error", "attempts"), [(WarehouseError("gone"), 1 + 3), (ConfigurationError("no"), 1)]
)
def test_a_step_is_done_again_as_often_as_the_policy_says(
    error: AppfleetError, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert retry_policy().step_attempts_more == 3
    tried: list[int] = []
    quickly = dg.RetryPolicy(max_retries=step_retries().max_retries, delay=0)

    @dg.asset(retry_policy=quickly)
    def table() -> None:
        with only_what_passes_again():
            tried.append(1)
            raise error

    assert not dg.materialize([table], raise_on_error=False).success
    assert len(tried) == attempts


def test_every_step_has_its_retries_and_its_limit() -> None:
    definitions = build_defs()
    for step in STEPS.values():
        node = definitions.resolve_assets_def(next(iter(step.tables))).op
        assert node.retry_policy == step_retries(), step.name
        assert node.pool == (None if step.name == "billing" else step.name), "a bill is limited by source"


def settings_of(root: Path, **dagster: object) -> Settings:
    return Settings(root=root, catalog=root, teams=root, dagster=DagsterSettings(**dagster))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:planted-secret@db:5432/d",
        "postgres://u:planted-secret@db/d",
        "postgresql+psycopg2://u:planted-secret@db/d",
    ],
)
def test_dagster_s_settings_name_the_variable_and_hold_no_secret(tmp_path: Path, address: str) -> None:
    environment = {POSTGRES_VARIABLE: address}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_instance.os, "environ", environment)
        patch.setattr(of_instance.has_postgres, "__defaults__", (environment,))
        enter_history(settings_of(tmp_path, runs_at_once=7), environment)
    assert environment[STORAGE_VARIABLE] == f"postgresql+psycopg2://{address.partition('://')[2]}"
    home = Path(environment["DAGSTER_HOME"])
    assert home.name == "dagster-postgres", "another history, another folder for what was told of it"
    assert not any(b"planted-secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = yaml.safe_load((home / "dagster.yaml").read_text())
    assert said["storage"] == {"postgres": {"postgres_url": {"env": STORAGE_VARIABLE}}}
    assert said["concurrency"]["runs"]["max_concurrent_runs"] == 7
    assert said["concurrency"]["runs"]["tag_concurrency_limits"] == [
        {"key": SOURCE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    ]


def test_an_address_that_is_none_is_refused_without_being_repeated(tmp_path: Path) -> None:
    environment = {POSTGRES_VARIABLE: "mysql://u:planted-secret@db/d"}
    with pytest.raises(ConfigurationError, match="postgresql://USER") as caught:
        enter_history(settings_of(tmp_path), environment)
    assert "planted-secret" not in str(caught.value)


def test_without_postgres_one_run_at_a_time_in_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)
    environment: dict[str, str] = {}
    enter_history(settings_of(tmp_path), environment)
    assert STORAGE_VARIABLE not in environment
    said = yaml.safe_load((Path(environment["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    assert "storage" not in said
    assert said["concurrency"]["runs"]["max_concurrent_runs"] == 1


def test_a_schedule_asks_for_a_run_for_each_source_and_month() -> None:
    may, june = date(2026, 5, 1), date(2026, 6, 1)
    due = Due(periods=(may, june), sources={may: ("aws",), june: ("aws", "azure")})
    now, later = datetime(2026, 6, 2, 5, tzinfo=UTC), datetime(2026, 6, 3, 5, tzinfo=UTC)
    asked = [(one.partition_key, one.tags.get(SOURCE_TAG)) for one in requests(due, now)]
    assert asked == [("2026-05-01", "aws"), ("2026-06-01", "aws"), ("2026-06-01", "azure")]
    assert [(one.partition_key, one.tags.get(SOURCE_TAG)) for one in requests(Due(periods=(may,)), now)] == [
        ("2026-05-01", None)
    ]
    keys = [one.run_key for moment in (now, later) for one in requests(due, moment)]
    assert all(keys)
    assert len(set(keys)) == 6, "no run is taken for one of another period, source or tick"


@pytest.mark.parametrize("months", [1, 3])
def test_dagster_takes_what_a_schedule_asks_for(
    months: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule of a step with periods, evaluated as the daemon does, with one period or several due."""
    days = tuple(date(2026, month, 1) for month in range(1, months + 1))
    monkeypatch.setattr(schedules, "DUE", {"costs": lambda _: Due(periods=days)})
    monkeypatch.setattr(schedules, "_holds", lambda *_: {})
    definitions = build_defs(resources={"workspace": dg.ResourceDefinition.hardcoded_resource(NoWorkspace())})
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 6, 2, 5, tzinfo=UTC),
            repository_def=definitions.get_repository_def(),
            resources={"workspace": NoWorkspace()},
        ) as tick,
    ):
        asked = (
            definitions.get_repository_def()
            .get_schedule_def("costs_schedule")
            .evaluate_tick(tick)
            .run_requests
        )
    assert [one.partition_key for one in asked or []] == [day.isoformat() for day in days]


class NoWorkspace:
    """A workspace nobody looks into."""

    def settings(self) -> None: ...

    @contextmanager
    def warehouse(self, _: object) -> Iterator[None]:
        yield


@pytest.fixture
def history() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_the_runs_that_went_with_a_machine_are_failed_and_no_others(
    history: dg.DagsterInstance, tmp_path: Path
) -> None:
    (alive := tmp_path / "alive").touch()
    workers = {
        "ours": {"host": "code", "port": 4000},
        "of another machine": {"host": "code-2", "port": 4000},
        "a socket that is gone": {"host": "localhost", "socket": str(tmp_path / "gone")},
        "a socket of somebody": {"host": "localhost", "socket": str(alive)},
    }

    @dg.job
    def work() -> None: ...

    runs = {
        name: history.create_run_for_job(
            work, status=dg.DagsterRunStatus.STARTED, tags={WORKER_TAG: json.dumps(worker)}
        )
        for name, worker in workers.items()
    }
    runs["of no code server"] = history.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED)
    runs["done"] = history.create_run_for_job(
        work, status=dg.DagsterRunStatus.SUCCESS, tags={WORKER_TAG: json.dumps(workers["ours"])}
    )
    lost = fail_lost_runs(history, CodePlace(host="code", port=4000))
    assert set(lost) == {runs[name].run_id for name in ("ours", "a socket that is gone")}
    status = {name: history.get_run_by_id(run.run_id).status for name, run in runs.items()}  # type: ignore[union-attr]
    assert {name for name, one in status.items() if one == dg.DagsterRunStatus.FAILURE} == {
        "ours",
        "a socket that is gone",
    }
    assert any(
        GONE in str(event.user_message) or GONE in str(event.message)
        for event in history.all_logs(runs["ours"].run_id)
    )
    assert set(fail_lost_runs(history, CodePlace(socket=alive))) == {runs["a socket of somebody"].run_id}
