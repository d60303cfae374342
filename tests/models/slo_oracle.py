"""What the state of an objective must be, from its slices, by loops over exact numbers that share nothing with the model.

Factors, floors and hold stand here a second time on purpose: a policy that is changed must be changed here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import comb

_WIDE = Context(prec=60)

MINUTES = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}
PAIRS = [
    ("page", "0.02", "1h", "5m"),
    ("page", "0.02", "1h", "15m"),
    ("page", "0.05", "6h", "30m"),
    ("ticket", "0.10", "1d", "2h"),
    ("ticket", "0.10", "3d", "6h"),
]
CHANCE = Decimal("0.00001")
HELD_SLICES = 12


@dataclass(frozen=True)
class Slice:
    """Five minutes of an objective."""

    start: datetime
    bad: int
    total: int


@dataclass(frozen=True)
class Answer:
    """State and what stands beside it."""

    state: str
    since: datetime | None
    bad: int
    total: int
    budget_remaining: Fraction | None
    is_spent: bool


def answer(
    slices: Sequence[Slice],
    as_of: datetime,
    target: Decimal,
    window_days: int = 30,
    *,
    production: bool = True,
    silent_since: datetime | None = None,
    stale: bool = False,
) -> Answer:
    """The state of one objective of one app and environment."""
    budget = 1 - Fraction(target)
    bad, total = counted(inside(slices, as_of, timedelta(days=window_days)))
    remaining = 1 - Fraction(bad, total) / budget if total else None
    gone = remaining is not None and remaining <= 0
    spent = gone and bad >= 3
    fired = [
        (severity, first)
        for back in range(HELD_SLICES + 1)
        for severity, share, long, short in PAIRS
        if (
            first := fires(
                slices, as_of - timedelta(minutes=5 * back), budget, window_days, share, long, short
            )
        )
    ]
    worst = next((name for name in ("page", "ticket") if name in {severity for severity, _ in fired}), None)
    fired_since = min((first for severity, first in fired if severity == worst), default=None)
    shown = "ticket" if worst and not production else worst
    if not total and not silent_since:
        state = "no_data"
    elif stale:
        state = "stale"
    elif shown:
        state = shown
    elif spent:
        state = "spent"
    elif silent_since:
        state = "silent"
    elif gone or total * budget < 1:
        state = "too_few"
    else:
        state = "ok"
    since = fired_since if state in ("page", "ticket") else silent_since if state == "silent" else None
    return Answer(state, since, bad, total, remaining, spent)


def inside(slices: Iterable[Slice], end: datetime, length: timedelta) -> list[Slice]:
    return [one for one in slices if end - length <= one.start < end]


def counted(slices: Iterable[Slice]) -> tuple[int, int]:
    found = list(slices)
    return sum(one.bad for one in found), sum(one.total for one in found)


def fires(
    slices: Sequence[Slice],
    end: datetime,
    budget: Fraction,
    window_days: int,
    share: str,
    long: str,
    short: str,
) -> datetime | None:
    """Begin of the first bad slice of the long window if the pair fires at that moment."""
    in_long, in_short = (inside(slices, end, timedelta(minutes=MINUTES[name])) for name in (long, short))
    (bad_long, total_long), (bad_short, total_short) = counted(in_long), counted(in_short)
    bad_slices = [one.start for one in in_long if one.total and Fraction(one.bad, one.total) > budget]
    if bad_long < 3 or len(bad_slices) < 2 or bad_short < 2:
        return None
    if (bad_long, bad_short) != (total_long, total_short):
        factor = Fraction(share) * window_days * 24 * 60 / MINUTES[long]
        if (
            Fraction(bad_long, total_long) / budget <= factor
            or Fraction(bad_short, total_short) / budget <= factor
        ):
            return None
        if tail(bad_long, total_long, budget) >= CHANCE:
            return None
    return min(bad_slices)


def tail(bad: int, total: int, budget: Fraction) -> Decimal:
    """Probability of so many bad events or more, each bad with the budget."""
    with localcontext(_WIDE):
        share = Decimal(budget.numerator) / Decimal(budget.denominator)
        term = Decimal(comb(total, bad)) * share**bad * (1 - share) ** (total - bad)
        summed = Decimal(0)
        for number in range(bad, total + 1):
            summed += term
            term = term * (total - number) / (number + 1) * share / (1 - share)
            if number > total * share and term < summed * Decimal("1e-40"):
                break
        return summed
