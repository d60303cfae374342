"""Every query that feeds a page, a statement, a model or a summary, cell by cell against an independent count.

The rows are small and awkward (``rows``), the counts are plain Python (``counted``), and one loop compares: order, names,
types that lose nothing, every cell. A query whose answer is not total in its order says so by failing here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from models import team_costs, unit_costs
from models.comparison import four_weeks, month_so_far, week_so_far
from models.policy import states
from models.schemas import MONEY, QUANTITY
from sql.catalog import statement, statements
from sql.warehouse import Warehouse
from tests.figures import counted
from tests.figures.counted import COUNTED
from tests.figures.rows import APPS, COST_DAY, MONTHS, TEAMS, Sample, publish_sample

FOLDERS = (
    "anomalies", "app", "chargeback", "costs", "dashboards", "finance", "fleet", "forecasts", "identities", "inventory", "oncall",
    "silence", "slo", "summary", "team",
)  # fmt: skip
ELSEWHERE = {
    **dict.fromkeys(("slo/heard", "slo/slices"), "test_objectives.py"),
    "costs/identity_sums": "test_bill_figures.py",
    **dict.fromkeys(
        (
            "costs/by_app",
            "costs/chargeable_apps",
            "costs/direct",
            "costs/pools",
            "costs/shared_from",
            "costs/usage_days",
            "costs/usage_hours",
        ),
        "tests/simulate/test_simulated_ingest.py and tests/billing/test_shared_rules.py",
    ),
    "app/counted_from": "tests/pipelines/test_metric_slices.py",
    **dict.fromkeys(
        (
            "app/indicator_days",
            "silence/indicator_hours",
            "slo/indicator_buckets",
            "slo/indicator_clustering",
            "slo/indicator_seen",
            "slo/indicator_slices",
        ),
        "tests/pipelines/test_indicator_objectives.py",
    ),
    "dashboards/known_teams": "tests/cli/test_people.py",
    "dashboards/open_days": "tests/pipelines/test_completeness.py",
    "dashboards/release_mark": "test_the_mark_changes_with_every_release",
    "finance/adjustments": "tests/statements/test_pages.py",
    "finance/closed_files": "tests/statements/test_pages.py",
    "finance/closings": "tests/statements/test_pages.py",
    "finance/corrections": "tests/statements/test_corrections.py",
    "finance/credit_decisions": "tests/statements/test_credits.py",
    "finance/credits": "tests/statements/test_credits.py",
    "finance/days": "tests/pipelines/test_completeness.py",
    "finance/deliveries": "test_bill_figures.py",
    "finance/held_deliveries": "test_bill_figures.py",
    "finance/reconciliation": "test_bill_figures.py",
    "finance/tie_out": "tests/statements/test_pages.py",
    "identities/distinct": "test_bill_figures.py",
    "identities/services": "test_bill_figures.py",
    "oncall/alert_acts": "tests/dashboards/test_alerts.py",
    "oncall/alerts": "tests/dashboards/test_alerts.py",
    "oncall/newest": "tests/dashboards/test_oncall.py",
    "oncall/remediations": "tests/dashboards/test_playbooks.py",
    "app/marks": "tests/dashboards/test_playbooks.py",
    **dict.fromkeys(("app/budget_days", "app/promised"), "tests/pipelines/test_route_objectives.py"),
    "oncall/suspects": "test_suspects_are_counted_by_version_and_route",
    "oncall/traces": "test_a_trace_is_named_for_what_went_wrong",
    "silence/last_requests": "tests/pipelines/test_policies.py",
    "silence/hours": "test_requests_per_hour_are_those_before_a_moment_without_health_checks",
    "slo/objectives": "test_files_decide_and_a_broken_one_stops_nothing",
    "slo/clustering": "tests/pipelines/test_states.py",
    "slo/buckets": "test_the_engine_counts_what_a_loop_counts",
    **dict.fromkeys(
        ("slo/part_buckets", "slo/part_clustering", "slo/routes", "slo/samples"),
        "tests/pipelines/test_route_objectives.py",
    ),
}
"""Queries of these folders that another test counts."""

ROUNDS = 3
VIEWERS = (("alpha",), ("beta", "unassigned"), ("Ops, unassigned",), ("unassigned",), TEAMS, ("nobody",), ())
WINDOWS = (
    (COST_DAY - timedelta(days=29), COST_DAY),
    (date(2026, 1, 31), date(2026, 2, 28)),
    (COST_DAY, COST_DAY),
)
COMPARED = tuple(
    {
        "first_day": shown.first,
        "last_day": shown.last,
        "compared_last_day": shown.compared_last,
        "before_first_day": shown.before_first,
        "before_last_day": shown.before_last,
    }
    for shown in (
        four_weeks(COST_DAY),
        week_so_far(COST_DAY),
        month_so_far(COST_DAY),
        month_so_far(date(2026, 3, 31)),
        week_so_far(date(2026, 3, 8)),
    )
)
NEWEST = {"aws": COST_DAY - timedelta(days=1), "azure": COST_DAY - timedelta(days=7)}


def cases(name: str) -> Iterator[dict[str, Any]]:
    """Parameters a query is asked with: every value of each, in combinations."""
    text = statement(f"queries/{name}")
    values: dict[str, tuple[Any, ...]] = {
        "teams:Array(String)": tuple({"teams": teams} for teams in VIEWERS),
        "see_whole_bills:Bool": ({"see_whole_bills": True}, {"see_whole_bills": False}),
        "see_all_teams:Bool": ({"see_all_teams": True}, {"see_all_teams": False}),
        "cost_day:Date": (
            {"cost_day": COST_DAY},
            {"cost_day": date(2026, 3, 1)},
            {"cost_day": date(2026, 3, 8)},
        ),
        "billing_period:Date": tuple({"billing_period": month} for month in MONTHS),
        "month:Date": tuple({"month": month} for month in MONTHS),
        "as_of:Date": ({"as_of": COST_DAY}, {"as_of": date(2026, 3, 1)}),
        "app_id:String": tuple({"app_id": app} for app in (*list(APPS)[:4], "unallocated", "nobody")),
        "first_day:Date": tuple({"first_day": first, "last_day": last} for first, last in WINDOWS),
        "newest_keys:Array(String)": ({"newest": NEWEST}, {"newest": {"aws": COST_DAY}}),
        "no_trend:Array(String)": ({"no_trend": ("Recurring", "One-Time")}, {"no_trend": ()}),
        "team:String": ({"team": ""}, {"team": "alpha"}),
        "search:String": tuple(
            {"search": text} for text in ("", "", "", "", "APP-", "ALPHA", "NO. 3", "comp", "%", "00420")
        ),
        "row_limit:UInt32": tuple({"row_limit": limit} for limit in (1000, 1000, 2, 1, 3)),
    }
    if name.startswith("app/"):  # an app is looked at by who has its team, now and then by others
        values["teams:Array(String)"] = tuple(
            {"teams": teams} for teams in (TEAMS, TEAMS, ("beta",), TEAMS, *VIEWERS[:3])
        )
    if "{before_first_day:Date}" in text:
        values["first_day:Date"] = COMPARED
    if name in ("team/forecasts", "team/budgets"):
        values["app_id:String"] = ({"app_id": ""}, {"app_id": ""}, *values["app_id:String"])
    if name in ("slo/status", "slo/budgets"):
        values["app_id:String"] = ({"app_id": ""}, *values["app_id:String"])
    if name == "fleet/apps":
        values |= {
            "search:String": tuple(
                {"search": text} for text in ("", "", "", "pROD", "TITLE no. 2", "beta", "APP-")
            ),
            "only:Array(String)": tuple(
                {"only": flags}
                for flags in (
                    (),
                    (),
                    ("idle",),
                    ("unregistered",),
                    ("no_owner",),
                    ("breached",),
                    ("page", "ticket"),
                    ("anomaly",),
                    ("no_data",),
                )
            ),
            "order_by:String": tuple(
                {"order_by": by} for by in ("cost", "change", "worst", "requests", "errors", "name")
            ),
            "states:Array(String)": ({"states": [one.name for one in states()]},),
        }
    asked = [options for key, options in values.items() if f"{{{key}}}" in text]
    for given in covering(asked, random.Random(name)):
        yield {key: value for key, value in given.items() if f"{{{key}:" in text or key == "newest"}


def covering(options: list[tuple[dict[str, Any], ...]], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Combinations in which every option of every parameter occurs at least three times, beside others each time."""
    if not options:
        yield {}
        return
    count = ROUNDS * max(map(len, options))
    columns = []
    for some in options:
        column = [some[number % len(some)] for number in range(count)]
        chance.shuffle(column)
        columns.append(column)
    for chosen in zip(*columns, strict=True):
        yield {key: value for one in chosen for key, value in one.items()}


