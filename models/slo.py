"""Service level objectives: indicator, error budget, burn rates and state of every app and environment.

Counts come in summed between a few boundaries of time (``sql/queries/slo/buckets.sql``), from which every window at
every moment of the hold is put together; decisions compare exact integers, floats are only what people read and the
probability of chance. Which windows, factors and floors exist is policy (``models.policy``), not code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from models import error_budget, paging, timeslices
from models.alert_rules import by_words
from models.budgeting import SlicePolicy, slice_policy
from models.errors import ModelError
from models.openslo import OCCURRENCES
from models.paging import PARTS, Counts, Firing, Floats
from models.policy import (
    BurnWindows,
    Environments,
    Objective,
    Objectives,
    StatePolicy,
    burn_windows,
    duration,
    states,
)
from models.requests import rung
from models.schemas import SCHEMAS
from models.timeslices import SliceJudgement

SLICE = timeslices.SLICE
EPOCH = timeslices.EPOCH
"""Length of a slice: windows, hold and as-of are whole numbers of it."""

RECENT = timedelta(days=1)
"""What came in so long is what is expected to come; a window of the policy ends it."""
AGEING = timedelta(days=3)
"""How finely it is known when what was spent ages out of the objectives' window."""

HEALTH = "health checks"
"""Name the counts of health checks come under: apart from every objective."""

NEVER = timeslices.NEVER
"""Stands for a slice that never was."""

SILENCES = pl.Schema(
    {"app_id": pl.String(), "environment": pl.String(), "silent_since": pl.Datetime("us", "UTC")}
)
"""Columns ``status`` reads of the silences."""

_KEYS = ("app_id", "environment", "objective")
_COUNTS = ("bad", "total", "bad_slices")
_ORDERING_BURNS = ("burn_rate_1h", "burn_rate_6h", "burn_rate_3d")

_WIDE = pl.Int128

Matrix = npt.NDArray[np.int64]


class Judged(NamedTuple):
    """Answers of one moment: columns of ``mart_slo_status``, ``mart_slo_burn`` and ``mart_slo_budgets``, without ``team``."""

    status: pl.DataFrame
    burn: pl.DataFrame
    budgets: pl.DataFrame


def worst_first(objectives: pl.DataFrame) -> pl.DataFrame:
    """Objectives in the one order of worst, for every page and command.

    By state (``states.yaml``); within a state production first; what fires by its fastest burn over an hour or longer;
    then by the least budget left, where none is known last; then by app, environment and objective.

    Args:
        objectives: ``state, is_production, burn_rate_1h, burn_rate_6h, burn_rate_3d, budget_remaining, app_id,
            environment, objective`` and whatever else stands beside them.
    """
    ranks = {one.name: one.rank for one in states()}
    fires = pl.col("state").is_in(burn_windows().severities)
    fastest = pl.max_horizontal(*_ORDERING_BURNS)
    return objectives.sort(
        pl.col("state").replace_strict(ranks, return_dtype=pl.UInt8),
        ~pl.col("is_production"),
        -pl.when(fires).then(fastest).fill_null(0),
        "budget_remaining",
        *_KEYS,
        nulls_last=True,
    )


