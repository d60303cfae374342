"""Anomalies of teams and services: what the anomalies of their apps add up to, and what no single app shows.

Pure: episodes of apps in, episodes of groups out. Finding an app's anomalies is ``models.anomaly``; the numbers are the
section ``rollup`` of ``models/policy/anomaly.yaml``. What is found at apps and added up is found more often, and more
often rightly, than what is found at sums (research on the detector's benchmark), so sums only add what apps do not show.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from models.anomaly import CURRENCY, POLICY, AnomalyPolicy, check_sum
from models.errors import ModelError

SCOPES = {"team": ("team",), "service": ("team", "service_name"), "fleet": ("service_name",)}
"""Scope of a roll-up -> what names its groups: teams, services of a team, services of the whole fleet."""

_ADDED = ("expected_cost", "actual_cost", "impact")


def rolled_up(episodes: pl.DataFrame, by: Sequence[str], policy: AnomalyPolicy = POLICY) -> pl.DataFrame:
    """Episodes of a group: those of its apps that touch, added up, above and below expected apart, so that a rise of one
    app does not hide a fall of another.

    ``episodes``: ``by``, ``app_id``, ``billing_currency``, ``start_date``, ``end_date``, ``expected_cost``,
    ``actual_cost``, ``impact``, ``state``; a row is an app's part in a group, and one without impact is left out. Returns
    the same sums per ``by``, currency and run of days, with ``apps``, ``top_app`` and ``top_impact``, sorted.

    Raises:
        ModelError: a column is missing.
    """
    needed = {*by, "app_id", CURRENCY, "start_date", "end_date", "state", *_ADDED}
    if missing := sorted(needed - set(episodes.columns)):
        raise ModelError(f"episodes: column {', '.join(missing)} is missing")
    for name in _ADDED:
        check_sum(episodes[name])
    key = [*by, CURRENCY, "is_above"]
    order = [*key, "start_date", "end_date", "app_id"]
    ordered = (
        episodes.filter(pl.col("impact") != 0)
        .with_columns(is_above=pl.col("impact") > 0)
        .sort(order)
        .with_columns(until=pl.col("end_date").cum_max().shift().over(key))
        .with_columns(
            run=((pl.col("start_date") - pl.col("until")) > pl.duration(days=policy.episode.gap_days))
            .fill_null(True)
            .cum_sum()
        )
    )
    return (
        ordered.group_by(*key, "run")
        .agg(
            pl.col("start_date").min(),
            pl.col("end_date").max(),
            *(pl.col(name).sum() for name in _ADDED),
            pl.col("app_id").n_unique().cast(pl.UInt32).alias("apps"),
            pl.col("app_id")
            .sort_by(pl.col("impact").abs(), "app_id", descending=[True, False])
            .first()
            .alias("top_app"),
            pl.col("impact")
            .sort_by(pl.col("impact").abs(), "app_id", descending=[True, False])
            .first()
            .alias("top_impact"),
            state=pl.when((pl.col("state") == "open").any()).then(pl.lit("open")).otherwise(pl.lit("ended")),
        )
        .drop("is_above", "run")
        .sort(*by, CURRENCY, "start_date", "end_date", "impact")
    )


def worth_telling(rollups: pl.DataFrame, policy: AnomalyPolicy = POLICY) -> pl.DataFrame:
    """The roll-ups that are much, in money and of what their group would have cost, with that ``share``.

    ``rollups``: what ``rolled_up`` returned and ``group_cost``, what the whole group cost in those days.
    """
    amount = policy.rollup.least_amount * pl.col(CURRENCY).cast(pl.String).replace_strict(
        policy.money.per_dollar, default=1.0, return_dtype=pl.Float64
    )
    impact = pl.col("impact").cast(pl.Float64)
    usual = (pl.col("group_cost") - pl.col("impact")).cast(pl.Float64)
    return rollups.with_columns(share=pl.when(usual > 0).then(impact / usual)).filter(
        (impact.abs() >= amount) & (pl.col("share").abs() >= policy.rollup.least_share).fill_null(True)
    )


def thin(wholes: pl.DataFrame, rollups: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Episodes of sums that touch no roll-up of their group: a change spread thinly over many apps, which none shows.

    ``wholes``: what ``models.anomaly.episodes`` finds in the sums of groups, by ``by`` and currency.
    """
    key = [*by, CURRENCY]
    seen = rollups.select(*key, other_start="start_date", other_end="end_date")
    touching = (
        wholes.join(seen, on=key)
        .filter((pl.col("other_start") <= pl.col("end_date")) & (pl.col("other_end") >= pl.col("start_date")))
        .select(*key, "start_date")
        .unique()
    )
    return wholes.join(touching, on=[*key, "start_date"], how="anti", maintain_order="left")
