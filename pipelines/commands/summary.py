"""What a person reads in the terminal: progress, the summary of a pass, objectives and status.

Figures come from named queries; money is printed from Decimal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from models.budget_words import method_words
from models.comparison import four_weeks
from models.maintenance import left_out_sentences, maintained_sentences
from models.samples import objective_of, part_sentences
from models.settings import Settings
from models.slo import worst_first
from models.statement_csv import plain
from pipelines.commands.budgets import STYLES, budget_sentence
from pipelines.commands.causes import largest_anomalies, print_largest
from pipelines.commands.doubts import doubts, headline
from pipelines.commands.report import PassReport, StepReport
from pipelines.commands.slo_budgets import frozen_sentences, print_details, with_budgets
from pipelines.steps import STEPS
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, heads
from sql.warehouse import Warehouse

OBJECTIVES_SHOWN = 50
"""Rows of a terminal that somebody reads; a fleet of thousands has as many objectives."""

TEAMS_SHOWN = 12
MONTHS_SHOWN = 3
SENTENCES_SHOWN = 50
_WIDEST = max(map(len, STEPS))


def print_step(console: Console, step: StepReport) -> None:
    """One line of progress."""
    if step.failed:
        console.print(
            f"  {step.step:<{_WIDEST}} failed after {step.seconds:.1f} s: {step.failed}", style="red"
        )
        return
    what = f"{step.rows:,} rows in {step.published} release(s)" if step.published else "nothing new"
    console.print(f"  {step.step:<{_WIDEST}} {step.seconds:6.1f} s  {what}")
    _print_sentences(console, "refused", step.refused)
    _print_sentences(console, "held", step.held)
    _print_sentences(console, "note", step.notes)


def print_summary(console: Console, settings: Settings, done: PassReport, clock: datetime) -> None:
    """Apps, cost by team and currency, unallocated share, objectives breached, anomalies, seconds."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        counts = headline(warehouse)
        days = four_weeks(counts["cost_day"] or clock.date())
        shown: dict[str, Any] = {"first_day": days.first, "last_day": days.last}
        teams = warehouse.frame("queries/summary/teams", **shown)
        unallocated = warehouse.frame("queries/summary/unallocated", **shown)
        largest = largest_anomalies(warehouse)
        console.print()
        print_doubts(console, warehouse, counts, clock)
    console.print(
        f"{counts['apps']:,} apps: {counts['registered']:,} registered, {counts['billed']:,} billed, "
        f"{counts['observed']:,} observed, {counts['idle']:,} idle. "
        f"Cost to {counts['cost_day'] or 'no day yet'}, telemetry to {_moment(counts['telemetry_until'])}."
    )
    if teams.height:
        table = Table("team", "currency", f"billed, {days.words}", "effective", "apps", title="Cost by team")
        for column in (2, 3, 4):
            table.columns[column].justify = "right"
        for currency in teams["billing_currency"].unique(maintain_order=True):
            rows = teams.filter(teams["billing_currency"] == currency)
            for row in rows.head(TEAMS_SHOWN).iter_rows(named=True):
                table.add_row(
                    row["team"],
                    currency,
                    money(row["billed_cost"]),
                    money(row["effective_cost"]),
                    str(row["apps"]),
                )
            if rows.height > TEAMS_SHOWN:
                table.add_row(f"and {rows.height - TEAMS_SHOWN} more", currency, "", "", "")
        console.print(table)
    for row in unallocated.iter_rows(named=True):
        share = (
            "no cost" if row["unallocated_share"] is None else f"{row['unallocated_share']:.1%} of the bill"
        )
        console.print(f"Unallocated: {row['billing_currency']} {money(row['unallocated_cost'])}, {share}.")
    stale = f" {counts['stale']} cannot be judged: the data is old." if counts["stale"] else ""
    console.print(
        f"Objectives: {counts['pages']} burning fast enough to page, {counts['tickets']} to ticket, {counts['spent']} with the budget spent, "
        f"{counts['silent']} silent, of {counts['objectives']} with data.{stale} "
        f"Cost anomalies: {counts['open_anomalies']} open, {counts['anomalies']} in all."
    )
    print_largest(console, largest)
    steps = ", ".join(f"{step.step} {step.seconds:.1f}" for step in done.steps)
    console.print(f"{done.seconds:.1f} s in all ({steps}).")
    if done.refused:
        console.print(
            f"{len(done.refused)} refused; `appfleet doctor` lists them and says what to do.", style="yellow"
        )
    if done.held:
        console.print(
            f"{len(done.held)} delivery(s) held, and not counted: `appfleet deliveries` lists and decides.",
            style="yellow",
        )
    for sentence in done.failed:
        console.print(f"Failed: {sentence}", style="red")


def print_doubts(console: Console, warehouse: Warehouse, counts: Mapping[str, Any], clock: datetime) -> None:
    """A sentence for whatever is old, silent or cannot be known; nothing where all is well."""
    for sentence in doubts(warehouse, counts, clock):
        console.print(sentence, style="yellow")


