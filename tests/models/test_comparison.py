"""Like with like: as many days on both sides, the same weekdays or the same days of the month, and words that say which."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from models.comparison import Comparison, four_weeks, month_so_far, week_so_far

DAYS = [date(2023, 12, 25) + timedelta(days=number) for number in range(800)]


def days(first: date, last: date) -> list[date]:
    """Every day of a window."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def both(compared: Comparison) -> tuple[list[date], list[date]]:
    """The days compared, and those before."""
    return (
        days(compared.first, compared.compared_last),
        days(compared.before_first, compared.before_last),
    )


@pytest.mark.parametrize("window", [four_weeks, week_so_far])
def test_weeks_hold_the_same_weekdays_and_touch(window: object) -> None:
    for day in DAYS:
        compared = window(day)  # type: ignore[operator]
        now, before = both(compared)
        assert now[-1] == day == compared.last
        assert [one.weekday() for one in now] == [one.weekday() for one in before]
        assert before[0] == now[0] - timedelta(days=28 if window is four_weeks else 7)
        assert len(now) == (28 if window is four_weeks else day.isoweekday())


def test_months_hold_the_same_days_of_the_month() -> None:
    for day in DAYS:
        compared = month_so_far(day)
        now, before = both(compared)
        assert compared.first == day.replace(day=1) and compared.last == day
        assert [one.day for one in now] == [one.day for one in before]
        assert before[0].month == (day.month - 2) % 12 + 1
        longest = day == compared.compared_last or (before[-1] + timedelta(days=1)).day == 1
        assert longest, "no day both months have is left out"


@pytest.mark.parametrize(
    ("day", "words", "before"),
    [
        (date(2026, 3, 11), "1 to 11 March", "1 to 11 February"),
        (date(2026, 3, 1), "1 March", "1 February"),
        (date(2026, 3, 31), "1 to 31 March", "1 to 28 February, as far as 1 to 28 March"),
        (date(2024, 3, 29), "1 to 29 March", "1 to 29 February"),
        (date(2026, 1, 31), "1 to 31 January", "1 to 31 December"),
    ],
)
def test_a_month_says_which_days(day: date, words: str, before: str) -> None:
    assert (month_so_far(day).words, month_so_far(day).before_words) == (words, before)


def test_a_week_says_which_days() -> None:
    assert week_so_far(date(2026, 3, 9)).words == "Mon"
    assert week_so_far(date(2026, 3, 15)).words == "Mon to Sun"
    assert week_so_far(date(2026, 3, 11)).before_words == "same days last week"
