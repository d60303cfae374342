"""Money without loss: exact sums of decimals, splits whose parts are the whole, rounding to minor units once.

Amounts are ``models.schemas.MONEY`` in frames and ``Decimal`` in Python, never a float. Which cost is split or charged to
whom belongs to the models that call this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import ROUND_FLOOR, Context, Decimal, localcontext

import numpy as np
import polars as pl
import pyarrow as pa

from models.errors import ModelError
from models.schemas import MONEY

_LARGEST_SUM = 10.0 ** (MONEY.precision - MONEY.scale) * 0.999
"""Magnitude below which no sum can leave ``MONEY``, with room for the float that checks it."""

LARGEST_UNITS: int = int(_LARGEST_SUM) * 10**MONEY.scale
"""The same in whole numbers of the last place."""

_WIDE = Context(prec=120)
"""Python's own context rounds to 28 digits in silence."""


def exact_sums(
    frame: pl.DataFrame, by: Sequence[str], amounts: Collection[str], in_order: bool = True
) -> pl.DataFrame:
    """Exact sums of ``amounts`` per group, sorted by ``by`` where they are to be ``in_order``; other columns are dropped.

    Polars wraps a decimal sum beyond 38 digits in silence, so the magnitudes are added up as floats first.

    Raises:
        ModelError: an amount is no ``Decimal(38, 18)``, is NULL, or a sum could exceed 38 digits.
    """
    for name in amounts:
        column = frame[name]
        if column.dtype != MONEY:
            raise ModelError(f"{name} is {column.dtype}; money is {MONEY}")
        if column.null_count():
            raise ModelError(f"{name} has {column.null_count()} rows without an amount; each needs one")
        if column.cast(pl.Float64).abs().sum() > _LARGEST_SUM:
            raise ModelError(f"the sum of {name} needs more than the 20 digits before the point that exist")
    sums = frame.group_by(by).agg(pl.col(name).sum() for name in amounts)
    return sums.sort(by) if in_order else sums


def in_minor_units(amount: pl.Expr, currency: pl.Expr, minor_units: Mapping[str, int]) -> pl.Expr:
    """``amount`` rounded half to even to the places ISO 4217 gives its currency; NULL for a currency not listed."""
    rounded = pl.lit(None, MONEY)
    for places in sorted(set(minor_units.values())):
        currencies = [code for code, count in minor_units.items() if count == places]
        rounded = (
            pl.when(currency.is_in(currencies))
            .then(amount.round(places, mode="half_to_even"))
            .otherwise(rounded)
        )
    return rounded


def split(whole: Decimal, weights: Sequence[Decimal | int], places: int = MONEY.scale) -> list[Decimal]:
    """``whole`` in parts proportional to ``weights`` by largest remainder: the parts sum to it to the last digit.

    Each part is cut toward negative infinity to ``places``; the units left go one each to the largest remainders,
    on a tie to the earlier part.

    Raises:
        ModelError: no weight, a negative one or none above zero (nobody can be charged: the cost stays unallocated),
            or a whole with more than ``places`` places.
    """
    if any(weight < 0 for weight in weights) or not any(weights):
        raise ModelError(
            "a split needs weights of zero and more, one of them above zero; leave the cost unallocated"
        )
    unit = Decimal(1).scaleb(-places)
    with localcontext(_WIDE):
        units = whole / unit
        if units != units.to_integral_value():
            raise ModelError(f"{whole} has more than {places} places and cannot be split without loss")
        total = sum(map(Decimal, weights))
        shares = [units * Decimal(weight) / total for weight in weights]
        parts = [share.to_integral_value(ROUND_FLOOR) for share in shares]
        left = int(units - sum(parts))
        order = sorted(range(len(parts)), key=lambda index: (parts[index] - shares[index], index))
        for index in order[:left]:
            parts[index] += 1
        return [part * unit for part in parts]


def exact_total(amounts: Iterable[Decimal]) -> Decimal:
    """Sum of decimals without loss."""
    with localcontext(_WIDE):
        return sum(amounts, Decimal(0))


def split_units(units: int, weights: Sequence[int]) -> list[int]:
    """A whole number of units in whole parts proportional to ``weights``, as ``split`` does it: by largest remainder, on a
    tie to the earlier part.

    Raises:
        ModelError: no weight, a negative one or none above zero.
    """
    if not weights or min(weights) < 0 or not any(weights):
        raise ModelError(
            "a split needs weights of zero and more, one of them above zero; leave the cost unallocated"
        )
    total = sum(weights)
    parts = [units * weight // total for weight in weights]
    left = units - sum(parts)
    if left:
        remainders = [units * weight - part * total for weight, part in zip(weights, parts, strict=True)]
        order = sorted(
            range(len(parts)), key=remainders.__getitem__, reverse=True
        )  # stable: ties stay in order
        for index in order[:left]:
            parts[index] += 1
    return parts


def decimal_series(name: str, units: Sequence[int], places: int) -> pl.Series:
    """Whole numbers of the last of ``places`` as a column of 38 digits.

    Raises:
        ModelError: a number of more than 38 digits.
    """
    largest = max(map(abs, units), default=0)
    if largest >= 10**MONEY.precision:
        raise ModelError(f"{name} needs more than {MONEY.precision} digits")
    if largest < 2**63:  # most are: a column of them needs no object each
        low = np.array(units, dtype="<i8")
        held = np.column_stack((low, low >> 63)).tobytes()
    else:
        held = b"".join([unit.to_bytes(16, "little", signed=True) for unit in units])
    kind = pa.decimal128(MONEY.precision, places)
    return pl.Series(name, pa.Array.from_buffers(kind, len(units), [None, pa.py_buffer(held)]))


def money_series(name: str, units: Sequence[int]) -> pl.Series:
    """Whole numbers of the last place of ``MONEY`` as a column of it."""
    return decimal_series(name, units, MONEY.scale)


def units_in(column: pl.Series, places: int = MONEY.scale) -> list[int]:
    """Decimals of at most ``places`` as whole numbers of the last of them; exact, at the speed of a column."""
    units: list[int] = column.cast(pl.Decimal(MONEY.precision, places)).to_physical().to_list()
    return units


def units_of(amount: Decimal, places: int = MONEY.scale) -> int:
    """An amount as a whole number of the last of ``places``, exact whatever the context of Python's decimals.

    Raises:
        ModelError: it has more places.
    """
    sign, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int) or exponent < -places:
        raise ModelError(f"{amount} is no amount of at most {places} places")
    whole = int("".join(map(str, digits)) + "0" * (places + exponent))
    return -whole if sign else whole
