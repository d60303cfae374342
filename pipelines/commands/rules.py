"""What shared cost rules would change: a candidate file on past months beside what is published, before it is adopted.

Reads only. What a rule does is ``models.shared_costs``; a candidate goes the very way rules in force go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from models.errors import ConfigurationError
from models.money import exact_sums, exact_total
from models.settings import Settings
from models.shared_costs import COSTS
from models.shared_rules import Rules
from models.statement_csv import plain
from pipelines.compute.shared_costs import rules_of, split_month
from pipelines.ingest.shared_rules import load_rules
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, Release, head, heads
from sql.warehouse import Warehouse

MONTHS = 3
"""Past months that are compared where none is named."""

KEY = ("billing_currency", "team", "app_id")


def print_diff(console: Console, settings: Settings, file: Path | None, month: date | None) -> None:
    """What the rules of a file, or of the workspace as it is now, would change of published months, per team and app.

    Raises:
        ConfigurationError: the file is wrong, or the month has no published cost.
        ModelError: a rule has nobody to give to, or nothing to weigh by and says to refuse.
    """
    rules = load_rules(settings, file)
    with open_warehouse(settings.root, role="reader") as warehouse:
        published = {one.period: one for one in heads(warehouse, "costs")}
        if month is not None and month not in published:
            raise ConfigurationError(
                f"--month: no cost of {month:%Y-%m} is published; run `appfleet run` first"
            )
        if not published:
            raise ConfigurationError("no cost is published yet; run `appfleet run` first")
        for one in [month] if month else sorted(published)[-MONTHS:]:
            _print_month(console, one, rules, changes_of(warehouse, rules, published[one]))


def changes_of(warehouse: Warehouse, rules: Rules, release: Release) -> pl.DataFrame:
    """What each app and team has by what is published and by ``rules``, in one billing month.

    Returns:
        ``KEY``, ``billed_cost, effective_cost`` as published, ``billed_then, effective_then`` and the differences
        ``billed_change, effective_change``, of those that change.
    """
    month = release.period
    identities = head(warehouse, "identities", WHOLE_TABLE)
    assert identities is not None  # costs are published after them
    before = warehouse.frame("queries/costs/by_app", billing_period=month)
    took = warehouse.frame("queries/costs/shared_from", billing_period=month)["app_id"].to_list()
    held = rules_of(rules, month)
    split = split_month(
        warehouse,
        held,
        month,
        identities.batches["core_identities"],
        release.batches["core_app_costs_daily"],
        took,
    )
    apart = {*held.apps, *took}
    untouched = before.filter(~pl.col("is_shared") & ~pl.col("app_id").is_in(sorted(apart)))
    then = exact_sums(
        pl.concat([frame.select(*KEY, *COSTS) for frame in (untouched, split.costs)]), KEY, COSTS
    )
    now = exact_sums(before, KEY, COSTS)
    both = now.join(
        then.rename({"billed_cost": "billed_then", "effective_cost": "effective_then"}),
        on=KEY,
        how="full",
        coalesce=True,
    ).with_columns(pl.col(now["billed_cost"].dtype).fill_null(0))
    return (
        both.with_columns(
            billed_change=pl.col("billed_then") - pl.col("billed_cost"),
            effective_change=pl.col("effective_then") - pl.col("effective_cost"),
        )
        .filter((pl.col("billed_change") != 0) | (pl.col("effective_change") != 0))
        .sort(*KEY)
    )


def _print_month(console: Console, month: date, rules: Rules, changed: pl.DataFrame) -> None:
    if changed.is_empty():
        console.print(f"{month:%Y-%m}: nothing changes.")
        return
    console.print(f"{month:%Y-%m}: what rules {rules.version or '(none)'} would change")
    console.print(_table("team", changed, ["billing_currency", "team"]))
    console.print(_table("app", changed, list(KEY)))
    for (currency,), part in changed.group_by("billing_currency", maintain_order=True):
        moved = exact_total(part["billed_change"]), exact_total(part["effective_change"])
        console.print(
            f"{currency}: {part['app_id'].n_unique()} apps change; in all {plain(moved[0])} billed and "
            f"{plain(moved[1])} effective"
        )


def _table(of: str, changed: pl.DataFrame, by: Sequence[str]) -> Table:
    shown = ("billed_cost", "billed_then", "billed_change", "effective_change")
    names = [one for one in by if one != "billing_currency"]
    table = Table(
        *(("team", "app") if of == "app" else ("team",)),
        "currency",
        "billed now",
        "billed then",
        "change",
        "change of effective",
    )
    for column in range(len(names) + 1, len(names) + 5):
        table.columns[column].justify = "right"
    for row in exact_sums(changed, by, shown).iter_rows(named=True):
        table.add_row(
            *(str(row[one]) for one in names),
            row["billing_currency"],
            *(f"{row[one]:,.2f}" for one in shown),
        )
    return table
