"""One pass over a simulated fleet, as a user runs it, against what was planted; again; and killed at random."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import repeat, zip_longest
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from pipelines.simulate import simulate
from pipelines.steps import STEPS
from sql.opening import open_warehouse
from sql.publish import heads
from sql.warehouse import Warehouse
from tests.conftest import Migrated, SmallFleet, python_path
from tests.days import passed_today
from tests.pipelines.test_record import COUNTED, told
from tests.preloaded import run_command

Truth = dict[str, Any]
END = SmallFleet.END
RUN = ("run", "--as-of", "2026-11-01T00:00:00Z")
"""Asked at the end of the data: a month later its states would be stale."""


def appfleet(workspace: Path, *arguments: str, check: bool = True) -> tuple[int, str, str]:
    """Exit code and both streams of the command in a process of its own."""
    code, out, err = run_command(arguments, environment(workspace), 240)
    assert not check or code == 0, out + err
    return code, out, err


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.commands.cli", *arguments]


def environment(workspace: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": python_path(),
        "APPFLEET_WORKSPACE": str(workspace),
        "TZ": "Asia/Kolkata",
    }


@pytest.fixture(scope="module")
def fleet(small_fleet: SmallFleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SmallFleet.copy(small_fleet.passed, tmp_path_factory.mktemp("fleet") / "workspace")


@pytest.fixture(scope="module")
def warehouse(fleet: Path) -> Iterator[Warehouse]:
    """A reader of the fleet's warehouse, which runs as long as the tests of this module do."""
    with open_warehouse(fleet, role="reader") as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def done(fleet: Path, warehouse: Warehouse) -> Warehouse:
    """The same, after a pass at the end of the data."""
    appfleet(fleet, *RUN)
    return warehouse


@pytest.fixture(scope="module")
def truth(fleet: Path) -> Truth:
    return truth_of(fleet)


def truth_of(workspace: Path) -> Truth:
    return json.loads((workspace / "truth.json").read_text(), parse_float=Decimal)


PUBLISHED = {
    **{
        f"{table}_current": "*"
        for table in (
            "core_apps",
            "core_identities",
            "core_app_costs_daily",
            "core_request_slices",
            "mart_slo_status",
            "mart_slo_burn",
            "mart_cost_anomalies",
            "mart_app_unit_costs_daily",
            "mart_team_costs_weekly",
            "mart_chargeback_lines",
            "mart_app_inventory",
        )
    },
    "raw_focus_costs_current": "* EXCEPT (x_BatchId)",
    "{{otel}}.otel_traces_current": "TraceId, SpanId",
}
"""View -> its columns that reruns and kills must not change."""


def figures(warehouse: Warehouse) -> dict[str, tuple[int, int]]:
    """Everything published: rows, and a sum of their hashes."""
    counted = (
        f"SELECT '{view.rpartition('.')[2]}', count() AS rows, sum(cityHash64(tuple(*))) AS hashes FROM (SELECT {columns} FROM {view})"
        for view, columns in PUBLISHED.items()
    )
    found = {
        view: (rows, hashes)
        for view, *(rows, hashes) in warehouse.frame_of(" UNION ALL ".join(counted)).rows()
    }
    assert len(found) == len(PUBLISHED)
    return found


Bills = dict[tuple[str, str, str], tuple[int, Decimal, Decimal]]


def published_bills(warehouse: Warehouse) -> Bills:
    """(source, month, currency) -> rows, billed and effective cost, as published."""
    return {
        (release.scope.split("/")[1], release.period.isoformat(), currency): (
            release.rows,
            release.sums[f"{currency}/BilledCost"],
            release.sums[f"{currency}/EffectiveCost"],
        )
        for release in heads(warehouse, "billing/")
        for currency in {key.split("/")[0] for key in release.sums}
    }


def planted_bills(truth: Truth) -> Bills:
    """The same as the fleet was made."""
    return {
        (line["source"], line["period"], line["currency"]): (
            line["rows"],
            Decimal(line["billed"]),
            Decimal(line["effective"]),
        )
        for line in truth["billing"]
    }


def test_published_sums_are_those_of_the_bill(done: Warehouse, truth: Truth) -> None:
    assert published_bills(done) == planted_bills(truth)


