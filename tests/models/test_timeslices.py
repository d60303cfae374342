"""Objectives by slices of time against loops over exact fractions that share nothing with the model, and against OpenSLO's example."""

from __future__ import annotations

import csv
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import timeslices
from models.budgeting import EXCLUDED, GOOD, MISSING, QUIET, Budgeting, slice_policy
from models.maintenance import Maintenance
from models.openslo import RATIO_TIMESLICES, TIMESLICES, Shorthand, TimeWindow
from models.policy import Objective, burn_windows, silence_policy
from models.slo_windows import Period, period_at
from models.timeslices import Axis, SliceTerms, judge

AS_OF = datetime(2026, 3, 1, 7, 35, tzinfo=UTC)
FIVE = 300
SILENCES = pl.DataFrame(
    schema={"app_id": pl.String, "environment": pl.String, "silent_since": pl.Datetime("us", "UTC")}
)
WINDOWS = {
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "6h": 21_600,
    "1d": 86_400,
    "3d": 259_200,
}
Events = dict[int, tuple[int, int]]


def asked_for(how: Budgeting, target: str, days: int, as_of: datetime = AS_OF) -> SliceTerms:
    one = Objective("held", Decimal(target), budgeting=how)
    period = period_at(TimeWindow(Shorthand(days, "d")), as_of)
    return SliceTerms(one, period, False, burn_windows(), slice_policy(), silence_policy().clustering_cap)


def counts_of(apps: dict[str, Events]) -> pl.DataFrame:
    rows = [
        (
            app,
            "production",
            list(events),
            [bad for bad, _ in events.values()],
            [all_ for _, all_ in events.values()],
        )
        for app, events in apps.items()
    ]
    lists = {name: pl.List(pl.Int64) for name in ("slices", "bad", "total")}
    return pl.DataFrame(rows, schema={"app_id": pl.String, "environment": pl.String, **lists}, orient="row")


def axis_of(asked: SliceTerms, as_of: datetime = AS_OF) -> Axis:
    return Axis.of(asked.period.begin, as_of, asked.policy, asked.burn)


def judged(
    apps: dict[str, Events],
    asked: SliceTerms,
    holes: set[int] | None = None,
    silences: pl.DataFrame = SILENCES,
    as_of: datetime = AS_OF,
    maintenance: Maintenance = Maintenance.none(),  # noqa: B008 (nothing of it changes)
) -> timeslices.SliceJudgement:
    """What the model says; ``holes`` are begins of slices of requests in which nobody was heard."""
    axis = axis_of(asked, as_of)
    begin = int(axis.since.timestamp())
    flags = np.array([begin + FIVE * number in (holes or ()) for number in range(axis.slices)])
    return judge(counts_of(apps), axis, flags, silences, asked, as_of, maintenance)


