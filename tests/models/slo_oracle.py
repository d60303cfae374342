"""What the state of an objective must be, from its slices, by loops over exact numbers that share nothing with the model.

Factors, floors and hold stand here a second time on purpose: a policy that is changed must be changed here as well.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import comb
from operator import attrgetter

_WIDE = Context(prec=60)

MINUTES = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}
"""Windows of the pairs; those of the guards stand in ``GUARDS``."""
PAIRS = [
    ("page", "0.02", "1h", "5m"),
    ("page", "0.02", "1h", "15m"),
    ("page", "0.05", "6h", "30m"),
    ("ticket", "0.10", "1d", "2h"),
    ("ticket", "0.10", "3d", "6h"),
]
GUARDS = [
    ("page", 15, 3),
    ("page", 20, 3),
    ("page", 30, 3),
    ("page", 60, 3),
    ("page", 120, 3),
    ("page", 240, 3),
    ("page", 360, 3),
    ("ticket", 1440, 4),
    ("ticket", 4320, 4),
]
"""Severity, minutes, and how many slices must have failed whole."""
EVIDENCE = [(2, Decimal("1e-10")), (3, Decimal("1e-8")), (4, Decimal("1e-6"))]
"""Bad slices of the long window, and what chance may explain at most."""
SHORT_CHANCE = {"page": Decimal("0.001"), "ticket": Decimal(2)}  # nothing is asked of a ticket's
GUARD_CHANCE = Decimal("0.00001")
UNKNOWN = Fraction(2)
"""Clustering of an app whose past says nothing."""
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
    clustering: Fraction = UNKNOWN,
) -> Answer:
    """The state of one objective of one app and environment."""
    budget = 1 - Fraction(target)
    bad, total = counted(inside(slices, as_of, timedelta(days=window_days)))
    remaining = 1 - Fraction(bad, total) / budget if total else None
    gone = remaining is not None and remaining <= 0
    spent = gone and bad >= 3
    slices = sorted(slices, key=attrgetter("start"))
    ends = [as_of - timedelta(minutes=5 * back) for back in range(HELD_SLICES + 1)]
    fired = [
        (severity, first)
        for end in ends
        for severity, share, long, short in PAIRS
        if (first := fires(slices, end, budget, window_days, severity, share, long, short, clustering))
    ] + [
        (severity, first)
        for end in ends
        for severity, minutes, least in GUARDS
        if (first := fails_whole(_between(slices, end, timedelta(minutes=minutes)), budget, least))
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


def _between(slices: Sequence[Slice], end: datetime, length: timedelta) -> Sequence[Slice]:
    """The same of slices in the order of time."""
    begins = attrgetter("start")
    return slices[bisect_left(slices, end - length, key=begins) : bisect_left(slices, end, key=begins)]


def counted(slices: Iterable[Slice]) -> tuple[int, int]:
    found = list(slices)
    return sum(one.bad for one in found), sum(one.total for one in found)


def fires(
    slices: Sequence[Slice],
    end: datetime,
    budget: Fraction,
    window_days: int,
    severity: str,
    share: str,
    long: str,
    short: str,
    clustering: Fraction = UNKNOWN,
) -> datetime | None:
    """Begin of the first bad slice of the long window if the pair fires at that moment."""
    factor = Fraction(share) * window_days * 24 * 60 / MINUTES[long]
    return fires_at(slices, end, budget, severity, factor, MINUTES[long], MINUTES[short], clustering)


def fires_at(
    slices: Sequence[Slice],
    end: datetime,
    budget: Fraction,
    severity: str,
    factor: Fraction,
    long: int,
    short: int,
    clustering: Fraction = UNKNOWN,
    or_equal: bool = False,
) -> datetime | None:
    """The same of two windows of some minutes and a factor; ``or_equal``: burning at the factor is enough."""
    in_long, in_short = (_between(slices, end, timedelta(minutes=minutes)) for minutes in (long, short))
    (bad_long, total_long), (bad_short, total_short) = counted(in_long), counted(in_short)
    bad_slices = [one.start for one in in_long if one.total and Fraction(one.bad, one.total) > budget]
    if bad_long < 3 or bad_short < 2:
        return None
    burns = (
        Fraction(bad, total) / budget for bad, total in ((bad_long, total_long), (bad_short, total_short))
    )
    if (
        any(burn < factor or (burn == factor and not or_equal) for burn in burns)
        or bound(bad_short, total_short, budget, clustering) >= SHORT_CHANCE[severity]
    ):
        return None
    chance = bound(bad_long, total_long, budget, clustering)
    if not any(len(bad_slices) >= least and chance < most for least, most in EVIDENCE):
        return None
    return min(bad_slices)


def clustering(slices: Iterable[Slice], as_of: datetime, budget: Fraction) -> Fraction:
    """Variance over mean of the bad events of 28 days' hours that end a day before as-of's own, outages left out."""
    until = as_of.replace(hour=0, minute=0) - timedelta(days=1)
    hours: dict[datetime, list[int]] = {}
    for one in slices:
        if until - timedelta(days=28) <= one.start < until:
            hour = hours.setdefault(one.start.replace(minute=0), [0, 0])
            hour[0] += one.bad
            hour[1] += one.total
    kept = [(bad, total) for bad, total in hours.values() if not _is_outage(bad, total * budget)]
    all_bad, all_events = sum(bad for bad, _ in kept), sum(total for _, total in kept)
    share = Fraction(all_bad, all_events) if all_events else Fraction(0)
    square = sum(((bad - share * total) ** 2 for bad, total in kept), Fraction(0))
    return min(max((square + UNKNOWN * 5) / (all_bad + 5), Fraction(1)), Fraction(8))


def _is_outage(bad: int, at_budget: Fraction) -> bool:
    """More than six deviations at the budget and a clustering of eight, and more than sixteen."""
    return bad > 16 and bad > at_budget and (bad - at_budget) ** 2 > 36 * 8 * at_budget


def fails_whole(slices: Sequence[Slice], budget: Fraction, least: int) -> datetime | None:
    """Begin of the first slice with events if every event of a window failed, in more slices than chance fails whole."""
    bad, total = counted(slices)
    full = [one.start for one in slices if one.total]
    if bad != total or bad < 3 or len(full) < least:
        return None
    with localcontext(_WIDE):
        one = 1 - _decimal(1 - budget) ** (Decimal(total) / len(full))
        return min(full) if one ** len(full) < GUARD_CHANCE else None


def bound(bad: int, total: int, budget: Fraction, clustering: Fraction) -> Decimal:
    """Chernoff's bound of the probability of so many bad events or more, of events divided by their clustering."""
    if bad <= total * budget:
        return Decimal(1)
    with localcontext(_WIDE):
        share, at = Decimal(bad) / total, _decimal(budget)
        divergence = share * (share / at).ln()
        if bad < total:
            divergence += (1 - share) * ((1 - share) / (1 - at)).ln()
        return (-total * divergence / _decimal(clustering)).exp()


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)


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
