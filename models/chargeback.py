"""The lines of a chargeback statement: exact costs per cost centre, app and service, and the amount charged.

Amounts are rounded once, here; what a rounding leaves over is a line of its own, so that the amounts of a currency sum
to its total. Writing files and choosing what a team may see do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from models.errors import ModelError
from models.identity import UNALLOCATED
from models.money import exact_sums, in_minor_units
from models.schemas import SCHEMAS
from models.shared_costs import IDLE_RULE, SHARED

KEY = (
    "billing_currency",
    "cost_center",
    "team",
    "app_id",
    "source_name",
    "provider",
    "service_name",
    "charge_category",
    "charge_class",
    "attribution_rule",
)
"""What makes a line, in the order of the statement."""

COLUMNS = [name for name in SCHEMAS["mart_chargeback_lines"] if name != "billing_period"]

ROUNDING = "rounding"

SPLIT_COST_TYPES = ("shared", "idle")
"""Cost types of what shared cost rules gave, and of capacity they found nobody used."""


def statement_lines(
    costs: pl.DataFrame, apps: pl.DataFrame, teams: pl.DataFrame, minor_units: Mapping[str, int]
) -> pl.DataFrame:
    """Lines of one billing month: ``COLUMNS``, numbered from 1 in the order of ``KEY``.

    ``amount`` is the billed cost rounded half to even to the currency's minor unit. Each currency ends with one line of
    cost type ``rounding``, of no app, team or cost, whose amount makes the amounts sum to the rounded total.

    Args:
        costs: ``KEY``, ``billed_cost`` and ``effective_cost`` of the month, of any finer grain.
        apps: ``app_id, app_name``; where an app has several lines the last one counts.
        teams: ``team, lead``.
        minor_units: places of the minor unit by ISO 4217 code.

    Raises:
        ModelError: a currency without a minor unit, or an amount that is no exact decimal.
    """
    summed = exact_sums(costs, KEY, ("billed_cost", "effective_cost"))
    unknown = sorted(set(summed["billing_currency"]) - set(minor_units))
    if unknown:
        raise ModelError(f"{unknown[0]} is no currency of ISO 4217, so its minor unit is not known")
    names = apps.select("app_id", "app_name").unique("app_id", keep="last", maintain_order=True)
    owners = teams.select("team", owner="lead").unique("team", keep="last", maintain_order=True)
    lines = (
        summed.join(names, on="app_id", how="left")
        .join(owners, on="team", how="left")
        .with_columns(
            pl.col("app_name").fill_null(pl.col("app_id")),
            pl.col("owner").fill_null(""),
            cost_type=_cost_type(),
            amount=in_minor_units(pl.col("billed_cost"), pl.col("billing_currency"), minor_units),
        )
    )
    return (
        pl.concat([lines, _rounding_lines(lines, minor_units)], how="diagonal")
        .sort(pl.col("billing_currency"), pl.col("cost_type") == ROUNDING, *KEY[1:])
        .with_columns(line=pl.int_range(1, pl.len() + 1, dtype=pl.UInt64))
        .select(COLUMNS)
    )


def _cost_type() -> pl.Expr:
    return (
        pl.when(pl.col("app_id") == UNALLOCATED)
        .then(pl.lit("unallocated"))
        .when(pl.col("attribution_rule").str.starts_with(SHARED))
        .then(pl.lit(SPLIT_COST_TYPES[0]))
        .when(pl.col("attribution_rule").str.starts_with(IDLE_RULE))
        .then(pl.lit(SPLIT_COST_TYPES[1]))
        .otherwise(pl.lit("direct"))
    )


def _rounding_lines(lines: pl.DataFrame, minor_units: Mapping[str, int]) -> pl.DataFrame:
    """One line per currency that carries the rounded total minus the rounded lines."""
    totals = exact_sums(lines, ["billing_currency"], ("billed_cost", "amount"))
    charged = in_minor_units(pl.col("billed_cost"), pl.col("billing_currency"), minor_units)
    texts = [name for name in COLUMNS if lines.schema.get(name) == pl.String and name != "billing_currency"]
    nothing = pl.lit(0).cast(lines.schema["billed_cost"])
    return totals.select(
        "billing_currency",
        *(pl.lit("").alias(name) for name in texts),
        amount=charged - pl.col("amount"),
        billed_cost=nothing,
        effective_cost=nothing,
    ).with_columns(cost_type=pl.lit(ROUNDING), app_name=pl.lit("rounding to minor units"))