def plain(value: Any) -> Any:
    """A cell as the counts write it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, list) and value and isinstance(value[0], dict) and set(value[0]) == {"key", "value"}:
        return {one["key"]: one["value"] for one in value}
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return dict(value)
    return value


def same(got: Any, want: Any) -> bool:
    if isinstance(want, dict):
        return dict(got or {}) == want
    if isinstance(want, float) and got is not None:
        return got == pytest.approx(want, rel=1e-12)
    if isinstance(want, Decimal) and not isinstance(got, Decimal):
        return False
    return bool(got == want)


def differing(got: pl.DataFrame, want: list[tuple[Any, ...]]) -> str:
    """The first cell in which a frame differs from what was counted, or money that has another type; empty where none does."""
    for column, kind in got.schema.items():
        if isinstance(kind, pl.Decimal) and kind not in (MONEY, QUANTITY):
            return f"{column} is {kind}, money is {MONEY}"
    rows = [tuple(plain(cell) for cell in row) for row in got.iter_rows()]
    if len(rows) != len(want):
        return f"{len(rows)} rows, counted {len(want)}"
    for number, (row, other) in enumerate(zip(rows, want, strict=True)):
        if len(row) != len(other):
            return f"{len(row)} columns, counted {len(other)}"
        for column, cell, counted_cell in zip(got.columns, row, other, strict=True):
            if not same(cell, counted_cell):
                return f"row {number}, {column}: {cell!r}, counted {counted_cell!r}"
    return ""


def missing_names(name: str, frame: pl.DataFrame) -> set[str]:
    """Columns of an answer that the header of its query does not declare in that order."""
    header = statement(f"queries/{name}").split("-- columns:")[1]
    text = "".join(
        line.lstrip("-")
        for line in header.splitlines(keepends=True)
        if line == header.splitlines(keepends=True)[0] or line.startswith("--")
    )
    declared = re.findall(r"\w+", re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", text))
    if "those of" in text:
        return set()
    places = [declared.index(column) if column in declared else -1 for column in frame.columns]
    return set() if -1 not in places and places == sorted(places) else set(frame.columns)


@pytest.fixture(scope="module")
def sample(fresh_warehouse: Warehouse) -> Sample:
    """What is published and current in the module's warehouse."""
    return publish_sample(fresh_warehouse)


