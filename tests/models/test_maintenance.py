"""Windows of maintenance.yaml against loops over days and minutes, each mistake as its sentence, and what nobody waits for."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.alert_freezing import frozen_in_maintenance
from models.alerts import FIRING, FROZEN, RESOLVED, Alert, Trouble, advance, alert_policy
from models.maintenance import (
    EVERY,
    HeldWindows,
    Maintenance,
    MaintenanceWindow,
    maintenance_frame,
    strange_names,
    stretches,
)
from models.maintenance_file import read_windows
from models.policy import silence_policy
from models.silence import silences
from models.timeslices import Axis
from models.unheard import unheard_of
from models.yaml_reader import documents

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
APPS = pl.DataFrame({"app_id": ["a", "b", "c"], "team": ["red", "red", "blue"]})
EVERYWHERE = pl.DataFrame(
    [(app, place) for app in "abc" for place in ("production", "staging", "")],
    schema=["app_id", "environment"],
    orient="row",
)
PATCHES = """maintenance:
  - name: patches
    reason: patches
    fleet: true
    start: 2026-01-05T02:00
    rrule: FREQ=WEEKLY;BYDAY=MO
    duration: 2h
"""


def read(text: str) -> HeldWindows:
    return read_windows(documents(text, "maintenance.yaml")[0])


def window(**fields: str) -> MaintenanceWindow:
    """The one window of a file with these fields, of all apps."""
    lines = "".join(
        f"    {name}: {value}\n"
        for name, value in {"name": "w", "reason": "r", "fleet": "true", **fields}.items()
    )
    found = read(f"maintenance:\n  -\n{lines}")
    assert not found.refused
    return found.windows[0]


def begins(one: MaintenanceWindow, days: int = 40, since: datetime = SINCE) -> list[datetime]:
    return [begin for begin, _ in stretches(one, since, since + timedelta(days=days))]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR", lambda day, _: day.weekday() in (0, 2, 4)),
        ("FREQ=DAILY", lambda day, _: True),
        ("FREQ=DAILY;INTERVAL=3", lambda day, start: (day - start).days % 3 == 0),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", lambda day, start: day.weekday() == 1 and (day - (start - timedelta(days=start.weekday()))).days // 7 % 2 == 0),
        ("FREQ=MONTHLY;BYDAY=2TU", lambda day, _: day.weekday() == 1 and 8 <= day.day <= 14),
        ("FREQ=MONTHLY;BYDAY=-1FR", lambda day, _: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month),
        ("FREQ=MONTHLY;BYMONTHDAY=31", lambda day, _: day.day == 31),
        ("FREQ=WEEKLY;UNTIL=20260320", lambda day, start: day.weekday() == start.weekday() and day <= date(2026, 3, 20)),
        ("FREQ=WEEKLY;UNTIL=20260326T013000Z", lambda day, start: day.weekday() == start.weekday() and day <= date(2026, 3, 26)),
        ("FREQ=DAILY;COUNT=500", lambda day, start: (day - start).days < 500),
    ],
)  # fmt: skip
def test_a_rule_comes_when_a_loop_over_days_says(rule: str, holds) -> None:  # type: ignore[no-untyped-def]
    """From years ago on, at 02:30 in Vienna, where the clocks leave that out on 29 March 2026."""
    start = date(2024, 11, 21)
    one = window(start=f"{start}T02:30", rrule=rule, duration="50m", zone="Europe/Vienna")
    want = []
    for number in range(-2, 42):
        day = SINCE.date() + timedelta(days=number)
        if holds(day, start):
            hours = 1 if day < date(2026, 3, 29) else 0  # hours that Vienna is ahead of UTC, less one
            begin = datetime(day.year, day.month, day.day, 0, 30, tzinfo=UTC) + timedelta(hours=hours)
            begin += timedelta(hours=day == date(2026, 3, 29))  # as long after midnight as it would have been
            if begin + 50 * MINUTE > SINCE and begin < SINCE + timedelta(days=40):
                want.append(begin)
    assert begins(one) == want
    assert all(end - begin == 50 * MINUTE for begin, end in stretches(one, SINCE, SINCE + timedelta(days=40)))


def test_a_window_that_comes_once_is_told_in_its_zone_and_lasts_what_its_clocks_say() -> None:
    one = window(start="2026-03-28T23:00", end="2026-03-29T05:00", zone="Europe/Vienna")
    assert (one.begins_at, one.ends_at) == (
        datetime(2026, 3, 28, 22, tzinfo=UTC),
        datetime(2026, 3, 29, 3, tzinfo=UTC),
    )


FACTS = "maintenance:\n  - name: w\n    reason: r\n    fleet: true\n    start: 2026-03-01T02:00\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FACTS, "line 2: maintenance[0] has no end: say end or duration, one of them, or rrule and duration"),
        (FACTS.replace("    reason: r\n", "") + "    end: 2026-03-02\n", "line 2: maintenance[0].reason is missing"),
        (FACTS.replace("    start: 2026-03-01T02:00\n", "") + "    end: 2026-03-02\n", "line 2: maintenance[0].start is missing"),
        (FACTS + "    end: 2026-03-01T02:00\n", "line 6: maintenance[0].end is not after its start"),
        (FACTS + "    end: 2026-05-01\n", "line 6: maintenance[0].end is more than 28 days after its start; that is no maintenance"),
        (FACTS + "    duration: 2\n", "line 6: maintenance[0].duration is '2'; it must be a length such as 90m, 2h or 1d"),
        (FACTS + "    duration: 99d\n", "line 6: maintenance[0].duration is 99d, longer than 28 days; that is no maintenance"),
        (FACTS + "    duration: 2h\n    zone: Mars/Base\n", "line 7: maintenance[0].zone is 'Mars/Base', which is no time zone such as Europe/Vienna"),
        (FACTS + "    duration: 2h\n    apps: [a]\n", "line 4: maintenance[0].fleet is said beside apps or teams; say one or the other"),
        (FACTS.replace("    fleet: true\n", "") + "    duration: 2h\n", "line 2: maintenance[0] is about nobody: name apps, teams or fleet: true"),
        (FACTS + "    rrule: FREQ=SECONDLY\n    duration: 1m\n", "line 6: maintenance[0].rrule begins SECONDLY; it can be DAILY, WEEKLY, MONTHLY, YEARLY, and BYHOUR names hours of a day"),
        (FACTS + "    rrule: FREQ=DAILY;BYSECOND=1,2\n    duration: 1m\n", "line 6: maintenance[0].rrule has BYSECOND; it can have FREQ, INTERVAL, COUNT, UNTIL, BYDAY, BYMONTH, BYMONTHDAY, BYHOUR, WKST; the start says minute and second"),
        (FACTS + "    rrule: BYDAY=MO\n    duration: 1m\n", "line 6: maintenance[0].rrule is 'BYDAY=MO'; it must begin with FREQ=, such as FREQ=WEEKLY;BYDAY=SU"),
        (FACTS + "    rrule: FREQ=WEEKLY;BYDAY=XX\n    duration: 1m\n", "line 6: maintenance[0].rrule has BYDAY=XX; it must be weekdays such as MO, or 1SU and -1FR of a month"),
        (FACTS + "    rrule: FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\n    duration: 1m\n", "line 6: maintenance[0].rrule has BYMONTHDAY=30, which the months it names do not have"),
        (FACTS + "    rrule: FREQ=DAILY;UNTIL=20250101\n    duration: 1m\n", "line 6: maintenance[0].rrule is 'FREQ=DAILY;UNTIL=20250101', which never begins"),
        (FACTS + "    rrule: FREQ=DAILY\n    end: 2026-03-02\n", "line 2: maintenance[0] recurs: say duration, how long it lasts each time, in place of end"),
        (FACTS + "    duration: 2h\n    until: x\n", "line 7: maintenance[0].until is not a known key"),
        (FACTS.replace("2026-03-01T02:00", "tomorrow") + "    duration: 2h\n", "line 5: maintenance[0].start is 'tomorrow'; it must be a moment such as 2026-10-31T02:00"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_the_others_hold(text: str, said: str) -> None:
    found = read(text + PATCHES.removeprefix("maintenance:\n"))
    assert [one.name for one in found.windows] == ["patches"]
    [sentence] = found.refused
    assert sentence.startswith(f"maintenance.yaml, {said}")


def test_two_windows_of_one_name_are_told_and_the_first_holds() -> None:
    found = read(PATCHES + PATCHES.removeprefix("maintenance:\n"))
    assert len(found.windows) == 1
    assert found.refused == (
        "maintenance.yaml, line 8: maintenance[1].name is 'patches', as is maintenance.yaml, line 2",
    )


def drawn(seed: int) -> Maintenance:
    """Windows that overlap, touch, and are of all, apps, environments and both."""
    source = random.Random(seed)
    rows = []
    for number in range(25):
        begin = SINCE + MINUTE * source.randint(-100, 3_000)
        scope = (source.choice((EVERY, "a", "b")), source.choice((EVERY, "production", "")))
        rows.append((str(number), "r", "", *scope, begin, begin + MINUTE * source.choice((1, 7, 60, 300))))
    names = ["name", "reason", "said_by", "app_id", "environment", "begins_at", "ends_at"]
    return Maintenance(
        pl.DataFrame(rows, schema=names, orient="row").with_columns(
            pl.col("begins_at", "ends_at").cast(pl.Datetime("us", "UTC"))
        )
    )


def touched(held: Maintenance, app: str, place: str) -> set[int]:
    """Slices since ``SINCE`` that a window of an app touches, minute by minute."""
    found = set()
    for row in held.rows.iter_rows(named=True):
        if row["app_id"] in (EVERY, app) and row["environment"] in (EVERY, place):
            minute = row["begins_at"]
            while minute < row["ends_at"]:
                found.add((minute - SINCE) // timedelta(minutes=5))
                minute += MINUTE
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_slices_hours_and_shares_are_those_of_loops(seed: int) -> None:
    held, slices = drawn(seed), 12 * 40
    want = {key: {one for one in touched(held, *key) if 0 <= one < slices} for key in EVERYWHERE.rows()}
    since = int(SINCE.timestamp())
    flags = held.flags(EVERYWHERE, since, slices)
    assert [set(np.flatnonzero(row).tolist()) for row in flags] == [want[key] for key in EVERYWHERE.rows()]
    weights = EVERYWHERE.with_columns(requests=pl.int_range(1, 10))
    of_all = [
        sum(weight for app, place, weight in weights.rows() if number in want[app, place]) / 45
        for number in range(slices)
    ]
    assert held.share_of_all(weights, since, slices) == pytest.approx(of_all)
    lost = held.hours(EVERYWHERE, SINCE, SINCE + timedelta(hours=40))
    got = {(row, hour): share for row, hour, share in zip(lost.rows, lost.hours, lost.shares, strict=True)}
    counted: dict[tuple[int, int], float] = {}
    for row, key in enumerate(EVERYWHERE.rows()):
        for one in want[key]:
            hour = since // 3600 + one // 12
            counted[row, hour] = counted.get((row, hour), 0.0) + 1 / 12
    assert got == pytest.approx(counted)


def test_teams_are_their_apps_and_names_nobody_knows_are_told() -> None:
    found = read(
        "maintenance:\n  - {name: w, reason: r, teams: [red], apps: [c, x], start: 2026-03-01, duration: 1h}\n  - {name: v, reason: r, teams: [grey], start: 2026-03-01, duration: 1h}\n"
    )
    frame = maintenance_frame(found.windows, APPS, SINCE, SINCE + timedelta(days=1))
    assert sorted(frame.select("name", "app_id").rows()) == [("w", "a"), ("w", "b"), ("w", "c"), ("w", "x")]
    assert strange_names(found.windows, APPS) == [
        "maintenance.yaml, line 2: window w names app x, which nobody knows; it holds for the others",
        "maintenance.yaml, line 3: window v names team grey, which nobody knows; so it is about nobody",
    ]


def fleet(begin: datetime, end: datetime, app: str = EVERY) -> Maintenance:
    one = MaintenanceWindow("w", "r", "w", () if app == EVERY else (app,), begins_at=begin, ends_at=end)
    return Maintenance(maintenance_frame([one], APPS, begin - timedelta(days=1), end + timedelta(days=1)))


def hourly(last: datetime, app: str) -> dict[str, object]:
    """Ten requests in each hour of the weeks before a moment."""
    hour = int(last.timestamp()) // 3600
    return {
        "app_id": app,
        "environment": "production",
        "hours": list(range(hour - 1_400, hour)),
        "requests": [10] * 1_400,
        "last_slice_end": last,
    }


@pytest.mark.parametrize("later", [0, 1, 2, 3, 30])
def test_an_app_is_not_waited_for_while_it_is_in_maintenance(later: int) -> None:
    """Two that stop at one moment, one of them for a day of maintenance: it is silent only as long after it as the other before."""
    stopped = SINCE - timedelta(hours=24)
    traffic = pl.DataFrame([hourly(stopped, "a"), hourly(stopped, "b")]).with_columns(
        pl.col("last_slice_end").cast(pl.Datetime("us", "UTC"))
    )
    held = fleet(stopped, SINCE, "a")
    found = silences(traffic, SINCE + timedelta(hours=later), silence_policy(), maintenance=held)
    alone = silences(
        traffic.filter(pl.col("app_id") == "b"), stopped + timedelta(hours=later), silence_policy()
    )
    assert "b" in found["app_id"]
    assert ("a" in found["app_id"]) == (not alone.is_empty())


def test_nobody_is_due_while_all_are_in_maintenance_and_they_are_after() -> None:
    axis = Axis(SINCE - timedelta(days=28), SINCE)
    hours = [axis.since + timedelta(hours=number) for number in range(28 * 24 - 5)]
    heard = pl.DataFrame({"start": hours, "is_slice": [False] * len(hours), "requests": [600] * len(hours)})
    first = SINCE - timedelta(days=1)
    before = heard.filter(pl.col("start") < first)
    slices = [first + timedelta(minutes=5 * number) for number in range(12 * 19)]
    lately = pl.DataFrame({"start": slices, "is_slice": [True] * len(slices), "requests": [50] * len(slices)})
    both = pl.concat([before, lately])
    dark = unheard_of(both, axis, first, 100.0)
    assert dark.since == SINCE - timedelta(hours=5)
    weights = pl.DataFrame({"app_id": ["a", "b"], "environment": ["", ""], "requests": [30, 10]})
    since = int(axis.since.timestamp())

    def lost(held: Maintenance) -> Maintenance:
        return unheard_of(both, axis, first, 100.0, held.share_of_all(weights, since, axis.slices))

    assert lost(fleet(SINCE - timedelta(hours=5), SINCE)).since is None
    assert lost(fleet(SINCE - timedelta(hours=5), SINCE - timedelta(hours=1))).since is not None
    assert lost(fleet(SINCE - timedelta(hours=5), SINCE, "a")).due == pytest.approx(dark.due / 4)


def alert(key: str, kind: str, subject: str, state: str = FIRING) -> Alert:
    return Alert(
        key, kind, subject, "production", "red", "page", state, "", "bad", SINCE, SINCE, fired_at=SINCE
    )


def trouble(key: str, kind: str, subject: str) -> Trouble:
    return Trouble(key, kind, subject, "red", "page", SINCE, "bad", "production")


def test_alerts_of_an_app_in_maintenance_neither_fire_nor_end_and_others_do() -> None:
    held, policy = fleet(SINCE, SINCE + timedelta(hours=2), "a"), alert_policy()
    before = [
        alert("slo/a", "slo", "a"),
        alert("silent/a", "silent", "a"),
        alert("slo/b", "slo", "b"),
        alert("cost/a", "cost", "a"),
    ]
    found = [trouble("slo/new", "slo", "a"), trouble("slo/other", "slo", "c"), trouble("cost/a", "cost", "a")]
    now = SINCE + timedelta(hours=1)
    states = {}
    for minutes in (0, 30):
        moment = now + MINUTE * minutes
        before = advance(before, frozen_in_maintenance(found, before, held, (moment,)), moment, policy)
        states = {one.alert_key: one.state for one in before}
    assert states == {
        "slo/a": FROZEN, "silent/a": FROZEN, "slo/b": RESOLVED, "cost/a": FIRING, "slo/other": FIRING,
    }  # fmt: skip
    after = SINCE + timedelta(hours=3)
    for minutes in (0, 30):
        moment = after + MINUTE * minutes
        before = advance(before, frozen_in_maintenance(found, before, held, (moment,)), moment, policy)
    states = {one.alert_key: one.state for one in before}
    assert (states["slo/a"], states["slo/new"]) == (RESOLVED, FIRING)
