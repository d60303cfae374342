"""What is left of error budgets as `appfleet slo` and `appfleet oncall` say it; the words are ``models.budget_words``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from models.budget_words import (
    FROZEN,
    coverage_words,
    doubts,
    exhausted_words,
    interval_words,
    left_words,
    method_words,
    name_of,
    spent_words,
)
from models.samples import objective_of
from sql.warehouse import Warehouse

KEYS = ("app_id", "environment", "objective")


def with_budgets(warehouse: Warehouse, objectives: pl.DataFrame, app_id: str = "") -> pl.DataFrame:
    """Objectives with the columns of ``queries/slo/budgets``, null where none is published; the order stays."""
    budgets = warehouse.frame("queries/slo/budgets", app_id=app_id)
    return objectives.join(budgets, on=KEYS, how="left", maintain_order="left")


def print_details(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """What is left of each budget, until when, how sure it is, and what cannot be seen."""
    table = Table(
        "environment", "objective", "counted by", "left", "time spent", "nothing left (UTC)",
        "measured, at 95 %", "coverage",
    )  # fmt: skip
    known = [row for row in rows if row["budgeting_method"]]
    for row in known:
        table.add_row(
            row["environment"],
            objective_of(row),
            method_words(row),
            left_words(row),
            spent_words(row),
            exhausted_words(row),
            interval_words(row),
            coverage_words(row),
        )
    if known:
        console.print(table)
    for sentence, names in doubts(known).items():
        console.print(f"{'; '.join(names)}: {sentence}.", markup=False)


def frozen_sentences(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for all objectives whose alerts stay as they are; none where there are none."""
    names = [", ".join(filter(None, (row["app_id"], name_of(row)))) for row in rows if row["is_frozen"]]
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"{'; '.join(names[:NAMED])}{more}: {FROZEN}."


NAMED = 5
"""Frozen objectives that are named: where telemetry stops for all, all are."""
