"""OpenSLO files of a workspace change what is published: targets, windows, generations; a broken one changes nothing."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from pipelines.commands.objectives import exported_text
from pipelines.commands.slo_budgets import print_details, with_budgets
from pipelines.compute import compute_slo
from pipelines.compute.publishing import insert
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.models.slo_oracle import Slice, answer, clustering
from tests.pipelines.budget_days import spent_by_day
from tests.pipelines.test_states import (
    AS_OF,
    LADDER,
    Key,
    Row,
    counted,
    insert_rows,
    row,
    settings_of,
    with_hours,
)

MADE = datetime(2026, 2, 15, 5, tzinfo=UTC)
"""Begin of the month that holds as-of and begins on the 15th in New York, five hours behind UTC in winter."""

ANNOTATED = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  service: {app}
  indicator:
    metadata: {{name: {name}-sli{unit}}}
    spec: {{{metric}}}
  timeWindow: [{window}]
  budgetingMethod: Occurrences
  objectives: [{objective}]
"""
ASKED = "{metricSource: {type: appfleet, spec: {indicator: %s}}}"


def slo_text(
    name: str,
    app: str,
    target: str,
    window: str = "{duration: 30d, isRolling: true}",
    environment: str = "",
    threshold_ms: int | None = None,
) -> str:
    """An SLO that appfleet measures."""
    is_latency = threshold_ms is not None
    one = ASKED % ("latency" if is_latency else "availability")
    return ANNOTATED.format(
        name=name,
        app=app,
        annotations=f'"appfleet.io/environment": "{environment}"' if environment else "",
        unit=', annotations: {"appfleet.io/unit": ms}' if is_latency else "",
        metric=f"thresholdMetric: {one}" if is_latency else f"ratioMetric: {{good: {one}, total: {one}}}",
        window=window,
        objective=f"{{target: {target}, op: lte, value: {threshold_ms}}}"
        if is_latency
        else f"{{target: {target}}}",
    )


MONTH = '{duration: 1M, calendar: {startTime: "2025-11-15 00:00:00", timeZone: America/New_York}}'
FILES = {
    "week.yaml": slo_text("steady", "app-0", "0.999", "{duration: 1w, isRolling: true}"),
    "both.yaml": "---\n".join(
        [
            slo_text("loose", "app-1", "0.9", environment="production"),
            slo_text("fast", "app-1", "0.95", threshold_ms=250),
        ]
    ),
    "month.yaml": slo_text("monthly", "app-2", "0.99", MONTH),
    "typo.yaml": slo_text("nobodys", "app-99", "0.99"),
    "coarse.yaml": slo_text("coarse", "app-3", "0.99", threshold_ms=300),
}


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """A month of five apps, bad enough that a target decides about the state."""
    source = random.Random(11)
    found = []
    for number in range(5):
        for minutes in {5 * source.randint(1, 8_000) for _ in range(120)} | set(range(5, 65, 5)):
            total = source.choice((2, 40))
            bad = sum(source.random() < (0.03, 0.05, 0.02)[number % 3] for _ in range(total))
            found.append(row(minutes, f"app-{number}", "server", total, bad, bad, source))
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    return migrated(tmp_path_factory.mktemp("objectives"))


@pytest.fixture(scope="module")
def warehouse(root: Path, rows: Sequence[Row]) -> Iterator[Warehouse]:
    with open_warehouse(root) as opened:
        insert_rows(opened, rows)
        batch = uuid.uuid4()
        insert(opened, "core_apps", pl.DataFrame({"app_id": ["app-4"], "criticality": ["critical"]}), batch)
        publish(
            opened,
            "registry",
            WHOLE_TABLE,
            batches={"core_apps": batch},
            rows=1,
            sha256="apps",
            version=AS_OF.slice_end,
        )
        yield opened


def wrote(root: Path, files: dict[str, str]) -> None:
    folder = root / "objectives"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def states(warehouse: Warehouse) -> dict[Key, dict[str, Any]]:
    frame = warehouse.frame_of(
        "SELECT app_id, toString(environment) AS environment, toString(objective) AS objective, target, window_days,"
        " threshold_ms, total - good AS bad, total, budget_remaining, toString(state) AS state FROM mart_slo_states_current"
    )
    return {(one["app_id"], one["environment"], one["objective"]): one for one in frame.iter_rows(named=True)}


def generations(warehouse: Warehouse, app: str, objective: str) -> list[tuple[Any, ...]]:
    """Number, target, whether it ended, and begin of each generation, of production."""
    frame = warehouse.frame("queries/slo/objectives")
    return [
        (one["generation"], one["target"], one["valid_to"] is not None, one["valid_from"])
        for one in frame.iter_rows(named=True)
        if (one["app_id"], one["environment"], one["objective"]) == (app, "production", objective)
    ]


