"""What lies between what is billed and what is effective: commitments that are bought, used, and not used.

Frames in, frames out. A charge belongs to a commitment where FOCUS says so (CommitmentDiscountId, CommitmentDiscountStatus,
or the PricingCategory Committed); its billed cost is taken out, its effective cost put in, so every cent of the difference is in one
part. Who shares what nobody used is decided by rules of shared cost, which can take it by its status.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from models.errors import ModelError
from models.money import exact_sums
from models.schemas import MONEY, SCHEMAS

BRIDGE, UNUSED_TABLE = "mart_cost_bridges", "mart_unused_commitments"
PURCHASE, UNUSED = "Purchase", "Unused"

PARTS: Mapping[str, str] = {
    "billed": "Billed",
    "purchases": "Purchases of commitments and their fees, taken out",
    "covered": "Billed usage that a commitment covers, taken out",
    "used": "Commitments used, amortised",
    "unused": "Commitments not used, amortised",
    "other": "Other charges billed in another month than they are effective in",
    "effective": "Effective",
}
"""Part of a bridge -> what it is, in order; all but the last sum to the last."""

KEY = ("source_name", "billing_currency")
COSTS = ("billed_cost", "effective_cost")


def bridges(costs: pl.DataFrame, period: date, names: Mapping[str, str]) -> pl.DataFrame:
    """Bridge of a month per source and currency: columns of ``mart_cost_bridges``, a row of each of ``PARTS``.

    Args:
        costs: ``source_name, billing_currency, charge_category, commitment_status, is_commitment`` and exact costs, of any
            finer grain.
        names: sources that are told together, both views of a bill: source -> what both are called.

    Raises:
        ModelError: an amount is no exact decimal.
    """
    named = costs.with_columns(pl.col("source_name").replace(dict(names)))
    is_commitment = pl.col("is_commitment")
    is_purchase = is_commitment & (pl.col("charge_category") == PURCHASE)
    is_unused = is_commitment & (pl.col("commitment_status") == UNUSED)
    billed, effective = (pl.col(name) for name in COSTS)
    parts = {
        "billed": billed,
        "purchases": _where(is_purchase, -billed),
        "covered": _where(is_commitment & ~is_purchase, -billed),
        "used": _where(is_commitment & ~is_unused, effective),
        "unused": _where(is_unused, effective),
        "other": _where(~is_commitment, effective - billed),
        "effective": effective,
    }
    sums = exact_sums(
        named.select(*KEY, *(one.cast(MONEY).alias(name) for name, one in parts.items())), KEY, PARTS
    )
    rows = sums.unpivot(list(PARTS), index=KEY, variable_name="part", value_name="amount")
    order = {name: place for place, name in enumerate(PARTS)}
    return (
        rows.with_columns(
            billing_period=pl.lit(period),
            position=pl.col("part").replace_strict(order, return_dtype=pl.UInt8),
        )
        .sort(*KEY, "position")
        .select(SCHEMAS[BRIDGE].names())
    )


def _where(condition: pl.Expr, amount: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(amount).otherwise(pl.lit(0, MONEY))


def unused_commitments(commitments: pl.DataFrame, period: date) -> pl.DataFrame:
    """Commitments some of which was not used, dearest first in a currency: columns of ``mart_unused_commitments``.

    Args:
        commitments: ``source_name, billing_currency, commitment_id, commitment_name, commitment_status, app_id, team`` and
            ``effective_cost`` of the charges of commitments; what was used counts whoever used it.

    Raises:
        ModelError: an amount is no exact decimal.
    """
    if commitments.schema["effective_cost"] != MONEY:
        raise ModelError(f"effective_cost is {commitments.schema['effective_cost']}; money is {MONEY}")
    which = ["source_name", "billing_currency", "commitment_id"]
    is_unused = pl.col("commitment_status") == UNUSED
    used = exact_sums(commitments.filter(~is_unused), which, ["effective_cost"]).rename(
        {"effective_cost": "used_cost"}
    )
    unused = exact_sums(
        commitments.filter(is_unused), [*which, "commitment_name", "app_id", "team"], ["effective_cost"]
    ).rename({"effective_cost": "unused_cost"})
    return (
        unused.filter(pl.col("unused_cost") != 0)
        .join(used, on=which, how="left")
        .with_columns(
            billing_period=pl.lit(period), used_cost=pl.col("used_cost").fill_null(pl.lit(0, MONEY))
        )
        .sort(
            "billing_currency",
            "unused_cost",
            *which,
            "app_id",
            "team",
            descending=[False, True] + [False] * 5,
        )
        .select(SCHEMAS[UNUSED_TABLE].names())
    )
