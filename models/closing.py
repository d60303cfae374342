"""Closed statements as arithmetic: what changed in a month since it was closed, as lines of the month that is open.

Frames in, frames out. Who may close, where lines are kept and how they become files does not belong here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID

import polars as pl

from models.chargeback import KEY, ROUNDING
from models.errors import ModelError
from models.money import exact_sums, exact_total, in_minor_units
from models.schemas import MONEY, SCHEMAS

ADJUSTMENT = "adjustment"
"""Cost type of a line that adjusts a closed month."""

RESTATEMENT, RECLASSIFICATION = "restatement", "reclassification"
"""Why a closed month is adjusted: its provider billed something else, or a person asked for newer rules or owners."""

NONE = "none"
"""What an adjustment names where the month was closed without such a line."""

COSTS = ("billed_cost", "effective_cost")
COLUMNS = SCHEMAS["mart_statement_adjustments"].names()
LINE_KEY = ("billing_period", *KEY)


@dataclass(frozen=True)
class Basis:
    """What a closed month was last made of: the batch of each source's bill, the identities its charges were attributed by
    (the first that knows a charge holds), and the number of the last reclassification that was booked."""

    bills: Mapping[str, UUID] = field(default_factory=dict)
    identities: Sequence[UUID] = ()
    reclassified: int = 0


def open_month(closed: Collection[date], billed: Collection[date]) -> date | None:
    """The month whose statement takes the adjustments: the first billed one after the newest closed one, else the month
    after it; None where nothing is closed."""
    if not closed:
        return None
    newest = max(closed)
    return min((month for month in billed if month > newest), default=month_after(newest))


def month_after(month: date) -> date:
    """The month that follows."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What is to be added to ``before`` so that it equals ``after``, per ``KEY``: rows whose costs differ.

    Both have ``KEY``, ``billed_cost`` and ``effective_cost``, of any finer grain.

    Raises:
        ModelError: an amount is no exact decimal.
    """
    columns = [*KEY, *COSTS]
    negative = before.select(
        *KEY, *((pl.lit(0, MONEY) - pl.col(name)).cast(MONEY).alias(name) for name in COSTS)
    )
    return summed(pl.concat([after.select(columns), negative.select(columns)]))


def summed(costs: pl.DataFrame, by: Sequence[str] = KEY) -> pl.DataFrame:
    """Exact sums per ``by``, without those that are nothing in every cost."""
    return exact_sums(costs, by, COSTS).filter(pl.any_horizontal(pl.col(name) != 0 for name in COSTS))


def adjustment_lines(
    period: date,
    own: pl.DataFrame,
    changed: pl.DataFrame,
    originals: pl.DataFrame,
    names: pl.DataFrame,
    minor_units: Mapping[str, int],
) -> pl.DataFrame:
    """Lines of the open month ``period`` that adjust closed months, numbered behind its own lines: ``COLUMNS``.

    Each change is one line per provider's month, reason and ``KEY`` and names what it is ``named`` to be of, else the closed
    line of the same ``KEY``, or ``none``. Each currency ends with a rounding line, so that own lines and these sum to the rounded total.

    Args:
        own: ``line, billing_currency, billed_cost, amount`` of the month's own lines.
        changed: ``billing_period, adjustment, named`` (empty: the closed line), ``KEY`` and costs.
        originals: ``LINE_KEY, reference, app_name, owner``, the first of a key is the original.
        names: ``app_id, app_name, team, owner`` for lines without an original: ``app_name`` by app, ``owner`` by team.
        minor_units: places of the minor unit by ISO 4217 code.

    Raises:
        ModelError: a currency without a minor unit, or an amount that is no exact decimal.
    """
    costs = summed(changed, ["adjustment", "named", *LINE_KEY])
    unknown = sorted(set(costs["billing_currency"]) - set(minor_units))
    if unknown:
        raise ModelError(f"{unknown[0]} is no currency of ISO 4217, so its minor unit is not known")
    first = originals.unique(LINE_KEY, keep="first", maintain_order=True)
    lines = (
        costs.join(first, on=LINE_KEY, how="left")
        .join(_by(names, "app_id", "app_name", "app_title"), on="app_id", how="left")
        .join(_by(names, "team", "owner", "lead"), on="team", how="left")
        .with_columns(
            app_name=pl.coalesce("app_name", "app_title", "app_id"),
            owner=pl.coalesce("owner", "lead", pl.lit("")),
            adjustment_of=pl.when(pl.col("named") != "")
            .then("named")
            .otherwise(pl.col("reference").fill_null(NONE)),
            cost_type=pl.lit(ADJUSTMENT),
            amount=in_minor_units(pl.col("billed_cost"), pl.col("billing_currency"), minor_units),
        )
    )
    rounding = _rounding(period, own, lines, minor_units)
    last = int(str(own["line"].max() or 0))
    return (
        pl.concat([lines, rounding], how="diagonal")
        .sort(
            pl.col("billing_currency"),
            pl.col("cost_type") == ROUNDING,
            "billing_period",
            "adjustment",
            *KEY[1:],
            "adjustment_of",
        )
        .with_columns(
            statement_period=pl.lit(period),
            line=pl.int_range(last + 1, last + 1 + pl.len(), dtype=pl.UInt64),
        )
        .select(COLUMNS)
    )


def _by(names: pl.DataFrame, key: str, value: str, called: str) -> pl.DataFrame:
    known = names.select(key, pl.col(value).alias(called)).drop_nulls()
    return known.unique(key, keep="last", maintain_order=True)


def _rounding(
    period: date, own: pl.DataFrame, lines: pl.DataFrame, minor_units: Mapping[str, int]
) -> pl.DataFrame:
    """One line per adjusted currency: the rounded total of the month less the amounts of all its lines."""
    both = pl.concat([frame.select("billing_currency", "billed_cost", "amount") for frame in (own, lines)])
    adjusted = lines["billing_currency"].unique().to_list()
    totals = exact_sums(
        both.filter(pl.col("billing_currency").is_in(adjusted)),
        ["billing_currency"],
        ("billed_cost", "amount"),
    )
    charged = in_minor_units(pl.col("billed_cost"), pl.col("billing_currency"), minor_units)
    texts = [
        name for name in COLUMNS if lines.schema.get(name) == pl.String and name not in ("billing_currency",)
    ]
    nothing = pl.lit(0, MONEY)
    return totals.select(
        "billing_currency",
        *(pl.lit("").alias(name) for name in texts),
        billing_period=pl.lit(period),
        amount=(charged - pl.col("amount")).cast(MONEY),
        billed_cost=nothing,
        effective_cost=nothing,
    ).with_columns(
        cost_type=pl.lit(ROUNDING), app_name=pl.lit("rounding to minor units"), adjustment_of=pl.lit("")
    )


def open_lines(own: pl.DataFrame, adjustments: pl.DataFrame, period: date) -> pl.DataFrame:
    """Every line of an open month: its own, then the adjustments it will have; columns of ``mart_statement_lines``."""
    said = own.with_columns(
        statement_period=pl.lit(period), adjustment=pl.lit(""), adjustment_of=pl.lit("")
    ).select(COLUMNS)
    empty = {name: pl.lit("") for name in SCHEMAS["mart_statement_lines"].names() if name not in COLUMNS}
    both = pl.concat([said, adjustments.select(COLUMNS)]) if adjustments.height else said
    return both.with_columns(**empty)


def sums_by_currency(lines: pl.DataFrame, columns: Sequence[str] = (*COSTS, "amount")) -> dict[str, Decimal]:
    """Exact sums of lines by Python's decimals, ``<currency>/<column>``."""
    return {
        f"{currency}/{column}": exact_total(part[column])
        for (currency,), part in lines.group_by("billing_currency", maintain_order=True)
        for column in columns
    }