def bound(name: str, given: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """Parameters as the warehouse takes them: a batch where one is asked for, a mapping as two arrays."""
    out = {**given}
    if "newest" in out:
        newest = out.pop("newest")
        out |= {"newest_keys": list(newest), "newest_values": list(newest.values())}
    if "{batch_id:UUID}" in statement(f"queries/{name}"):
        table = (
            "core_app_costs_daily"
            if name.startswith(("costs/", "chargeback/costs"))
            else "mart_chargeback_lines"
        )
        out["batch_id"] = sample.batches[table, given["billing_period"]]
    return out


IN_NO_ORDER = ("chargeback/costs",)
"""Queries whose reader puts the rows in order: the counted ones stand in that of all columns."""


@pytest.mark.parametrize("name", COUNTED)
def test_every_cell_is_the_counted_one(fresh_warehouse: Warehouse, sample: Sample, name: str) -> None:
    read, filled = 0, 0
    for given in cases(name):
        want = COUNTED[name](sample, **given)
        frame = fresh_warehouse.frame(f"queries/{name}", **bound(name, given, sample))
        if name == "dashboards/as_of":  # when it was published is the clock's business
            frame = frame.drop("published_at") if frame.height else frame
            want = want if given["teams"] else []
        if name in IN_NO_ORDER:
            frame = frame.sort(frame.columns)
        assert not differing(frame, want), (name, given, differing(frame, want))
        assert not missing_names(name, frame), (name, frame.columns)
        read, filled = read + 1, filled + bool(want)
    assert read and filled, "a comparison of nothing with nothing"


def test_every_query_that_feeds_a_figure_is_counted() -> None:
    names = {name.removeprefix("queries/") for folder in FOLDERS for name in statements(f"queries/{folder}")}
    assert names == {name for name in COUNTED if name.split("/")[0] in FOLDERS} | set(ELSEWHERE)


def test_weeks_and_unit_costs_are_the_counted_ones(fresh_warehouse: Warehouse, sample: Sample) -> None:
    """The two joins of a bill with days and telemetry, from the queries they are computed from."""
    for as_of in (COST_DAY, date(2026, 3, 1)):
        frame = team_costs.weekly(fresh_warehouse.frame("queries/costs/daily_by_team", as_of=as_of))
        assert not differing(frame, counted.weekly(sample, as_of)), differing(
            frame, counted.weekly(sample, as_of)
        )
    for month in MONTHS:
        frame = unit_costs.daily(
            fresh_warehouse.frame("queries/costs/daily", month=month),
            fresh_warehouse.frame("queries/telemetry/daily", month=month),
            fresh_warehouse.frame("queries/inventory/apps"),
        )
        want = counted.unit_costs(sample, month)
        assert not differing(frame, want), differing(frame, want)


def test_the_mark_changes_with_every_release(fresh_warehouse: Warehouse, sample: Sample) -> None:
    mark = fresh_warehouse.frame("queries/dashboards/release_mark", teams=["alpha"])["mark"].item()
    newest = fresh_warehouse.frame_of("SELECT max(published_at) AS at FROM period_head")["at"].item()
    assert mark.startswith(f"{sample.releases}/{newest:%Y-%m-%d %H:%M:%S}")
    assert fresh_warehouse.frame("queries/dashboards/release_mark", teams=[])["mark"].item().startswith("0/")
