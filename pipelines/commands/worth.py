"""What a person reads of reliability in money in the terminal; figures come from named queries, what they mean is
``models.reliability_cost_windows`` and ``models.reliability_credits``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from models.errors import ConfigurationError
from models.reliability_cost_windows import in_words
from models.settings import Settings
from models.statement_csv import plain
from sql.opening import open_warehouse

NOT_KNOWN = "not known"
SHOWN = 10
"""Dearest failures of each currency."""


def print_worth(console: Console, settings: Settings, app_id: str, credits_file: Path | None) -> None:
    """The dearest failures and whatever stands out, or all of one app; and the file of proposed credits.

    Raises:
        ConfigurationError: the app is not known, or the file cannot be written.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        teams = warehouse.frame("queries/worth/teams")["team"].to_list()
        asked: dict[str, Any] = {"teams": teams, "app_id": app_id}
        found = warehouse.frame("queries/worth_shown/apps", **asked, row_limit=SHOWN)
        credits = warehouse.frame("queries/worth_shown/credits", **asked)
    if found.is_empty():
        if app_id:
            raise ConfigurationError(
                f"nothing is known of what app {app_id!r} is worth: `appfleet run` computes it of apps with a bill or telemetry"
            )
        console.print("Nothing stands out: no failure with a known cost, and no telemetry over its cap.")
    else:
        _print(console, list(found.iter_rows(named=True)), of_one=bool(app_id))
    _print_credits(console, credits)
    if credits_file is not None:
        _write(credits, credits_file)
        console.print(
            f"wrote {credits_file} ({credits.height:,} lines): a proposal; `appfleet credits` puts it on a statement"
        )


def _print(console: Console, rows: list[Mapping[str, Any]], *, of_one: bool) -> None:
    window = rows[0]
    console.print(
        f"{window['first_day']} to {window['last_day']}, of the days everything is known of, dearest failures first:"
    )
    table = Table(
        "app",
        "currency",
        "failures cost",
        "retries cost",
        "error budget",
        "used",
        "1,000 good requests",
        "known days",
    )
    for column in range(2, 8):
        table.columns[column].justify = "right"
    for row in rows:
        price = row["cost_per_good_request"]
        table.add_row(
            row["app_id"],
            row["billing_currency"] or "-",
            *(_words(row[name]) for name in ("failed_cost", "retry_cost", "budget_cost")),
            NOT_KNOWN if row["burnt_share"] is None else f"{row['burnt_share']:.0%}",
            NOT_KNOWN if price is None else in_words(price * 1000),
            f"{row['days_known']} of {row['days_known'] + row['days_not_known']}",
        )
    console.print(table)
    for row in rows:
        for sentence in (row["sentence"], row["proposal"]):
            if sentence:
                console.print(f"{row['app_id']}: {sentence}")
        if of_one and row["billing_currency"]:
            price = row["price_of_a_nine"]
            told = "" if price is None else f"about {row['billing_currency']} {in_words(price)} per window; "
            console.print(f"one more nine: {told}{row['price_inputs']}")


def _words(amount: Any) -> str:
    return NOT_KNOWN if amount is None else in_words(amount)


def _print_credits(console: Console, credits: pl.DataFrame) -> None:
    if credits.is_empty():
        return
    console.print("Credits computed for failures of shared apps; `appfleet credits` accepts them:")
    for row in credits.iter_rows(named=True):
        console.print(
            f"  {row['month']:%Y-%m}: {row['from_app_id']} ({row['from_team']}) to {row['app_id']} ({row['team']}): "
            f"{row['billing_currency']} {plain(row['credit'])}, {row['hurt_requests']:,} requests hurt"
        )


def _write(credits: pl.DataFrame, path: Path) -> None:
    """Exact amounts, without an exponent."""
    text = credits.with_columns(
        pl.Series("credit", [plain(amount) for amount in credits["credit"]], pl.String)
    ).write_csv()
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written ({error.strerror}): name a file in a folder you may write to"
        ) from None
