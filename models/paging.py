"""When burn is an alert: the windows' counts of one app against its budget, its factors, and what chance explains.

Arithmetic over arrays, a place per objective, so that one pass judges a fleet and a benchmark a thousand app-months. Windows, factors
and floors are policy (``models.policy.burn_windows``); which windows end when, and what state comes of it, is ``models.slo``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from models.policy import BurnGuard, BurnWindows, Clustering, duration

PARTS = 10**9
"""Budgets are held exactly in parts per billion."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

_NORMAL_975 = 1.959963984540054
"""Quantile of the normal distribution."""
_HALF_AN_HOUR = 0.5
_TIE = 1e-9
"""Shares closer to a limit than this, in relation, are decided in whole numbers."""


@dataclass(frozen=True)
class Counts:
    """Counts of one window, a place per objective: bad events, all events, slices that burn."""

    bad: Integers
    total: Integers
    bad_slices: Integers

    def at(self, places: Places) -> Counts:
        """Counts of some of the objectives."""
        return Counts(self.bad[places], self.total[places], self.bad_slices[places])


def pair_fires(
    long: Counts,
    short: Counts,
    allowed: Integers,
    clustering: Floats,
    factor: Fraction,
    severity: str,
    policy: BurnWindows,
    or_equal: bool = False,
) -> Flags:
    """Whether both windows of a pair burn faster than its factor, on enough evidence that it is not chance.

    Args:
        long, short: counts of the two windows.
        allowed: share of events that may be bad, in parts per billion.
        clustering: variance over mean of bad events, 1 or more.
        factor: burn rate that both must exceed.
        severity: of the alert.
        policy: floors and chances.
        or_equal: whether burning exactly at the factor is enough.
    """
    places = np.flatnonzero(
        (long.bad >= max(policy.least_bad_events, 1)) & (short.bad >= max(policy.least_bad_events_short, 1))
    )
    for counts in (long, short):
        seen = counts.at(places)
        places = places[burns_faster(seen.bad, seen.total, allowed[places], factor, or_equal)]
    near, far = short.at(places), long.at(places)
    budget, spread = allowed[places] / PARTS, clustering[places]
    is_now = _is_below(log_chance(near.bad, near.total, budget, spread), policy.chance_short[severity])
    of_long = log_chance(far.bad, far.total, budget, spread)
    is_rare = np.zeros(places.size, np.bool_)
    for one in policy.evidence:
        is_rare |= (far.bad_slices >= one.bad_slices) & _is_below(of_long, one.chance)
    fires = np.zeros(allowed.size, np.bool_)
    fires[places[is_now & is_rare]] = True
    return fires


class Firing(NamedTuple):
    """Which objectives one pair or guard finds at a moment: with which severity, by which policy, and for how long it must go on."""

    severity: str
    long: str
    fires: Flags
    by: str = ""
    after: timedelta = timedelta(0)


