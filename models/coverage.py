"""How much of a bill is tagged, by money, and what each rule recovered of the rest: rows as people and files read them.

Frames in, frames and bytes out. Which amounts there are is told by ``sql/queries/coverage``; who may see them is not decided
here.
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from models.money import exact_total
from models.schemas import MONEY
from models.statement_csv import plain, safe

HOW = ("tag", "virtual", "none")
"""What an amount has of a key: the tag itself, one that a rule gives, or neither."""

CSV_COLUMNS = (
    "period",
    "source_name",
    "service_name",
    "resource_id",
    "app_id",
    "team",
    "attribution_rule",
    "basis",
    "confidence",
    "evidence",
    "spans",
    "first_seen",
    "last_seen",
    "billing_currency",
    "charges",
    "billed_cost",
    "effective_cost",
)
"""Header of the CSV; columns are only added, at the end."""

_TEXTS = (
    "source_name",
    "service_name",
    "resource_id",
    "app_id",
    "team",
    "attribution_rule",
    "basis",
    "evidence",
)


def key_lines(keys: pl.DataFrame) -> pl.DataFrame:
    """``billing_currency, tag_key``, an amount for each of ``HOW``, and ``billed``, their sum: one line per currency and key.

    ``keys`` has the columns of ``queries/coverage/keys``.
    """
    lines = [
        (currency, key, *parts, exact_total(parts))
        for (currency, key), own in keys.group_by("billing_currency", "tag_key", maintain_order=True)
        for parts in [[exact_total(own.filter(pl.col("how") == how)["billed_cost"]) for how in HOW]]
    ]
    schema = pl.Schema(
        {"billing_currency": pl.String(), "tag_key": pl.String(), **dict.fromkeys((*HOW, "billed"), MONEY)}
    )
    return pl.DataFrame(lines, schema=schema, orient="row").sort("billing_currency", "tag_key")


def share(part: Decimal, whole: Decimal) -> Decimal | None:
    """A part of a whole; None where the whole is nothing or less, of which nothing is a share."""
    return part / whole if whole > 0 else None


def csv_bytes(resources: pl.DataFrame, period: str) -> bytes:
    """The lines of ``queries/coverage/resources`` as CSV: UTF-8, amounts as plain decimals, text that no spreadsheet runs."""
    frame = resources.with_columns(
        pl.lit(period).alias("period"),
        *(pl.col(name).map_elements(safe, return_dtype=pl.String) for name in _TEXTS),
        *(
            pl.col(name).map_elements(plain, return_dtype=pl.String)
            for name in ("billed_cost", "effective_cost")
        ),
        *(pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in ("first_seen", "last_seen")),
    )
    return frame.select(CSV_COLUMNS).write_csv(line_terminator="\r\n").encode()