def bucket_parameters(
    objectives: Objectives,
    policy: BurnWindows,
    as_of: datetime,
    ladder: tuple[int, ...],
    *,
    apps: Sequence[str] = (),
    hold: bool = True,
) -> dict[str, Any]:
    """Parameters of ``queries/slo/buckets``.

    Without the hold only windows that end at as-of can be put together, and who may fire at all (``may_fire``): for most
    apps nothing else is needed, and there are eight times as many boundaries with it.

    Args:
        objectives: what is promised.
        policy: windows and hold.
        as_of: end of the newest slice counted, an aware datetime on the edge of a slice.
        ladder: bounds the slices were cut by, in milliseconds.
        apps: only these; none: all.
        hold: whether windows that end within the hold are wanted too.

    Raises:
        ModelError: an unusable objective, a threshold that is not on the ladder, or an as-of inside a slice.
    """
    _check_objectives(objectives, policy)
    # A workspace without telemetry is asked about as of 1970, and no slice begins before it.
    edges = sorted({max(EPOCH, edge) for edge in boundaries(objectives, policy, as_of, hold=hold)})
    cut = sorted({_hour(edge) for edge in edges if edge != _hour(edge)})
    counted = [*objectives.lines, Objective(HEALTH, objectives.lines[0].target, kinds=("health",))]
    rungs = [0 if one.threshold_ms is None else rung(ladder, one.threshold_ms) for one in counted]
    return {
        "as_of": as_of,
        "window_from": edges[0],
        "slices_from": max(edges[0], as_of - policy.reach - duration(policy.windows[-1])),
        "edges": [int(edge.timestamp()) for edge in edges[:-1] or edges],
        "cut_hours": [int(hour.timestamp()) for hour in cut],
        "cut_days": sorted({hour.date().isoformat() for hour in cut}),
        "names": [one.name for one in counted],
        "rungs": rungs,
        "bounds": len(ladder),
        "least_rung": min((place for place in rungs if place), default=len(ladder)),
        "budgets_ppb": [budget_ppb(one) for one in counted],
        **{
            kind: [place for place, one in enumerate(counted, 1) if kind in one.kinds]
            for kind in ("server", "consumer", "health")
        },
        "apps": list(apps),
    }


def clustering_parameters(
    objectives: Objectives,
    policy: BurnWindows,
    as_of: datetime,
    ladder: tuple[int, ...],
    *,
    apps: Sequence[str],
) -> dict[str, Any]:
    """Parameters of ``queries/slo/clustering``: whole days that end a day before as-of, so that no outage measures itself.

    Args:
        objectives: what is promised.
        policy: how many days.
        as_of: end of the newest slice counted.
        ladder: bounds the slices were cut by, in milliseconds.
        apps: only these.
    """
    until = as_of.replace(hour=0, minute=0) - timedelta(days=1)
    return {
        "since": max(EPOCH, until - timedelta(days=policy.clustering.days)),
        "until": max(EPOCH, until),
        "apps": list(apps),
        "names": [one.name for one in objectives.lines],
        "rungs": [
            0 if one.threshold_ms is None else rung(ladder, one.threshold_ms) for one in objectives.lines
        ],
        "budgets_ppb": [budget_ppb(one) for one in objectives.lines],
        "bounds": len(ladder),
        **{
            kind: [place for place, one in enumerate(objectives.lines, 1) if kind in one.kinds]
            for kind in ("server", "consumer")
        },
        "cap": float(policy.clustering.cap),
        "sigmas": float(policy.clustering.outage_sigmas),
    }


def may_fire(buckets: pl.DataFrame, policy: BurnWindows) -> list[str]:
    """Apps one of whose objectives has the bad slices without which none of its windows fires, now or within the hold.

    Args:
        buckets: result of ``queries/slo/buckets``.
        policy: floors.
    """
    bad = buckets.group_by(_KEYS).agg(pl.col("bad_slices").sum())
    return sorted(bad.filter(pl.col("bad_slices") >= policy.least_bad_slices)["app_id"].unique())


