"""What each team's apps cost per ISO 8601 week and line of the bill, in UTC.

A week with fewer than seven days of cost says so: nobody should compare it with a whole one unawares.
"""

from __future__ import annotations

import polars as pl

from models.money import exact_sums
from models.schemas import SCHEMAS

COLUMNS = SCHEMAS["mart_team_costs_weekly"].names()
_KEYS = ("team", "week_start", "app_id", "charge_category", "charge_class", "billing_currency")


def weekly(costs: pl.DataFrame) -> pl.DataFrame:
    """Cost per team, app, charge category and class, currency and ISO week: ``COLUMNS``, sorted by them.

    ``days`` counts the days of the week on which anything at all has a cost in that currency, not this app: an app
    idle on Sunday does not make its week incomplete.

    Args:
        costs: ``usage_date, team, app_id, charge_category, charge_class, billing_currency, billed_cost,
            effective_cost``, of any finer grain.

    Raises:
        ModelError: a cost is no exact decimal, or its sum exceeds 38 digits.
    """
    dated = costs.with_columns(week_start=pl.col("usage_date").dt.truncate("1w"))
    days = dated.group_by("week_start", "billing_currency").agg(
        days=pl.col("usage_date").n_unique().cast(pl.UInt8)
    )
    summed = exact_sums(dated, list(_KEYS), ("billed_cost", "effective_cost"))
    return (
        summed.join(days, on=["week_start", "billing_currency"])
        .with_columns(iso_week=pl.col("week_start").dt.strftime("%G-W%V"))
        .sort(_KEYS)
        .select(COLUMNS)
    )
