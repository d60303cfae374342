"""Daily cost series as the detector wants them: every day of an app's life once, in order.

A bill has no row for a day without cost; between the first day of a series and the last day of the data such a
day cost nothing, which is what a fall to zero looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl


def every_day(
    costs: pl.DataFrame, last_day: date, by: Sequence[str], carry: Sequence[str] = ()
) -> pl.DataFrame:
    """``by``, ``usage_date``, ``cost`` and ``carry`` for every day from a series' first to ``last_day``.

    Args:
        costs: ``by``, ``usage_date`` (Date), ``cost`` (Decimal) and ``carry``, one row per series and day.
        last_day: newest complete day of cost; later days are left out.
        by: key of a series. carry: labels, taken from the nearest earlier day.
    """
    known = costs.filter(pl.col("usage_date") <= last_day)
    days = (
        known.group_by(by, maintain_order=True)
        .agg(usage_date=pl.date_ranges(pl.col("usage_date").min(), pl.lit(last_day)).first())
        .explode("usage_date", empty_as_null=True)
        .drop_nulls("usage_date")
    )
    return (
        days.join(known.select(*by, "usage_date", "cost", *carry), on=[*by, "usage_date"], how="left")
        .sort(*by, "usage_date")
        .with_columns(
            pl.col("cost").fill_null(pl.lit(0).cast(known.schema["cost"])),
            *(pl.col(name).forward_fill().over(by) for name in carry),
        )
    )
