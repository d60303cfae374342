"""What is in maintenance counts for nothing: published states against loops over minutes, and what becomes of late windows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from models import slo
from models.maintenance import ADD, END, WITHDRAW, MaintenanceAct
from models.policy import burn_windows, slo_defaults
from pipelines.compute import compute_maintenance, compute_slo
from pipelines.compute.maintenance import maintenance_since
from sql.maintenance import write_maintenance_act
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.pipelines.budget_days import spent_by_day
from tests.pipelines.test_states import (
    AS_OF,
    LADDER,
    Key,
    Row,
    assert_states,
    counted,
    drawn_rows,
    insert_rows,
    published,
    settings_of,
)

MOMENT = AS_OF.slice_end
MINUTE, FIVE = timedelta(minutes=1), timedelta(minutes=5)
VIENNA = ZoneInfo("Europe/Vienna")
FILE = """
maintenance:
  - name: patches
    reason: patches of the machines
    fleet: true
    start: 2025-11-04T02:10
    rrule: FREQ=WEEKLY;BYDAY=TU,TH,SA
    duration: 95m
    zone: Europe/Vienna
  - name: database
    reason: a new database
    apps: [app-1, App-2]
    start: 2026-02-28T22:53Z
    end: 2026-02-28T23:42Z
  - name: staging
    reason: staging is built anew
    apps: [app-3, app-4, app-5]
    environments: [staging]
    start: 2026-02-26T00:00
    duration: 2d
  - name: the same again
    reason: overlaps
    apps: [app-1]
    start: 2026-02-28T23:00
    duration: 1h
"""


def minutes_of(first: datetime, length: int) -> Iterator[datetime]:
    return (first + MINUTE * number for number in range(length))


@cache
def maintained(app: str, environment: str) -> frozenset[datetime]:
    """Slices that a window touches, minute by minute."""
    minutes: list[datetime] = []
    for number in range(120):
        day = date(2025, 11, 4) + timedelta(days=number)
        if day.weekday() in (1, 3, 5):
            begin = datetime(day.year, day.month, day.day, 2, 10, tzinfo=VIENNA).astimezone(UTC)
            minutes += minutes_of(begin, 95)
    if app in ("app-1", "app-2"):
        minutes += minutes_of(datetime(2026, 2, 28, 22, 53, tzinfo=UTC), 49)
    if app == "app-1":
        minutes += minutes_of(datetime(2026, 2, 28, 23, 0, tzinfo=UTC), 60)
    if app in ("app-3", "app-4", "app-5") and environment == "staging":
        minutes += minutes_of(datetime(2026, 2, 26, tzinfo=UTC), 2 * 1440)
    return frozenset(one - timedelta(minutes=one.minute % 5) for one in minutes)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Slices as elsewhere, and some in every window, bad ones too, of every kind."""
    drawn = drawn_rows(5)
    inside = [
        Row(start, one.app_id, one.environment, "1.0", "GET /a", one.kind, 9, 7, 9, (0,) * len(LADDER))
        for one in drawn[::40]
        for start in sorted(maintained(one.app_id, one.environment))[::7]
        if MOMENT - timedelta(days=9) < start < MOMENT
    ]
    return [*drawn, *inside]


