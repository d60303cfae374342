"""Objectives by slices of time: which slices are bad, which are missing and which merely quiet, and what budget and alerts come of it.

Arithmetic over the slices of some apps, a row per app and environment; where they are read, and the states made of it, is not here.
A slice of time is one or more slices of requests, never a part of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from models import error_budget, paging
from models.alert_rules import by_words
from models.budgeting import BAD, GOOD, SlicePolicy
from models.errors import ModelError
from models.maintenance import Maintenance
from models.openslo import RATIO_TIMESLICES
from models.paging import PARTS, Counts, Firing, Flags, Floats, Integers
from models.policy import BurnWindows, Objective, duration
from models.slo_windows import Period

SLICE = timedelta(minutes=5)
"""Length of a slice of requests."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK_HOURS = 168
PER_HOUR = HOUR // SLICE

Number = TypeVar("Number", np.int64, np.float64, np.bool_)

KEYS = ("app_id", "environment", "objective")
NEVER = np.iinfo(np.int64).max
"""Stands for a slice that never was."""
STANDS_IN = "slice_"
"""Begin of the columns of a ``SliceJudgement`` that stand in place of those by events."""
_ROWS_AT_ONCE = 200
"""Apps whose slices are held at once: a month of five minutes is 8,640 numbers of each kind."""


@dataclass(frozen=True)
class Axis:
    """A stretch of whole hours and the slices of requests in it, up to a moment that ends one."""

    since: datetime
    until: datetime

    @property
    def slices(self) -> int:
        """How many slices of requests it holds."""
        return (self.until - self.since) // SLICE

    @classmethod
    def of(cls, begin: datetime, as_of: datetime, policy: SlicePolicy, burn: BurnWindows) -> Axis:
        """What is read for objectives of a window: all of it, what alerts look back to, and the weeks of a rhythm."""
        back = max(policy.weeks * 7 * DAY, duration(burn.windows[-1]) + DAY) + burn.reach
        since = max(min(begin - DAY, as_of - back), EPOCH)
        return cls(since.replace(minute=0, second=0, microsecond=0), as_of)


