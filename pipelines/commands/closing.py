"""`appfleet close`, `reopen` and `reclassify`: words for people over ``pipelines.reports.closing``."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime

from rich.console import Console
from rich.table import Table

from models.settings import Settings
from models.statement_csv import plain
from pipelines.compute.adjustments import USAGE
from pipelines.reports.closing import (
    Plan,
    close_month,
    next_open_month,
    plan_close,
    reclassify_month,
    reopen_month,
)
from sql.closings import Closing, batches_of_days
from sql.opening import open_warehouse


def show_plan(console: Console, settings: Settings, period: date, by: str | None) -> bool:
    """Prints what closing a month would freeze and what is red; whether nothing is."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        plan = plan_close(warehouse, settings, period, by or getpass.getuser(), datetime.now(UTC))
    _print_checks(console, plan)
    if plan.closing:
        console.print(f"Closing {period:%Y-%m} would freeze:")
        _print_frozen(console, plan.closing)
        for name, content in sorted(plan.files.items()):
            console.print(f"  {name}: {len(content):,} bytes")
    console.print(
        "Nothing was written." if not plan.red else "Nothing was written; it cannot be closed as it is."
    )
    return not plan.red


def close(console: Console, settings: Settings, period: date, by: str | None, wait_seconds: float) -> None:
    """Closes a month and says with what; one that is closed stays as it is."""
    who = by or getpass.getuser()
    with open_warehouse(settings.root, role="writer") as warehouse:
        done = close_month(warehouse, settings, period, who, datetime.now(UTC), wait_seconds)
    console.print(
        f"{period:%Y-%m} is closed, by {done.decided_by} at {done.decided_at:%Y-%m-%d %H:%M} UTC; `appfleet chargeback --month "
        f"{period:%Y-%m}` writes its files."
    )
    _print_frozen(console, done)
    for name, sha256 in sorted(done.files.items()):
        console.print(f"  {name}: sha256 {sha256}")


def reopen(
    console: Console, settings: Settings, period: date, reason: str, by: str | None, wait_seconds: float
) -> None:
    """Opens a closed month again and says so."""
    with open_warehouse(settings.root, role="writer") as warehouse:
        who = by or getpass.getuser()
        done = reopen_month(warehouse, settings, period, who, reason, datetime.now(UTC), wait_seconds)
    console.print(
        f"{period:%Y-%m} is open again, by {done.decided_by}: {done.reason}. What it was closed with stays in the ledger."
    )


def reclassify(
    console: Console, settings: Settings, period: date, reason: str, by: str | None, wait_seconds: float
) -> None:
    """Asks for a closed month to be charged as today's rules and owners say, and says what moves."""
    with open_warehouse(settings.root, role="writer") as warehouse:
        who = by or getpass.getuser()
        one, found = reclassify_month(
            warehouse, settings, period, who, reason, datetime.now(UTC), wait_seconds
        )
        month = next_open_month(warehouse)
    moved = found.lines.filter(
        (found.lines["adjustment"] == "reclassification") & (found.lines["billing_period"] == period)
    )
    console.print(
        f"{period:%Y-%m} is reclassified by {one.decided_by}: {one.reason}. {moved.height} lines of the statement of "
        f"{month:%Y-%m} move what was closed; they sum to nothing."
    )


def _print_checks(console: Console, plan: Plan) -> None:
    table = Table("check", "", "what was found", title=f"{plan.period:%Y-%m}")
    for one in plan.checks:
        table.add_row(one.name, "ok" if one.is_green else "red", one.sentence)
    console.print(table)


def _print_frozen(console: Console, closing: Closing) -> None:
    console.print(
        f"  statement {closing.statement_id}, version {closing.statement_version}: {closing.rows:,} lines, rules "
        f"{closing.rule_version} ({closing.rules_sha256[:16]})"
    )
    if closing.shared_rules_version:
        console.print(
            f"  shared cost rules {closing.shared_rules_version} (sha256 {closing.shared_rules_sha256[:16]})"
        )
    for key, amount in sorted(closing.sums.items()):
        console.print(f"  {key}: {plain(amount)}")
    days = batches_of_days(closing.batches, "slices", USAGE)
    for key, batch in sorted(closing.batches.items()):
        if not key.endswith(f" {USAGE}"):
            console.print(f"  {key}: {batch}")
    if days:
        console.print(f"  telemetry that rules measure of {len(days):,} days: {min(days)} to {max(days)}")
