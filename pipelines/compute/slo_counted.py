"""Judges objectives that count something else than requests; the rules are ``models.slo``.

Each app and indicator is judged as an app of its own, as parts are (``pipelines.compute.slo_parts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from models import objectives, paging, requests, silence, slo
from models.alert_policies import windows_for
from models.budgeting import slice_policy
from models.indicator_counts import (
    BETWEEN,
    AppQuestion,
    gathered_questions,
)
from models.indicator_words import events_word
from models.indicators import FRESHNESS
from models.maintenance import Maintenance
from models.openslo import TimeWindow
from models.parts import spread
from models.policy import BurnWindows, Objectives, request_slices, silence_policy, slo_defaults
from models.slo_windows import period_at
from models.timeslices import Axis, SliceJudgement
from pipelines.compute.slo_parts import Judge
from pipelines.compute.timeslices import judged_counts
from sql.warehouse import Warehouse

_BUCKETS = ("as_of", "window_from", "slices_from", "edges")
_CLUSTERING = ("since", "until", "names", "budgets_ppb", "cap", "sigmas")
_SEEN = {"app_id": pl.String(), "environment": pl.String(), "indicator": pl.String()}


def seen_counted(warehouse: Warehouse, held: objectives.Assignment, as_of: datetime) -> pl.DataFrame:
    """``app_id, environment, indicator`` of everything counted beside requests within the longest window and the time a rhythm is
    known from; nothing is read where nobody asks.
    """
    if not held.counted:
        return pl.DataFrame(schema=_SEEN)
    begins = [period_at(window, as_of).begin for window in held.counted]
    since = min(*begins, as_of - silence.hours_needed(silence_policy()))
    return warehouse.frame("queries/slo/indicator_seen", as_of=as_of, since=max(slo.EPOCH, since))


def judged_counted(
    warehouse: Warehouse,
    promised: Objectives,
    window: TimeWindow,
    scaling: str,
    asked: Sequence[AppQuestion],
    as_of: datetime,
    apps: pl.DataFrame,
    judge: Judge,
    maintenance: Maintenance,
) -> slo.Judged:
    """Answers of every objective for every app and indicator; ``indicator`` stands beside their columns.

    What stopped coming against its own rhythm is silent, as requests are: an app whose logs stop is not well. Freshness has
    an event in every slice and is never silent.

    Args:
        warehouse: where slices are read.
        promised: the objectives, under names of their own.
        window: theirs.
        scaling: of the burn windows, as the workspace has it.
        asked: what they are of.
        as_of: end of the newest slice counted.
        apps: ``app_id, environment`` of the apps.
        judge: judges counts.
        maintenance: whose slices are left out.
    """
    policy = windows_for(scaling, promised)
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    names: dict[str, Any] = {
        "names": [one.name for one in promised.lines],
        "budgets_ppb": [slo.budget_ppb(one) for one in promised.lines],
    }

    def counted(hold: bool, only: Sequence[str] = ()) -> pl.DataFrame:
        every = slo.bucket_parameters(promised, policy, as_of, ladder, hold=hold)
        bounds = {name: every[name] for name in _BUCKETS}
        left_out = maintenance.parameters(bounds["window_from"], as_of)
        return warehouse.frame(
            "queries/slo/indicator_buckets", **bounds, **names, **_named(asked, only), **left_out
        )

    buckets = counted(hold=False)
    clustering = None
    if firing := slo.may_fire(buckets, policy):
        held = counted(hold=True, only=firing)
        past = slo.clustering_parameters(promised, policy, as_of, ladder, apps=())
        sums = {name: past[name] for name in _CLUSTERING}
        left_out = maintenance.parameters(sums["since"], sums["until"])
        spreading = warehouse.frame(
            "queries/slo/indicator_clustering", **sums, **_named(asked, firing), **left_out
        )
        clustering = paging.clusterings(spreading, policy.clustering)
        buckets = pl.concat([buckets.filter(~pl.col("app_id").is_in(firing)), held])
    seen = spread(apps.select("app_id", "environment").unique(), asked)
    silences = _silences(warehouse, asked, as_of, maintenance)
    found = judge(
        buckets,
        promised,
        policy,
        apps=seen["app_id"],
        seen=seen,
        clustering=clustering,
        silences=silences,
        by_slices=_by_slices(warehouse, promised, window, policy, asked, as_of, silences, maintenance),
    )
    status, burn, budgets = (gathered_questions(frame, asked) for frame in found)
    return slo.Judged(status, burn, _told(budgets))


def _by_slices(
    warehouse: Warehouse,
    promised: Objectives,
    window: TimeWindow,
    policy: BurnWindows,
    asked: Sequence[AppQuestion],
    as_of: datetime,
    silences: pl.DataFrame,
    maintenance: Maintenance,
) -> SliceJudgement | None:
    """What slices say of those that are judged by them; None where there are none."""
    lines = [one for one in promised.lines if one.budgeting.is_by_slices]
    if not lines:
        return None
    axis = Axis.of(period_at(window, as_of).begin, as_of, slice_policy(), policy)
    left_out = maintenance.parameters(axis.since, as_of)
    counts = warehouse.frame(
        "queries/slo/indicator_slices", as_of=as_of, since=axis.since, **_named(asked), **left_out
    )
    of_lines = [counts.with_columns(objective=pl.lit(one.name)) for one in lines]
    own = maintenance.spread(asked)
    return judged_counts(warehouse, lines, pl.concat(of_lines), window, policy, axis, silences, own)


def _told(budgets: pl.DataFrame) -> pl.DataFrame:
    """Budgets that say what they cannot see in their own events; an age is looked at in every slice, so nothing passes unseen."""
    told = [
        ""
        if one["indicator"].startswith(f"{FRESHNESS} ") or not one["unseen"]
        else paging.unseen(
            one["requests_per_day"],
            float("nan") if one["shortest_outage_hours"] is None else one["shortest_outage_hours"],
            events_word(one["indicator"]),
        )
        for one in budgets.select(
            "indicator", "unseen", "requests_per_day", "shortest_outage_hours"
        ).to_dicts()
    ]
    return budgets.with_columns(pl.Series("unseen", told, pl.String))


def chosen_counted(judged: slo.Judged, places: pl.DataFrame, window: TimeWindow) -> slo.Judged:
    """What of a judgement is wanted, in the columns of objectives of requests."""
    return slo.Judged(*(objectives.chosen(frame, places, window).drop("indicator") for frame in judged))


def _silences(
    warehouse: Warehouse, asked: Sequence[AppQuestion], as_of: datetime, maintenance: Maintenance
) -> pl.DataFrame:
    policy = silence_policy()
    since = max(slo.EPOCH, as_of - silence.hours_needed(policy))
    rhythmic = [one for one in asked if not one.indicator.startswith(f"{FRESHNESS} ")]
    hours = warehouse.frame("queries/silence/indicator_hours", as_of=as_of, since=since, **_named(rhythmic))
    return silence.silences(hours, as_of, policy, maintenance=maintenance.spread(asked))


def _named(asked: Sequence[AppQuestion], only: Sequence[str] = ()) -> dict[str, Any]:
    wanted = set(only)
    named = [one for one in asked if not wanted or one.text in wanted]
    return {
        "parts": [one.text for one in named],
        "part_apps": sorted({one.app_id for one in named}),
        "between": BETWEEN,
    }
