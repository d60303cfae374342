"""Error budgets: what is left by occurrences, in events and minutes, and when nothing will be left, of events or slices of time.

Arithmetic over counts, a row per objective; what counts as bad, and what is published, is ``models.slo``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from models.paging import PARTS

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

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
