"""Service level objectives: indicator, error budget and multiwindow burn rate of every app, by occurrences.

Counts come in summed per window (``sql/queries/slo/windows.sql``); decisions are exact integer comparisons, floats
are only what people read. Which windows and factors exist is policy (``models.policy``), not code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import polars as pl

from models.errors import ModelError
from models.policy import BurnPair, BurnWindows, Objective, Objectives
from models.requests import rung

PARTS = 10**9
"""Targets are held exactly in parts per billion."""

BURN_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
"""Windows of ``mart_slo_status``, shortest first."""

LEAST_WINDOW_DAYS = 3
"""An objective's window may not be shorter than the longest burn window."""

_WIDE = pl.Int128


def window_parameters(objectives: Objectives, as_of: datetime, ladder: tuple[int, ...]) -> dict[str, Any]:
    """Parameters of ``queries/slo/windows``; ``ladder``: the bounds the slices were cut by, in milliseconds.

    Raises:
        ModelError: a target that is not between 0 and 1 or has more than nine places, or a window below three days.
    """
    _check_objectives(objectives)
    return {
        "as_of": as_of,
        "window_days": objectives.window_days,
        "budget_ppb": {one.name: _budget_ppb(one) for one in objectives.lines},
        "rungs": {one.name: _rung(one, ladder) for one in objectives.lines},
        "server": [one.name for one in objectives.lines if "server" in one.kinds],
        "consumer": [one.name for one in objectives.lines if "consumer" in one.kinds],
    }


def status(
    windows: pl.DataFrame,
    objectives: Objectives,
    policy: BurnWindows,
    as_of: datetime,
    apps: Iterable[str],
) -> pl.DataFrame:
    """State of every objective: the columns of ``mart_slo_status`` without ``team`` and ``batch_id``.

    With bad = total - good and T the target: ``sli = good / total``; ``budget_remaining = 1 - (bad / total) / (1 - T)``
    over the objective's window (occurrences; negative once overspent); ``burn_rate_w = (bad_w / total_w) / (1 - T)``.
    A pair of the policy fires when both its windows burn strictly faster than its factor and the long one holds at
    least the policy's bad events; ``state`` is the worst severity that fires, else ``ok``; ``since`` the first bad
    slice in the long windows of what fired at that severity. Without events in the window the state is ``no_data``
    and every ratio NULL, never 0; a burn window without events has a NULL rate and fires nothing.

    Args:
        windows: result of ``queries/slo/windows``.
        objectives: what every app is held to, ``models.policy.slo_defaults()``.
        policy: burn-rate pairs and floor, ``models.policy.burn_windows()``.
        as_of: end of the newest slice counted, an aware datetime.
        apps: ids of all known apps; one without any SERVER or CONSUMER span is told as ``no_data``.

    Raises:
        ModelError: an unusable objective, counts without an objective, or more good than all events.
    """
    _check_objectives(objectives)
    promised = _promised(objectives, {*apps, *windows["app_id"]})
    _check_counts(windows, promised)
    counted = promised.join(windows, on=["app_id", "objective"], how="left").with_columns(
        pl.col("good", "total").fill_null(0)
    )
    fired = counted.with_columns(
        _fires(pair, policy.least_bad_events).alias(_name(pair)) for pair in policy.pairs
    )
    return fired.select(
        pl.lit(as_of).cast(pl.Datetime("us", "UTC")).alias("as_of"),
        "app_id",
        "objective",
        "target",
        "window_days",
        "good",
        "total",
        sli=_ratio(pl.col("good"), pl.col("total")),
        budget_remaining=_budget_remaining(),
        **{f"burn_rate_{window}": _burn_rate(window) for window in BURN_WINDOWS},
        state=pl.when(pl.col("total") == 0)
        .then(pl.lit("no_data"))
        .otherwise(_worst_firing(policy, pl.lit, pl.lit("ok"))),
        since=_worst_firing(policy, lambda severity: _first_bad(policy, severity), pl.lit(None)),
    ).sort("app_id", "objective")


