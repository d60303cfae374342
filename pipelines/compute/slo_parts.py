"""Counts and judges objectives of parts of apps, and adds what is known of samples; the rules are ``models.slo``.

Whole apps are counted in ``pipelines.compute.slo``: nothing here is read where no objective asks for a part and no app samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl

from models import objectives, paging, requests, slo
from models.alert_policies import windows_for
from models.maintenance import Maintenance
from models.openslo import TimeWindow
from models.parts import PART_KEYS, AppPart, gathered_parts, part_parameters, spread
from models.policy import Objectives, request_slices, slo_defaults
from models.samples import samples_of
from models.slo_windows import period_at, window_of
from sql.warehouse import Warehouse

Judge = Callable[..., slo.Judged]
"""``models.slo.status`` with everything that is the same for all objectives."""

_HEALTH = ("health_checks", "health_errors")


def judged_parts(
    warehouse: Warehouse,
    promised: Objectives,
    scaling: str,
    parts: Sequence[AppPart],
    as_of: datetime,
    apps: pl.DataFrame,
    judge: Judge,
    maintenance: Maintenance,
) -> slo.Judged:
    """Answers of every objective for every part; ``route`` and ``without_cold_starts`` stand beside their columns.

    Args:
        warehouse: where slices are read.
        promised: the objectives, under names of their own.
        scaling: of the burn windows, as the workspace has it.
        parts: what they are of.
        as_of: end of the newest slice counted.
        apps: answers of the defaults of every app: which environments there are, and their health checks.
        judge: judges counts.
        maintenance: whose slices are left out.
    """
    policy = windows_for(scaling, promised)
    ladder = requests.ladder_ms(request_slices(), slo_defaults())

    def counted(hold: bool, only: Sequence[str] = ()) -> pl.DataFrame:
        asked = slo.bucket_parameters(promised, policy, as_of, ladder, hold=hold)
        left_out = maintenance.parameters(asked["window_from"], as_of)
        return warehouse.frame(
            "queries/slo/part_buckets", **{**asked, **part_parameters(parts, only), **left_out}
        )

    buckets = counted(hold=False)
    clustering = None
    if firing := slo.may_fire(buckets, policy):
        held = counted(hold=True, only=firing)
        past = slo.clustering_parameters(promised, policy, as_of, ladder, apps=())
        left_out = maintenance.parameters(past["since"], past["until"])
        spreading = warehouse.frame(
            "queries/slo/part_clustering", **{**past, **part_parameters(parts, firing), **left_out}
        )
        clustering = paging.clusterings(spreading, policy.clustering)
        buckets = pl.concat([buckets.filter(~pl.col("app_id").is_in(firing)), held])
    seen = spread(apps.select("app_id", "environment").unique(), parts)
    begin = slo.window_begin(promised, as_of)
    kept_out = (
        buckets.filter(pl.col("bucket") >= begin)
        .group_by("app_id", "environment", "objective")
        .agg(out=pl.col("kept_out").sum().cast(pl.UInt64))
    )
    found = judge(
        buckets.drop("kept_out"),
        promised,
        policy,
        apps=seen["app_id"],
        seen=seen,
        clustering=clustering,
    )
    checks = spread(apps.select("app_id", "environment", *_HEALTH).unique(), parts)
    order = found.status.columns
    status = (
        found.status.drop("kept_out", *_HEALTH, "route", "without_cold_starts")
        .join(kept_out, on=["app_id", "environment", "objective"], how="left")
        .join(checks, on=["app_id", "environment"], how="left")
        .with_columns(
            kept_out=pl.col("out").fill_null(0), **{name: pl.col(name).fill_null(0) for name in _HEALTH}
        )
    )
    return slo.Judged(
        gathered_parts(status, parts).select(order),
        gathered_parts(found.burn, parts),
        gathered_parts(found.budgets, parts),
    )


def with_samples(
    warehouse: Warehouse,
    status: pl.DataFrame,
    promised: pl.DataFrame,
    as_of: datetime,
    maintenance: Maintenance,
) -> pl.DataFrame:
    """Answers with what of their window is a sample: ``sampled, stands_for, sli_scaled`` of ``mart_slo_status``.

    Args:
        warehouse: where slices are read, of apps that sampled alone.
        status: columns of ``mart_slo_status`` without ``team``.
        promised: ``models.objectives.definitions``: the kinds of spans each counts.
        as_of: end of the newest slice counted.
        maintenance: whose slices are left out.
    """
    routed = sorted(status.filter(pl.col("route") != "")["app_id"].unique())
    sampled = {}
    for window in sorted(promised["time_window"].unique()):
        begin = max(slo.EPOCH, period_at(window_of(window), as_of).begin)
        left_out = maintenance.parameters(begin, as_of)
        frame = warehouse.frame(
            "queries/slo/samples", as_of=as_of, window_from=begin, routed=routed, **left_out
        )
        if frame.height:
            sampled[window] = frame
    return samples_of(status, promised, sampled)


def chosen_parts(judged: slo.Judged, places: pl.DataFrame, window: TimeWindow) -> slo.Judged:
    """What of a judgement of parts is wanted, in the columns of whole apps."""
    status, burn, budgets = (objectives.chosen(frame, places, window) for frame in judged)
    return slo.Judged(status, burn.drop(PART_KEYS), budgets.drop(PART_KEYS))
