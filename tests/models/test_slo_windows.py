"""Periods of a calendar, against days walked one by one and against days that summer time makes short or long."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.openslo import Calendar, Shorthand, TimeWindow
from models.slo_windows import period_at, rolling, window_of, window_text

ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"]
moments = st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2060-01-01")).map(
    lambda one: one.replace(tzinfo=UTC)
)
midnights = st.dates(date(2010, 1, 1), date(2030, 12, 28)).map(
    lambda day: datetime.combine(day, datetime.min.time())
)


def midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)


def test_days_of_summer_time_are_days() -> None:
    """New York leaves winter time on 8 March 2026 and goes back on 1 November 2026."""
    week = TimeWindow(
        Shorthand(1, "w"), Calendar(datetime.fromisoformat("2026-03-02 00:00"), "America/New_York")
    )
    short = period_at(week, datetime(2026, 3, 9, 3, tzinfo=UTC))
    assert (short.begin, short.end) == (
        datetime(2026, 3, 2, 5, tzinfo=UTC),
        datetime(2026, 3, 9, 4, tzinfo=UTC),
    )
    assert (short.end - short.begin, short.days) == (timedelta(days=7, hours=-1), 7)
    month = TimeWindow(
        Shorthand(1, "M"), Calendar(datetime.fromisoformat("2020-01-01 00:00"), "America/New_York")
    )
    long = period_at(month, datetime(2026, 11, 15, tzinfo=UTC))
    assert (long.begin, long.end, long.days) == (
        datetime(2026, 11, 1, 4, tzinfo=UTC),
        datetime(2026, 12, 1, 5, tzinfo=UTC),
        30,
    )


@pytest.mark.parametrize(
    ("duration", "start", "as_of", "begin", "end"),
    [
        (
            "1M",
            "2024-01-31",
            "2026-02-27T12:00",
            "2026-01-31",
            "2026-02-28",
        ),  # its last day where it has no 31st
        ("1M", "2024-01-31", "2026-02-28T12:00", "2026-02-28", "2026-03-31"),
        ("1Q", "2025-01-01", "2026-05-05T00:00", "2026-04-01", "2026-07-01"),
        ("1Y", "2024-02-29", "2027-03-01T00:00", "2027-02-28", "2028-02-29"),
        ("2M", "2025-12-01", "2026-01-31T00:00", "2025-12-01", "2026-02-01"),
        ("1M", "2026-06-01", "2026-03-15T00:00", "2026-03-01", "2026-04-01"),  # before the first begin
        (
            "1M",
            "2026-01-01",
            "2026-04-01T00:00",
            "2026-03-01",
            "2026-04-01",
        ),  # the end of a month is the month's
    ],
)
def test_months_are_those_of_the_calendar(
    duration: str, start: str, as_of: str, begin: str, end: str
) -> None:
    window = TimeWindow(
        Shorthand(int(duration[0]), duration[1]), Calendar(datetime.fromisoformat(start), "UTC")
    )
    found = period_at(window, datetime.fromisoformat(as_of).replace(tzinfo=UTC))
    assert (found.begin.date().isoformat(), found.end.date().isoformat()) == (begin, end)


@given(moments, midnights, st.sampled_from("dw"), st.integers(1, 10), st.sampled_from(ZONES))
@settings(max_examples=60)
def test_days_and_weeks_begin_when_the_clocks_of_the_zone_say_so(
    as_of: datetime, start: datetime, unit: str, number: int, zone: str
) -> None:
    found = period_at(TimeWindow(Shorthand(number, unit), Calendar(start, zone)), as_of)
    step = number * (7 if unit == "w" else 1)
    day = start.date() + (as_of.date() - start.date()) // timedelta(days=step) * timedelta(days=step)
    candidates = [day + timedelta(days=step) * back for back in (-2, -1, 0, 1)]
    begin = max(one for one in candidates if midnight(one, zone) < as_of)
    assert found.begin == midnight(begin, zone)
    assert found.end == midnight(begin + timedelta(days=step), zone)
    assert found.days == step


@given(moments, st.integers(1, 400))
@settings(max_examples=20)
def test_a_window_that_rolls_ends_now(as_of: datetime, days: int) -> None:
    found = period_at(rolling(days), as_of)
    assert (found.begin, found.end, found.days) == (as_of - timedelta(days=days), as_of, days)


@given(midnights, st.integers(1, 99), st.sampled_from("mhdwMQY"), st.sampled_from([*ZONES, ""]))
@settings(max_examples=30)
def test_a_window_is_told_as_it_is_read(start: datetime, number: int, unit: str, zone: str) -> None:
    window = TimeWindow(Shorthand(number, unit), Calendar(start, zone) if zone else None)
    assert window_of(window_text(window)) == window


def test_months_cannot_roll() -> None:
    with pytest.raises(ValueError, match="no fixed length"):
        period_at(TimeWindow(Shorthand(1, "M")), datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="is no window"):
        window_of("soon")
