"""From which share, row and cent on charges are the same or a delivery waits: each number of the policy from both sides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipelines.ingest.billing.policy import policy
from pipelines.ingest.billing.sameness import (
    Before,
    Held,
    Print,
    Shared,
    growth_reason,
    overlap_reason,
    overlaps,
    restatement_reason,
)

SEPTEMBER, OCTOBER = date(2024, 9, 1), date(2024, 10, 1)
MONTH_ENDS = datetime(2024, 10, 1, tzinfo=UTC)
SETTLED = MONTH_ENDS + timedelta(days=7)


def shared(looked_up: int, found: int, rows: int, period: date = SEPTEMBER, other: str = "b") -> Shared:
    """``found`` of the charges of ``a`` are in another object."""
    return Shared(period, Held("", "a", "1"), Held("", other, "2"), looked_up, found, rows)


@pytest.mark.parametrize(
    ("looked_up", "found", "rows", "is_overlap"),
    [
        (1000, 100, 1000, True),  # a tenth
        (1000, 99, 1000, False),
        (30, 3, 30, True),  # three rows
        (20, 2, 20, False),
        (1024, 512, 5, False),  # half of five rows are two and a half
        (1024, 512, 6, True),
        (2, 2, 2, True),  # everything there is
        (2, 1, 2, False),
    ],
)
def test_charges_overlap_from_a_tenth_and_three_rows_on(
    looked_up: int, found: int, rows: int, is_overlap: bool
) -> None:
    one = shared(looked_up, found, rows)
    assert overlaps([one], policy()) == ([one] if is_overlap else [])


def test_rows_of_a_pair_are_counted_over_its_months_and_shares_in_each() -> None:
    two = [shared(10, 1, 20), shared(10, 1, 20, OCTOBER)]
    assert overlaps(two, policy()) == two
    assert overlaps([two[0], shared(10, 1, 20, OCTOBER, "c")], policy()) == []
    half, twentieth = shared(100, 50, 100), shared(100, 5, 100, OCTOBER)
    assert overlaps([twentieth, half], policy()) == [half]
    whole = shared(9, 9, 9, SEPTEMBER, "c")
    assert overlaps([two[1], half, whole], policy()) == [whole, half, two[1]]


def test_an_overlap_says_how_much_of_what_is_where() -> None:
    assert overlap_reason([]) is None
    half = shared(100, 50, 120)
    reason = overlap_reason([half])
    assert reason and (reason.cause, reason.sentence) == (
        "overlap",
        "about 50% of the 120 rows of a are also in b: they would count twice",
    )
    back = Shared(SEPTEMBER, half.other, half.one, 100, 40, 100)
    whole = Shared(SEPTEMBER, Held("aws", "c", "3"), half.one, 9, 9, 9)
    reason = overlap_reason([half, back, whole])
    assert reason and reason.sentence == (
        "all of the 9 rows of c of source aws are also in a (and 1 more such pairs): they would count twice"
    )


def usd(amount: str) -> dict[str, Decimal]:
    return {"USD": Decimal(amount)}


def told(
    rows: int = 100,
    gross: Mapping[str, Decimal] | None = None,
    before_rows: int = 100,
    before_gross: Mapping[str, Decimal] | None = None,
    at: datetime = SETTLED,
    **more: Any,
) -> str:
    """Cause for which a month waits whose content changed; 100 rows of 100 USD are published where nothing else is said."""
    given: dict[str, Any] = {
        "before": Before(frozenset({"old"}), before_rows, before_gross or usd("100"), at),
        "contents": ["new"],
        "prints": [Print(rows - rows // 2, 7, gross or usd("100")), Print(rows // 2, 2**64 - 2, {})],
        "emptied": (),
        "rolled_on": (),
        **more,
    }
    reason = restatement_reason(**given, month_ends=MONTH_ENDS, policy=policy())
    return reason.cause if reason else ""


@pytest.mark.parametrize(
    ("cause", "case"),
    [
        ("", {}),
        ("", {"before": None, "emptied": ["a"]}),
        ("emptied", {"emptied": ["a"], "contents": ["old", "new"]}),
        ("", {"contents": ["old", "new"], "rows": 900}),
        ("grows", {"contents": [], "rows": 900}),
        ("rolled_on", {"rolled_on": ["a"]}),
        (
            "",
            {"rolled_on": ["a"], "published_prints": [Print(100, 5)]},
        ),  # the same charges, sums modulo 2**64
        ("rolled_on", {"rolled_on": ["a"], "published_prints": [Print(100, 6)]}),
        ("rolled_on", {"rolled_on": ["a"], "published_prints": [Print(99, 5)]}),
        ("shrinks", {"rows": 0, "before_rows": 1}),
        ("", {"rows": 0, "before_rows": 0}),
        ("", {"rows": 50}),
        ("shrinks", {"rows": 49}),
        ("", {"rows": 1, "before_rows": 3}),  # two rows less
        ("shrinks", {"rows": 1, "before_rows": 4}),
        ("", {"rows": 1, "before_rows": 2, "gross": usd("1")}),
        ("shrinks", {"rows": 3, "before_rows": 3, "gross": usd("1")}),
        ("", {"gross": usd("50")}),
        ("shrinks", {"gross": usd("49.99")}),
        ("shrinks", {"before_gross": {**usd("100"), "EUR": Decimal(1)}}),
        ("", {"rows": 200}),
        ("grows", {"rows": 201}),
        ("", {"gross": usd("200")}),
        ("grows", {"gross": usd("200.01")}),
        ("", {"gross": {**usd("100"), "EUR": Decimal(900)}}),
        ("", {"rows": 201, "at": SETTLED - timedelta(microseconds=1)}),
        ("shrinks", {"rows": 49, "at": MONTH_ENDS}),
    ],
    ids=str,
)
def test_a_restatement_waits_from_the_numbers_of_the_policy_on(cause: str, case: dict[str, Any]) -> None:
    assert told(**case) == cause


def test_growth_is_judged_by_rows_and_by_money_of_each_currency() -> None:
    before = Before(frozenset({"old"}), 10, {"USD": Decimal(10), "EUR": Decimal(0)}, SETTLED)
    for now, cause in (
        (Print(20, 0, {"USD": Decimal(20), "EUR": Decimal(5)}), ""),
        (Print(21, 0, usd("1")), "grows"),
        (Print(1, 0, {"EUR": Decimal(9), "USD": Decimal("20.1")}), "grows"),
    ):
        reason = growth_reason(before, now, policy())
        assert (reason.cause if reason else "") == cause
