"""Reads what objectives by slices of time are judged by, and in which slices telemetry arrived; the rules are ``models.timeslices``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from models import requests, slo
from models.budgeting import slice_policy
from models.errors import ModelError
from models.maintenance import Maintenance
from models.openslo import TimeWindow
from models.paging import Floats
from models.policy import BurnWindows, Objective, Objectives, request_slices, silence_policy, slo_defaults
from models.requests import rung
from models.slo_windows import period_at
from models.timeslices import (
    HOUR,
    KEYS,
    Axis,
    SliceJudgement,
    SliceTerms,
    heard_holes,
    judge,
    least_due,
    recent_coverage,
)
from models.unheard import Unheard, unheard_of
from sql.warehouse import Warehouse

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Heard(NamedTuple):
    """Share of the last slices in which telemetry arrived, or none was due; and in which hours, and since when, nobody was heard."""

    coverage: float
    unheard: Unheard


def heard_lately(warehouse: Warehouse, as_of: datetime, maintenance: Maintenance) -> Heard:
    """What was heard of all apps together in the last weeks; of those in maintenance nothing was due."""
    policy = slice_policy()
    since = (as_of - timedelta(weeks=policy.weeks) - HOUR).replace(minute=0, second=0, microsecond=0)
    first = (as_of - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    axis = Axis(max(since, slo.EPOCH), as_of)
    first = max(first, axis.since)
    if axis.until <= axis.since:
        return Heard(recent_coverage(np.zeros(0, np.bool_), policy), Unheard())
    frame = warehouse.frame("queries/slo/heard", as_of=axis.until, since=axis.since, slices_from=first)
    limit = least_due(policy, silence_policy().clustering_cap)
    lost = _lost(warehouse, axis, maintenance)
    return Heard(
        recent_coverage(heard_holes(frame, axis, first, limit, lost), policy),
        unheard_of(frame, axis, first, limit, lost),
    )


def _lost(warehouse: Warehouse, axis: Axis, maintenance: Maintenance) -> Floats | None:
    """Share of what is due of all apps together that is not, in each slice; None where nobody is in maintenance."""
    if not maintenance:
        return None
    weights = warehouse.frame("queries/maintenance/weights", since=axis.since)
    return maintenance.share_of_all(weights, int(axis.since.timestamp()), axis.slices)


def _holes(warehouse: Warehouse, axis: Axis, slices_from: datetime, maintenance: Maintenance) -> Flags:
    """Slices from a moment on in which nobody was heard."""
    if axis.until <= axis.since:
        return np.zeros(0, np.bool_)
    frame = warehouse.frame("queries/slo/heard", as_of=axis.until, since=axis.since, slices_from=slices_from)
    limit = least_due(slice_policy(), silence_policy().clustering_cap)
    return heard_holes(frame, axis, slices_from, limit, _lost(warehouse, axis, maintenance))


def judged_by_slices(
    warehouse: Warehouse,
    group: Objectives,
    window: TimeWindow,
    policy: BurnWindows,
    as_of: datetime,
    apps: Sequence[str],
    silences: pl.DataFrame,
    maintenance: Maintenance,
) -> SliceJudgement | None:
    """What slices say of the objectives of a window that are judged by them; None where there are none.

    Raises:
        ModelError: slices were cut by another latency ladder.
    """
    lines = tuple(one for one in group.lines if one.budgeting.is_by_slices)
    if not lines:
        return None
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    axis = Axis.of(period_at(window, as_of).begin, as_of, slice_policy(), policy)
    counts = warehouse.frame(
        "queries/slo/slices",
        as_of=as_of,
        since=axis.since,
        names=[one.name for one in lines],
        rungs=[0 if one.threshold_ms is None else rung(ladder, one.threshold_ms) for one in lines],
        bounds=len(ladder),
        apps=list(apps),
        server=[place for place, one in enumerate(lines, 1) if "server" in one.kinds],
        consumer=[place for place, one in enumerate(lines, 1) if "consumer" in one.kinds],
        **maintenance.parameters(axis.since, as_of),
    )
    if counts["other_ladders"].sum():
        raise ModelError(
            "slices were cut by another latency ladder: compute the slices again, then the objectives"
        )
    return judged_counts(warehouse, lines, counts, window, policy, axis, silences, maintenance)


def judged_counts(
    warehouse: Warehouse,
    lines: Sequence[Objective],
    counts: pl.DataFrame,
    window: TimeWindow,
    policy: BurnWindows,
    axis: Axis,
    silences: pl.DataFrame,
    maintenance: Maintenance,
) -> SliceJudgement:
    """What slices of some objectives say, whatever was counted in them (columns of ``queries/slo/slices``)."""
    as_of = axis.until
    period = period_at(window, as_of)
    holes = _holes(warehouse, axis, axis.since, maintenance)
    judged = [
        judge(
            counts.filter(pl.col("objective") == one.name),
            axis,
            holes,
            silences,
            SliceTerms(
                one,
                period,
                window.calendar is not None,
                policy,
                slice_policy(),
                silence_policy().clustering_cap,
            ),
            as_of,
            maintenance,
        )
        for one in lines
    ]
    return SliceJudgement(*(pl.concat(frames).sort(KEYS) for frames in zip(*judged, strict=True)))
