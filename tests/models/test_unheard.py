"""No data of any app: found after as long as the fleet's own traffic asks for, told since when, and no reason to call one app silent."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from models.policy import silence_policy
from models.silence import silences
from models.timeslices import Axis
from models.unheard import Unheard, is_retired, unheard_of
from tests.models.test_silence import DAY, HOUR, hours_of, moment, traffic

SINCE = datetime(2026, 1, 5, tzinfo=UTC)
SLICE = timedelta(minutes=5)
WEEKS = 4
LIMIT = 40.0


def heard(counts: list[int], first: int) -> pl.DataFrame:
    """What ``queries/slo/heard`` gives: slices from the first on, hours before it; nothing of those without requests."""
    rows: dict[tuple[datetime, bool], int] = {}
    for place, count in enumerate(counts):
        start = SINCE + place * SLICE
        key = (start, True) if place >= first else (start.replace(minute=0), False)
        rows[key] = rows.get(key, 0) + count
    return pl.DataFrame(
        [(start, is_slice, count) for (start, is_slice), count in sorted(rows.items()) if count],
        schema={"start": pl.Datetime("us", "UTC"), "is_slice": pl.Boolean, "requests": pl.UInt64},
        orient="row",
    )


def due_of(counts: list[int], place: int) -> Fraction:
    """A twelfth of the mean of the same hour of the other weeks that are known, which begin with the first request."""
    hour = place // HOUR
    last = len(counts) // HOUR + (len(counts) % HOUR > 0)
    begin = next(at // HOUR for at, count in enumerate(counts) if count)
    whole = [
        sum(counts[HOUR * one : HOUR * one + HOUR])
        for one in range(hour % 168, last, 168)
        if one != hour and one >= begin and HOUR * one + HOUR <= len(counts)
    ]
    return Fraction(sum(whole), 12 * len(whole)) if whole else Fraction(0)


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_heard_after_as_long_as_the_fleets_traffic_asks_for(seed: int) -> None:
    """Every moment of an outage against loops over its slices: silent nights are none, and begin and due requests are told."""
    source = random.Random(seed)
    rate = source.choice((2, 9, 60))
    width = WEEKS * 7 * DAY
    whole = [
        source.randint(0, rate) if 6 <= place % DAY // HOUR < 20 else int(source.random() < 0.02)
        for place in range(width + 3 * DAY)
    ]
    begin = width + source.randint(7 * HOUR, 30 * HOUR)
    whole[begin : begin + 4 * DAY] = [0] * len(whole[begin : begin + 4 * DAY])
    last = max(place for place, count in enumerate(whole) if count)
    found_at = None
    for until in (last + 1, *sorted(source.sample(range(last + 2, len(whole)), 14))):
        counts = whole[:until]
        first = max(until - DAY, 0) // HOUR * HOUR
        found = unheard_of(
            heard(counts, first), Axis(SINCE, SINCE + until * SLICE), SINCE + first * SLICE, LIMIT
        )
        missed = sum(due_of(counts, place) for place in range(last + 1, until))
        # An outage that began before the slices that are read is known by its hours.
        since = last + 1 if last + 1 >= first else -(-(last + 1) // HOUR) * HOUR
        if missed < LIMIT:
            assert found.since is None
            continue
        found_at = found_at or until
        if since == last + 1:
            assert (found.since, found.due) == (SINCE + since * SLICE, pytest.approx(float(missed)))
        else:
            assert found.since == SINCE + since * SLICE
        begun = int(SINCE.timestamp()) // 3600
        dark = {hour for hour in found.hours if hour >= begun + since // HOUR + 1}
        assert dark == set(range(begun + since // HOUR + 1, begun - (-until // HOUR)))
        assert {found.hours[hour] for hour in dark} <= {1.0}
    assert found_at is not None
    assert unheard_of(heard([], 0), Axis(SINCE, SINCE), SINCE, LIMIT) == Unheard()


def silent_apps(sent: dict[str, np.ndarray], at: int, unheard: dict[int, float]) -> set[str]:
    traffic_ = (
        hours_of(sent, at)
        .with_columns(hours=(pl.col("hour").dt.epoch("s") // 3600).cast(pl.UInt32))
        .group_by("app_id", "environment")
        .agg("hours", pl.col("requests").cast(pl.UInt64), pl.col("last_slice_end").max())
    )
    return set(silences(traffic_, moment(at), silence_policy(), unheard)["app_id"])


def test_an_app_is_not_waited_for_while_nobody_is_heard() -> None:
    """Thirty apps of every kind lose a day of telemetry: none is silent in it or when it is back, and who really stopped is."""
    rng = np.random.default_rng(12)
    sent = {
        f"{kind}-{rate}": traffic(rng, rate, 44, kind)
        for kind in ("day", "flat", "night")
        for rate in (5, 20, 100, 1_000, 10_000)
    }
    for number in range(5):
        job = np.zeros(44 * DAY, np.int64)
        job[2 * HOUR + number :: DAY] = 7
        sent[f"job-{number}"] = job
    weekly = np.zeros(44 * DAY, np.int64)
    weekly[3 * HOUR :: 7 * DAY] = 30
    sent["weekly"] = weekly
    gone = traffic(rng, 100, 44, "flat")
    gone[38 * DAY :] = 0
    sent["gone"] = gone
    begin, end = 39 * DAY + 9 * HOUR, 40 * DAY + 9 * HOUR
    for counts in sent.values():
        counts[begin:end] = 0
    first = int(moment(begin).timestamp()) // 3600
    false = without = 0
    for hours in range(1, 60):
        at = begin + hours * HOUR
        dark = {first + hour: 1.0 for hour in range(min(hours, 24))}
        found = silent_apps(sent, at, dark)
        assert "gone" in found
        false += len(found - {"gone"})
        without += len(silent_apps(sent, at, {}) - {"gone"})
    assert false == 0
    assert without > 100, "the outage would have been told of each app"


def test_how_long_an_app_is_waited_for_comes_from_its_own_traffic() -> None:
    """The published formula turned round: hours until w ln(1 + 1/w) due / phi of a flat app is more than its limit."""
    rng = np.random.default_rng(13)
    policy = silence_policy()
    for rate in (20, 100, 1_000):
        sent = {"a": traffic(rng, rate, 40, "flat")}
        stop = 36 * DAY
        sent["a"][stop:] = 0
        waits = []
        for hours in range(1, 90):
            found = silences(
                hours_of(sent, stop + hours * HOUR)
                .with_columns(hours=(pl.col("hour").dt.epoch("s") // 3600).cast(pl.UInt32))
                .group_by("app_id", "environment")
                .agg("hours", pl.col("requests").cast(pl.UInt64), pl.col("last_slice_end").max()),
                moment(stop + hours * HOUR),
                policy,
            )
            waits += [(hours, *found.select("wait_hours", "clustering", "requests_per_day").row(0))] if found.height else []  # fmt: skip
        hours, wait, phi, per_day = waits[0]
        needed = np.log(365 * per_day / policy.alarms_per_year) * phi / (4 * np.log(1.25))
        by_hand = needed / per_day * 24
        # Hours of a week differ by chance, and the last request came up to some hours before the stop.
        assert wait == 0 or abs(wait - by_hand) <= 1 + 0.35 * by_hand, (rate, wait, by_hand)
        assert all(one[1] == waits[-1][1] for one in waits if one[1]), (
            "the wait is that of the traffic before, whenever asked"
        )
        assert waits[-1][1] > 0
        assert hours <= waits[-1][1] + 2


@pytest.mark.parametrize(("hours", "is_gone"), [(28 * 24, False), (28 * 24 + 1, True), (1, False)])
def test_retired_is_who_had_no_request_for_four_weeks(hours: int, is_gone: bool) -> None:
    assert is_retired(SINCE, SINCE + timedelta(hours=hours), silence_policy().retired_after) is is_gone
    assert is_retired(None, SINCE, silence_policy().retired_after)
