"""Every app anybody knows of, in one line: who owns it, what it costs, whether it works, whether it does anything.

Summaries come in per app (``sql/queries/inventory``); the daily figures behind them stay in the warehouse.
"""

from __future__ import annotations

import polars as pl

from models.money import exact_sums
from models.policy import states
from models.schemas import MONEY, SCHEMAS

COLUMNS = SCHEMAS["mart_app_inventory"].names()


def inventory(
    apps: pl.DataFrame, costs: pl.DataFrame, telemetry: pl.DataFrame, slo_status: pl.DataFrame
) -> pl.DataFrame:
    """One line per app: ``COLUMNS``, sorted by app.

    ``is_idle``: it cost something in the last 30 days, telemetry has seen it at some time, and in those days it served
    no request; an app that never serves any (a job, a consumer without spans) is idle only when it sent nothing at all.
    An app no telemetry has ever seen is not idle: nobody knows what it does. ``has_indicator``: it served requests in
    those days. ``worst_state``: the worst of its objectives, ``no_data`` where it has none.

    Args:
        apps: ``app_id, app_name, team, lifecycle, is_registered, is_billed, is_observed``: every app known.
        costs: ``app_id, billing_currency, first_cost_date, last_cost_date, billed_cost_30d, effective_cost_30d``.
        telemetry: ``app_id, last_seen, requests_30d, signals_30d, requests_ever``.
        slo_status: ``app_id, state_rank``, a line per objective that speaks for the app.

    Raises:
        ModelError: a cost is no exact decimal.
    """
    words = states()
    worst = slo_status.group_by("app_id").agg(worst_rank=pl.col("state_rank").min())
    known = (
        apps.join(_cost_summary(costs), on="app_id", how="left")
        .join(telemetry, on="app_id", how="left")
        .join(worst, on="app_id", how="left")
        .with_columns(
            pl.col("requests_30d", "signals_30d", "requests_ever").fill_null(0),
            pl.col("costs_recently").fill_null(False),
            *(_amounts(name) for name in ("billed_cost_30d", "effective_cost_30d")),
            worst_state=pl.col("worst_rank")
            .fill_null(len(words))
            .replace_strict({one.rank: one.name for one in words}, return_dtype=pl.String),
        )
    )
    silent = (pl.col("requests_30d") == 0) & ((pl.col("signals_30d") == 0) | (pl.col("requests_ever") > 0))
    return (
        known.with_columns(
            has_indicator=pl.col("requests_30d") > 0,
            is_idle=pl.col("costs_recently") & pl.col("is_observed") & silent,
        )
        .select(COLUMNS)
        .sort("app_id")
    )


def _cost_summary(costs: pl.DataFrame) -> pl.DataFrame:
    """One line per app: its days of cost and its recent costs as maps from currency."""
    recent = exact_sums(costs, ["app_id", "billing_currency"], ("billed_cost_30d", "effective_cost_30d"))
    by_currency = recent.group_by("app_id").agg(
        *(
            pl.struct(key="billing_currency", value=name).alias(name)
            for name in ("billed_cost_30d", "effective_cost_30d")
        ),
        costs_recently=((pl.col("billed_cost_30d") != 0) | (pl.col("effective_cost_30d") != 0)).any(),
    )
    dates = costs.group_by("app_id").agg(pl.col("first_cost_date").min(), pl.col("last_cost_date").max())
    return by_currency.join(dates, on="app_id")


def _amounts(name: str) -> pl.Expr:
    """A map from currency, empty for an app without cost."""
    pairs = pl.List(pl.Struct({"key": pl.String, "value": MONEY}))
    return pl.col(name).fill_null(pl.lit([], pairs)).cast(pl.Map(pl.String, MONEY))
