"""Who owns an app when: lines of the registry and of the teams as unbroken time, cut where either changes.

Frames in, frames out. Reading the registry, and cutting a charge at a change, do not belong here: the first is
``models.registry``, the second the statement that attributes a bill.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from models.schemas import MOMENT

FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
"""Before it nothing is billed: a line that says no beginning holds from here."""

ALWAYS = FIRST_MOMENT.date()
"""First day of what says no beginning."""

LAST_MOMENT = datetime(2149, 6, 6, tzinfo=UTC)
"""End of a line that says none: the last day of the engine's ``Date``."""

SPAN = ("holds_from", "holds_to")


def unbroken(lines: pl.DataFrame, key: str, values: Sequence[str]) -> pl.DataFrame:
    """``key``, ``values`` and ``SPAN`` of every key from the first moment to the last: where no line holds, values are null.

    Lines of a key must not overlap; those without any time are left out.
    """
    known = (
        lines.select(key, *values, *SPAN)
        .filter(pl.col("holds_from") < pl.col("holds_to"))
        .sort(key, "holds_from")
    )
    before = pl.col("holds_to").shift(1).over(key).fill_null(pl.lit(FIRST_MOMENT, MOMENT))
    gaps = known.select(key, holds_from=before, holds_to="holds_from")
    ends = known.group_by(key).agg(holds_from=pl.col("holds_to").max(), holds_to=pl.lit(LAST_MOMENT, MOMENT))
    return (
        pl.concat([known, gaps, ends], how="diagonal")
        .filter(pl.col("holds_from") < pl.col("holds_to"))
        .sort(key, "holds_from")
        .select(key, *values, *SPAN)
    )


def crossed(left: pl.DataFrame, right: pl.DataFrame, on: str) -> pl.DataFrame:
    """Each line of ``left`` with what of ``right`` holds within it; without one of its key, or outside theirs, it stays.

    ``right`` must be unbroken per key.
    """
    wide = left.join(right, on=on, how="left", suffix="_right")
    return (
        wide.with_columns(
            holds_from=pl.max_horizontal(
                "holds_from", pl.col("holds_from_right").fill_null(pl.col("holds_from"))
            ),
            holds_to=pl.min_horizontal("holds_to", pl.col("holds_to_right").fill_null(pl.col("holds_to"))),
        )
        .filter(pl.col("holds_from") < pl.col("holds_to"))
        .drop("holds_from_right", "holds_to_right")
    )


def merged(lines: pl.DataFrame, key: str, values: Sequence[str]) -> pl.DataFrame:
    """Lines that follow each other and say the same, as one: ``key``, ``values`` and ``SPAN``, sorted."""
    ordered = lines.sort(key, "holds_from")
    same = [pl.col(name).eq_missing(pl.col(name).shift(1).over(key)) for name in values]
    follows = pl.col("holds_from") == pl.col("holds_to").shift(1).over(key)
    starts = ~(pl.all_horizontal(*same) & follows.fill_null(value=False))
    return (
        ordered.with_columns(_run=starts.cum_sum().over(key))
        .group_by(key, "_run", maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in values),
            pl.col("holds_from").first(),
            pl.col("holds_to").last(),
        )
        .drop("_run")
    )
