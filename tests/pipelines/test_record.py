"""What Dagster shows after passes of the command line and after runs of its own: each partition's own figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from models.schemas import SCHEMAS
from pipelines.commands.run import run_pass
from pipelines.orchestration.definitions import build_defs
from pipelines.orchestration.instance import dagster_home
from pipelines.orchestration.partitions import PARTITIONS
from pipelines.orchestration.resources import Workspace
from pipelines.steps import STEPS
from pipelines.work import CHECKS
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.conftest import SmallFleet, python_path
from tests.days import passed_today

SEPTEMBER, OCTOBER = "2026-09-01", "2026-10-01"
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
OWN_COLUMNS = {"batch_id"}
DEFS = build_defs()
DEFS.get_repository_def()  # before any instance is open: Dagster asks the one that was open last
TABLES = [table for step in STEPS.values() for table in step.tables]


@pytest.fixture(scope="module")
def workspace(small_fleet: SmallFleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SmallFleet.copy(small_fleet.passed, tmp_path_factory.mktemp("record") / "workspace")


@pytest.fixture(scope="module")
def warehouse(workspace: Path) -> Iterator[Warehouse]:
    with open_warehouse(workspace, role="reader") as warehouse:
        yield warehouse


@pytest.fixture
def history(
    workspace: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(load_settings(workspace))))
    with dg.DagsterInstance.get() as instance:
        yield instance


def told(instance: dg.DagsterInstance, table: str) -> dict[str | None, dict[str, Any]]:
    """The newest figures Dagster has of a table, by partition."""
    records = instance.fetch_materializations(dg.AssetKey(table), limit=1000).records
    found: dict[str | None, dict[str, Any]] = {}
    for record in records:  # the newest come first
        one = record.asset_materialization
        assert one
        found.setdefault(one.partition, {key: value.value for key, value in one.metadata.items()})
    return found


def events(instance: dg.DagsterInstance) -> dict[str, int]:
    return {
        table: len(instance.fetch_materializations(dg.AssetKey(table), limit=1000).records)
        for table in TABLES
    }


def figures(said: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in said.items()
        if key.startswith("sum ") or key in ("dagster/row_count", "dagster/partition_row_count")
    }


def checks(instance: dg.DagsterInstance) -> dict[str, tuple[bool, list[str]]]:
    """Check -> whether its newest answer is that it holds, and what is wrong; checks never asked are absent."""
    found: dict[str, tuple[bool, list[str]]] = {}
    for key in DEFS.resolve_asset_graph().asset_check_keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        if record and record.event and record.event.asset_check_evaluation:
            one = record.event.asset_check_evaluation
            wrong = one.metadata["wrong"].value
            assert isinstance(wrong, list)
            found[f"{key.name} of {key.asset_key.to_user_string()}"] = (one.passed, wrong)
    return found


MONEY = (
    "SELECT toString({period}), toString({currency}), toString(CAST(sum({billed}), 'Decimal(38, 18)')),"
    " toString(CAST(sum({effective}), 'Decimal(38, 18)')) FROM {table} GROUP BY ALL"
)
RAW = {
    "period": "toStartOfMonth(BillingPeriodStart)",
    "currency": "BillingCurrency",
    "billed": "BilledCost",
    "effective": "EffectiveCost",
    "table": "raw_focus_costs_current",
}
COMPUTED = {
    "period": "billing_period",
    "currency": "billing_currency",
    "billed": "billed_cost",
    "effective": "effective_cost",
}
COUNTED: dict[str, tuple[str, str]] = {
    "raw_focus_costs": (
        "SELECT toString(toStartOfMonth(BillingPeriodStart)), count() FROM raw_focus_costs_current GROUP BY 1",
        MONEY.format(**RAW),
    ),
    "core_app_costs_daily": (
        "SELECT toString(billing_period), count() FROM core_app_costs_daily_current GROUP BY 1",
        MONEY.format(**COMPUTED, table="core_app_costs_daily_current"),
    ),
    "core_identity_costs": (
        "SELECT toString(billing_period), count() FROM core_identity_costs_current GROUP BY 1",
        MONEY.format(**COMPUTED, table="core_identity_costs_current"),
    ),
    "core_cost_allocations": (
        "SELECT toString(billing_period), count() FROM core_cost_allocations_current GROUP BY 1",
        "",
    ),
    "core_app_usage_hours": (
        "SELECT toString(toDate(hour)), count() FROM core_app_usage_hours_current GROUP BY 1",
        "",
    ),
    "mart_chargeback_lines": (
        "SELECT toString(billing_period), count() FROM mart_chargeback_lines_current GROUP BY 1",
        MONEY.format(**COMPUTED, table="mart_chargeback_lines_current"),
    ),
    "mart_reporting_rates": (
        "SELECT toString(statement_period), count() FROM mart_reporting_rates_current GROUP BY 1",
        "",
    ),
    "mart_reporting_lines": (
        "SELECT toString(statement_period), count() FROM mart_reporting_lines_current GROUP BY 1",
        "",
    ),
    "mart_cost_bridges": (
        "SELECT toString(billing_period), count() FROM mart_cost_bridges_current GROUP BY 1",
        "",
    ),
    "mart_unused_commitments": (
        "SELECT toString(billing_period), count() FROM mart_unused_commitments_current GROUP BY 1",
        "",
    ),
    "mart_app_unit_costs_daily": (
        "SELECT toString(toStartOfMonth(usage_date)), count() FROM mart_app_unit_costs_daily_current GROUP BY 1",
        "",
    ),
    "core_request_slices": (
        "SELECT toString(toDate(slice_start)), count() FROM core_request_slices_current GROUP BY 1",
        "",
    ),
    "core_request_hours": (
        "SELECT toString(toDate(hour)), count() FROM core_request_hours_current GROUP BY 1",
        "",
    ),
    "core_app_calls": (
        "SELECT toString(usage_date), count() FROM core_app_calls_current GROUP BY 1",
        "",
    ),
    "core_app_telemetry_volumes": (
        "SELECT toString(usage_date), count() FROM core_app_telemetry_volumes_current GROUP BY 1",
        "",
    ),
    "core_app_telemetry_daily": (
        "SELECT toString(usage_date), count() FROM core_app_telemetry_daily_current GROUP BY 1",
        "",
    ),
    "core_app_resources": (
        "SELECT toString(usage_date), count() FROM core_app_resources_current GROUP BY 1",
        "",
    ),
}
"""Partitioned table -> statements that count its rows and add up its money by partition, written for this test."""
WITHOUT_ROWS = {"mart_reporting_rates", "mart_reporting_lines", "core_cost_allocations", "core_app_calls"}
"""The fleet names no reporting currency and no shared cost rules, and its apps do not call each other."""

NEVER_MADE = {"core_indicator_slices", "mart_maintenance", "core_maintenance_hours"}
"""Nobody in the fleet has an objective that counts anything but requests, nor a maintenance window, so nothing is ever published."""


def test_every_partitioned_table_is_counted_here() -> None:
    assert set(COUNTED) == {table for step in STEPS.values() if step.periods for table in step.tables}


@pytest.mark.parametrize("table", COUNTED)
def test_a_partition_has_its_own_rows_and_sums(
    history: dg.DagsterInstance, warehouse: Warehouse, table: str
) -> None:
    by_rows, by_money = COUNTED[table]
    found = told(history, table)
    rows = dict(warehouse.frame_of(by_rows).rows())
    assert (len(rows) > 1) is (table not in WITHOUT_ROWS)
    assert {period: said["dagster/partition_row_count"] for period, said in found.items()} == {
        period: rows.get(str(period), 0) for period in found
    }
    assert set(rows) <= set(found)
    if by_money:
        for period, currency, billed, effective in warehouse.frame_of(by_money).rows():
            said = found[period]
            assert Decimal(said[f"sum {currency}/BilledCost"]) == Decimal(billed)
            assert Decimal(said[f"sum {currency}/EffectiveCost"]) == Decimal(effective)


def test_partitions_are_the_periods_of_the_data_in_their_order_and_none_is_missing(
    history: dg.DagsterInstance, workspace: Path, warehouse: Warehouse
) -> None:
    truth = json.loads((workspace / "truth.json").read_text())
    days = warehouse.frame_of("SELECT DISTINCT toString(toDate(Timestamp)) AS day FROM otel.otel_traces")[
        "day"
    ]
    expected = {
        "billing_month": sorted({line["period"] for line in truth["billing"]}),
        "usage_month": sorted({f"{day[:7]}-01" for day in days}),
        "day": sorted(days),
    }
    assert len(expected["day"]) == SmallFleet.DAYS
    for step in STEPS.values():
        if step.periods:
            keys = history.get_dynamic_partitions(str(PARTITIONS[step.periods].name))
            assert keys == expected[step.periods]
            for table in step.tables:
                assert history.get_materialized_partitions(dg.AssetKey(table)) == set(keys)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_its_rows_and_its_columns(
    history: dg.DagsterInstance, warehouse: Warehouse, table: str
) -> None:
    event = history.get_latest_materialization_event(dg.AssetKey(table))
    if table in NEVER_MADE:
        assert event is None
        return
    assert event and event.asset_materialization
    said = event.asset_materialization.metadata
    schema = said["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    if table in SCHEMAS:
        assert [column.name for column in schema.columns if column.name not in OWN_COLUMNS] == SCHEMAS[
            table
        ].names()
    assert len(schema.columns) > 4 and all(column.type and column.description for column in schema.columns)
    if table not in COUNTED:
        of = f"otel.{table}" if table.startswith("otel") else f"{table}_current"
        assert said["dagster/row_count"].value == warehouse.frame_of(f"SELECT count() AS n FROM {of}")["n"][0]


def test_a_column_says_whether_a_value_may_be_missing(history: dg.DagsterInstance) -> None:
    event = history.get_latest_materialization_event(dg.AssetKey("raw_focus_costs"))
    assert event and event.asset_materialization
    schema = event.asset_materialization.metadata["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    may_be_null = {column.name: column.constraints.nullable for column in schema.columns}
    assert {name: may_be_null[name] for name in ("BilledCost", "ListCost", "ChargeClass", "Tags")} == {
        "BilledCost": False,
        "ListCost": True,
        "ChargeClass": True,
        "Tags": False,
    }


def test_every_asset_says_something_of_its_own() -> None:
    graph = DEFS.resolve_asset_graph()
    descriptions = [node.description for node in graph.asset_nodes]
    assert all(descriptions) and len(set(descriptions)) == len(TABLES)


def test_what_is_old_is_red_by_the_clock_and_everything_else_is_green(
    history: dg.DagsterInstance, warehouse: Warehouse
) -> None:
    """The fleet ended on 31 October, weeks before anybody loads it: loading makes nothing newer."""
    found = checks(history)
    assert {name: passed for name, (passed, _) in found.items()} == {
        "published_rows_equal_their_control_totals of raw_focus_costs": True,
        "attributed_equals_billed of core_app_costs_daily": True,
        "everything_delivered_is_taken of raw_focus_costs": True,
        "everything_delivered_is_taken of otel_traces": True,
        "bills_are_recent of raw_focus_costs": False,
        "telemetry_is_recent of otel_traces": False,
    }
    assert "with 2026-10-31" in found["bills_are_recent of raw_focus_costs"][1][0]
    assert "on 2026-11-01 00:00 UTC" in found["telemetry_is_recent of otel_traces"][1][0]
    by_name = {check.name: check for ones in CHECKS.values() for check in ones}
    for name, fresh, old in (
        ("bills_are_recent", datetime(2026, 11, 3, 23, tzinfo=UTC), datetime(2026, 11, 4, 1, tzinfo=UTC)),
        ("telemetry_is_recent", datetime(2026, 11, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, 2, tzinfo=UTC)),
    ):
        assert (bool(by_name[name].wrong(warehouse, fresh)), bool(by_name[name].wrong(warehouse, old))) == (
            False,
            True,
        )


def test_an_unchanged_pass_tells_nothing_and_needs_no_dagster(
    history: dg.DagsterInstance, workspace: Path
) -> None:
    def run_again() -> list[str]:
        ran = subprocess.run(
            [sys.executable, "-c", AGAIN, str(workspace)],
            env={**os.environ, "PYTHONPATH": python_path()},
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.split()

    passed_today(workspace, run_again)
    before = events(history)
    assert run_again() == ["0", "0", "False"]
    assert events(history) == before


@pytest.mark.parametrize(("job", "key"), [("costs", OCTOBER), ("billing", OCTOBER), ("registry", None)])
def test_an_unchanged_run_of_dagster_keeps_the_figures(
    history: dg.DagsterInstance, workspace: Path, job: str, key: str | None
) -> None:
    before = {table: told(history, table) for table in STEPS[job].tables}
    counts = events(history)
    ran = run_job(history, workspace, job, key)
    assert ran.success
    assert {table: n - counts[table] for table, n in events(history).items() if n != counts[table]} == (
        dict.fromkeys(STEPS[job].tables, 1)
    )
    for table, found in before.items():
        after = told(history, table)
        assert {period: figures(said) for period, said in after.items()} == {
            period: figures(said) for period, said in found.items()
        }
        assert after[key]["published"] == 0 and after[key]["unchanged"] >= 1
        assert all(figures(said) for said in after.values())


def test_a_range_of_partitions_is_one_run_and_each_is_told_its_own(
    history: dg.DagsterInstance, workspace: Path
) -> None:
    before = told(history, "core_app_costs_daily")
    ran = run_job(
        history,
        workspace,
        "costs",
        tags={
            "dagster/asset_partition_range_start": SEPTEMBER,
            "dagster/asset_partition_range_end": OCTOBER,
        },
    )
    assert ran.success
    after = told(history, "core_app_costs_daily")
    assert figures(after[SEPTEMBER]) == figures(before[SEPTEMBER]) != figures(after[OCTOBER])
    assert after[SEPTEMBER]["seconds"] == after[OCTOBER]["seconds"]


@pytest.mark.parametrize(
    ("key", "said"),
    [("2027-05-01", "nothing is published of 2027-05-01: there is nothing of it"), ("may", "'may'")],
)
def test_a_partition_a_person_made_up_fails_in_a_sentence(
    history: dg.DagsterInstance, workspace: Path, key: str, said: str
) -> None:
    name = str(PARTITIONS["billing_month"].name)
    history.add_dynamic_partitions(name, [key])
    try:
        ran = run_job(history, workspace, "costs", key, raise_on_error=False)
        assert not ran.success
        (failure,) = [event for event in ran.all_events if event.is_step_failure]
        data = failure.step_failure_data
        assert data.user_failure_data and said in str(data.user_failure_data.description)
        assert key not in told(history, "core_app_costs_daily")
    finally:
        history.delete_dynamic_partition(name, key)


def test_what_was_published_before_a_kill_is_told_by_the_next_pass(
    history: dg.DagsterInstance, workspace: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
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
    after = told(history, "core_apps")[None]
    counted = warehouse.frame_of("SELECT count() AS n FROM core_apps_current")["n"][0]
    assert after["dagster/row_count"] == counted == before["dagster/row_count"] + 1


def run_job(
    instance: dg.DagsterInstance,
    workspace: Path,
    name: str,
    key: str | None = None,
    *,
    tags: dict[str, str] | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    job = DEFS.resolve_job_def(name)
    return job.execute_in_process(
        instance=instance,
        partition_key=key,
        tags=tags,
        raise_on_error=raise_on_error,
        resources={"workspace": Workspace(directory=str(workspace))},
    )
