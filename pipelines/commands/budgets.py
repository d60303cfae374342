"""What a person reads of budgets in the terminal; figures come from one named query, what they mean is ``models.budgets``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from models.settings import Settings
from sql.opening import open_warehouse

STYLES = {"exhausted": "red", "over": "yellow", "alert": "yellow"}
"""State of a budget that needs somebody -> how it is printed."""


def print_budgets(console: Console, settings: Settings) -> None:
    """Every budget with its figures, and a sentence for each that is over a share or will run out."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        frame = warehouse.frame("queries/summary/budgets")
    if frame.is_empty():
        console.print("No budget holds today: write one into budgets.yaml, and `appfleet run` computes it.")
        return
    rows = list(frame.iter_rows(named=True))
    table = Table("budget", "currency", "amount", "spent", "expected", "runs out", "state")
    for column in (2, 3, 4):
        table.columns[column].justify = "right"
    for row in rows:
        expected = "-" if row["expected_total"] is None else f"{row['expected_total']:,.0f}"
        day = row["exhausted_on"] or row["expected_on"]
        table.add_row(
            f"{name_of(row)}, {row['period']}",
            row["billing_currency"],
            f"{row['budget']:,.2f}",
            f"{row['spent']:,.2f}",
            expected,
            str(day or "-"),
            row["state"],
        )
    console.print(table)
    for row in rows:
        if row["state"] in STYLES:
            console.print(budget_sentence(row), style=STYLES[row["state"]])


def name_of(row: Mapping[str, Any]) -> str:
    """What a budget is of, in words."""
    return "the fleet" if row["scope"] == "fleet" else f"{row['scope']} {row['name']}"


def budget_sentence(row: Mapping[str, Any]) -> str:
    """What is over a share of a budget, or will be, in one sentence."""
    told = f"{name_of(row)}: {row['billing_currency']} {row['spent']:,.2f} of {row['budget']:,.2f} spent to {row['as_of']}"
    if row["state"] == "exhausted":
        return f"{told}; the budget to {row['last_day']} was spent on {row['exhausted_on']}."
    if row["alert_share"] is not None:
        told += f", over {_percent(row['alert_share'])}"
    if row["state"] == "over":
        return f"{told}; it is expected to run out on {row['expected_on']}."
    return (
        f"{told}; it is expected to last to {row['last_day']}."
        if row["expected_total"] is not None
        else f"{told}."
    )


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"