def slow_slices(rows: Sequence[Row], app: str, environment: str, threshold_ms: int) -> list[Slice]:
    """Slices by another threshold."""
    sums: dict[datetime, list[int]] = defaultdict(lambda: [0, 0])
    for one in rows:
        if (one.app_id, one.environment) == (app, environment):
            sums[one.slice_start][0] += one.timed - one.within[LADDER.index(threshold_ms)]
            sums[one.slice_start][1] += one.timed
    return [Slice(start, bad, total) for start, (bad, total) in sums.items()]


def test_files_decide_and_a_broken_one_stops_nothing(
    warehouse: Warehouse, rows: Sequence[Row], root: Path
) -> None:
    moment = AS_OF.slice_end
    outcome = compute_slo(warehouse, settings_of(root), AS_OF, moment)
    assert outcome.refused == ()
    usual = states(warehouse)
    wrote(root, FILES)
    outcome = compute_slo(warehouse, settings_of(root), AS_OF, moment)
    assert outcome.refused == ()
    notes = " ".join(outcome.notes)
    assert "objective nobodys is of app app-99, which no registry, bill or telemetry names" in notes
    assert "take 250 ms or 500 ms; the defaults stay" in notes
    own = states(warehouse)

    # Every objective as loops over the same slices say: by its own target and window, the others by the defaults.
    slices = counted(rows)
    for (app, environment), _ in {(key[:2], 0) for key in usual}:
        production = environment in ("production", "")
        expected: dict[str, tuple[list[Slice], str, int]] = {
            "availability": (slices[app, environment, "availability"], "0.99", 30),
            "latency": (slices[app, environment, "latency"], "0.99", 30),
        }
        if app == "app-0":
            expected["steady"] = (expected.pop("availability")[0], "0.999", 7)
        if app == "app-1":
            expected["fast"] = (slow_slices(rows, app, environment, 250), "0.95", 30)
            del expected["latency"]
            if environment == "production":
                expected["loose"] = (expected.pop("availability")[0], "0.9", 30)
        if app == "app-4":  # the registry calls it critical
            expected["availability"] = (expected["availability"][0], "0.9999", 30)
        if app == "app-2":
            del expected["availability"]
            monthly = [one for one in slices[app, environment, "availability"] if one.start >= MADE]
            got = own[app, environment, "monthly"]
            bad, total = sum(one.bad for one in monthly), sum(one.total for one in monthly)
            assert (got["bad"], got["total"], got["window_days"]) == (bad, total, 28)
            assert got["budget_remaining"] == pytest.approx(
                float(1 - Fraction(bad, total) / Fraction(1, 100)), abs=1e-9
            )
        found = {name for one, where, name in own if (one, where) == (app, environment)}
        assert found == {*expected, *(["monthly"] if app == "app-2" else [])}
        for name, (of, target, days) in expected.items():
            clusters = clustering(with_hours(of), moment, 1 - Fraction(target))
            want = answer(of, moment, Decimal(target), days, production=production, clustering=clusters)
            got = own[app, environment, name]
            assert (got["bad"], got["total"], got["state"]) == (want.bad, want.total, want.state), (app, name)
            assert want.budget_remaining is not None
            assert got["budget_remaining"] == pytest.approx(float(want.budget_remaining), abs=1e-9)
    assert (
        own["app-1", "production", "loose"]["state"] != usual["app-1", "production", "availability"]["state"]
    )

    # A change begins a generation, and what held before stays; the others go on.
    later = AS_OF.__class__(moment + timedelta(minutes=5), AS_OF.cost_day)
    wrote(root, FILES | {"week.yaml": FILES["week.yaml"].replace("0.999", "0.9995")})
    compute_slo(warehouse, settings_of(root), later, later.slice_end)
    assert generations(warehouse, "app-0", "availability") == [(1, Decimal("0.99"), True, moment)]
    assert generations(warehouse, "app-0", "steady") == [
        (1, Decimal("0.999"), True, moment),
        (2, Decimal("0.9995"), False, later.slice_end),
    ]
    assert generations(warehouse, "app-4", "availability") == [(1, Decimal("0.9999"), False, moment)]

    # A broken file is named, and its objectives stay as they were; so do all others.
    held = states(warehouse)
    wrote(root, {**FILES, "week.yaml": FILES["week.yaml"].replace("0.999", "1.0")})
    broken = compute_slo(warehouse, settings_of(root), later, later.slice_end)
    assert len(broken.refused) == 1
    assert broken.refused[0].startswith(
        "objectives/week.yaml, line 13: spec.objectives[0].target is 1.0: nothing"
    )
    assert states(warehouse) == held
    # Said again by a pass that finds nothing new; gone with the file, its app is held to the defaults again.
    again = compute_slo(warehouse, settings_of(root), later, later.slice_end)
    assert (again.unchanged, again.refused) == (1, broken.refused)
    wrote(root, {name: text for name, text in FILES.items() if name != "week.yaml"})
    compute_slo(warehouse, settings_of(root), later, later.slice_end)
    assert generations(warehouse, "app-0", "availability")[-1] == (2, Decimal("0.99"), False, later.slice_end)


