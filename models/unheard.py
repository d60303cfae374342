"""When no app at all was heard though some were due: telemetry did not arrive, and nothing is known of any app meanwhile.

Takes requests of all apps together by slice and hour; the rhythm is the fleet's own. Whether one app is silent is
``models.silence``, which leaves out of its waiting what is found here; who is told is ``pipelines.compute.alerts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from models.paging import Floats
from models.timeslices import PER_HOUR, SLICE, Axis, heard_slices, holes


@dataclass(frozen=True)
class Unheard:
    """Hours since 1970 -> the share of them in which nobody was heard; since when nobody is, and how many requests were due since."""

    hours: Mapping[int, float] = field(default_factory=dict)
    since: datetime | None = None
    due: float = 0.0


def unheard_of(
    heard: pl.DataFrame, axis: Axis, slices_from: datetime, limit: float, lost: Floats | None = None
) -> Unheard:
    """What of an axis nobody was heard in, where more was due than chance explains.

    Whole hours are judged over all of the axis, slices where they were read, so that the edges of an outage are known there. Nobody is heard now where so much was due
    since the last request of all, however long that is ago.

    Args:
        heard: ``start, is_slice, requests`` of all apps together (``queries/slo/heard``).
        axis: what was read.
        slices_from: begin of an hour, from which on slices were read.
        limit: so many due and none come are no chance (``models.timeslices.least_due``).
        lost: share of what is due that is not, as apps are in maintenance, in each slice of the axis.
    """
    if axis.until <= axis.since or heard.is_empty():
        return Unheard()
    hours, rhythm, slices, of_slices = heard_slices(heard, axis, lost)
    first = (slices_from - axis.since) // SLICE
    lost = holes(slices[None, first:], of_slices[None, first:], limit)[0]
    over = axis.slices // PER_HOUR
    is_dark = np.zeros(hours.size)
    np.add.at(is_dark, (first + np.flatnonzero(lost)) // PER_HOUR, 1 / PER_HOUR)
    is_dark[:over][holes(hours[None, :over].astype(np.int64), rhythm[None, :over], limit)[0]] = 1.0
    run = _quiet_at_end(slices[first:])
    if run == slices.size - first:
        run += PER_HOUR * _quiet_at_end(hours[: first // PER_HOUR])
    missed = float(of_slices[axis.slices - run :].sum())
    is_over = not run or missed < limit
    if not is_over:
        is_dark[-(-(axis.slices - run) // PER_HOUR) :] = 1.0
    begin = int(axis.since.timestamp()) // 3600
    shares = {begin + int(hour): float(is_dark[hour]) for hour in np.flatnonzero(is_dark)}
    return Unheard(shares) if is_over else Unheard(shares, axis.until - run * SLICE, missed)


def _quiet_at_end(counts: npt.NDArray[np.int64] | Floats) -> int:
    """Counts of nothing at the end."""
    came = np.flatnonzero(counts)
    return int(counts.size - 1 - came[-1]) if came.size else int(counts.size)


def due_in(unheard: Mapping[int, float], after: Floats, mean: Floats) -> Floats:
    """Requests that were due of each app in hours in which nobody was heard, after its last one.

    Args:
        unheard: hours since 1970 and the share of each.
        after: of each app the hour since 1970 its last request was in.
        mean: requests of each hour of the week, a row per app, the first the hour after its last request.
    """
    found = np.zeros(len(mean))
    rows = np.arange(len(mean))
    for hour, share in unheard.items():
        back = (hour - after - 1).astype(np.int64)
        found += np.where(back >= 0, share * mean[rows, back % mean.shape[1]], 0.0)
    return found


def is_retired(last_end: datetime | None, as_of: datetime, after: timedelta) -> bool:
    """Whether an app has been without a request for so long that it is retired; of one none of whose requests is kept it is known."""
    return last_end is None or as_of - last_end > after