def _hour(moment: datetime) -> datetime:
    """Begin of the hour a moment is in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def boundaries(
    objectives: Objectives, policy: BurnWindows, as_of: datetime, *, hold: bool = True
) -> list[datetime]:
    """Every moment at which a window of the policy begins or ends, now or within the hold; ascending, as-of last.

    And the midnights between which the budget ages. The first is the begin of the objectives' own window, which is never held. Without the hold only of windows that end at
    as-of, and where the longest begins that is held.

    Raises:
        ModelError: ``as_of`` is not the edge of a slice: part of one would be counted.
    """
    if as_of.timestamp() % SLICE.total_seconds():
        raise ModelError(
            f"{as_of.isoformat()} is inside a slice of five minutes: take the end of a whole one"
        )
    back = policy.reach // SLICE
    held = [as_of - SLICE * number for number in (range(back + 1) if hold else (0,))]
    begins = {end - duration(window) for end in held for window in policy.windows}
    begins.add(as_of - SLICE * back - duration(policy.windows[-1]))
    start = window_begin(objectives, as_of)
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    begins |= {midnight - AGEING * number for number in range(objectives.window_days // AGEING.days + 1)}
    if objectives.start is not None:  # alerts look back beyond the begin of a month
        return sorted({start, *held, *begins})
    return sorted({start, *(edge for edge in (*held, *begins) if edge > start)})


def window_begin(objectives: Objectives, as_of: datetime) -> datetime:
    """Begin of the objectives' own window."""
    return objectives.start or as_of - timedelta(days=objectives.window_days)


def status(
    buckets: pl.DataFrame,
    objectives: Objectives,
    policy: BurnWindows,
    as_of: datetime,
    apps: Iterable[str],
    *,
    environments: Environments,
    state_policy: StatePolicy,
    silences: pl.DataFrame,
    age: timedelta,
    clustering: pl.DataFrame | None = None,
    seen: pl.DataFrame | None = None,
    by_slices: SliceJudgement | None = None,
    coverage: float = 1.0,
) -> Judged:
    """State, budget and burn of every objective of every app and environment.

    With bad the bad events of the objective's window, total all of them and T the target: ``sli = 1 - bad / total``;
    ``budget_remaining = 1 - (bad / total) / (1 - T)`` (occurrences; negative once overspent);
    ``burn_rate = (bad_w / total_w) / (1 - T)`` of a window w. Where there are no events ratios are NULL, never 0.

    A pair of windows fires when both burn strictly faster than its factor and chance, of events that cluster as the app's
    own do, does not explain it; a guard when everything in its window failed, however fast that can burn
    (``models.paging``). What fired within the hold still holds. ``since`` is the first bad
    slice of the long windows of what fired, or the begin of the silence.

    The state is the first of these that is true: ``no_data`` no event in the window, ``stale`` the data is older than
    the policy allows, ``page`` and ``ticket`` by what fires (outside production at most the policy's worst),
    ``spent`` no budget is left and that is no matter of one or two events, ``silent`` requests stopped against the
    app's own rhythm, ``too_few`` so few events that one bad one could spend the budget, or that one or two did,
    ``ok`` enough events, fresh data, budget left.

    Args:
        buckets: result of ``queries/slo/buckets``.
        objectives: what every app is held to, ``models.policy.slo_defaults()``.
        policy: burn-rate pairs, floors and hold, ``models.policy.burn_windows()``.
        as_of: end of the newest slice counted, an aware datetime.
        apps: ids of all known apps; one without any event is told as ``no_data``, in no environment.
        environments: which are production.
        state_policy: floors and the age from which data is stale.
        silences: ``app_id, environment, silent_since`` of what stopped.
        age: of the data, at the moment asked.
        clustering: ``app_id, environment, objective, clustering`` of those whose past says how their bad events cluster
            (``paging.clusterings``); the policy's number counts for the others.
        seen: ``app_id, environment`` that are told too, where their window holds no event.
        by_slices: of the objectives whose budget is one of slices of time: it stands in place of what their events say.
        coverage: share of the last slices in which telemetry came, of all apps together.

    Raises:
        ModelError: an unusable objective, counts without an objective, or more bad events than all.
    """
    _check_objectives(objectives, policy)
    health, counted = _health_and_rest(buckets)
    _check_counts(counted, objectives)
    promised = _promised(objectives, counted, silences, apps, seen)
    begin = window_begin(objectives, as_of)
    windows = Windows.of(promised, counted, boundaries(objectives, policy, as_of), begin)
    clusters = _clustering(promised, clustering, policy)
    alerts = fired(windows, promised["allowed_ppb"].to_numpy(), clusters, objectives.window_days, policy)
    edges = [edge for edge in boundaries(objectives, policy, as_of, hold=False) if edge >= begin]
    budgets = _budgets(windows, edges, promised, clusters, policy, objectives)
    budgets = _with_coverage(budgets, objectives, coverage, slice_policy())
    burn = _burn(windows, promised, objectives, policy, as_of)
    left_out = (
        counted.filter(pl.col("bucket") >= begin)
        .group_by(_KEYS)
        .agg(maintenance_events=pl.col("in_maintenance").sum().cast(pl.UInt64))
    )
    judged = promised.with_columns(
        bad=pl.Series(windows.whole.bad),
        total=pl.Series(windows.whole.total),
        firing=pl.Series(alerts.severity, dtype=pl.String),
        fired_by=pl.Series(alerts.by, dtype=pl.String),
        fired_since=_moments(alerts.since),
        is_production=pl.col("environment").is_in(sorted(environments.production) + [""]),
        held_bad=pl.Series(windows.whole.bad),
        held_total=pl.Series(windows.whole.total),
        held_unit=pl.lit(1, pl.Int64),
        is_covered=pl.lit(True),
    )
    if by_slices is not None:
        judged = timeslices.standing_in(judged, by_slices.status)
        burn = timeslices.standing_in(burn, by_slices.burn)
        budgets = timeslices.standing_in(budgets, by_slices.budgets)
    judged = (
        judged.join(_silences(silences), on=["app_id", "environment"], how="left")
        .join(health, on=["app_id", "environment"], how="left")
        .join(left_out, on=_KEYS, how="left")
    )
    return Judged(_stated(judged, policy, environments, state_policy, as_of, age), burn, budgets)


