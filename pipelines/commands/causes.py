"""What a person reads in the terminal of changed costs; figures and sentences come from one named query."""

from __future__ import annotations

import polars as pl
from rich.console import Console
from rich.text import Text

from models.settings import Settings
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

TITLES = {
    "anomaly": "Open anomalies of cost, the largest against what was expected first:",
    "week": "The largest changes of the week so far:",
}
NOTHING = {"anomaly": "No open anomaly of cost.", "week": "Nothing moved in the week so far."}
SHOWN_IN_STATUS = 3


def print_causes(console: Console, settings: Settings) -> None:
    """Every open anomaly and the largest changes of the week, each with its cause in one sentence."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        found = warehouse.frame("queries/summary/causes")
    for subject, title in TITLES.items():
        rows = found.filter(pl.col("subject") == subject)
        console.print(title if rows.height else NOTHING[subject])
        _print(console, rows)


def largest_anomalies(warehouse: Warehouse) -> pl.DataFrame:
    """The open anomalies that ``status`` names."""
    return (
        warehouse.frame("queries/summary/causes").filter(pl.col("subject") == "anomaly").head(SHOWN_IN_STATUS)
    )


def print_largest(console: Console, anomalies: pl.DataFrame) -> None:
    """A line for each of them."""
    _print(console, anomalies)


def _print(console: Console, rows: pl.DataFrame) -> None:
    for row in rows.iter_rows(named=True):
        days = str(row["first_day"])
        if row["last_day"] != row["first_day"]:
            days += f" to {row['last_day']}"
        console.print(Text(f"  {row['app_id']} ({row['team']}), {days}: {row['sentence']}"))
