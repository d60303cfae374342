"""Many amounts split by the same weights: each as it is split alone in fractions, whatever the size of weights and amounts."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.money import units_of
from models.schemas import MONEY
from models.shares import SameSplit, money_of, unit_of, words_of

WIDEST = 10**38 - 1

units = st.one_of(st.integers(-WIDEST, WIDEST), st.integers(-(10**4), 10**4))
weights = st.one_of(
    st.integers(1, 40).map(lambda count: [1] * count),
    *(
        st.lists(st.integers(0, 2**bits), min_size=1, max_size=40).filter(any)
        for bits in (2, 20, 45, 55, 58, 70, 110)
    ),
)


def by_fractions(amount: int, given: list[int]) -> list[int]:
    """Largest remainder, on a tie to the first."""
    exact = [Fraction(amount * weight, sum(given)) for weight in given]
    parts = [one.numerator // one.denominator for one in exact]
    order = sorted(range(len(given)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: amount - sum(parts)]:
        parts[place] += 1
    return parts


@settings(max_examples=150, deadline=None)
@given(st.lists(units, min_size=1, max_size=5), weights)
@example([WIDEST, -WIDEST, -1, 0, 1], [1, 1, 1])
@example([WIDEST, -WIDEST], [2**60 - 1, 2**60 - 3, 0, 1])
def test_each_amount_is_split_as_alone(amounts: list[int], given: list[int]) -> None:
    split = SameSplit(given)
    for amount in amounts:
        parts = split.words(amount)
        assert [unit_of(part) for part in parts] == by_fractions(amount, given)
        assert [units_of(one) for one in money_of("cost", parts)] == by_fractions(amount, given)


@settings(max_examples=30, deadline=None)
@given(st.lists(units, max_size=10))
def test_words_are_their_numbers(amounts: list[int]) -> None:
    words = words_of(amounts)
    assert [unit_of(one) for one in words] == amounts
    column = money_of("cost", words)
    assert column.dtype == MONEY
    assert [Decimal(one) for one in column] == [Decimal(f"{amount}E-18") for amount in amounts]
    assert words.dtype == np.uint64


@pytest.mark.parametrize("given", [[], [0, 0], [1, -1], [3, -1]])
def test_weights_that_cannot_divide_are_refused(given: list[int]) -> None:
    with pytest.raises(ModelError, match="leave the cost unallocated"):
        SameSplit(given).words(100)