def test_every_app_has_the_cost_that_was_planted(done: Warehouse, truth: Truth) -> None:
    expected: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for line in truth["app_costs"]:
        key = (line["source"], line["period"], line["currency"], line["app_id"], line["rule"])
        expected[key][0] += Decimal(line["billed"])
        expected[key][1] += Decimal(line["effective"])
    frame = done.frame_of(
        "SELECT toString(source_name), billing_period, toString(billing_currency), app_id, toString(attribution_rule),"
        " CAST(sum(billed_cost), 'Decimal(38, 18)'), CAST(sum(effective_cost), 'Decimal(38, 18)')"
        " FROM core_app_costs_daily_current GROUP BY ALL"
    )
    got = {
        (source, period.isoformat(), *rest): [billed, effective]
        for source, period, *rest, billed, effective in frame.iter_rows()
    }
    assert got == dict(expected)


def test_an_app_that_changed_its_team_is_charged_to_both_to_the_last_digit(
    done: Warehouse, truth: Truth
) -> None:
    apps = [one["app_id"] for one in truth["owners"]]
    assert len(apps) == 2
    columns = "toString(source_name), billing_period, app_id, toString(team), CAST(sum(billed_cost), 'Decimal(38, 18)'), CAST(sum(effective_cost), 'Decimal(38, 18)')"
    for table in (
        "core_app_costs_daily_current",
        "core_identity_costs_current",
        "mart_chargeback_lines_current",
    ):
        names = "app_id IN {apps:Array(String)} GROUP BY 1, 2, 3, 4"
        frame = done.frame_of(f"SELECT {columns} FROM {table} WHERE {names}", apps=apps)
        got = {
            (source, month.isoformat(), app, team): costs
            for source, month, app, team, *costs in frame.iter_rows()
        }
        told = {
            (one["source"], one["period"], one["app_id"], one["team"]): [
                Decimal(one["billed"]),
                Decimal(one["effective"]),
            ]
            for one in truth["owner_costs"]
        }
        assert got == {key: costs for key, costs in told.items() if any(costs) or key in got}, table
    cut = done.frame_of(
        "SELECT app_id, owned_to, toString(team) AS team, charge_start, charge_end FROM core_identity_costs_current"
        " WHERE owner_basis = 'owner_changed' AND owned_from = charge_start"
    )
    changes = {
        (one["app_id"], one["before"], datetime.fromisoformat(one["changed_at"])) for one in truth["owners"]
    }
    assert set(cut.select("app_id", "team", "owned_to").rows()) == changes


def test_coverage_is_that_of_the_money_that_was_planted(done: Warehouse, truth: Truth) -> None:
    """Per month, currency and tag key; and what telemetry recovered, by the attribute that named it."""
    everybody = {
        "teams": done.frame_of("SELECT DISTINCT toString(team) AS team FROM core_identity_costs_current")[
            "team"
        ].to_list()
    }
    for month in {one["period"] for one in truth["coverage"]}:
        want: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for one in truth["coverage"]:
            if one["period"] == month:
                want[one["currency"], one["key"], one["how"]] += Decimal(one["billed"])
        frame = done.frame("queries/coverage/keys", billing_period=date.fromisoformat(month), **everybody)
        got: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for row in frame.iter_rows(named=True):
            got[row["billing_currency"], row["tag_key"], row["how"]] += row["billed_cost"]
        assert dict(got) == dict(want)
        rules = set(frame.filter(frame["how"] == "virtual")["rule"])
        assert "shared services" in rules and rules <= {
            "shared services",
            "shared account",
            "test environments",
            "test environments by env",
        }
    found = done.frame(
        "queries/coverage/resources", billing_period=date.fromisoformat(max(one["period"] for one in truth["coverage"])),
        row_limit=100_000, **everybody,
    )  # fmt: skip
    said = [(one["attribute"], one["value"].lower()) for one in truth["recovered"]]
    alone = {
        (one["app_id"], one["attribute"])
        for one in truth["recovered"]
        if said.count((one["attribute"], one["value"].lower())) == 1
    }
    by_name = {basis: own for (basis,), own in found.group_by("basis")}
    assert {
        (app, attribute) for attribute in ("host.id", "faas.name", "db.namespace", "server.address")
        for app in by_name[attribute]["app_id"]
    } == alone  # fmt: skip
    assert all(
        own["spans"].min() > 0 and own["first_seen"].null_count() == 0
        for basis, own in by_name.items()
        if "." in basis
    )
    assert set(by_name["ambiguous"]["app_id"]) == {"unallocated"}
    assert by_name["ambiguous"]["evidence"].unique().item().startswith("named by 2 apps, ")


