"""Which shared charges are too many to be chance, decided from counts alone; on real bills: ``test_once``."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pipelines.ingest.billing.policy import policy
from pipelines.ingest.billing.sameness import Held, Shared, overlap_reason, overlaps

ONE, OTHER = Held("", "a.csv", "1"), Held("azure", "b.csv", "2")
SEPTEMBER, OCTOBER = date(2024, 9, 1), date(2024, 10, 1)


def shared(found: int, looked_up: int, rows: int, period: date = SEPTEMBER, other: Held = OTHER) -> Shared:
    return Shared(period, ONE, other, looked_up, found, rows)


@pytest.mark.parametrize(
    ("lines", "held"),
    [
        ([(3, 30, 30)], True),  # a tenth, and three rows
        ([(2, 20, 20)], False),  # a tenth, and two rows
        ([(3, 31, 31)], False),  # three rows, and less than a tenth
        ([(2, 2, 2)], True),  # all of them
        ([(1, 1, 1)], True),
        ([(102, 1024, 10_000)], False),
        ([(103, 1024, 10_000)], True),
        ([(1, 10, 20)], False),  # each charge twice: two rows
        ([(1, 10, 30)], True),  # each charge three times
    ],
)
def test_a_tenth_and_three_rows_or_all(lines: list[tuple[int, int, int]], held: bool) -> None:
    given = [shared(*line) for line in lines]
    assert overlaps(given, policy()) == (given if held else [])


def test_rows_are_counted_over_the_months_of_a_pair_and_not_over_pairs() -> None:
    months = [shared(2, 20, 20), shared(1, 10, 10, OCTOBER)]
    assert overlaps(months, policy()) == months
    third = Held("", "c.csv", "3")
    assert overlaps([shared(2, 20, 20), shared(1, 10, 10, OCTOBER, third)], policy()) == []


def test_what_is_said_is_the_pair_that_shares_most() -> None:
    third = Held("", "c.csv", "3")
    given = [shared(3, 30, 300), shared(15, 30, 300, other=third)]
    found = overlap_reason(given)
    assert found is not None
    assert found.sentence == (
        "about 50% of the 300 rows of a.csv are also in c.csv (and 1 more such pairs): they would count twice"
    )
    assert overlap_reason([]) is None
    assert given[0].shared_rows == Decimal(30)