@pytest.fixture(scope="module")
def kept(rows: Sequence[Row]) -> list[Row]:
    out = {(one.app_id, one.environment): maintained(one.app_id, one.environment) for one in rows}
    return [one for one in rows if one.slice_start not in out[one.app_id, one.environment]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    return migrated(tmp_path_factory.mktemp("maintenance"))


@pytest.fixture(scope="module")
def warehouse(root: Path, rows: Sequence[Row]) -> Iterator[Warehouse]:
    (root / "maintenance.yaml").write_text(FILE, encoding="utf-8")
    with open_warehouse(root) as opened:
        insert_rows(opened, rows)
        computed(opened, root)
        yield opened


def computed(warehouse: Warehouse, root: Path) -> tuple[int, int]:
    """Releases of windows and of objectives after a pass over both."""
    settings = settings_of(root)
    windows = compute_maintenance(warehouse, settings, AS_OF, MOMENT)
    assert not windows.refused
    return len(windows.releases), len(compute_slo(warehouse, settings, AS_OF, MOMENT).releases)


def everything(warehouse: Warehouse) -> list[pl.DataFrame]:
    """All that is published of objectives, as it is published."""
    names = ("mart_slo_status", "mart_slo_burn", "mart_slo_budgets", "mart_app_silences")
    return [warehouse.frame_of(f"SELECT * FROM {name}_current ORDER BY toString(tuple(*))") for name in names]


def test_states_are_those_of_the_slices_outside(
    warehouse: Warehouse, kept: Sequence[Row], rows: Sequence[Row]
) -> None:
    assert len(kept) < len(rows) - 100
    assert assert_states(published(warehouse), kept) >= {"page", "spent", "too_few"}


@pytest.mark.parametrize(
    "minutes_ago", [0, *(pytest.param(one, marks=pytest.mark.slow) for one in (35, 1_400, 40_005))]
)
def test_the_engine_leaves_out_what_a_loop_does(
    warehouse: Warehouse, rows: Sequence[Row], kept: Sequence[Row], minutes_ago: int
) -> None:
    moment = MOMENT - timedelta(minutes=minutes_ago)
    edges = slo.boundaries(slo_defaults(), burn_windows(), moment)
    recent = moment - timedelta(days=3, hours=1)
    want: dict[tuple[str, str, str, datetime], list[Any]] = defaultdict(lambda: [0, 0, 0, None, 0, 0])
    staying = counted(kept)
    for key, slices in counted(rows).items():
        of_kept = {one.start for one in staying.get(key, ())}
        for one in slices:
            if not edges[0] <= one.start < moment or not one.total:
                continue
            found = want[(*key, max(e for e in edges if e <= one.start))]
            if one.start not in of_kept:
                found[5] += one.total
                continue
            found[0] += one.bad
            found[1] += one.total
            if one.start >= recent and Fraction(one.bad, one.total) > Fraction(1, 100):
                found[2] += 1
                found[3] = min(found[3] or one.start, one.start)
    asked = slo.bucket_parameters(slo_defaults(), burn_windows(), moment, LADDER)
    left_out = maintenance_since(warehouse, edges[0]).parameters(asked["window_from"], moment)
    frame = warehouse.frame("queries/slo/buckets", **asked, **left_out)
    got = {tuple(one[:4]): list(one[4:]) for one in frame.filter(pl.col("objective") != slo.HEALTH).rows()}
    assert got == want


def test_it_is_said_how_much_was_left_out_until_when_and_why(
    warehouse: Warehouse, rows: Sequence[Row], kept: Sequence[Row]
) -> None:
    begin = MOMENT - timedelta(days=30)
    inside: dict[Key, list[int]] = {}
    for name, part in (("all", rows), ("kept", kept)):
        for key, slices in counted(part).items():
            total = sum(one.total for one in slices if begin <= one.start < MOMENT)
            inside.setdefault(key, [0, 0])[name == "kept"] = total
    frame = warehouse.frame_of(
        "SELECT app_id, toString(environment) AS environment, toString(objective) AS objective, maintenance_minutes,"
        " maintenance_events, toDateTime64(maintained_until, 0, 'UTC') AS until, maintenance_reason AS reason FROM mart_slo_status_current"
    )
    said = {tuple(one[:3]): one[3:] for one in frame.rows()}
    for key, (whole, left) in inside.items():
        if key not in said:
            continue
        minutes, events, until, reason = said[key]
        slices = {one for one in maintained(*key[:2]) if begin <= one < MOMENT}
        assert (minutes, events) == (5 * len(slices), whole - left), key
        newest = MOMENT - FIVE in slices
        assert (until is not None, reason) == (newest, "overlaps" if newest else ""), key
    assert any(one[2] for one in said.values())


@pytest.mark.slow
def test_what_a_page_draws_by_day_adds_up_to_the_budget(warehouse: Warehouse, kept: Sequence[Row]) -> None:
    for app in ("app-1", "app-3", "app-4"):
        drawn = warehouse.frame(
            "queries/app/budget_days",
            teams=["unassigned"],
            app_id=app,
            bounds_ms=list(LADDER),
            environments=["production", "production", "staging", "staging"],
            objectives=["availability", "latency", "availability", "latency"],
            begins=[int((MOMENT - timedelta(days=30)).timestamp())] * 4,
        )
        want: dict[tuple[str, str, date], list[int]] = defaultdict(lambda: [0, 0])
        for (own, environment, objective), slices in counted(kept).items():
            for one in slices:
                if (
                    own == app
                    and environment
                    and MOMENT - timedelta(days=30) <= one.start < MOMENT
                    and one.total
                ):
                    pair = want[environment, objective, one.start.date()]
                    pair[0] += one.bad
                    pair[1] += one.total
        got = {(a, b, day): [bad, total] for a, b, _, day, bad, total in drawn.rows()}
        assert got == want
        assert not spent_by_day(warehouse, app).is_empty()


def test_a_rerun_changes_nothing_and_a_late_window_that_is_withdrawn_leaves_nothing(
    warehouse: Warehouse, root: Path, rows: Sequence[Row], kept: Sequence[Row]
) -> None:
    assert computed(warehouse, root) == (0, 0)
    before = everything(warehouse)
    first = MOMENT - timedelta(days=3, hours=2)
    act = MaintenanceAct(
        "late", ADD, "ann", MOMENT, "a migration nobody planned", ("app-0", "app-6"),
        begins_at=first, ends_at=first + timedelta(hours=31, minutes=2),
    )  # fmt: skip
    write_maintenance_act(warehouse, act)
    days = {one.date() for one in minutes_of(first, 31 * 60 + 2)} & {one.slice_start.date() for one in rows}
    assert computed(warehouse, root) == (
        1 + len(days),
        1,
    )  # the windows, the hours they touch, and the objectives
    late = {one - timedelta(minutes=one.minute % 5) for one in minutes_of(first, 31 * 60 + 2)}
    staying = [one for one in kept if one.app_id not in ("app-0", "app-6") or one.slice_start not in late]
    assert len(staying) < len(kept)
    assert_states(published(warehouse), staying)
    write_maintenance_act(
        warehouse,
        MaintenanceAct("end", END, "bob", MOMENT, "done", ends_at=first + timedelta(hours=2), of_act="late"),
    )
    assert computed(warehouse, root) == (len(days), 1)  # of the first day the same is left out
    late = {one - timedelta(minutes=one.minute % 5) for one in minutes_of(first, 120)}
    staying = [one for one in kept if one.app_id not in ("app-0", "app-6") or one.slice_start not in late]
    assert_states(published(warehouse), staying)
    write_maintenance_act(
        warehouse, MaintenanceAct("gone", WITHDRAW, "ann", MOMENT, "a mistake", of_act="late")
    )
    assert computed(warehouse, root)[1] == 1
    for was, now in zip(before, everything(warehouse), strict=True):
        assert now.equals(was)


@pytest.mark.slow
def test_what_cannot_be_read_stays_as_it_was_and_is_said(warehouse: Warehouse, root: Path) -> None:
    before = everything(warehouse)
    broken = FILE.replace("duration: 95m", "duration: 95")
    (root / "maintenance.yaml").write_text(broken, encoding="utf-8")
    outcome = compute_maintenance(warehouse, settings_of(root), AS_OF, MOMENT)
    assert [one.split(": ")[0] for one in outcome.refused] == ["maintenance.yaml, line 8"]
    compute_slo(warehouse, settings_of(root), AS_OF, MOMENT)
    for was, now in zip(before, everything(warehouse), strict=True):
        assert now.equals(was)
    (root / "maintenance.yaml").write_text(FILE, encoding="utf-8")
    computed(warehouse, root)


@pytest.mark.slow
def test_without_windows_figures_are_those_of_all_slices(
    warehouse: Warehouse, root: Path, rows: Sequence[Row]
) -> None:
    (root / "maintenance.yaml").unlink()
    computed(warehouse, root)
    assert_states(published(warehouse), rows)
    assert warehouse.frame_of("SELECT count() AS rows FROM core_maintenance_hours_current").item() == 0
    assert computed(warehouse, root) == (0, 0)