def _health_and_rest(buckets: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Health checks per app and environment, and the counts of objectives."""
    is_health = pl.col("objective") == HEALTH
    health = (
        buckets.filter(is_health)
        .group_by("app_id", "environment")
        .agg(
            health_checks=pl.col("total").sum().cast(pl.UInt64),
            health_errors=pl.col("bad").sum().cast(pl.UInt64),
        )
    )
    return health, buckets.filter(~is_health)


def _clustering(promised: pl.DataFrame, clustering: pl.DataFrame | None, policy: BurnWindows) -> Floats:
    """How much the bad events of each promised line cluster, the policy's number where nothing is known."""
    if clustering is None:
        return np.full(promised.height, float(policy.clustering.unknown))
    joined = promised.select(_KEYS).join(clustering, on=_KEYS, how="left", maintain_order="left")
    return joined["clustering"].fill_null(policy.clustering.unknown).to_numpy()


def _silences(silences: pl.DataFrame) -> pl.DataFrame:
    return silences.select(pl.col(name).cast(kind) for name, kind in SILENCES.items()).unique(
        ["app_id", "environment"], keep="first", maintain_order=True
    )


def _promised(
    objectives: Objectives,
    counted: pl.DataFrame,
    silences: pl.DataFrame,
    apps: Iterable[str],
    told: pl.DataFrame | None,
) -> pl.DataFrame:
    """One line per app, environment and objective, sorted; an app without events is in no environment."""
    lines = pl.DataFrame(
        {
            "objective": [one.name for one in objectives.lines],
            "target": [float(one.target) for one in objectives.lines],
            "threshold_ms": [one.threshold_ms for one in objectives.lines],
            "allowed_ppb": [budget_ppb(one) for one in objectives.lines],
        },
        schema={
            "objective": pl.String,
            "target": pl.Float64,
            "threshold_ms": pl.UInt32,
            "allowed_ppb": pl.Int64,
        },
    ).with_columns(window_days=pl.lit(objectives.window_days, pl.UInt16))
    seen = pl.concat(
        [
            frame.select(pl.col("app_id", "environment").cast(pl.String))
            for frame in (counted, silences, told)
            if frame is not None
        ]
    ).unique()
    known = pl.DataFrame({"app_id": sorted(set(apps))}, schema={"app_id": pl.String})
    silent = known.join(seen, on="app_id", how="anti").with_columns(environment=pl.lit(""))
    return pl.concat([seen, silent]).join(lines, how="cross").sort(_KEYS)


@dataclass(frozen=True)
class Windows:
    """Counts between boundaries as running sums, so that a window is a difference of two columns."""

    edges: list[datetime]
    sums: dict[str, Matrix]
    first_bad: Matrix
    whole: Counts

    @classmethod
    def of(
        cls, promised: pl.DataFrame, counted: pl.DataFrame, edges: list[datetime], begin: datetime
    ) -> Windows:
        """Buckets of the engine in a table: a row per objective, a column per boundary; the whole is what lies behind ``begin``."""
        row = promised.select(_KEYS).with_row_index("row")
        columns = pl.DataFrame({"bucket": edges, "column": range(len(edges))}).with_columns(
            pl.col("bucket").cast(pl.Datetime("us", "UTC"))
        )
        placed = (
            counted.with_columns(pl.col("bucket").cast(pl.Datetime("us", "UTC")))
            .join(row, on=_KEYS)
            .join(columns, on="bucket")
        )
        if placed.height != counted.height:
            raise ModelError("counts of the objectives lie between other boundaries than were asked for")
        shape = (promised.height, len(edges))
        at = (placed["row"].to_numpy(), placed["column"].to_numpy())
        sums = {}
        for name in _COUNTS:
            table = np.zeros(shape, np.int64)
            np.add.at(table, at, placed[name].cast(pl.Int64).to_numpy())
            sums[name] = np.concatenate([np.zeros((shape[0], 1), np.int64), table.cumsum(axis=1)], axis=1)
        first_bad = np.full(shape, NEVER, np.int64)
        starts = placed["first_bad"].cast(pl.Datetime("us", "UTC")).dt.epoch("s").fill_null(NEVER).to_numpy()
        np.minimum.at(first_bad, at, starts)
        from_ = edges.index(begin)
        return cls(
            edges, sums, first_bad, Counts(*(sums[name][:, -1] - sums[name][:, from_] for name in _COUNTS))
        )

    def window(self, length: timedelta, end: datetime) -> Counts:
        """Counts of the window of that length that ends there."""
        first, last = self._places(length, end)
        return Counts(*(self.sums[name][:, last] - self.sums[name][:, first] for name in _COUNTS))

    def first_bad_in(self, length: timedelta, end: datetime) -> Matrix:
        """Begin of the first bad slice of that window in seconds since 1970, ``NEVER`` without one."""
        first, last = self._places(length, end)
        begins: Matrix = self.first_bad[:, first:last].min(axis=1)
        return begins

    def _places(self, length: timedelta, end: datetime) -> tuple[int, int]:
        start = max(end - length, self.edges[0])
        return self.edges.index(start), self.edges.index(end)


@dataclass(frozen=True)
class Fired:
    """Worst severity that fired, the begin of its first bad slice in seconds since 1970, and the policies it fired by."""

    severity: list[str | None]
    since: Matrix
    by: list[str]


def fired(
    windows: Windows, allowed: Matrix, clustering: Floats, window_days: int, policy: BurnWindows
) -> Fired:
    """Worst severity that fired within the hold, since when and by which policies, per row of the windows.

    Args:
        windows: counts between the boundaries.
        allowed: share of events that may be bad, in parts per billion.
        clustering: of the bad events, variance over mean.
        window_days: of the objectives.
        policy: pairs, guards and hold.
    """
    severity = np.full(allowed.size, len(policy.severities), np.int64)
    since = np.full(allowed.size, NEVER, np.int64)
    by: list[tuple[str, ...]] = [()] * allowed.size

    def at(back: int) -> list[Firing]:
        end = windows.edges[-1] - SLICE * back
        counts = {name: windows.window(duration(name), end) for name in policy.windows}
        return list(_firing(counts, allowed, clustering, window_days, policy))

    for back, one, fires in paging.fired_within(at, policy, SLICE):
        end = windows.edges[-1] - SLICE * back
        rank = policy.severities.index(one.severity)
        rows = np.flatnonzero(fires & (severity >= rank))
        risen = rows[severity[rows] > rank]
        severity[risen], since[risen] = rank, NEVER
        if rows.size:
            first = windows.first_bad_in(duration(one.long), end)[rows]
            since[rows] = np.minimum(since[rows], first)
            paging.note_by(by, rows, risen, one.by)
    names: list[str | None] = [*policy.severities, None]
    return Fired([names[rank] for rank in severity], since, [by_words(sorted(one)) for one in by])


def _firing(
    counts: dict[str, Counts], allowed: Matrix, clustering: Floats, window_days: int, policy: BurnWindows
) -> Iterable[Firing]:
    """Which rows fire, for each pair and guard at one moment."""
    for pair in policy.pairs:
        long, short = counts[pair.long], counts[pair.short]
        factor = pair.factor(window_days)
        fires = paging.pair_fires(
            long, short, allowed, clustering, factor, pair.severity, policy, pair.or_equal
        )
        yield Firing(pair.severity, pair.long, fires, pair.by, pair.after)
    for guard in policy.guards:
        fires = paging.guard_fires(counts[guard.window], allowed, guard, policy)
        yield Firing(guard.severity, guard.window, fires, guard.by)


def _burn(
    windows: Windows, promised: pl.DataFrame, objectives: Objectives, policy: BurnWindows, as_of: datetime
) -> pl.DataFrame:
    """One line per objective and window: those of the pairs, and the objective's own."""
    own = f"{objectives.window_days}d"
    frames = []
    lengths = {name: duration(name) for name in policy.pair_windows}
    lengths.setdefault(own, as_of - window_begin(objectives, as_of))
    for name, length in lengths.items():
        counts = windows.window(length, as_of)
        counted = promised.with_columns(
            bad=pl.Series(counts.bad),
            total=pl.Series(counts.total),
            bad_slices=pl.Series(counts.bad_slices),
            first_bad=_moments(windows.first_bad_in(length, as_of)),
        )
        is_judged_by_slices = pl.lit(name in policy.pair_windows)
        frames.append(
            counted.select(
                pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("as_of"),
                *_KEYS,
                pl.lit(name).alias("window"),
                pl.lit(int(length.total_seconds()), pl.UInt32).alias("window_seconds"),
                pl.col("bad", "total").cast(pl.UInt64),
                _ratio(
                    pl.col("bad").cast(_WIDE) * PARTS, pl.col("total").cast(_WIDE) * pl.col("allowed_ppb")
                ).alias("burn_rate"),
                pl.when(is_judged_by_slices).then(pl.col("bad_slices").cast(pl.UInt32)),
                pl.when(is_judged_by_slices).then("first_bad"),
            )
        )
    return pl.concat(frames).sort(*_KEYS, "window_seconds")


def _budgets(
    windows: Windows,
    edges: list[datetime],
    promised: pl.DataFrame,
    clustering: Floats,
    policy: BurnWindows,
    objectives: Objectives,
) -> pl.DataFrame:
    """One line per objective: what is left and when nothing will be, how sure the indicator is, and what cannot be seen.

    ``edges``: the boundaries between which every objective was counted; those of the hold are known of a few only.
    """
    at = [windows.edges.index(edge) for edge in edges]
    whole, allowed = windows.whole, promised["allowed_ppb"].to_numpy()
    length = edges[-1] - edges[0]
    left = error_budget.occurrences(whole.bad, whole.total, allowed, length)
    lately = windows.window(RECENT, windows.edges[-1])
    coming = (lately.bad / RECENT.total_seconds(), lately.total / RECENT.total_seconds())
    if objectives.start is None:
        bad, total = (windows.sums[name][:, at] for name in ("bad", "total"))
        seconds = error_budget.exhaustion(edges, bad, total, allowed, *coming)
    else:
        rest = objectives.start + timedelta(days=objectives.window_days) - edges[-1]
        seconds = error_budget.exhaustion_in_period(whole.bad, whole.total, allowed, *coming, rest)
    low, high = paging.interval(whole.bad, whole.total, clustering)
    a_day = whole.total / max(length / timedelta(days=1), 1.0)
    hours = paging.shortest_outage(a_day, policy)
    moment = int(windows.edges[-1].timestamp())
    runs_out = moment + np.nan_to_num(seconds, nan=0.0).astype(np.int64)
    numbers = {
        "events_left": left.events_left,
        "minutes_spent": left.minutes_spent,
        "minutes_allowed": left.minutes_allowed,
        "sli_low": low,
        "sli_high": high,
        "requests_per_day": a_day,
        "clustering": clustering,
        "shortest_outage_hours": hours,
    }
    return promised.select(
        pl.lit(windows.edges[-1]).cast(pl.Datetime("us", "UTC")).alias("as_of"),
        *_KEYS,
        *(pl.Series(name, values).fill_nan(None) for name, values in numbers.items()),
        _moments(np.where(np.isnan(seconds), NEVER, runs_out)).alias("exhausts_at"),
        pl.Series("unseen", [paging.unseen(*one) for one in zip(a_day, hours, strict=True)], pl.String),
    )


def _with_coverage(
    budgets: pl.DataFrame, objectives: Objectives, coverage: float, policy: SlicePolicy
) -> pl.DataFrame:
    """Budgets by events with how much of the last slices is known, which freezes alerts."""
    schema = SCHEMAS["mart_slo_budgets"]
    floors = {one.name: float(policy.floor_of(policy.missing_of(one.budgeting))) for one in objectives.lines}
    frozen = [name for name, floor in floors.items() if coverage < floor]
    by_slices = ("slices_bad", "slices_counted", "slices_missing", "slices_quiet", "coverage")
    return budgets.with_columns(
        pl.lit(OCCURRENCES).alias("budgeting_method"),
        *(pl.lit(None, schema[name]).alias(name) for name in by_slices),
        pl.lit(coverage).alias("coverage_recent"),
        pl.col("objective").is_in(frozen).alias("is_frozen"),
        *(pl.lit([], schema[name]).alias(name) for name in ("days", "days_bad", "days_counted")),
    )


def _moments(seconds: Matrix) -> pl.Series:
    """Seconds since 1970 as times, NULL for ``NEVER``."""
    known = pl.Series(seconds)
    return (known.set(known == NEVER, None) * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _stated(
    judged: pl.DataFrame,
    policy: BurnWindows,
    environments: Environments,
    state_policy: StatePolicy,
    as_of: datetime,
    age: timedelta,
) -> pl.DataFrame:
    """The answer of each line: columns of ``mart_slo_status`` without ``team``."""
    spent_ppb = pl.col("held_bad").cast(_WIDE) * PARTS
    allowed_ppb = pl.col("held_total").cast(_WIDE) * pl.col("allowed_ppb")
    is_gone = (pl.col("held_total") > 0) & (spent_ppb >= allowed_ppb)
    is_spent = is_gone & (pl.col("held_bad") >= policy.least_bad_events * pl.col("held_unit"))
    least = pl.col("held_unit").cast(_WIDE) * PARTS * state_policy.least_budget_events
    is_few = is_gone | (allowed_ppb < least) | ~pl.col("is_covered")
    is_silent = pl.col("silent_since").is_not_null() & (
        (pl.col("total") > 0) | (pl.col("total").sum().over("app_id", "environment") == 0)
    )
    worst = policy.severities.index(environments.worst_elsewhere)
    capped = (
        pl.when("is_production")
        .then("firing")
        .otherwise(
            pl.col("firing").replace(dict.fromkeys(policy.severities[:worst], environments.worst_elsewhere))
        )
    )
    is_stale = age > state_policy.stale_after
    state = (
        pl.when(~is_silent & (pl.col("total") == 0))
        .then(pl.lit("no_data"))
        .when(is_stale)
        .then(pl.lit("stale"))
        .when(capped.is_not_null())
        .then(capped)
        .when(is_spent)
        .then(pl.lit("spent"))
        .when(is_silent)
        .then(pl.lit("silent"))
        .when(is_few)
        .then(pl.lit("too_few"))
        .otherwise(pl.lit("ok"))
    )
    ranks = {one.name: one.rank for one in states()}
    answered = judged.with_columns(
        as_of=pl.lit(as_of).cast(pl.Datetime("us", "UTC")),
        good=(pl.col("total") - pl.col("bad")).cast(pl.UInt64),
        total=pl.col("total").cast(pl.UInt64),
        sli=_ratio(pl.col("held_total") - pl.col("held_bad"), pl.col("held_total")),
        budget_remaining=_ratio(allowed_ppb - spent_ppb, allowed_ppb),
        is_spent=is_spent,
        state=state,
        silent_since=pl.when(is_silent).then("silent_since"),
        health_checks=pl.col("health_checks").fill_null(0),
        health_errors=pl.col("health_errors").fill_null(0),
        route=pl.lit(""),
        without_cold_starts=pl.lit(False),
        kept_out=pl.lit(0, pl.UInt64),
        sampled=pl.lit(0, pl.UInt64),
        stands_for=pl.lit(None, pl.Float64),
        sli_scaled=pl.lit(None, pl.Float64),
        maintenance_minutes=pl.lit(0, pl.UInt32),
        maintenance_events=pl.col("maintenance_events").fill_null(0),
        maintained_until=pl.lit(None, pl.Datetime("us", "UTC")),
        maintenance_reason=pl.lit(""),
    ).with_columns(
        state_rank=pl.col("state").replace_strict(ranks, return_dtype=pl.UInt8),
        since=pl.when(pl.col("state").is_in(policy.severities))
        .then("fired_since")
        .when(pl.col("state") == "silent")
        .then("silent_since"),
        fired_by=pl.when(pl.col("state").is_in(policy.severities)).then("fired_by").otherwise(pl.lit("")),
    )
    return answered.select(name for name in SCHEMAS["mart_slo_status"].names() if name != "team").sort(_KEYS)


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """``part / whole`` from integers in one rounding, NULL where the whole is nothing."""
    return pl.when(whole > 0).then(part.cast(pl.Float64) / whole.cast(pl.Float64))


def budget_ppb(one: Objective) -> int:
    """Share of events that may be bad, in parts per billion."""
    return int(one.budget * PARTS)


def _check_objectives(objectives: Objectives, policy: BurnWindows) -> None:
    longest = max(duration(window) for window in policy.windows)
    if timedelta(days=objectives.window_days) < longest:
        raise ModelError(
            f"the window of the objectives is {objectives.window_days} days; it needs {longest.days} at least"
        )
    for one in objectives.lines:
        if not 0 < one.target < 1:
            raise ModelError(
                f"the target of objective {one.name} is {one.target}; it must lie between 0 and 1"
            )
        if one.target * PARTS % 1:
            raise ModelError(
                f"the target of objective {one.name} is {one.target}; it may have nine places at most"
            )


def _check_counts(counted: pl.DataFrame, objectives: Objectives) -> None:
    unknown = counted.filter(~pl.col("objective").is_in([one.name for one in objectives.lines]))
    if not unknown.is_empty():
        row = unknown.row(0, named=True)
        raise ModelError(f"app {row['app_id']} has counts but no objective named {row['objective']}")
    if counted["other_ladders"].sum():
        raise ModelError(
            "slices were cut by another latency ladder: compute the slices again, then the objectives"
        )
    if counted.filter(pl.col("bad") > pl.col("total")).height:
        raise ModelError("an objective counts more bad events than events: its slices are not sound")
