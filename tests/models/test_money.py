"""Money against Python's own decimals and fractions."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import money
from models.errors import ModelError
from models.schemas import MONEY

MINOR_UNITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}

amounts = st.integers(-(10**37), 10**37).map(lambda units: Decimal(units).scaleb(-18, Context(prec=40)))
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any)


@pytest.mark.parametrize(
    ("whole", "shares", "places", "parts"),
    [
        ("0.01", [1, 1, 1], 2, ["0.01", "0", "0"]),
        ("100", [1, 1, 1], 2, ["33.34", "33.33", "33.33"]),
        ("-100", [1, 1, 1], 2, ["-33.33", "-33.33", "-33.34"]),
        ("1000", [1, 1, 1], 0, ["334", "333", "333"]),
        ("5", [0, 3, 0], 2, ["0", "5", "0"]),
        ("0", [1, 2], 2, ["0", "0"]),
        ("10", [Decimal("0.25"), Decimal("0.75")], 2, ["2.5", "7.5"]),
    ],
)
def test_split_counted_by_hand(
    whole: str, shares: list[Decimal | int], places: int, parts: list[str]
) -> None:
    assert sorted(money.split(Decimal(whole), shares, places)) == sorted(map(Decimal, parts))


@settings(max_examples=300, deadline=None)
@given(amounts, weights)
def test_parts_are_the_whole_and_within_one_unit_of_their_share(whole: Decimal, shares: list[int]) -> None:
    parts = money.split(whole, shares)
    assert sum(map(Fraction, parts)) == Fraction(whole)
    for part, weight in zip(parts, shares, strict=True):
        assert abs(Fraction(part) - Fraction(whole) * weight / sum(shares)) < Fraction(1, 10**18)
        assert part == 0 or weight > 0


@settings(max_examples=100, deadline=None)
@given(amounts, weights, st.randoms())
def test_order_of_the_receivers_changes_no_amount_by_more_than_a_tie(
    whole: Decimal, shares: list[int], source: object
) -> None:
    shuffled = list(shares)
    source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sorted(money.split(whole, shares)) == sorted(money.split(whole, shuffled))


def test_ten_thousand_receivers_lose_nothing() -> None:
    parts = money.split(Decimal("-12345.678901234567890123"), range(10_000))
    assert sum(map(Fraction, parts)) == Fraction("-12345.678901234567890123")


@pytest.mark.parametrize("shares", [[], [0, 0], [1, -1], [-1]])
def test_weights_that_charge_nobody_are_refused(shares: list[int]) -> None:
    with pytest.raises(ModelError, match="weights"):
        money.split(Decimal(1), shares)


def test_a_whole_finer_than_its_parts_is_refused() -> None:
    with pytest.raises(ModelError, match="more than 2 places"):
        money.split(Decimal("0.001"), [1], places=2)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), amounts), max_size=9))
def test_sums_equal_those_of_decimal(rows: list[tuple[str, Decimal]]) -> None:
    frame = pl.DataFrame(rows, schema={"key": pl.String, "cost": MONEY}, orient="row")
    expected: dict[str, Fraction] = defaultdict(Fraction)
    for key, cost in rows:
        expected[key] += Fraction(cost)
    found = dict(money.exact_sums(frame, ["key"], ["cost"]).rows())
    assert {key: Fraction(cost) for key, cost in found.items()} == expected


def test_a_sum_that_would_wrap_is_refused() -> None:
    """Amounts of both signs too, as they may be of different groups; from a thousandth below what 20 digits hold on."""

    def of(*costs: str) -> pl.DataFrame:
        rows = {"key": ["a"] * len(costs), "cost": [Decimal(cost) for cost in costs]}
        return pl.DataFrame(rows, schema={"key": pl.String, "cost": MONEY})

    near = of("49900000000000000000", "49950000000000000000")
    assert money.exact_sums(near, ["key"], ["cost"])["cost"].to_list() == [Decimal("99850000000000000000")]
    for costs in (
        ("49950000000000000000", "49990000000000000000"),
        ("99000000000000000000", "-99000000000000000000"),
    ):
        with pytest.raises(ModelError, match="20 digits"):
            money.exact_sums(of(*costs), ["key"], ["cost"])
    large = "99999999999999999999"
    frame = of(large, large)
    with pytest.raises(ModelError, match="20 digits"):
        money.exact_sums(frame, ["key"], ["cost"])


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Decimal(38, 2)])
def test_only_amounts_are_summed(dtype: pl.DataType) -> None:
    frame = pl.DataFrame({"key": ["a"], "cost": [1]}).with_columns(pl.col("cost").cast(dtype))
    with pytest.raises(ModelError, match="money is Decimal"):
        money.exact_sums(frame, ["key"], ["cost"])


def test_a_missing_amount_is_refused() -> None:
    frame = pl.DataFrame({"key": ["a"], "cost": [None]}, schema={"key": pl.String, "cost": MONEY})
    with pytest.raises(ModelError, match="1 rows without an amount"):
        money.exact_sums(frame, ["key"], ["cost"])


@settings(max_examples=300, deadline=None)
@given(
    amounts | st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 2000),
    st.sampled_from(sorted(MINOR_UNITS)),
)
def test_rounding_equals_half_even_of_decimal(amount: Decimal, currency: str) -> None:
    frame = pl.DataFrame(
        {"amount": [amount], "currency": [currency]}, schema={"amount": MONEY, "currency": pl.String}
    )
    rounded = frame.select(money.in_minor_units(pl.col("amount"), pl.col("currency"), MINOR_UNITS)).item()
    assert rounded == amount.quantize(Decimal(1).scaleb(-MINOR_UNITS[currency]), ROUND_HALF_EVEN)


@given(st.lists(amounts, max_size=30))
def test_total_equals_that_of_fractions(parts: list[Decimal]) -> None:
    assert Fraction(money.exact_total(parts)) == sum(map(Fraction, parts))
