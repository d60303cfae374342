"""Splits amounts by the same weights again and again, as ``models.money.split_units`` does one by one, to the same digit.

Amounts and parts are whole numbers of their last place, parts two words of 64 bits each, so that no part is a Python object.
What a split is for does not belong here (``models.shared_costs``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from models.money import split_units
from models.schemas import MONEY

Words = NDArray[np.uint64]
"""Whole numbers by rows: the low and the high 64 bits of each, two's complement."""

_WORD = 64
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(2**32 - 1)
_EXACT_BITS = 50
"""Bits that a double has right of a quotient of two products."""


class SameSplit:
    """Splits whole numbers by weights, by largest remainder, on a tie to the earlier part.

    An amount is a multiple of the weights' sum and a rest below it: the multiple splits exactly, so only the rest is divided.
    Doubles estimate its parts; what they are off by shows in the remainders, which are exact in 64 bits.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        """Weights of zero and more, one of them above zero; others are refused by ``words``."""
        self._given, self._total = weights, sum(weights)
        largest = max(weights, default=0)
        # a remainder of an estimate must not leave 64 bits
        self._is_narrow = min(weights, default=-1) >= 0 < self._total and (
            (largest >> _EXACT_BITS) + 4
        ) * self._total < 2 ** (_WORD - 1)
        if self._is_narrow:
            self._weights = np.array(weights, dtype=np.int64)
            self._doubles = self._weights / self._total

    def words(self, units: int) -> Words:
        """Parts of an amount, in the order of the weights.

        Raises:
            ModelError: no weight, a negative one or none above zero.
        """
        if not self._is_narrow:
            return words_of(split_units(units, self._given))
        times, rest = divmod(units, self._total)
        parts = (self._doubles * rest).astype(np.int64)
        remainders = np.int64(rest) * self._weights - parts * np.int64(self._total)
        off = remainders // self._total
        parts += off
        remainders -= off * self._total
        left = rest - int(parts.sum())
        if left:
            parts[np.argsort(-remainders, kind="stable")[:left]] += 1
        return _added(_times(self._weights.view(np.uint64), times), parts.view(np.uint64))


def _times(weights: Words, times: int) -> Words:
    """Products of numbers of one word and a whole number, modulo two words."""
    low, high = (np.uint64((times >> shift) % 2**_WORD) for shift in (0, _WORD))
    lower, upper = weights & _LOW_HALF, weights >> _HALF
    first, second = low & _LOW_HALF, low >> _HALF
    ends, crossed, across = lower * first, upper * first, lower * second
    middle = (ends >> _HALF) + (crossed & _LOW_HALF) + (across & _LOW_HALF)
    carried = upper * second + (crossed >> _HALF) + (across >> _HALF) + (middle >> _HALF)
    return np.column_stack(((middle << _HALF) | (ends & _LOW_HALF), carried + weights * high))


def _added(words: Words, parts: Words) -> Words:
    low = words[:, 0] + parts
    return np.column_stack((low, words[:, 1] + (low < parts)))


def added(words: Words, others: Words) -> Words:
    """Sums of whole numbers, row by row; they have at most the digits of ``MONEY``."""
    low = words[:, 0] + others[:, 0]
    return np.column_stack((low, words[:, 1] + others[:, 1] + (low < others[:, 0])))


def words_of(units: Sequence[int]) -> Words:
    """Whole numbers of at most two words."""
    held = b"".join([unit.to_bytes(2 * _WORD // 8, "little", signed=True) for unit in units])
    return np.frombuffer(held, dtype="<u8").reshape(-1, 2)


def unit_of(words: NDArray[Any]) -> int:
    """The whole number of one row."""
    return int.from_bytes(words.astype("<u8").tobytes(), "little", signed=True)


def money_of(name: str, words: Words) -> pl.Series:
    """Whole numbers of the last place of ``MONEY`` as a column of it; they have at most its digits."""
    held = pa.py_buffer(np.ascontiguousarray(words, dtype="<u8"))
    kind = pa.decimal128(MONEY.precision, MONEY.scale)
    return pl.Series(name, pa.Array.from_buffers(kind, len(words), [None, held]))