def fired_within(
    at: Callable[[int], list[Firing]], policy: BurnWindows, slice_: timedelta
) -> Iterator[tuple[int, Firing, Flags]]:
    """What fired at each moment of the hold: how many slices ago, by what, and which objectives.

    What must go on for a while fires at a moment where it was so at every slice's end of that while.

    Args:
        at: every pair and guard so many slices ago, in one order.
        policy: hold, and how far it reaches.
        slice_: length of a slice.
    """
    moments = [at(back) for back in range(policy.reach // slice_ + 1)]
    for back in range(policy.hold // slice_ + 1):
        for number, one in enumerate(moments[back]):
            fires = one.fires
            for earlier in range(1, one.after // slice_ + 1):
                fires = fires & moments[back + earlier][number].fires
            yield back, one, fires


def note_by(by: list[tuple[str, ...]], rows: Places, risen: Places, name: str) -> None:
    """Adds a name to what some rows fired by; what rose to a worse severity is by it alone."""
    for row in risen.tolist():
        by[row] = ()
    if name:
        for row in rows.tolist():
            by[row] = tuple({*by[row], name})


def _is_below(log_chance: Floats, chance: Decimal) -> Flags:
    """Whether probabilities are below a policy's; a policy of 1 asks for nothing."""
    return np.asarray((log_chance < math.log(chance)) | (chance >= 1))


def guard_fires(window: Counts, allowed: Integers, guard: BurnGuard, policy: BurnWindows) -> Flags:
    """Whether everything in a window failed, in more slices than chance fails whole.

    A cluster of errors is one moment: slices that fail whole are counted, not events, each with the probability that it holds
    one bad event at the budget, ``1 - (1 - budget) ** events``. A window that holds one success is no matter of the guard.
    """
    fires = np.zeros(allowed.size, np.bool_)
    everything = (window.bad == window.total) & (window.bad >= max(policy.least_bad_events, 1))
    places = np.flatnonzero(everything & (window.bad_slices >= guard.least_bad_slices))
    seen = window.at(places)
    per_slice = seen.total / seen.bad_slices
    one = -np.expm1(per_slice * np.log1p(-allowed[places] / PARTS))
    fires[places] = seen.bad_slices * np.log(one) < math.log(policy.guard_chance)
    return fires


def burns_faster(
    bad: Integers, total: Integers, allowed: Integers, factor: Fraction, or_equal: bool = False
) -> Flags:
    """Whether a share of bad events is strictly above ``factor`` times the budget, or at it where that is enough, exactly.

    Floats decide where they are sure of it, whole numbers of any length at the edge.
    """
    left = bad.astype(np.float64) * float(PARTS * factor.denominator)
    right = total.astype(np.float64) * allowed * float(factor.numerator)
    faster: Flags = left > right
    for place in np.flatnonzero((np.abs(left - right) <= _TIE * right) & (total > 0)):
        burnt = int(bad[place]) * PARTS * factor.denominator
        limit = int(total[place]) * int(allowed[place]) * factor.numerator
        faster[place] = burnt >= limit if or_equal else burnt > limit
    return faster


def log_chance(bad: Integers, total: Integers, budget: Floats, clustering: Floats) -> Floats:
    """Natural logarithm of a bound on the probability of so many bad events or more, each bad with ``budget``.

    Chernoff's bound of the binomial tail, ``exp(-total * KL(bad / total || budget))``, with KL the divergence of Kullback and
    Leibler, of events divided by their clustering (a quasi-binomial count); 0, which is certain, at or below the budget.
    Source: W. Hoeffding, Probability Inequalities for Sums of Bounded Random Variables, JASA 58 (1963), theorem 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = bad / total
        good = np.where(bad < total, (1 - share) * np.log((1 - share) / (1 - budget)), 0.0)
        divergence = np.where(bad > 0, share * np.log(share / budget), 0.0) + good
    return np.where(bad > total * budget, -total * divergence / clustering, 0.0)


SUMS = ("bad", "total", "bad_bad", "bad_total", "total_total")
"""What the clustering is made of: over the hours of an app that hold no outage, sums of bad and all events and of their products."""


def clusterings(sums: pl.DataFrame, policy: Clustering) -> pl.DataFrame:
    """The sums' rows with ``clustering``: variance over mean of the bad events.

    Args:
        sums: ``app_id, environment, objective`` and ``SUMS`` (``queries/slo/clustering``).
        policy: what counts where little is known, and the cap.
    """
    known = pl.Series(
        "clustering", clustering_of([sums[name].cast(pl.Float64).to_numpy() for name in SUMS], policy)
    )
    return sums.select("app_id", "environment", "objective").with_columns(known)


def clustering_of(sums: Sequence[Floats], policy: Clustering) -> Floats:
    """Variance over mean of bad events, drawn towards what is assumed of an app that shows few; from 1 up to the cap.

    With p the share of bad events over all hours: ``(sum((bad - p * total) ** 2) + unknown * weight) / (sum(bad) + weight)``.
    The ratio of sums and not the mean of ratios, as hours of a small app hold a request or two.

    Args:
        sums: ``SUMS``, a place per objective.
        policy: what counts where little is known, and the cap.
    """
    bad, total, bad_bad, bad_total, total_total = sums
    share = np.divide(bad, total, out=np.zeros_like(bad), where=total > 0)
    square = np.maximum(bad_bad - 2 * share * bad_total + share * share * total_total, 0.0)
    weight = policy.weight_bad_events
    return np.clip((square + policy.unknown * weight) / (bad + weight), 1.0, policy.cap)


def outage_hours(bad: Floats, total: Floats, budget: Floats, policy: Clustering) -> Flags:
    """Which hours hold more bad events than clusters explain: an outage, no part of how errors cluster otherwise.

    The same as in ``queries/slo/clustering``.
    """
    at_budget = total * budget
    limit = at_budget + policy.outage_sigmas * np.sqrt(policy.cap * at_budget)
    return np.asarray(bad > np.maximum(limit, 2 * policy.cap))


def interval(bad: Integers, total: Integers, clustering: Floats) -> tuple[Floats, Floats]:
    """Between which shares of good events the true one lies, at 95 %, of events divided by their clustering; NaN without events.

    Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927).
    """
    events = np.where(total > 0, total / clustering, np.nan)
    good = (total - bad) / clustering / events
    square = _NORMAL_975**2
    middle = (good + square / (2 * events)) / (1 + square / events)
    half = (
        _NORMAL_975 / (1 + square / events) * np.sqrt(good * (1 - good) / events + square / (4 * events**2))
    )
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def shortest_outage(requests_a_day: Floats, policy: BurnWindows) -> Floats:
    """Hours an outage of everything must last to be found with the policy's probability; NaN where no window is long enough.

    As long as it takes until the least bad events have come with that probability, by Poisson, and a slice for each at least.
    """
    expected = _expected_for(max(policy.least_bad_events, 1), float(policy.seen_share))
    with np.errstate(divide="ignore"):
        hours = expected / (requests_a_day / 24)
    longest = duration(policy.windows[-1]) / timedelta(hours=1)
    return np.where(hours <= longest, np.maximum(hours, max(policy.least_bad_events, 1) / 12), np.nan)


def unseen(requests_a_day: float, hours: float, events: str = "requests") -> str:
    """What traffic so thin cannot show, as a sentence; empty where an outage of half an hour is found.

    Args:
        requests_a_day: of the objective.
        hours: ``shortest_outage``.
        events: what its events are.
    """
    if hours <= _HALF_AN_HOUR:
        return ""
    holds = f"At {requests_a_day:,.0f} {events} a day half an hour holds {requests_a_day / 48:,.1f} of them"
    if math.isnan(hours):
        return f"{holds}: no outage can be told from chance here."
    length = f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    return f"{holds}: an outage shorter than about {length} can pass unseen."


def _expected_for(least: int, share: float) -> float:
    """Mean of a Poisson count that is ``least`` or more with a probability of ``share``, by halving."""
    low, high = 0.0, 100.0 + 10 * least
    while high - low > 1e-9:
        middle = (low + high) / 2
        fewer = sum(math.exp(-middle) * middle**number / math.factorial(number) for number in range(least))
        low, high = (low, middle) if 1 - fewer >= share else (middle, high)
    return high