class Oracle:
    """Slices of one app by loops: share of the bad ones that count, exactly, of any stretch of time."""

    def __init__(self, events: Events, holes: set[int], asked: SliceTerms) -> None:
        how = asked.objective.budgeting
        self.length = (how.minutes or 0) * 60
        first = min(events)
        self.slices: dict[int, tuple[Fraction | None, str]] = {}
        end = int(AS_OF.timestamp()) // self.length * self.length
        begin = end
        while begin - self.length >= int(AS_OF.timestamp()) - 40 * 86_400:
            begin -= self.length
            parts = range(begin, begin + self.length, FIVE)
            bad = sum(events.get(part, (0, 0))[0] for part in parts)
            total = sum(events.get(part, (0, 0))[1] for part in parts)
            if total:
                share = Fraction(bad, total)
                if how.method == TIMESLICES:
                    share = Fraction(int(share > 1 - Fraction(how.slice_target or 0)))
                self.slices[begin] = share, "measured"
            elif begin + self.length - FIVE < first:
                self.slices[begin] = None, "before"
            elif any(part in holes and part > first for part in parts):
                share_of = {GOOD: Fraction(0), "bad": Fraction(1)}
                self.slices[begin] = share_of.get(how.missing), "missing"
            else:
                self.slices[begin] = (Fraction(0) if how.quiet == GOOD else None), "quiet"

    def of(self, seconds: int) -> list[tuple[Fraction | None, str]]:
        """The whole slices of that last stretch of time, one at least."""
        ordered = sorted(self.slices)
        return [self.slices[begin] for begin in ordered[-max(seconds // self.length, 1) :]]

    def ratio(self, seconds: int) -> tuple[Fraction, int]:
        counted = [share for share, _ in self.of(seconds) if share is not None]
        return sum(counted, Fraction(0)), len(counted)


@st.composite
def traffic(draw: st.DrawFn) -> tuple[Events, set[int]]:
    """A few days of an app, thin or thick, with outages and holes of telemetry."""
    source = random.Random(draw(st.integers(0, 2**32)))
    last = int(AS_OF.timestamp())
    span = source.choice((1_000, 864, 900, 1_500))
    thick = source.choice((0.02, 0.4, 1.0))
    events: Events = {}
    outage = source.choice((0, 2, 9, 40))
    for number in range(1, span):
        if source.random() < thick:
            total = source.choice((1, 2, 10, 100))
            worst = 1.0 if number <= outage else source.choice((0.0, 0.05, 0.5))
            events[last - number * FIVE] = sum(source.random() < worst for _ in range(total)), total
    events.setdefault(last - span * FIVE, (0, 1))
    begin = source.randrange(1, span)
    gone = {last - number * FIVE for number in range(begin, begin + source.choice((0, 3, 50)))}
    for one in gone & (set(events) - {min(events)}):
        del events[one]
    gone -= set(events)
    return events, gone


@settings(max_examples=40, deadline=None)
@given(
    traffic(),
    st.sampled_from([5, 15, 60, 360]),
    st.sampled_from(MISSING),
    st.sampled_from(QUIET),
    st.sampled_from(["0.5", "0.9", "0.95", "1"]),
    st.booleans(),
    st.sampled_from([3, 4]),
)
def test_every_figure_is_that_of_exact_loops(
    drawn: tuple[Events, set[int]],
    minutes: int,
    missing: str,
    quiet: str,
    slice_target: str,
    is_ratio: bool,
    days: int,
) -> None:
    events, holes = drawn
    method = RATIO_TIMESLICES if is_ratio else TIMESLICES
    how = Budgeting(method, minutes, None if is_ratio else Decimal(slice_target), missing, quiet)
    asked = asked_for(how, "0.95", days)
    found = judged({"app": events}, asked, holes)
    oracle = Oracle(events, holes, asked)
    budget = Fraction(5, 100)
    share, counted = oracle.ratio(days * 86_400)
    status, left = found.status.row(0, named=True), found.budgets.row(0, named=True)
    kinds = [kind for _, kind in oracle.of(days * 86_400)]

    assert status["slice_held_total"] == counted * 10**9
    assert abs(status["slice_held_bad"] - share * 10**9) <= (Fraction(1) if is_ratio else 0)
    assert left["slice_slices_bad"] == pytest.approx(float(share), rel=1e-9)
    assert (left["slice_slices_counted"], left["slice_slices_missing"], left["slice_slices_quiet"]) == (
        counted,
        kinds.count("missing"),
        kinds.count("quiet"),
    )
    heard = len(kinds) - kinds.count("before")
    covered = 1 - Fraction(kinds.count("missing"), heard) if heard else Fraction(1)
    assert left["slice_coverage"] == pytest.approx(float(covered), rel=1e-9)
    assert left["slice_minutes_allowed"] == pytest.approx(float(budget * counted * minutes), rel=1e-9)
    if counted:
        assert left["slice_minutes_spent"] == pytest.approx(float(share * minutes), rel=1e-9)
    for name, seconds in {**WINDOWS, f"{days}d": days * 86_400}.items():
        row = found.burn.filter(pl.col("window") == name).row(0, named=True)
        bad, of = oracle.ratio(seconds)
        assert row["slice_burn_rate"] == (pytest.approx(float(bad / of / budget), rel=1e-9) if of else None)
    assert sum(left["slice_days_bad"]) == pytest.approx(float(share), rel=1e-9)
    assert sum(left["slice_days_counted"]) == counted
    assert left["slice_days"] == sorted(left["slice_days"]) and left["slice_days"][-1] <= AS_OF.date()


@settings(max_examples=10, deadline=None)
@given(traffic(), traffic(), st.booleans(), st.randoms(use_true_random=False))
def test_order_and_other_apps_change_nothing(
    one: tuple[Events, set[int]], other: tuple[Events, set[int]], is_ratio: bool, source: random.Random
) -> None:
    how = Budgeting(RATIO_TIMESLICES if is_ratio else TIMESLICES, 5, None if is_ratio else Decimal("0.9"))
    asked = asked_for(how, "0.99", 3)
    holes = one[1] & other[1]
    shuffled = list(one[0].items())
    source.shuffle(shuffled)
    # rows of versions and routes come apart: the parts of a slice sum to it
    alone = judged({"one": one[0]}, asked, holes)
    beside = judged({"two": other[0], "one": dict(shuffled)}, asked, holes)
    for a, b in zip(alone, beside, strict=True):
        assert a.equals(b.filter(pl.col("app_id") == "one"))


def test_the_budgeting_example_of_openslo() -> None:
    """14 days, 95 %, 100 requests a minute of which 1 % fail, 99 % during an attack: 16 h 48 m of bad time are met by timeslices of
    minutes, and by those of five as 201.6 of them are; 822.9 minutes by ratio timeslices, 164.6 slices of five."""
    last = int(AS_OF.timestamp())

    def attack(slices: int, method: str) -> dict[str, object]:
        events = {last - FIVE * n: ((495 if n <= slices else 5), 500) for n in range(1, 14 * 288 + 1)}
        how = Budgeting(method, 5, Decimal("0.95") if method == TIMESLICES else None)
        return judged({"app": events}, asked_for(how, "0.95", 14)).budgets.row(0, named=True)

    for slices, is_met in ((201, True), (202, False)):
        found = attack(slices, TIMESLICES)
        assert found["slice_minutes_allowed"] == pytest.approx(16 * 60 + 48)
        assert found["slice_minutes_spent"] == slices * 5
        assert (found["slice_minutes_spent"] <= found["slice_minutes_allowed"]) == is_met  # type: ignore[operator]
    # of 1,008 bad minutes 1 % of 20,160 come anyway, and an attack adds 98 % of its length
    longest = Fraction(1_008 - Fraction(20_160, 100), 1) / Fraction(98, 100)
    assert float(longest) == pytest.approx(822.9, abs=0.05)
    for slices, is_met in ((164, True), (165, False)):
        assert (slices * 5 <= longest) == is_met
        found = attack(slices, RATIO_TIMESLICES)
        assert (found["slice_minutes_spent"] <= found["slice_minutes_allowed"]) == is_met  # type: ignore[operator]


def test_published_weeks_and_days(shared_data: Path) -> None:
    """Kibana's week of five minutes, 50 of 2,016 bad; OpenSLO's week at 99.95 %, which allows 302.4 seconds; Nezha's day of a front
    end, 22 of 1,209 minutes under 99 %, each told as one slice."""
    last = int(AS_OF.timestamp())
    how = Budgeting(TIMESLICES, 5, Decimal("0.99"))
    week = {last - FIVE * number: (int(number <= 50), 1) for number in range(1, 7 * 288 + 1)}
    found = judged({"app": week}, asked_for(how, "0.9995", 7)).budgets.row(0, named=True)
    assert (found["slice_slices_bad"], found["slice_slices_counted"]) == (50, 2_016)
    assert found["slice_minutes_allowed"] * 60 == pytest.approx(302.4)
    path = shared_data / "otlp" / "nezha" / "front_service_2022-08-22.csv"
    with path.open(newline="") as file:
        rates = [Fraction(row["SuccessRate(%)"]) for row in csv.DictReader(file)]
    assert (sum(rate < 99 for rate in rates), len(rates)) == (22, 1_209)  # the published figure
    parts = 10**8
    day = {
        last - FIVE * number: (round((100 - rate) * parts / 100), parts)
        for number, rate in enumerate(rates, 1)
    }
    found = judged({"app": day}, asked_for(how, "0.99", 7)).budgets.row(0, named=True)
    assert (found["slice_slices_bad"], found["slice_slices_counted"]) == (22, 1_209)


def weekdays(days: int, requests: int, until: datetime) -> Events:
    """Requests every five minutes of the working day, Monday to Friday, from 8 to 18."""
    begin = until - timedelta(days=days)
    found: Events = {}
    for number in range(days * 288):
        at = begin + timedelta(minutes=5 * number)
        if at.weekday() < 5 and 8 <= at.hour < 18:
            found[int(at.timestamp())] = 0, requests
    return found


def test_what_is_due_decides_what_is_missing() -> None:
    """Nights and weekends are quiet, a working hour without requests is missing, and a thin app's is not."""
    noon = datetime(2026, 2, 26, 17, tzinfo=UTC)  # a Thursday
    how = Budgeting(TIMESLICES, 5, Decimal("0.9"), EXCLUDED, EXCLUDED)
    asked = asked_for(how, "0.99", 28, noon)
    gap = range(
        int((noon - timedelta(hours=30)).timestamp()), int((noon - timedelta(hours=26)).timestamp()), FIVE
    )
    thick = weekdays(28, 20, noon)
    thin = {
        at: counts for number, (at, counts) in enumerate(weekdays(28, 1, noon).items()) if number % 24 == 0
    }
    holed = {at: counts for at, counts in thick.items() if at not in gap}
    found = judged(
        {"thick": thick, "holed": holed, "thin": {at: one for at, one in thin.items() if at not in gap}},
        asked,
        as_of=noon,
    ).budgets
    missing = dict(zip(found["app_id"], found["slice_slices_missing"], strict=True))
    assert missing == {"thick": 0, "holed": len(gap), "thin": 0}
    assert found["slice_is_frozen"].to_list() == [False] * 3


@pytest.mark.parametrize("missing", MISSING)
def test_below_the_floor_alerts_freeze_but_where_missing_slices_are_judged(missing: str) -> None:
    last = int(AS_OF.timestamp())
    events = {last - FIVE * number: (0, 50) for number in range(4, 1_000)}
    how = Budgeting(TIMESLICES, 5, Decimal("0.9"), missing)
    for silent_for, holes in ((3, set()), (0, {last - FIVE * n for n in (1, 2, 3)})):
        silences = SILENCES
        if silent_for:
            since = AS_OF - timedelta(minutes=5 * silent_for)
            silences = pl.DataFrame([("app", "production", since)], schema=SILENCES.schema, orient="row")
        found = judged({"app": events}, asked_for(how, "0.99", 3), holes, silences)
        left = found.budgets.row(0, named=True)
        assert left["slice_coverage_recent"] == 0
        assert left["slice_is_frozen"] == (missing in ("excluded", "freeze"))
        # three slices in a row without a good one are what a guard of a quarter of an hour asks for
        assert found.status["slice_firing"].to_list() == ["page" if missing == "bad" else None]


def test_a_fleet_that_nobody_hears_is_a_hole_and_its_nights_are_none() -> None:
    end = datetime(2026, 2, 26, 12, 20, tzinfo=UTC)
    axis = Axis(end.replace(minute=0) - timedelta(days=28), end)
    slices_from = end.replace(minute=0) - timedelta(days=1)
    limit = timeslices.least_due(slice_policy(), silence_policy().clustering_cap)
    events = weekdays(29, 400, end)
    gone = {int((end - timedelta(minutes=5 * number)).timestamp()) for number in (1, 2, 3)}
    rows: list[tuple[datetime, bool, int]] = []
    hours: dict[int, int] = {}
    for at, (_, total) in events.items():
        if at in gone or at < axis.since.timestamp():
            continue
        if at >= slices_from.timestamp():
            rows.append((datetime.fromtimestamp(at, UTC), True, total))
        else:
            hours[at // 3600] = hours.get(at // 3600, 0) + total
    rows += [(datetime.fromtimestamp(hour * 3600, UTC), False, total) for hour, total in hours.items()]
    schema = {"start": pl.Datetime("us", "UTC"), "is_slice": pl.Boolean, "requests": pl.UInt64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = timeslices.heard_holes(frame, axis, slices_from, limit)
    assert found.tolist() == [False] * (found.size - 3) + [True] * 3
    assert timeslices.recent_coverage(found, slice_policy()) == 0
    nobody = timeslices.heard_holes(frame.clear(), axis, slices_from, limit)
    assert not nobody.any() and timeslices.recent_coverage(nobody, slice_policy()) == 1


def test_a_calendar_period_begins_whole_and_its_slices_begin_with_it() -> None:
    """A slice of an hour that is counted from the half hour a zone's month begins at."""
    begin = datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    last = int(AS_OF.timestamp())
    events = {last - FIVE * number: (1, 1) for number in range(1, 1_000)}
    how = Budgeting(TIMESLICES, 60, Decimal("0.9"))
    one = Objective("held", Decimal("0.99"), budgeting=how)
    period = Period(begin, begin + timedelta(days=31))
    asked = SliceTerms(one, period, True, burn_windows(), slice_policy(), silence_policy().clustering_cap)
    left = judge(
        counts_of({"app": events}),
        axis_of(asked),
        np.zeros(axis_of(asked).slices, np.bool_),
        SILENCES,
        asked,
        AS_OF,
        Maintenance.none(),
    ).budgets.row(0, named=True)
    assert left["slice_slices_counted"] == (AS_OF - begin) // timedelta(hours=1) == 13
    assert left["slice_days"] == [date(2026, 2, 28), date(2026, 3, 1)]
    assert left["slice_days_counted"] == [6, 7]


@pytest.mark.parametrize("minutes", [5, 10, 60])
def test_slices_in_maintenance_are_no_slices_and_nothing_is_missed_in_them(minutes: int) -> None:
    """An app that is down within one window and fails in another: loops over what is left of each slice of time."""
    source, end = random.Random(minutes), int(AS_OF.timestamp())
    spans = [(end - 31 * 3600, end - 25 * 3600 + 120), (end - 50 * 3600 + 60, end - 49 * 3600)]
    rows = [
        ("w", "r", "", "*", "production", *(datetime.fromtimestamp(one, UTC) for one in span))
        for span in spans
    ]
    names = ["name", "reason", "said_by", "app_id", "environment", "begins_at", "ends_at"]
    held = Maintenance(
        pl.DataFrame(rows, schema=names, orient="row").with_columns(
            pl.col("begins_at", "ends_at").cast(pl.Datetime("us", "UTC"))
        )
    )
    out = {
        start
        for start in range(end - 40 * 86_400, end, FIVE)
        if any(first <= minute < last for minute in range(start, start + FIVE, 60) for first, last in spans)
    }
    events = {
        start: (source.choice((0, 0, 0, 9)), 10)
        for start in range(end - 27 * 86_400, end, FIVE)
        if start not in out
    }
    how = Budgeting(TIMESLICES, minutes, Decimal("0.5"))
    asked = asked_for(how, "0.9", 7)
    left = judged({"app": events}, asked, maintenance=held).budgets.row(0, named=True)
    counted = bad = 0
    begin = end // (minutes * 60) * minutes * 60
    for number in range(7 * 1440 // minutes):
        first = begin - (number + 1) * minutes * 60
        inside = [events[one] for one in range(first, first + minutes * 60, FIVE) if one in events]
        counted += bool(inside)
        bad += 2 * sum(one[0] for one in inside) > sum(one[1] for one in inside)
    assert (left["slice_slices_counted"], left["slice_slices_bad"]) == (counted, bad)
    assert (left["slice_slices_missing"], left["slice_slices_quiet"], left["slice_coverage"]) == (0, 0, 1.0)
    assert judged({"app": events}, asked).budgets["slice_slices_missing"].item() >= 4
