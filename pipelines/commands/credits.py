"""`appfleet credits`: what failures of shared apps cost the apps they hurt, as finance decides on it; words for people over
``pipelines.reports.credits``.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from models.credit_proposals import ACCEPTED, DECLINED, OPEN, REVERSED, WAITING, Proposal
from models.settings import Settings
from models.statement_csv import plain
from pipelines.reports.credits import Credits, credits_of, decide_credit
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

DECISIONS = {"accept": ACCEPTED, "decline": DECLINED, "reverse": REVERSED}
"""Word of the command line -> decision."""

STATES = {OPEN: "grows until its month is whole", WAITING: "waits for a person", DECLINED: "declined"}

DECISIONS_SHOWN = 20


def print_credits(console: Console, settings: Settings) -> None:
    """What is proposed, with the failures it is for, then the newest decisions."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        found = credits_of(warehouse)
    show(console, found)


def waiting_credits(warehouse: Warehouse) -> list[Proposal]:
    """Proposals whose month is whole and which nobody accepted or declined as they are now."""
    return [one for one in credits_of(warehouse).proposed if one.state == WAITING]


def waiting_sentence(one: Proposal) -> str:
    """A proposal that waits, for people: by its name, who would pay what, and to how many."""
    apps = f"{len(one.lines):,} app{'' if len(one.lines) == 1 else 's'}"
    return f"{one.name}: {one.from_app_id} ({one.from_team}) would pay {one.billing_currency} {plain(one.total)} to {apps}"


def show(console: Console, found: Credits) -> None:
    """Prints what is proposed and what was decided."""
    if found.proposed:
        _print_proposals(console, found.proposed)
        console.print(
            f"Known to {found.known_to}. `appfleet credits accept NAME --reason TEXT` makes a proposal lines of the open "
            "statement that sum to nothing; `decline` leaves it out until its figures change."
        )
    else:
        console.print("No credit is proposed.")
    if found.decided:
        table = Table(
            "credit", "decision", "by", "when (UTC)", "why", "currency", "paid", "apps", title="Decided"
        )
        newest = sorted(found.decided, key=lambda one: one.decided_at, reverse=True)
        for one in newest[:DECISIONS_SHOWN]:
            table.add_row(
                one.credit_id,
                one.decision,
                one.decided_by,
                f"{one.decided_at:%Y-%m-%d %H:%M}",
                one.reason,
                one.proposal.billing_currency,
                plain(one.proposal.total),
                f"{len(one.proposal.lines):,}",
            )
        console.print(table)
        if len(newest) > DECISIONS_SHOWN:
            console.print(f"and {len(newest) - DECISIONS_SHOWN} more in statement_credits_current")


def _print_proposals(console: Console, found: Iterable[Proposal]) -> None:
    for one in found:
        console.print(
            f"{one.name}: {one.from_app_id} ({one.from_team}) would pay {one.billing_currency} {plain(one.total)}; "
            f"{STATES[one.state]}"
        )
        for line in one.lines:
            console.print(
                f"  to {line.app_id} ({line.team}): {one.billing_currency} {plain(line.credit)}, {line.hurt_requests:,} requests "
                f"hurt by {line.failed_calls:,} failed calls, {line.first_day} to {line.last_day}"
            )


def decide(
    console: Console,
    settings: Settings,
    action: str,
    name: str,
    *,
    by: str | None,
    reason: str,
    wait_seconds: float,
) -> None:
    """Decides on one proposal and says what became of it.

    Raises:
        CloseRefused: it cannot be decided so, as one sentence.
    """
    who = by or getpass.getuser()
    with open_warehouse(settings.root, role="writer") as warehouse:
        done, is_new = decide_credit(
            warehouse, settings, name, DECISIONS[action], who, reason, datetime.now(UTC), wait_seconds
        )
    said = f"{done.credit_id}: {done.decision} by {done.decided_by} at {done.decided_at:%Y-%m-%d %H:%M} UTC"
    if not is_new:
        console.print(f"{said} already; nothing was changed.")
        return
    total = f"{done.proposal.billing_currency} {plain(done.proposal.total)}"
    apps = f"{len(done.proposal.lines):,} app{'' if len(done.proposal.lines) == 1 else 's'}"
    what = {
        ACCEPTED: f"{done.proposal.from_team} pays {total} to {apps} on a statement that is open",
        DECLINED: "no statement has it; it comes back if its figures change",
        REVERSED: f"{total} go back from {apps} to {done.proposal.from_team}, where a closed statement has them by the open one",
    }[done.decision]
    console.print(f"{said}; {what}.")