def due(hours: Floats, known: Flags) -> Floats:
    """Requests that are due in each hour: the mean of the same hour of the other weeks that are known; 0 where none is.

    Args:
        hours: requests, a row per app, a column per hour in a row.
        known: whether anything is known of the app in that hour.
    """
    rows, width = hours.shape
    weeks = -(-width // WEEK_HOURS)
    room = ((0, 0), (0, weeks * WEEK_HOURS - width))
    shape = (rows, weeks, WEEK_HOURS)
    seen = np.pad(known, room).reshape(shape)
    came = np.where(seen, np.pad(hours, room).reshape(shape), 0.0)
    others = seen.sum(1, keepdims=True) - seen
    mean = np.divide(came.sum(1, keepdims=True) - came, others, out=np.zeros(shape), where=others > 0)
    return np.asarray(mean.reshape(rows, -1)[:, :width])


def holes(total: Integers, due_in: Floats, limit: float) -> Flags:
    """Slices without requests in which some were due, where those due in all slices without any around it are more than chance explains.

    Args:
        total: requests, a row per app, a column per slice in a row.
        due_in: requests due in each.
        limit: so many due and none come are no chance (``least_due``).
    """
    is_empty = total == 0
    width = total.shape[1] + 1
    run = np.cumsum(~is_empty, axis=1) + np.arange(len(total))[:, None] * width
    missed = np.bincount(
        run.ravel(), weights=np.where(is_empty, due_in, 0.0).ravel(), minlength=len(total) * width
    )
    return np.asarray(is_empty & (due_in > 0) & (missed[run] >= limit))


def least_due(policy: SlicePolicy, clustering_cap: float) -> float:
    """Requests that must have been due for none to be no chance: ``exp(-due / clustering) < chance``, by Poisson."""
    return -math.log(policy.chance) * clustering_cap


def heard_holes(
    heard: pl.DataFrame, axis: Axis, slices_from: datetime, limit: float, lost: Floats | None = None
) -> npt.NDArray[np.bool_]:
    """Slices in which nobody's requests came though somebody's were due: telemetry did not arrive.

    Args:
        heard: ``start, is_slice, requests`` of all apps together (``queries/slo/heard``).
        axis: what was read.
        slices_from: begin of an hour, from which on slices were read.
        limit: ``least_due``.
        lost: share of what is due that is not, as apps are in maintenance, in each slice of the axis.
    """
    heard_ = heard_slices(heard, axis, lost)
    if not heard_.hours.any():
        return np.zeros((axis.until - slices_from) // SLICE, np.bool_)
    first = (slices_from - axis.since) // SLICE
    return np.asarray(holes(heard_.slices[None, first:], heard_.due[None, first:], limit)[0])


class HeardSlices(NamedTuple):
    """Requests of all apps together by hour, those that were due in each, the same by slice, of the slices that were read."""

    hours: Floats
    due_hours: Floats
    slices: Integers
    due: Floats


def heard_slices(heard: pl.DataFrame, axis: Axis, lost: Floats | None = None) -> HeardSlices:
    """What was heard of all apps together, and what was due.

    Args:
        heard: ``start, is_slice, requests`` (``queries/slo/heard``).
        axis: what was read.
        lost: share of what is due that is not, in each slice of the axis; None: nothing of it.
    """
    begin = int(axis.since.timestamp())
    start = heard["start"].cast(pl.Datetime("us", "UTC")).dt.epoch("s").to_numpy() - begin
    came = heard["requests"].to_numpy().astype(np.int64)
    width = -(-axis.slices // PER_HOUR)
    hours = np.bincount(start // 3600, weights=came, minlength=width).astype(np.float64)
    known = np.logical_or.accumulate(hours > 0)
    if axis.slices % PER_HOUR:
        known[-1] = False  # an hour that is not over says nothing about the others
    is_slice = heard["is_slice"].to_numpy()
    slices = np.zeros(axis.slices, np.int64)
    np.add.at(slices, start[is_slice] // int(SLICE.total_seconds()), came[is_slice])
    due_hours = due(hours[None, :], known[None, :])[0]
    rhythm = np.repeat(due_hours / PER_HOUR, PER_HOUR)[: axis.slices]
    if lost is not None:
        rhythm = rhythm * (1 - lost)
        padded = np.pad(lost, (0, width * PER_HOUR - axis.slices)).reshape(width, PER_HOUR)
        due_hours = due_hours * (1 - padded.mean(axis=1))
    return HeardSlices(hours, due_hours, slices, rhythm)


class KnownSlices(NamedTuple):
    """Events of every slice of requests and what is known of those without any; a row per app, a column per slice."""

    bad: Integers
    total: Integers
    missing: Flags
    before: Flags
    """Of no slice of the app: before anything was heard of it, or left out as maintenance."""


def known_slices(
    counts: pl.DataFrame, axis: Axis, silent: Flags, holes_: Flags, limit: float, left_out: Flags
) -> KnownSlices:
    """Counts as tables, with the slices that are missing: telemetry did not arrive, the app is silent, or its own rhythm says so.

    Args:
        counts: ``slices`` (seconds since 1970), ``bad``, ``total``: lists, of the slices with events.
        axis: what was read.
        silent: slices since the app fell silent, a row per app.
        holes_: slices in which nobody was heard.
        limit: ``least_due``.
        left_out: slices in maintenance, a row per app: nothing is due in them, and they say nothing about what is due in others.

    Raises:
        ModelError: more bad events than events.
    """
    shape = (counts.height, axis.slices)
    rows = np.repeat(np.arange(counts.height), counts["slices"].list.len().to_numpy())
    places = (counts["slices"].explode().to_numpy().astype(np.int64) - int(axis.since.timestamp())) // int(
        SLICE.total_seconds()
    )
    bad, total = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for table, name in ((bad, "bad"), (total, "total")):
        np.add.at(table, (rows, places), counts[name].explode().to_numpy().astype(np.int64))
    if (bad > total).any():
        raise ModelError("a slice counts more bad events than events: its counts are not sound")
    heard = np.logical_or.accumulate(total > 0, axis=1)
    width = -(-shape[1] // PER_HOUR)
    padded = np.pad(total, ((0, 0), (0, width * PER_HOUR - shape[1])))
    hours = padded.reshape(shape[0], width, PER_HOUR).sum(2).astype(np.float64)
    is_known = np.logical_or.accumulate(hours > 0, axis=1)
    if shape[1] % PER_HOUR:
        is_known[:, -1] = False  # an hour that is not over says nothing about the others
    of_hours = np.pad(left_out, ((0, 0), (0, width * PER_HOUR - shape[1]))).reshape(
        padded.shape[0], width, PER_HOUR
    )
    is_known &= ~of_hours.any(axis=2)
    rhythm = np.repeat(due(hours, is_known) / PER_HOUR, PER_HOUR, axis=1)[:, : shape[1]]
    rhythm = np.where(left_out, 0.0, rhythm)
    is_missing = holes(total, rhythm, limit) | ((total == 0) & (holes_[None, :] | silent))
    return KnownSlices(bad, total, is_missing & heard & ~left_out, ~heard | left_out)


@dataclass(frozen=True)
class TimeSlices:
    """Slices of time, a column each: how bad (0 to 1), whether it burns the budget, whether it counts, and the events in it. ``ends`` are moments in seconds."""

    share: Floats
    over: Flags
    counts: Flags
    missing: Flags
    quiet: Flags
    bad: Integers
    total: Integers
    ends: Integers


def judged_slices(
    known: KnownSlices, axis: Axis, anchor: datetime, one: Objective, policy: SlicePolicy
) -> TimeSlices:
    """Slices of time of an objective: bad by timeslices where a larger share of its events is bad than is allowed, by ratio
    timeslices as far as its events are. Source: OpenSLO v1, budgeting methods Timeslices and RatioTimeslices.

    Args:
        known: slices of requests.
        axis: theirs.
        anchor: a moment a slice of time begins at.
        one: the objective.
        policy: what holds where it says nothing.
    """
    budgeting = one.budgeting
    assert budgeting.minutes is not None
    parts = timedelta(minutes=budgeting.minutes) // SLICE
    cut = ((axis.until - anchor) // SLICE) % parts
    number = (axis.slices - cut) // parts
    begin = axis.slices - cut - number * parts

    def composed(table: npt.NDArray[Number]) -> npt.NDArray[Number]:
        return table[:, begin : begin + number * parts].reshape(len(table), number, parts)

    bad: Integers = composed(known.bad).sum(2)
    total: Integers = composed(known.total).sum(2)
    is_measured = total > 0
    is_missing = ~is_measured & composed(known.missing).any(2)
    is_quiet = ~is_measured & ~is_missing & ~composed(known.before).all(2)
    # in whole numbers: a float would decide at the edge by its rounding
    over = _over(bad, total, slice_allowed(one))
    share = over.astype(np.float64)
    if budgeting.method == RATIO_TIMESLICES:
        share = np.divide(bad, total, out=np.zeros(bad.shape), where=is_measured)
    missing, quiet = policy.missing_of(budgeting), policy.quiet_of(budgeting)
    over |= is_missing & (missing == BAD)
    share = np.where(is_missing & (missing == BAD), 1.0, share)
    counts = is_measured | (is_missing & (missing in (GOOD, BAD))) | (is_quiet & (quiet == GOOD))
    last = int(axis.until.timestamp()) - cut * int(SLICE.total_seconds())
    ends = last - np.arange(number - 1, -1, -1) * budgeting.minutes * 60
    return TimeSlices(share, over, counts, is_missing, is_quiet, bad, total, ends)


def slice_allowed(one: Objective) -> int:
    """Share of its events that may be bad in a slice that does not burn, in parts per billion."""
    target = one.budgeting.slice_target
    return int((one.budget if target is None else 1 - target) * PARTS)


def _over(bad: Integers, total: Integers, allowed: int) -> Flags:
    """Whether more than the allowed parts per billion of the events of a slice are bad, exactly.

    Counts of a slice are UInt32 sums: ten digits times nine fit a 64-bit number where events are below 2 ** 33.
    """
    if total.size and int(total.max()) < 2**33:
        return np.asarray(bad * PARTS > total * allowed)
    flat = [int(b) * PARTS > int(t) * allowed for b, t in zip(bad.ravel(), total.ravel(), strict=True)]
    return np.array(flat, np.bool_).reshape(bad.shape)


def standing_in(frame: pl.DataFrame, by_slices: pl.DataFrame) -> pl.DataFrame:
    """A frame with the columns of a ``SliceJudgement`` in place of its own, where an objective is judged by slices."""
    columns = [name for name in by_slices.columns if name.startswith(STANDS_IN)]
    keys = [name for name in by_slices.columns if name not in columns]
    joined = frame.join(
        by_slices.with_columns(is_by_slices=pl.lit(True)), on=keys, how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.when(pl.col("is_by_slices"))
        .then(pl.col(name))
        .otherwise(pl.col(name.removeprefix(STANDS_IN)))
        .alias(name.removeprefix(STANDS_IN))
        for name in columns
    ).select(frame.columns)


class SliceJudgement(NamedTuple):
    """What slices say in place of events: columns of the marts by app, environment and objective.

    Each begins with ``slice_``. ``status``: ``held_bad``, ``held_total`` and ``held_unit`` (how many of them are one slice), ``firing``,
    ``fired_since``, ``is_covered``; ``burn``: ``burn_rate``, ``bad_slices``, ``first_bad`` by ``window``; ``budgets``: its own columns.
    """

    status: pl.DataFrame
    burn: pl.DataFrame
    budgets: pl.DataFrame


class SliceTerms(NamedTuple):
    """What one objective by slices is judged by."""

    objective: Objective
    period: Period
    is_calendar: bool
    burn: BurnWindows
    policy: SlicePolicy
    clustering_cap: float

    @property
    def own_window(self) -> str:
        """Name of the objective's window among those of burn."""
        return f"{self.period.days}d"


def judge(
    counts: pl.DataFrame,
    axis: Axis,
    holes_: Flags,
    silences: pl.DataFrame,
    asked: SliceTerms,
    as_of: datetime,
    maintenance: Maintenance,
) -> SliceJudgement:
    """Budgets, burn and what fires of one objective by slices.

    With n the slices of the window that count, and b how many of them are bad (by ratio the sum of their bad shares):
    ``sli = 1 - b / n``, ``budget_remaining = 1 - (b / n) / (1 - T)``, ``burn_rate`` the same of the slices of a window.
    A window of an alert that is shorter than a slice is the last whole one.

    A pair fires where both its windows burn faster than its factor, and chance does not explain it: by timeslices chance in
    slices, or in the events against what a slice allows; by ratio in the events against the budget. A guard fires where every slice of
    its window is bad, by ratio every event.

    Args:
        counts: ``app_id, environment, slices, bad, total`` of that objective (``queries/slo/slices``).
        axis: what was read.
        holes_: slices of the axis in which nobody was heard (``holes_of_all``).
        silences: ``app_id, environment, silent_since``.
        asked: what it is judged by.
        as_of: end of the newest slice counted.
        maintenance: whose slices are left out: neither good nor bad, neither missing nor quiet.
    """
    parts = [
        _judge(counts.slice(first, _ROWS_AT_ONCE), axis, holes_, silences, asked, as_of, maintenance)
        for first in range(0, max(counts.height, 1), _ROWS_AT_ONCE)
    ]
    return SliceJudgement(*(pl.concat(frames) for frames in zip(*parts, strict=True)))


def _judge(
    counts: pl.DataFrame,
    axis: Axis,
    holes_: Flags,
    silences: pl.DataFrame,
    asked: SliceTerms,
    as_of: datetime,
    maintenance: Maintenance,
) -> SliceJudgement:
    limit = least_due(asked.policy, asked.clustering_cap)
    left_out = maintenance.flags(counts, int(axis.since.timestamp()), axis.slices)
    known = known_slices(counts, axis, _silent(counts, silences, axis), holes_, limit, left_out)
    one = asked.objective
    anchor = asked.period.begin if asked.is_calendar else EPOCH
    slices = judged_slices(known, axis, anchor, one, asked.policy)
    keys = counts.select("app_id", "environment").with_columns(objective=pl.lit(one.name))
    sums = _Sums.of(slices)
    severity, since, by = _fired(slices, sums, asked, as_of)
    return SliceJudgement(
        _status(keys, sums, slices, severity, since, asked, as_of).with_columns(
            slice_fired_by=pl.Series(by, dtype=pl.String)
        ),
        _burn(keys, slices, sums, asked, as_of),
        _budgets(keys, known, slices, sums, asked, axis, as_of),
    )


def _silent(counts: pl.DataFrame, silences: pl.DataFrame, axis: Axis) -> Flags:
    """Slices since an app fell silent."""
    since = (
        counts.select("app_id", "environment")
        .join(
            silences.select("app_id", "environment", "silent_since").unique(["app_id", "environment"]),
            on=["app_id", "environment"],
            how="left",
            maintain_order="left",
        )["silent_since"]
        .cast(pl.Datetime("us", "UTC"))
        .dt.epoch("s")
        .fill_null(NEVER)
        .to_numpy()
    )
    begins = int(axis.since.timestamp()) + np.arange(axis.slices) * int(SLICE.total_seconds())
    return np.asarray(begins[None, :] >= since[:, None])


@dataclass(frozen=True)
class _Sums:
    """Running sums over slices of time, 0 first, so that a window is a difference."""

    share: Floats
    over: Integers
    counts: Integers
    bad: Integers
    total: Integers

    @classmethod
    def of(cls, slices: TimeSlices) -> _Sums:
        counted = np.where(slices.counts, slices.share, 0.0)
        return cls(
            _running(counted),
            _running((slices.over & slices.counts).astype(np.int64)),
            _running(slices.counts.astype(np.int64)),
            _running(slices.bad),
            _running(slices.total),
        )


def _running(table: npt.NDArray[Number]) -> npt.NDArray[Number]:
    return np.concatenate([np.zeros((len(table), 1), table.dtype), table.cumsum(axis=1)], axis=1)


def _places(slices: TimeSlices, length: timedelta, end: datetime, minutes: int) -> tuple[int, int]:
    """First slice of the window of that length that ends there, and the one after its last; one slice at least."""
    last = int(np.searchsorted(slices.ends, int(end.timestamp()), side="right"))
    return max(last - max(length // timedelta(minutes=minutes), 1), 0), last


def _own(slices: TimeSlices, asked: SliceTerms, as_of: datetime) -> tuple[int, int]:
    """The slices of the objective's own window."""
    assert asked.objective.budgeting.minutes is not None
    length = as_of - asked.period.begin
    return (
        _places(slices, length, as_of, asked.objective.budgeting.minutes)
        if length >= timedelta(minutes=asked.objective.budgeting.minutes)
        else (slices.ends.size, slices.ends.size)
    )


def _fired(
    slices: TimeSlices, sums: _Sums, asked: SliceTerms, as_of: datetime
) -> tuple[list[str | None], Integers, list[str]]:
    """Worst severity that fired within the hold, the begin of its first bad slice, and the policies it fired by."""
    policy, minutes = asked.burn, asked.objective.budgeting.minutes
    assert minutes is not None
    severity = np.full(len(slices.share), len(policy.severities), np.int64)
    since = np.full(len(slices.share), NEVER, np.int64)
    by: list[tuple[str, ...]] = [()] * len(slices.share)

    def at(back: int) -> list[Firing]:
        return list(_firing(slices, sums, asked, as_of - SLICE * back))

    for back, one, fires in paging.fired_within(at, policy, SLICE):
        end = as_of - SLICE * back
        rank = policy.severities.index(one.severity)
        rows = np.flatnonzero(fires & (severity >= rank))
        risen = rows[severity[rows] > rank]
        severity[risen], since[risen] = rank, NEVER
        if rows.size:
            first = _first_bad(slices, *_places(slices, duration(one.long), end, minutes), minutes)
            since[rows] = np.minimum(since[rows], first[rows])
            paging.note_by(by, rows, risen, one.by)
    names: list[str | None] = [*policy.severities, None]
    return [names[rank] for rank in severity], since, [by_words(sorted(one)) for one in by]


def _first_bad(slices: TimeSlices, first: int, last: int, minutes: int) -> Integers:
    """Begin of the first bad slice of some in seconds since 1970, ``NEVER`` without one."""
    if first >= last:
        return np.full(len(slices.share), NEVER, np.int64)
    is_bad = slices.over[:, first:last] & slices.counts[:, first:last]
    begins = slices.ends[first + np.argmax(is_bad, axis=1)] - minutes * 60
    return np.where(is_bad.any(axis=1), begins, NEVER)


def _firing(slices: TimeSlices, sums: _Sums, asked: SliceTerms, end: datetime) -> Iterator[Firing]:
    """Which rows fire, for each pair and guard at one moment."""
    one, policy = asked.objective, asked.burn
    how = one.budgeting
    assert how.minutes is not None
    rows = len(slices.share)
    budget = np.full(rows, int(one.budget * PARTS), np.int64)
    spread = np.full(rows, float(policy.clustering.unknown))
    is_ratio = how.method == RATIO_TIMESLICES
    allowed = np.full(rows, slice_allowed(one), np.int64)

    def window(name: str) -> tuple[Counts, Counts, Floats]:
        first, last = _places(slices, duration(name), end, how.minutes or 1)
        over, counted, bad, total = (
            table[:, last] - table[:, first] for table in (sums.over, sums.counts, sums.bad, sums.total)
        )
        share = sums.share[:, last] - sums.share[:, first]
        return Counts(over, counted, over), Counts(bad, total, over), share

    for pair in policy.pairs:
        factor = pair.factor(asked.period.days)
        long, short = window(pair.long), window(pair.short)
        if is_ratio:
            burns = np.ones(rows, np.bool_)
            for of_slices, _, share in (long, short):
                limit = float(factor) * float(one.budget) * of_slices.total
                burns &= (share >= limit) & (share > 0) if pair.or_equal else share > limit
            fires = burns & paging.pair_fires(
                long[1], short[1], allowed, spread, factor * 0, pair.severity, policy
            )
        else:
            fires = paging.pair_fires(
                long[0], short[0], budget, spread, factor, pair.severity, policy, pair.or_equal
            )
            burns = paging.burns_faster(long[0].bad, long[0].total, budget, factor, pair.or_equal)
            burns &= paging.burns_faster(short[0].bad, short[0].total, budget, factor, pair.or_equal)
            fires |= burns & paging.pair_fires(
                long[1], short[1], allowed, spread, factor * 0 + 1, pair.severity, policy
            )
        yield Firing(pair.severity, pair.long, fires, pair.by, pair.after)
    for guard in policy.guards:
        of_slices, of_events, _ = window(guard.window)
        found = of_events if is_ratio else of_slices
        fires = paging.guard_fires(found, budget, guard, policy)
        yield Firing(guard.severity, guard.window, fires, guard.by)


def _status(
    keys: pl.DataFrame,
    sums: _Sums,
    slices: TimeSlices,
    severity: list[str | None],
    since: Integers,
    asked: SliceTerms,
    as_of: datetime,
) -> pl.DataFrame:
    first, last = _own(slices, asked, as_of)
    share = sums.share[:, last] - sums.share[:, first]
    counted = sums.counts[:, last] - sums.counts[:, first]
    covered = _coverage(slices, first, last)
    floor = float(asked.policy.floor_of(asked.policy.missing_of(asked.objective.budgeting)))
    floor = min(floor, float(asked.policy.coverage_floor))
    return keys.with_columns(
        slice_held_bad=pl.Series(np.rint(share * PARTS).astype(np.int64)),
        slice_held_total=pl.Series(counted * PARTS),
        slice_held_unit=pl.lit(PARTS, pl.Int64),
        slice_firing=pl.Series(severity, dtype=pl.String),
        slice_fired_since=_moments(since),
        slice_is_covered=pl.Series(covered >= floor),
    )


def _coverage(slices: TimeSlices, first: int, last: int) -> Floats:
    """Share of some slices that are not missing, of those since the app was first heard; 1 where there are none."""
    heard = slices.counts | slices.missing | slices.quiet
    whole = heard[:, first:last].sum(axis=1)
    missing = slices.missing[:, first:last].sum(axis=1)
    return np.asarray(1 - np.divide(missing, whole, out=np.zeros(len(whole)), where=whole > 0))


def _burn(
    keys: pl.DataFrame, slices: TimeSlices, sums: _Sums, asked: SliceTerms, as_of: datetime
) -> pl.DataFrame:
    """Burn by slices in every published window."""
    minutes, budget = asked.objective.budgeting.minutes, float(asked.objective.budget)
    assert minutes is not None
    frames = []
    places = {name: _places(slices, duration(name), as_of, minutes) for name in asked.burn.pair_windows}
    places.setdefault(asked.own_window, _own(slices, asked, as_of))
    for name, (first, last) in places.items():
        share = sums.share[:, last] - sums.share[:, first]
        counted = sums.counts[:, last] - sums.counts[:, first]
        burn = np.divide(share, counted * budget, out=np.full(share.shape, np.nan), where=counted > 0)
        is_judged = name in asked.burn.pair_windows
        over = sums.over[:, last] - sums.over[:, first]
        begins = _first_bad(slices, first, last, minutes) if is_judged else np.full(over.shape, NEVER)
        frames.append(
            keys.with_columns(
                window=pl.lit(name),
                slice_burn_rate=pl.Series(burn).fill_nan(None),
                slice_bad_slices=pl.Series(over).cast(pl.UInt32) if is_judged else pl.lit(None, pl.UInt32),
                slice_first_bad=_moments(begins),
            )
        )
    return pl.concat(frames)


def _budgets(
    keys: pl.DataFrame,
    known: KnownSlices,
    slices: TimeSlices,
    sums: _Sums,
    asked: SliceTerms,
    axis: Axis,
    as_of: datetime,
) -> pl.DataFrame:
    """What is left in minutes, until when, how sure it is, how much is known, and what each day spent."""
    one, policy = asked.objective, asked.policy
    how = one.budgeting
    assert how.minutes is not None
    first, last = _own(slices, asked, as_of)
    share = sums.share[:, last] - sums.share[:, first]
    counted = sums.counts[:, last] - sums.counts[:, first]
    low, high = paging.interval(
        share.astype(np.float64), counted, np.full(share.shape, float(asked.burn.clustering.unknown))
    )
    recent = _recent_coverage(known.missing, policy)
    floor = float(policy.floor_of(policy.missing_of(how)))
    days, bad_of_days, counted_of_days = _days(slices, sums, first, last, how.minutes)
    seconds = _runs_out(slices, sums, first, last, asked, as_of)
    runs_out = int(as_of.timestamp()) + np.nan_to_num(seconds, nan=0.0).astype(np.int64)
    return keys.with_columns(
        slice_events_left=pl.lit(None, pl.Float64),
        slice_minutes_spent=pl.Series(np.where(counted > 0, share * how.minutes, np.nan)).fill_nan(None),
        slice_minutes_allowed=pl.Series(float(one.budget) * counted * how.minutes),
        slice_exhausts_at=_moments(np.where(np.isnan(seconds), NEVER, runs_out)),
        slice_sli_low=pl.Series(low).fill_nan(None),
        slice_sli_high=pl.Series(high).fill_nan(None),
        slice_budgeting_method=pl.lit(how.method),
        slice_slices_bad=pl.Series(share),
        slice_slices_counted=pl.Series(counted).cast(pl.UInt32),
        slice_slices_missing=pl.Series(slices.missing[:, first:last].sum(axis=1)).cast(pl.UInt32),
        slice_slices_quiet=pl.Series(slices.quiet[:, first:last].sum(axis=1)).cast(pl.UInt32),
        slice_coverage=pl.Series(_coverage(slices, first, last)),
        slice_coverage_recent=pl.Series(recent),
        slice_is_frozen=pl.Series(recent < floor),
        slice_days=pl.Series([days] * len(share), dtype=pl.List(pl.Date)),
        slice_days_bad=pl.Series(bad_of_days.tolist(), dtype=pl.List(pl.Float64)),
        slice_days_counted=pl.Series(counted_of_days.tolist(), dtype=pl.List(pl.Float64)),
    )


def _recent_coverage(missing: Flags, policy: SlicePolicy) -> Floats:
    """Share of the last slices of requests that are not missing."""
    return np.asarray(1 - missing[:, -(policy.recent // SLICE) :].mean(axis=1))


def recent_coverage(holes_: Flags, policy: SlicePolicy) -> float:
    """Share of the last slices in which somebody was heard or nobody was due."""
    return float(_recent_coverage(holes_[None, :], policy)[0]) if holes_.size else 1.0


def _days(
    slices: TimeSlices, sums: _Sums, first: int, last: int, minutes: int
) -> tuple[list[date], Floats, Floats]:
    """Days (UTC) of some slices, and per row how many of each day were bad and counted."""
    begins = slices.ends[first:last] - minutes * 60
    days = begins // int(DAY.total_seconds())
    edges = np.flatnonzero(np.diff(days, prepend=-1)) + first
    bounds = np.append(edges, last)
    names = [EPOCH.date() + DAY * int(day) for day in days[edges - first]]
    bad = np.diff(sums.share[:, bounds], axis=1)
    counted = np.diff(sums.counts[:, bounds], axis=1).astype(np.float64)
    return names, bad, counted


def _runs_out(
    slices: TimeSlices, sums: _Sums, first: int, last: int, asked: SliceTerms, as_of: datetime
) -> Floats:
    """Seconds until nothing is left, as ``error_budget`` has it, with slices in place of events."""
    one = asked.objective
    minutes = one.budgeting.minutes
    assert minutes is not None
    rows = len(slices.share)
    allowed = np.full(rows, int(one.budget * PARTS), np.int64)
    begin, end = _places(slices, DAY, as_of, minutes)
    coming = [(table[:, end] - table[:, begin]) / DAY.total_seconds() for table in (sums.share, sums.counts)]
    if first >= last:
        return np.full(rows, np.nan)
    if asked.is_calendar:
        bad, total = (table[:, last] - table[:, first] for table in (sums.share, sums.counts))
        rest = asked.period.end - as_of
        return error_budget.exhaustion_in_period(bad, total, allowed, coming[0], coming[1], rest)
    step = max(DAY // timedelta(minutes=minutes), 1)
    at = np.unique(np.append(np.arange(first, last, step), last))
    moments = [as_of - timedelta(minutes=minutes) * int(last - place) for place in at]
    bad, total = (table[:, at] - table[:, at[:1]] for table in (sums.share, sums.counts))
    return error_budget.exhaustion(moments, bad, total, allowed, coming[0], coming[1])


def _moments(seconds: Integers) -> pl.Series:
    """Seconds since 1970 as times, NULL for ``NEVER``."""
    known = pl.Series(seconds)
    return (known.set(known == NEVER, None) * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
