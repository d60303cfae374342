"""What a person reads of attribution in the terminal, and the CSV of it: money by tag key and by rule, resources by evidence.

Figures come from named queries, what they mean is ``models.coverage``.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from models.coverage import HOW, csv_bytes, key_lines, share
from models.errors import ConfigurationError
from models.identity import AMBIGUOUS
from models.money import exact_total
from models.settings import Settings
from sql.opening import open_warehouse

EVERY_ROW = 10_000_000


def print_coverage(console: Console, settings: Settings, month: date | None, file: Path | None) -> None:
    """Coverage of one month, the newest where none is named; every resource no tag names goes to ``file``.

    Raises:
        ConfigurationError: no attribution of that month is published.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        # A command has no viewer: it tells all of it to who can read the workspace.
        known = warehouse.frame("queries/dashboards/teams", teams=["any"], see_all_teams=True)
        teams: dict[str, Any] = {"teams": known["team"].to_list()}
        months = warehouse.frame("queries/coverage/months", **teams)["billing_period"].to_list()
        if month is None and not months:
            console.print("No attribution is published yet: `appfleet run` computes it from the bills.")
            return
        asked = month or months[0]
        if asked not in months:
            raise ConfigurationError(f"--month {asked:%Y-%m}: no attribution of this month is published")
        given: dict[str, Any] = {**teams, "billing_period": asked}
        keys = warehouse.frame("queries/coverage/keys", **given)
        rules = warehouse.frame("queries/coverage/rules", **given)
        resources = warehouse.frame("queries/coverage/resources", **given, row_limit=EVERY_ROW)
    if file is not None:
        content = csv_bytes(resources, f"{asked:%Y-%m}")
        draft = file.with_name(f".{file.name}.new")
        draft.write_bytes(content)
        draft.replace(file)
        console.print(f"{file}: {resources.height:,} lines of {asked:%Y-%m}")
        return
    console.print(_keys_table(keys, asked))
    console.print(_rules_table(rules))
    for (currency,), own in resources.filter(pl.col("basis") == AMBIGUOUS).group_by(
        "billing_currency", maintain_order=True
    ):
        console.print(
            f"{own['resource_id'].n_unique():,} resource(s) of several apps, {currency} "
            f"{exact_total(own['billed_cost']):,.2f}: telemetry names more than one, so nobody has them; "
            "--csv lists them by name.",
            style="yellow",
        )


def _keys_table(keys: pl.DataFrame, month: date) -> Table:
    table = Table(
        "tag key", "currency", "tagged", "by rule", "neither", "covered", title=f"{month:%Y-%m}, billed"
    )
    for column in (2, 3, 4, 5):
        table.columns[column].justify = "right"
    for row in key_lines(keys).iter_rows(named=True):
        covered = share(row["billed"] - row["none"], row["billed"])
        table.add_row(
            row["tag_key"],
            row["billing_currency"],
            *(f"{row[how]:,.2f}" for how in HOW),
            "-" if covered is None else f"{covered:.1%}",
        )
    return table


def _rules_table(rules: pl.DataFrame) -> Table:
    table = Table("decided by", "currency", "billed", "resources", "apps", "seen")
    for column in (2, 3, 4):
        table.columns[column].justify = "right"
    for row in rules.iter_rows(named=True):
        seen = (
            ""
            if row["first_seen"] is None
            else f"{row['first_seen']:%Y-%m-%d} to {row['last_seen']:%Y-%m-%d}"
        )
        table.add_row(
            row["basis"],
            row["billing_currency"],
            f"{row['billed_cost']:,.2f}",
            f"{row['resources']:,}",
            f"{row['apps']:,}",
            seen,
        )
    return table
