"""A bill against days before: compared only where the days before are days of which there is a bill."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from dashboards.bill import CurrencyBill
from models.comparison import four_weeks, month_so_far, week_so_far
from models.schemas import MONEY

DAY = date(2026, 3, 11)
MONEY_COLUMNS = ("billed", "compared", "billed_before", "unallocated")


def bill(
    first_cost_day: date | None,
    window: object = four_weeks,
    usage: tuple[int, int, int, int] = (12, 12, 8, 0),
    tax: tuple[int, int, int, int] = (5, 5, 50, 1),
) -> CurrencyBill:
    rows = [
        {"bill_line": line, **dict(zip(MONEY_COLUMNS, map(Decimal, amounts), strict=True))}
        for line, amounts in (("Usage", usage), ("Tax", tax))
    ]
    lines = pl.DataFrame(rows, schema_overrides=dict.fromkeys(MONEY_COLUMNS, MONEY))
    return CurrencyBill("EUR", window(DAY), first_cost_day, lines)  # type: ignore[operator]


@pytest.mark.parametrize("window", [four_weeks, week_so_far, month_so_far])
def test_days_before_the_first_bill_are_no_days_without_cost(window: object) -> None:
    """A bill that begins within the days before makes no growth of them; one that holds them all is compared."""
    days = window(DAY)  # type: ignore[operator]
    whole = bill(days.before_first, window)
    assert whole.is_comparable and whole.change == f"+50.0% vs {days.before_words}"
    cut = bill(days.before_first + timedelta(days=1), window)
    assert not cut.is_comparable
    assert cut.change == f"no {days.before_words}: usage begins {days.before_first + timedelta(days=1)}"


def test_a_currency_without_usage_has_nothing_to_compare() -> None:
    one = bill(None, usage=(0, 0, 0, 0))
    assert (one.is_comparable, one.change) == (False, "")


def test_usage_alone_is_compared_and_the_rest_is_named() -> None:
    one = bill(date(2020, 1, 1))
    assert (one.usage, one.billed, one.unallocated) == (Decimal(12), Decimal(17), Decimal(1))
    assert one.other_lines() == "tax 5.00"
    assert bill(date(2020, 1, 1), tax=(0, 0, 9, 0)).other_lines() == "usage only"
    credit = one.lines.filter(pl.col("bill_line") == "Tax").with_columns(
        bill_line=pl.lit("Credit"), billed=pl.lit(Decimal(-7)).cast(MONEY)
    )
    both = replace(one, lines=pl.concat([one.lines, credit]))
    assert [both.other_lines(most) for most in (None, 2, 1)] == [
        "credits -7.00, tax 5.00",
        "credits -7.00, tax 5.00",
        "credits -7.00 and 1 more",
    ]
    assert bill(date(2020, 1, 1), usage=(3, 3, 0, 0)).change == "new vs 4 weeks before"
    assert bill(date(2020, 1, 1), usage=(0, 0, 0, 0)).change == ""
    assert bill(date(2020, 1, 1), usage=(99, 6, 8, 0)).change == "-25.0% vs 4 weeks before", (
        "days that both have"
    )
