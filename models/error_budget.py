"""Error budgets: what is left, in events and minutes, by each method of budgeting, and when nothing will be left.

Arithmetic over counts, a row per objective; what counts as bad, and what is published, is ``models.slo``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.paging import PARTS, burns_faster

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Missing = Literal["good", "bad", "excluded", "freeze"]
"""What a slice without events is: a good one, a bad one, no slice, or no slice and the reason to decide nothing."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class ErrorBudget:
    """What is left of the budgets of some objectives by occurrences, a place for each; NaN without events."""

    remaining: Floats
    """Share of the budget, 1 untouched, negative once overspent."""
    events_left: Floats
    """Bad events the events so far still allow, negative once overspent."""
    minutes_spent: Floats
    """Minutes of the window in which everything would have failed to do the same: ``bad / total`` of its length."""
    minutes_allowed: Floats
    """Minutes of the window in which everything may fail."""


def occurrences(bad: Integers, total: Integers, allowed: Integers, window: timedelta) -> ErrorBudget:
    """Budgets by occurrences: ``remaining = 1 - (bad / total) / (1 - T)``, ``events_left = (1 - T) * total - bad``.

    Args:
        bad, total: events of the window.
        allowed: ``1 - T`` in parts per billion.
        window: its length.
    """
    minutes = window / _MINUTE
    share = np.divide(bad, total, out=np.full(bad.shape, np.nan), where=total > 0)
    budget = allowed / PARTS
    return ErrorBudget(1 - share / budget, budget * total - bad, share * minutes, budget * minutes)


@dataclass(frozen=True)
class Slices:
    """An indicator over slices of equal length.

    ``indicator`` is None where nothing was measured; ``bad`` may be a fraction of slices (ratio timeslices); ``coverage`` is the share
    of slices that were measured.
    """

    indicator: float | None
    bad: float
    counted: int
    coverage: float


def timeslices(
    bad: Integers, total: Integers, slice_allowed: int, missing: Missing, *, ratio: bool = False
) -> Slices:
    """Indicator of a window by timeslices: the share of slices that have no larger share of bad events than is allowed.

    By ratio timeslices the mean of the slices' own shares of good events, whatever is allowed. A slice without events is
    what ``missing`` says. Source: OpenSLO v1, budgeting methods Timeslices and RatioTimeslices.

    Args:
        bad, total: events of every slice of the window, those without events among them.
        slice_allowed: share of bad events a good slice has at most, in parts per billion: ``1 - timeSliceTarget``.
        missing: what a slice without events is.
        ratio: whether slices count by their own share.

    Raises:
        ModelError: no slice at all, or one with more bad events than events.
    """
    if ((bad < 0) | (bad > total)).any():
        raise ModelError("a slice counts more bad events than events: its counts are not sound")
    if not total.size:
        raise ModelError("a window holds no slice: its length must be that of one slice at least")
    measured = total > 0
    good_share = 1 - np.divide(bad, total, out=np.zeros(bad.shape), where=measured)
    # a float would decide at the edge by its rounding
    is_over = burns_faster(bad, total, np.full(bad.shape, slice_allowed, np.int64), Fraction(1))
    good = good_share if ratio else (~is_over).astype(np.float64)
    good = np.where(measured, good, float(missing != "bad"))
    counts = measured | (missing in ("good", "bad"))
    counted = int(counts.sum())
    bad_slices = float((1 - good)[counts].sum())
    indicator = 1 - bad_slices / counted if counted else None
    return Slices(indicator, bad_slices, counted, float(measured.mean()))


def alert_state(
    before: str | None, now: str | None, coverage: float, floor: float, missing: Missing
) -> str | None:
    """What an alert is now: what it was before where too little was measured to say, else what is judged.

    Args:
        before: severity that fired at the judgement before, None for none.
        now: severity that fires by what was measured.
        coverage: share of slices that were measured.
        floor: coverage below which nothing fires and nothing resolves; whatever it is, nothing does without any slice measured
            where missing slices freeze.
        missing: what a slice without events is: where it counts as good or bad, it was judged, and nothing freezes.
    """
    if missing in ("good", "bad"):
        return now
    is_blind = coverage < floor or (missing == "freeze" and coverage == 0)
    return before if is_blind else now


def exhaustion(
    edges: Sequence[datetime],
    bad: Integers | Floats,
    total: Integers | Floats,
    allowed: Integers,
    recent_bad: Floats,
    recent_total: Floats,
) -> Floats:
    """Seconds from the last edge until nothing is left of a rolling window's budget; 0: spent, NaN: not within a window's length.

    What comes goes on as it did lately; what was spent counts until it ages out, evenly between two edges. At t the window holds
    ``B - aged(t) + r * t`` bad events and the like of all; nothing is left once bad ones are ``1 - T`` of all. After the length
    of the window only what is to come is in it, and nothing changes any more.

    Args:
        edges: moments, ascending: begin of the window first, its end last.
        bad, total: running sums of events, or of slices of time, from the first edge to each, a row per objective, 0 first.
        allowed: ``1 - T`` in parts per billion.
        recent_bad, recent_total: events a second that are expected to come.
    """
    steps = np.array([(edge - edges[0]).total_seconds() for edge in edges])
    budget = (allowed / PARTS)[:, None]
    over = (bad[:, -1:] - bad + recent_bad[:, None] * steps) - budget * (
        total[:, -1:] - total + recent_total[:, None] * steps
    )
    # a shortfall within rounding of the counts is none
    is_over = over >= -1e-9 * (1 + bad[:, -1:])
    has_events = (total[:, -1:] - total + recent_total[:, None] * steps) > 0
    is_over &= has_events
    first = np.argmax(is_over, axis=1)
    rows = np.arange(len(over))
    later = np.maximum(first, 1)
    low, high = over[rows, later - 1], over[rows, later]
    rise = np.where(high > low, high - low, 1.0)
    at = steps[later - 1] + (steps[later] - steps[later - 1]) * np.clip(-low / rise, 0.0, 1.0)
    return np.where(is_over.any(axis=1), np.where(first == 0, 0.0, at), np.nan)


def exhaustion_in_period(
    bad: Integers | Floats,
    total: Integers | Floats,
    allowed: Integers,
    recent_bad: Floats,
    recent_total: Floats,
    rest: timedelta,
) -> Floats:
    """Seconds until nothing is left of a calendar period's budget; 0: spent, NaN: not within its rest.

    What comes goes on as it did lately, and nothing ages out: nothing is left once ``B + r t = (1 - T) (N + s t)``.

    Args:
        bad, total: events of the period so far.
        allowed: ``1 - T`` in parts per billion.
        recent_bad, recent_total: events a second that are expected to come.
        rest: of the period.
    """
    budget = allowed / PARTS
    left = budget * total - bad
    speed = recent_bad - budget * recent_total
    # a shortfall within rounding of the counts is none
    is_spent = (left <= 1e-9 * (1 + bad)) & (total > 0)
    at = np.where(speed > 0, left / np.where(speed > 0, speed, 1.0), np.inf)
    within = np.where(at <= rest.total_seconds(), at, np.nan)
    return np.where(is_spent, 0.0, within)
