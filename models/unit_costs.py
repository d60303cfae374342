"""The join of bill and telemetry: what an app cost on a day, what it did, and what a thousand requests cost.

Frames of daily figures in, one frame out; reading and publishing them does not belong here.
"""

from __future__ import annotations

import polars as pl

from models.identity import UNASSIGNED
from models.money import exact_sums
from models.schemas import MONEY, SCHEMAS

REQUESTS = 1000
"""Unit of the unit cost."""

COLUMNS = SCHEMAS["mart_app_unit_costs_daily"].names()

_METRICS = ("billed_cost", "effective_cost")


def daily(costs: pl.DataFrame, telemetry: pl.DataFrame, apps: pl.DataFrame) -> pl.DataFrame:
    """Cost and activity per app, day and currency: ``COLUMNS``, sorted by day, app and currency.

    ``cost_per_1000_requests = effective_cost * 1000 / requests``, rounded half to even at 18 places, NULL without
    requests. A day with cost and no telemetry has no requests; a day with telemetry and no cost has cost 0 and an
    empty currency. An app billed in two currencies on a day has two lines, each with all requests of the day:
    currencies are never added, so neither are those lines.

    Args:
        costs: ``usage_date, app_id, team, billing_currency, billed_cost, effective_cost``, of any finer grain.
        telemetry: ``usage_date, app_id, requests, errors, duration_p95_ms``, one line per app and day.
        apps: ``app_id, team``: owner of an app on days without cost; the last line of an app counts.

    Raises:
        ModelError: a cost is no exact decimal, or its sum exceeds 38 digits.
    """
    key = ["usage_date", "app_id", "billing_currency"]
    teams = costs.group_by(key).agg(billed_team=pl.col("team").max())
    summed = exact_sums(costs, key, _METRICS).join(teams, on=key)
    owners = apps.select("app_id", registered_team="team").unique("app_id", keep="last", maintain_order=True)
    joined = (
        summed.join(telemetry, on=["usage_date", "app_id"], how="full", coalesce=True)
        .join(owners, on="app_id", how="left")
        .with_columns(
            team=pl.coalesce("billed_team", "registered_team", pl.lit(UNASSIGNED)),
            billing_currency=pl.col("billing_currency").fill_null(""),
            requests=pl.col("requests").cast(pl.UInt64).fill_null(0),
            errors=pl.col("errors").cast(pl.UInt64).fill_null(0),
            **{metric: pl.col(metric).fill_null(pl.lit(0).cast(MONEY)) for metric in _METRICS},
        )
    )
    return joined.with_columns(cost_per_1000_requests=_unit_cost()).select(COLUMNS).sort(key)


def _unit_cost() -> pl.Expr:
    """Polars rounds a decimal quotient half to even (a test holds it to Python's)."""
    priced = (pl.col("requests") > 0) & (pl.col("billing_currency") != "")
    requests = pl.when(priced).then(pl.col("requests")).cast(pl.Decimal(38, 0))
    return pl.col("effective_cost") * REQUESTS / requests