def _promised(objectives: Objectives, apps: Iterable[str]) -> pl.DataFrame:
    """One line per app and objective."""
    lines = pl.DataFrame(
        {
            "objective": [one.name for one in objectives.lines],
            "target": [float(one.target) for one in objectives.lines],
            "allowed_ppb": [_budget_ppb(one) for one in objectives.lines],
        },
        schema={"objective": pl.String, "target": pl.Float64, "allowed_ppb": _WIDE},
    ).with_columns(window_days=pl.lit(objectives.window_days, pl.UInt16))
    return pl.DataFrame({"app_id": sorted(apps)}, schema={"app_id": pl.String}).join(lines, how="cross")


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """``part / whole`` from integers in one rounding, NULL where the whole is nothing."""
    return pl.when(whole > 0).then(part.cast(pl.Float64) / whole.cast(pl.Float64))


def _budget_remaining() -> pl.Expr:
    allowed = pl.col("total").cast(_WIDE) * pl.col("allowed_ppb")
    bad = (pl.col("total").cast(_WIDE) - pl.col("good").cast(_WIDE)) * PARTS
    return _ratio(allowed - bad, allowed)


def _burn_rate(window: str) -> pl.Expr:
    bad = pl.col(f"bad_{window}").cast(_WIDE) * PARTS
    return _ratio(bad, pl.col(f"total_{window}").cast(_WIDE) * pl.col("allowed_ppb"))


def _fires(pair: BurnPair, least_bad_events: int) -> pl.Expr:
    both = _burns_faster(pair, pair.long) & _burns_faster(pair, pair.short)
    return (both & (pl.col(f"bad_{pair.long}") >= least_bad_events)).fill_null(False)


def _burns_faster(pair: BurnPair, window: str) -> pl.Expr:
    """Burn rate strictly above the factor, multiplied out: a float would decide at the threshold by its rounding.

    Counts below 2**64 times parts per billion times the pair's terms stay inside 128 bits.
    """
    per_day = pair.factor(1)
    bad = pl.col(f"bad_{window}").cast(_WIDE) * (PARTS * per_day.denominator)
    allowed = pl.col(f"total_{window}").cast(_WIDE) * pl.col("allowed_ppb")
    return bad > allowed * pl.col("window_days").cast(_WIDE) * per_day.numerator


def _worst_firing(policy: BurnWindows, answer: Callable[[str], pl.Expr], otherwise: pl.Expr) -> pl.Expr:
    """The answer of the worst severity that fires."""
    chosen = otherwise
    for severity in reversed(policy.severities):
        fires = pl.any_horizontal(_name(pair) for pair in policy.pairs if pair.severity == severity)
        chosen = pl.when(fires).then(answer(severity)).otherwise(chosen)
    return chosen


def _first_bad(policy: BurnWindows, severity: str) -> pl.Expr:
    pairs = [pair for pair in policy.pairs if pair.severity == severity]
    return pl.min_horizontal(
        pl.when(_name(pair)).then(pl.col(f"first_bad_{pair.long}").cast(pl.Datetime("us", "UTC")))
        for pair in pairs
    )


def _name(pair: BurnPair) -> str:
    return f"fires_{pair.long}_{pair.short}"


def _rung(one: Objective, ladder: tuple[int, ...]) -> int:
    return 0 if one.threshold_ms is None else rung(ladder, one.threshold_ms)


def _budget_ppb(one: Objective) -> int:
    return int(one.budget * PARTS)


def _check_objectives(objectives: Objectives) -> None:
    if objectives.window_days < LEAST_WINDOW_DAYS:
        raise ModelError(
            f"the window of the objectives is {objectives.window_days} days; it needs {LEAST_WINDOW_DAYS} at least"
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


def _check_counts(windows: pl.DataFrame, promised: pl.DataFrame) -> None:
    unknown = windows.join(promised, on=["app_id", "objective"], how="anti")
    if not unknown.is_empty():
        app_id, objective = unknown.row(0)[:2]
        raise ModelError(f"app {app_id} has counts but no objective named {objective}")
    if windows.filter(pl.col("good") > pl.col("total")).height:
        raise ModelError("an objective counts more good events than events: its slices are not sound")
