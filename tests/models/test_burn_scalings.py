"""The published tables of alert windows, from their formulas."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from models.burn_scalings import DEFAULT, scaled, scalings, windows_of
from models.policy import burn_windows, duration, watermark_policy

FIXED = ["1h/5m", "6h/30m", "1d/2h", "3d/6h"]

FACTORS = [
    ("workbook", 30, FIXED, ["14.4", "6", "3", "1"]),
    ("sloth", 30, FIXED, ["14.4", "6", "3", "1"]),
    ("sloth", 28, FIXED, ["13.44", "5.6", "2.8", "0.93333"]),
    ("sloth-7d", 7, FIXED, ["13.44", "3.5", "1.4", "0.98"]),
    ("pyrra", 28, ["1h/5m", "6h/30m", "1d/2h", "4d/6h"], ["14", "7", "2", "1"]),
    ("pyrra", 30, ["1h4m/5m", "6h26m/32m", "1d1h43m/2h9m", "4d6h51m/6h26m"], ["14", "7", "2", "1"]),
    ("pyrra", 7, ["15m/1m", "1h30m/8m", "6h/30m", "1d/1h30m"], ["14", "7", "2", "1"]),
]
"""Table, days of the objective, windows and factors as their publishers print them."""

WAITS = {28: ["2m", "15m", "1h", "3h"], 30: ["2m", "16m", "1h4m", "3h13m"], 7: ["1m", "4m", "15m", "45m"]}


def length(text: str) -> timedelta:
    return sum((duration(part) for part in re.findall(r"\d+[mhd]", text)), timedelta(0))


@pytest.mark.parametrize(("name", "days", "windows", "factors"), FACTORS)
def test_a_published_table_follows_from_its_formula(
    name: str, days: int, windows: list[str], factors: list[str]
) -> None:
    pairs = scaled(name, days)
    assert [(one.long, one.short) for one in pairs] == [
        tuple(map(length, window.split("/"))) for window in windows
    ]
    for pair, factor in zip(pairs, factors, strict=True):
        printed = Decimal(factor)
        half = Fraction(1, 2 * 10 ** -int(printed.as_tuple().exponent))
        assert abs(pair.factor - Fraction(printed)) <= half
    assert [one.severity for one in pairs] == ["page", "page", "ticket", "ticket"]


@pytest.mark.parametrize(("days", "waits"), WAITS.items())
def test_pyrra_waits_as_it_says(days: int, waits: list[str]) -> None:
    assert [one.after for one in scaled("pyrra", days)] == list(map(length, waits))


def test_the_share_of_the_budget_is_the_one_that_is_printed() -> None:
    """Pyrra at 28 days: 2.08 %, 6.25 %, 7.14 %, 14.29 %; the workbook's at 30: 2, 5, 10, 10 %."""
    pyrra = [round(float(one.budget_share(28)) * 100, 2) for one in scaled("pyrra", 28)]
    assert pyrra == [2.08, 6.25, 7.14, 14.29]
    assert [one.budget_share(30) * 100 for one in scaled("workbook", 30)] == [2, 5, 10, 10]


def test_what_is_judged_by_keeps_the_factor_on_whole_slices() -> None:
    one_slice = watermark_policy().slice
    assert windows_of(DEFAULT, 30) is burn_windows()
    for name in scalings():
        for days in (7, 28, 30, 31, 90):
            policy = windows_of(name, days)
            assert policy.least_bad_events == burn_windows().least_bad_events
            if name == DEFAULT:
                continue
            for pair, published in zip(policy.pairs, scaled(name, days), strict=True):
                assert pair.factor(days) == published.factor
                for got, exact in ((pair.long, published.long), (pair.short, published.short)):
                    assert not duration(got) % one_slice
                    assert abs(duration(got) - exact) <= max(one_slice / 2, one_slice - exact)
