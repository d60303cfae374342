"""Which days are compared with which: like with like, and the words that say so.

Four whole weeks hold the same weekdays as the four before, a week so far the same days of the last one, a month so far
the first days of the one before. Nothing here knows what is summed over the days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Comparison:
    """Days shown, and of them those that are compared with as many days before.

    ``compared_last`` is ``last`` but where the month before is shorter than the month so far.
    """

    first: date
    last: date
    compared_last: date
    before_first: date
    before_last: date
    words: str
    """The days shown."""
    before_words: str
    """The days before, and which of the shown are compared where that is not all of them."""


def four_weeks(day: date) -> Comparison:
    """The 28 days to ``day`` against the 28 before: every weekday four times in both."""
    first = day - timedelta(days=27)
    return Comparison(
        first, day, day, first - timedelta(days=28), first - timedelta(days=1), "4 weeks", "4 weeks before"
    )


def week_so_far(day: date) -> Comparison:
    """The ISO 8601 week to ``day`` against the same days of the week before."""
    monday = day - timedelta(days=day.weekday())
    words = f"{monday:%a}" if monday == day else f"{monday:%a} to {day:%a}"
    week = timedelta(days=7)
    return Comparison(monday, day, day, monday - week, day - week, words, "same days last week")


def month_so_far(day: date) -> Comparison:
    """The calendar month to ``day`` against the same days of the month before, as far as that has them."""
    first = day.replace(day=1)
    last_before = first - timedelta(days=1)
    days = min(day.day, last_before.day)
    compared_last, before_last = day.replace(day=days), last_before.replace(day=days)
    before_words = _days(before_last)
    if compared_last != day:
        before_words = f"{before_words}, as far as {_days(compared_last)}"
    return Comparison(
        first, day, compared_last, last_before.replace(day=1), before_last, _days(day), before_words
    )


def _days(last: date) -> str:
    """The days of a month to ``last``: ``1 to 11 March``."""
    return f"1 {last:%B}" if last.day == 1 else f"1 to {last.day} {last:%B}"