def test_slices_of_time_are_published_as_loops_over_them_say(
    warehouse: Warehouse, rows: Sequence[Row], root: Path
) -> None:
    """A quarter of an hour is bad where less than nine of ten requests are good, by ratio as far as they are bad."""
    end = AS_OF.slice_end + timedelta(minutes=10)
    sliced = (
        slo_text("sliced", "app-3", "0.9")
        .replace("Occurrences", "Timeslices")
        .replace("{target: 0.9}", "{target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: 15m}")
    )
    ratio = (
        slo_text("ratio", "app-4", "0.9", threshold_ms=250)
        .replace("Occurrences", "RatioTimeslices")
        .replace("{target: 0.9", "{timeSliceWindow: 5m, target: 0.9")
    )
    wrote(root, {"sliced.yaml": sliced, "ratio.yaml": ratio})
    outcome = compute_slo(warehouse, settings_of(root), AS_OF.__class__(end, AS_OF.cost_day), end)
    assert (outcome.refused, outcome.notes) == ((), ())
    frame = warehouse.frame_of(
        "SELECT app_id, toString(environment) AS environment, toString(objective) AS objective, toString(budgeting_method) AS method,"
        " slices_bad, slices_counted, minutes_spent, minutes_allowed, events_left FROM mart_slo_budgets_current"
    )
    own = {(one["app_id"], one["environment"], one["objective"]): one for one in frame.iter_rows(named=True)}
    held = states(warehouse)
    assert {one["method"] for one in own.values()} == {"Occurrences", "Timeslices", "RatioTimeslices"}
    seen = {(one.app_id, one.environment) for one in rows}
    for app, name, minutes in (("app-3", "sliced", 15), ("app-4", "ratio", 5)):
        for environment in sorted(where for of, where in seen if of == app):
            parts = counted(rows)[app, environment, "availability"]
            if name == "ratio":
                parts = slow_slices(rows, app, environment, 250)
            sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
            length = minutes * 60
            last = int(end.timestamp()) // length * length
            for one in parts:
                begin = int(one.start.timestamp()) // length * length
                if last - 30 * 86_400 <= begin < last:
                    sums[begin][0] += one.bad
                    sums[begin][1] += one.total
            shares = [Fraction(bad, total) for bad, total in sums.values() if total]
            if name == "sliced":
                shares = [Fraction(int(share > Fraction(1, 10))) for share in shares]
            got = own[app, environment, name]
            assert got["slices_counted"] == len(shares) > 0
            assert got["slices_bad"] == pytest.approx(float(sum(shares)), abs=1e-9)
            assert got["minutes_spent"] == pytest.approx(float(sum(shares)) * minutes, abs=1e-9)
            assert got["minutes_allowed"] == pytest.approx(len(shares) * minutes / 10, abs=1e-9)
            assert got["events_left"] is None
            assert held[app, environment, name]["budget_remaining"] == pytest.approx(
                float(1 - sum(shares) / len(shares) * 10), abs=1e-9
            )
    # Read again, what was published is what the files say: no generation begins.
    later = end + timedelta(minutes=5)
    compute_slo(warehouse, settings_of(root), AS_OF.__class__(later, AS_OF.cost_day), later)
    assert generations(warehouse, "app-3", "sliced")[-1][2:] == (False, end)

    # What each day spent is in all what is spent, as the page of an app draws it; by which method is said.
    for app, name, word in (("app-3", "sliced", "timeslices"), ("app-4", "ratio", "ratio timeslices")):
        days = spent_by_day(warehouse, app)
        now = states(warehouse)
        shown = {
            environment
            for environment, one in days.select("environment", "objective").iter_rows()
            if one == name
        }
        assert shown == {where for of, where in seen if of == app}
        for (environment, objective), part in days.group_by("environment", "objective"):
            left = now[app, environment, objective]["budget_remaining"]
            assert part["spent"].sum() == pytest.approx(1 - left, abs=1e-9)
        console = Console(record=True, width=250)
        status = warehouse.frame("queries/slo/status", app_id=app)
        print_details(console, with_budgets(warehouse, status, app).iter_rows(named=True))
        said = [line for line in console.export_text().splitlines() if f" {name} " in line and "│" in line]
        assert len(said) == len(shown) and all(f" {word} " in line and " min " in line for line in said)

    # Written as OpenSLO and read again in place of the files it came from, it is the same objectives.
    held_now = warehouse.frame("queries/slo/objectives").filter(pl.col("valid_to").is_null())
    text = exported_text(settings_of(root), None)
    assert "Timeslices" in text and "timeSliceTarget: 0.9" in text and "RatioTimeslices" in text
    wrote(root, {"exported.yaml": text})
    last = later + timedelta(minutes=5)
    outcome = compute_slo(warehouse, settings_of(root), AS_OF.__class__(last, AS_OF.cost_day), last)
    assert outcome.refused == ()
    held_then = warehouse.frame("queries/slo/objectives").filter(pl.col("valid_to").is_null())
    of_apps = pl.col("app_id").is_in(["app-3", "app-4"]) & (pl.col("environment") != "")
    assert held_then.filter(of_apps).drop("source").equals(held_now.filter(of_apps).drop("source"))
