"""Ages in words, and the ages from which figures are said to be old."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from models.age import in_words, warnings
from models.policy import watermark_policy

CLOCK = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (-5, "now"),
        (0, "now"),
        (1, "a minute"),
        (2, "2 minutes"),
        (119, "119 minutes"),
        (120, "2 hours"),
        (2879, "47 hours"),
        (2880, "2 days"),
        (36_000, "25 days"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(minutes: int, words: str) -> None:
    assert in_words(timedelta(minutes=minutes)) == words


def told(cost_day: date | None, telemetry_end: datetime | None, clock: datetime = CLOCK) -> list[str]:
    return list(
        warnings(cost_day=cost_day, telemetry_end=telemetry_end, clock=clock, policy=watermark_policy())
    )


def test_what_is_older_than_the_policy_says_so_and_nothing_else_does() -> None:
    hour = timedelta(hours=1)
    assert told(None, None) == []
    assert told(date(2026, 11, 22), CLOCK - hour) == []
    telemetry, bills = told(date(2026, 10, 31), datetime(2026, 11, 1, tzinfo=UTC))
    assert telemetry.startswith("Telemetry ends 24 days ago, on 2026-11-01 00:00 UTC")
    assert bills.startswith("Bills end 24 days ago, with 2026-10-31")
    assert told(date(2026, 11, 22), CLOCK - hour - timedelta(seconds=1))[0].startswith(
        "Telemetry ends 60 minutes"
    )
    assert told(date(2026, 11, 21), CLOCK) == [
        "Bills end 3 days ago, with 2026-11-21: costs since then are not known."
    ]
    on_the_edge = datetime(2026, 11, 22, tzinfo=UTC) + watermark_policy().bills_old
    assert told(date(2026, 11, 21), None, on_the_edge) == []
    assert len(told(date(2026, 11, 21), None, on_the_edge + timedelta(seconds=1))) == 1