def print_slo(
    console: Console, settings: Settings, app_id: str | None, clock: datetime, every: bool = False
) -> None:
    """Objectives with budget and burn, worst first, and what is old or silent; of a fleet the worst, or ``every`` one."""
    asked = (app_id or "").strip().lower()
    with (
        open_warehouse(settings.root, role="reader") as warehouse,
        ThreadPoolExecutor(1, "objectives") as beside,
    ):
        objectives = beside.submit(
            lambda: with_budgets(
                warehouse, worst_first(warehouse.frame("queries/slo/status", app_id=asked)), asked
            )
        )
        print_doubts(console, warehouse, headline(warehouse), clock)
        frame = objectives.result()
    if frame.is_empty():
        console.print(
            "No objective is published"
            + (f" for app {app_id}." if app_id else "; `appfleet run` computes them.")
        )
        return
    table = Table(
        "app",
        "environment",
        "objective",
        "target",
        "sli",
        "budget left",
        "by",
        "burn 5m",
        "1h",
        "6h",
        "3d",
        "state",
        "since (UTC)",
    )
    for column in table.columns:
        column.no_wrap = True
    shown = frame if every or app_id else frame.head(OBJECTIVES_SHOWN)
    for row in shown.iter_rows(named=True):
        table.add_row(
            row["app_id"],
            row["environment"],
            objective_of(row),
            f"{row['target']:.2%}",
            _share(row["sli"]),
            _share(row["budget_remaining"]),
            method_words(row),
            *(_burn(row[f"burn_rate_{window}"]) for window in ("5m", "1h", "6h", "3d")),
            row["state"],
            _moment(row["since"]),
        )
    console.print(table)
    for sentence in part_sentences(shown.iter_rows(named=True)):
        console.print(sentence, markup=False)
    for sentence in (
        *maintained_sentences(frame.iter_rows(named=True)),
        *left_out_sentences(shown.iter_rows(named=True)),
    ):
        console.print(sentence, markup=False)
    if app_id:
        print_details(console, shown.iter_rows(named=True))
    else:
        for sentence in frozen_sentences(frame.iter_rows(named=True)):
            console.print(sentence, markup=False)
    rest = frame.slice(shown.height)
    if rest.height:
        states = ", ".join(
            f"{count} {state}"
            for state, count in rest.group_by("state", maintain_order=True).len().iter_rows()
        )
        console.print(f"{rest.height} more objectives ({states}): `appfleet slo --all` lists them too.")


def print_status(console: Console, settings: Settings, clock: datetime) -> None:
    """Releases per scope, the headline counts, and what is old or silent."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        with ThreadPoolExecutor(3, "status") as beside:
            releases_read = beside.submit(heads, warehouse)
            budgets_read = beside.submit(warehouse.frame, "queries/summary/budgets")
            reported_read = beside.submit(warehouse.frame, "queries/reporting/months")
            largest_read = beside.submit(largest_anomalies, warehouse)
            credits_read = beside.submit(_waiting_credits, warehouse)
            counts = headline(warehouse)
            print_doubts(console, warehouse, counts, clock)
        releases, budgets, largest = releases_read.result(), budgets_read.result(), largest_read.result()
        reported, credits = reported_read.result(), credits_read.result()
    table = Table("scope", "periods", "first", "last", "rows", "newest release (UTC)", title="Published")
    for scope in dict.fromkeys(release.scope for release in releases):
        of_scope = [release for release in releases if release.scope == scope]
        first, last = of_scope[0].period, of_scope[-1].period
        whole = first == WHOLE_TABLE
        table.add_row(
            scope,
            str(len(of_scope)),
            "whole" if whole else str(first),
            "" if whole else str(last),
            f"{sum(release.rows for release in of_scope):,}",
            _moment(max(release.published_at for release in of_scope)),
        )
    console.print(table)
    for row in budgets.filter(pl.col("state").is_in(list(STYLES))).iter_rows(named=True):
        console.print(budget_sentence(row), style=STYLES[row["state"]])
    for row in reported.tail(MONTHS_SHOWN).iter_rows(named=True):
        console.print(_reported(row), style="yellow" if row["missing"] else None)
    console.print(
        f"{counts['apps']:,} apps; cost to {counts['cost_day'] or 'no day yet'}; telemetry to {_moment(counts['telemetry_until'])}; "
        f"{counts['pages']} page, {counts['tickets']} ticket, {counts['spent']} spent, {counts['silent']} silent, {counts['stale']} stale; {counts['open_anomalies']} open cost anomalies."
    )
    print_largest(console, largest)
    print_waiting_credits(console, credits)


def _waiting_credits(warehouse: Warehouse) -> list[str]:
    """A sentence for each credit that waits for an answer; what decides on them takes a third of a second to import, so only
    where one is proposed at all."""
    if warehouse.frame("queries/credits/computed").is_empty():
        return []
    from pipelines.commands.credits import waiting_credits, waiting_sentence

    return [waiting_sentence(one) for one in waiting_credits(warehouse)]


def print_waiting_credits(console: Console, waiting: Sequence[str]) -> None:
    """How many credits wait for an answer, and the first of them; nothing where none does."""
    if waiting:
        more = f", and {len(waiting) - 1:,} more" if len(waiting) > 1 else ""
        console.print(
            f"Credits that wait for an answer: {waiting[0]}{more}. `appfleet credits` lists them.",
            style="yellow",
        )


def _reported(row: Mapping[str, Any]) -> str:
    """A month in the reporting currency, in words."""
    month, currency = f"{row['statement_period']:%Y-%m}", row["reporting_currency"]
    if row["missing"]:
        return f"{month} is not reported in {currency}: {row['missing']} day(s) and currencies have no rate."
    state = "closed" if row["is_closed"] else "open"
    return f"{month} in {currency}: {money(row['billed_cost'])} billed, {plain(row['amount'])} charged ({state})."


def money(amount: Decimal) -> str:
    """An amount for people: two places, thousands apart."""
    return f"{amount:,.2f}"


def _moment(value: object) -> str:
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _burn(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _print_sentences(console: Console, word: str, sentences: tuple[str, ...]) -> None:
    for sentence in sentences[:SENTENCES_SHOWN]:
        console.print(f"      {word}: {sentence}", style="yellow")
    if len(sentences) > SENTENCES_SHOWN:
        console.print(f"      and {len(sentences) - SENTENCES_SHOWN} more", style="yellow")
