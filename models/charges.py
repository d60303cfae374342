"""Which charges are no usage of a day, and what they are: the kinds that are kept out of every trend, each told apart.

One table of kinds; whatever none of them takes is usage. Judging usage and listing the rest do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce

import polars as pl

from models.comparison import month_so_far
from models.money import exact_sums
from models.schemas import SCHEMAS

NO_TREND = ("Recurring", "One-Time")
"""FOCUS ChargeFrequency of what is known and not used up day by day."""

USAGE = "Usage"
"""FOCUS ChargeCategory of what is used."""

APART: Mapping[str, pl.Expr] = {
    "correction": pl.col("charge_class") != "",
    "tax": pl.col("charge_category") == "Tax",
    "credit": pl.col("charge_category") == "Credit",
    "purchase": pl.col("charge_category") == "Purchase",
    "adjustment": pl.col("charge_category")
    != USAGE,  # the last of FOCUS's categories, and whatever comes after it
    "recurring": pl.col("charge_frequency") == "Recurring",
    "one_time": pl.col("charge_frequency") == "One-Time",
}
"""Kind of a charge that is no usage of a day -> what tells it; the first that applies. What corrects a past charge comes
first, as it corrects it whatever it was; a commitment is a purchase before it is recurring."""


def kind_apart() -> pl.Expr:
    """The kind of a charge that is kept out of trends, null for usage; columns ``charge_category``, ``charge_class``,
    ``charge_frequency``.
    """
    return reduce(
        lambda later, kind: pl.when(APART[kind]).then(pl.lit(kind)).otherwise(later),
        reversed(list(APART)),
        pl.lit(None, pl.String),
    )


def is_trend() -> pl.Expr:
    """Whether a charge is of what is used day by day: none of the kinds apart."""
    return kind_apart().is_null()


def apart(charges: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """What the month so far has of each kind apart, and the same days of the month before: the columns of
    ``mart_charges_apart``, sorted.

    ``charges``: ``app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency,
    billed_cost``; usage among them is left out.

    Raises:
        ModelError: an amount is no exact decimal, or a sum exceeds 38 digits.
    """
    days = month_so_far(as_of)
    key = ["team", "app_id", "billing_currency", "kind"]
    told = charges.with_columns(kind=kind_apart()).filter(pl.col("kind").is_not_null())
    spans = {"billed": (days.first, days.last), "billed_before": (days.before_first, days.before_last)}
    sums = [
        exact_sums(told.filter(pl.col("usage_date").is_between(*span)), key, ("billed_cost",)).rename(
            {"billed_cost": name}
        )
        for name, span in spans.items()
    ]
    schema = SCHEMAS["mart_charges_apart"]
    return (
        sums[0]
        .join(sums[1], on=key, how="full", coalesce=True)
        .with_columns(pl.col(name).fill_null(pl.lit(0, schema[name])) for name in spans)
        .filter(pl.any_horizontal(pl.col(name) != 0 for name in spans))
        .with_columns(
            first_day=pl.lit(days.first),
            last_day=pl.lit(days.last),
            before_first_day=pl.lit(days.before_first),
            before_last_day=pl.lit(days.before_last),
        )
        .select(pl.col(name).cast(kind) for name, kind in schema.items())
        .sort(key)
    )