def test_the_coverage_file_has_everything_that_no_tag_of_the_bill_names(
    fleet: Path, done: Warehouse, truth: Truth, tmp_path: Path
) -> None:
    month = max(one["period"] for one in truth["app_costs"])
    assert "app_id" in appfleet(fleet, "coverage", "--month", month[:7])[1]
    appfleet(fleet, "coverage", "--month", month[:7], "--csv", str(tmp_path / "c.csv"))
    want: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in truth["app_costs"]:
        if one["period"] == month and one["rule"] != "app_tag":
            want[one["currency"], one["app_id"]] += Decimal(one["billed"])
    got: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with (tmp_path / "c.csv").open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            got[line["billing_currency"], line["app_id"]] += Decimal(line["billed_cost"])
    assert got == want
    assert appfleet(fleet, "coverage", "--month", "1999-01", check=False)[0] == 2


def test_a_second_pass_publishes_nothing_and_does_not_meet_a_third(fleet: Path, done: Warehouse) -> None:
    passed_today(fleet, lambda: appfleet(fleet, *RUN))
    before = figures(done)
    releases = [(one.scope, one.period, one.seq) for one in heads(done)]
    lock = fleet / ".appfleet" / "leases" / "pass.lock"
    held = lock.read_text()
    second = subprocess.Popen(command(*RUN), env=environment(fleet), stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while lock.read_text() in ("", held) and time.monotonic() < until:
            time.sleep(0.01)
        code, _, said = appfleet(fleet, *RUN, "--wait", "0", check=False)
        assert code == 1
        assert f"process {second.pid} since" in said
    finally:
        out, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    assert out.count("nothing new") == len(STEPS), out
    assert figures(done) == before
    assert [(one.scope, one.period, one.seq) for one in heads(done)] == releases


def test_an_incident_pages_and_the_quiet_do_not(done: Warehouse, truth: Truth) -> None:
    status = done.frame_of(
        "SELECT app_id, toString(objective) AS objective, toString(state) AS state FROM mart_slo_status_current"
    )
    states = {(row["app_id"], row["objective"]): row["state"] for row in status.iter_rows(named=True)}
    for incident in truth["incidents"]:
        assert states[incident["app_id"], incident["objective"]] == incident["state"], incident
    troubled = {one["app_id"] for one in truth["incidents"]}
    paged = {app_id for (app_id, _), state in states.items() if state == "page"}
    assert paged <= troubled


def test_every_planted_stop_is_silent_and_nobody_else_is(done: Warehouse, truth: Truth) -> None:
    """Stops, also after failing; neither nightly jobs, nor weekends, nor what the catalogue said would end."""
    silent = done.frame("queries/silence/silent").select("app_id", "silent_since", "apps_together")
    moment = done.frame_of(
        "SELECT toDateTime64(slice_end, 0, 'UTC') AS slice_end, toString(basis), note FROM mart_as_of_current"
    ).row(0)
    stops = {one["app_id"]: datetime.fromisoformat(one["stops"]) for one in truth["habits"] if one["stops"]}
    assert len(stops) == 2
    assert set(silent["app_id"]) == set(stops)
    for app_id, since, together in silent.iter_rows():
        assert timedelta(0) <= stops[app_id] - since <= timedelta(minutes=30), app_id
        assert together == 0
    assert {one["kind"] for one in truth["habits"]} == {
        "sudden stop",
        "failing then silent",
        "nightly job failing every night",
        "weekend pauses",
    }
    assert truth["retirements"]
    assert moment == (datetime.fromisoformat(truth["telemetry"]["as_of"]), "named", "")


def read_downwards(text: str) -> str:
    """The text in one line, and after it what each column of its tables says from top to bottom."""
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    columns = [" ".join(cells) for cells in zip_longest(*rows, fillvalue="")]
    return " ".join(" ".join([text, *columns]).split())


def test_what_is_old_or_silent_is_said_by_every_command(fleet: Path, done: Warehouse, truth: Truth) -> None:
    """The fleet ended weeks before anybody looks at it."""
    for command_ in ("status", "slo", "doctor"):
        said = read_downwards(appfleet(fleet, command_)[1])
        assert (
            f"on {END + timedelta(days=1)} 00:00 UTC: pages, tickets and states are those of that moment"
            in said
        )
        assert f"with {END}: costs since then are not known" in said
        for one in truth["habits"]:
            assert (f"{one['app_id']} is silent in production since" in said) == bool(one["stops"])


def test_requests_and_bad_requests_are_those_that_were_planted(done: Warehouse, truth: Truth) -> None:
    frame = done.frame_of(
        "SELECT app_id, sum(requests) AS requests, sum(errors) AS errors, sum(spans) AS spans"
        " FROM core_app_telemetry_daily_current GROUP BY app_id HAVING spans > 0"
    )
    got = {
        row["app_id"]: (row["spans"], row["requests"], row["errors"]) for row in frame.iter_rows(named=True)
    }
    assert got == {
        one["app_id"]: (one["spans"], one["requests"], one["bad"]) for one in truth["telemetry_by_app"]
    }


def test_idle_and_unregistered_apps_are_named(done: Warehouse, truth: Truth) -> None:
    inventory = done.frame_of("SELECT app_id, is_registered, is_idle FROM mart_app_inventory_current")
    unregistered = set(inventory.filter(~pl.col("is_registered"))["app_id"])
    assert unregistered == {*truth["unregistered"]["bill"], *truth["unregistered"]["telemetry"]}
    idle = set(inventory.filter(pl.col("is_idle"))["app_id"])
    month_before = (END - timedelta(days=30)).isoformat()
    assert idle >= {one["app_id"] for one in truth["idle"] if one["no_request_since"] <= month_before}


def run_after_kills(killed: Path, kinds: Sequence[str], moments: Iterator[float]) -> None:
    """Kills a pass after so many seconds for each of ``kinds`` (command, warehouse, both), then lets one end."""
    for target in kinds:
        process = subprocess.Popen(
            command("run"), env=environment(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(next(moments))
        owner = killed / ".appfleet" / "owner.json"
        if target != "command" and owner.exists():
            try:
                os.kill(json.loads(owner.read_text())["pid"], signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                pass  # it ended, or was just being written
        if target != "warehouse":
            process.kill()
        process.wait(120)
    appfleet(killed, "run")


def assert_as_whole(killed: Path, whole: Path, bills: Bills, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was killed has the figures and the bills of what was not, and Dagster was told of each."""
    with open_warehouse(whole, role="reader") as warehouse:
        expected = figures(warehouse)
    monkeypatch.setenv("DAGSTER_HOME", str(killed / ".appfleet" / "dagster"))
    with open_warehouse(killed, role="reader") as warehouse, dg.DagsterInstance.get() as history:
        assert figures(warehouse) == expected
        assert published_bills(warehouse) == bills
        for table, (by_rows, _) in COUNTED.items():  # whatever was killed before Dagster was told
            shown = {key: said["dagster/partition_row_count"] for key, said in told(history, table).items()}
            rows = dict(warehouse.frame_of(by_rows).rows())
            assert {key: shown.get(key) for key in rows} == rows, table


@pytest.fixture
def few_objects(tmp_path: Path, migrated: Migrated) -> Path:
    """A fleet of one bill, and of telemetry without metrics: a pass of every step in a few seconds."""
    workspace = migrated(tmp_path / "few")
    simulate(workspace, apps=4, days=1, seed=SmallFleet.SEED, end=END)
    settings = workspace / "appfleet.yaml"
    azure = re.compile(r"    - name: azure.*?location: bills/azure\n", re.DOTALL)
    text, found = azure.subn("", settings.read_text())
    assert found == 1
    settings.write_text(text)
    shutil.rmtree(workspace / "telemetry" / "metrics")
    return workspace


@pytest.mark.slow
def test_a_kill_changes_nothing(few_objects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the command and its warehouse, in the middle; of one of them, and many at random: the slow one."""
    killed = SmallFleet.copy(few_objects, tmp_path / "killed")
    begin = time.monotonic()
    appfleet(few_objects, "run")
    run_after_kills(killed, ["both"], repeat((time.monotonic() - begin) / 2))
    bills = {key: sums for key, sums in planted_bills(truth_of(killed)).items() if key[0] == "aws"}
    assert_as_whole(killed, few_objects, bills, monkeypatch)


@pytest.mark.slow
def test_twenty_kills_change_nothing(
    small_fleet: SmallFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = SmallFleet.copy(small_fleet.simulated, tmp_path / "killed")
    whole = SmallFleet.copy(small_fleet.passed, tmp_path / "whole")
    kinds = [("command", "warehouse", "both")[attempt % 3] for attempt in range(20)]
    draw = random.Random(2)
    run_after_kills(killed, kinds, (draw.uniform(0.1, small_fleet.seconds) for _ in kinds))
    assert_as_whole(killed, whole, planted_bills(truth_of(killed)), monkeypatch)


def test_anomalies_planted_late_are_found(done: Warehouse, truth: Truth) -> None:
    """Material anomalies that were planted are among the episodes, by app and overlapping days."""
    found = done.frame_of("SELECT app_id, start_date, end_date FROM mart_cost_anomalies_current")
    planted = [one for one in truth["anomalies"] if one.get("material", True)]
    hits = [
        one
        for one in planted
        if found.filter(
            (pl.col("app_id") == one["app_id"])
            & (pl.col("start_date") <= date.fromisoformat(one["end"]))
            & (pl.col("end_date") >= date.fromisoformat(one["start"]))
        ).height
    ]
    assert len(hits) >= 0.8 * len(planted), (hits, planted)
