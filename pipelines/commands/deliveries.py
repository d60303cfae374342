"""`appfleet deliveries`: the bills that wait for a person, and the decision on one.

What a decision does is ``pipelines.ingest.billing.held``'s business; here live only words for people.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from models.settings import Settings
from pipelines.commands.summary import money
from pipelines.commands.telling import telling
from pipelines.ingest.billing.held import accept, decided, held_sentence, reject, waiting
from pipelines.ingest.billing.ledger import Hold
from pipelines.steps import STEPS
from pipelines.told import Told, take
from pipelines.work import Done
from sql.leases import lease
from sql.opening import open_warehouse

DECISIONS_SHOWN = 20


def print_deliveries(console: Console, settings: Settings) -> None:
    """What waits, with its reason and the money at stake, then the newest decisions."""
    with open_warehouse(settings.root, role="reader") as warehouse:
        held, past = waiting(warehouse), decided(warehouse)
    if held:
        table = Table(
            "delivery", "why it is held", "objects", "rows", "money", "would count", "published", title="Held"
        )
        for line in held:
            for place, key in enumerate(_money_keys(line)):
                first = place == 0
                table.add_row(
                    line.id if first else "",
                    line.reason if first else "",
                    ", ".join(line.object_names) if first else "",
                    f"{line.rows:,}" if first else "",
                    key.replace("/", " "),
                    money(line.sums.get(key, Decimal(0))),
                    money(line.published_sums.get(key, Decimal(0))),
                )
        console.print(table)
        console.print(
            "What is held is loaded and not counted. `appfleet deliveries accept DELIVERY` counts it (with --newest only the "
            "newest of objects that share charges), `reject` keeps what is published until its content changes."
        )
    else:
        console.print("Nothing is held.")
    if past:
        table = Table("delivery", "decision", "by", "when (UTC)", "why", "it was held as", title="Decided")
        for line in past[:DECISIONS_SHOWN]:
            table.add_row(
                line.id,
                line.state,
                line.decided_by,
                f"{line.recorded_at:%Y-%m-%d %H:%M}",
                line.why,
                line.reason,
            )
        console.print(table)
        if len(past) > DECISIONS_SHOWN:
            console.print(f"and {len(past) - DECISIONS_SHOWN} more in raw_held_deliveries")


def decide(
    console: Console,
    settings: Settings,
    action: str,
    delivery: str,
    *,
    by: str | None,
    why: str,
    newest_only: bool,
    wait_seconds: float,
) -> None:
    """Accepts or rejects one delivery and says what became of it.

    Raises:
        ConfigurationError: nothing of this name waits.
        LeaseHeld: a pass runs for longer than ``wait_seconds``.
    """
    who = by or getpass.getuser()
    with (
        lease(
            settings.root,
            "pass",
            wait_seconds,
            lambda holder: console.print(f"{holder}: waiting for its end, at most {wait_seconds:.0f} s"),
        ),
        telling(settings) as teller,
        open_warehouse(settings.root, role="writer") as warehouse,
    ):
        started, before = time.monotonic(), take(settings.root, "billing")
        if action == "accept":
            line = accept(warehouse, settings, delivery, who, why, newest_only)
        else:
            line = reject(warehouse, settings, delivery, who, why)
        done = _done(line, waiting(warehouse), before or Told())
        teller.tell(warehouse, STEPS["billing"], done, time.monotonic() - started, before, {})
    what = {
        "accepted": "counts now; `appfleet run` computes what follows from it",
        "rejected": "does not count until its content changes; what was published stays",
    }[line.state]
    console.print(
        f"{line.id}: {line.state} by {line.decided_by} at {line.recorded_at:%Y-%m-%d %H:%M} UTC; it {what}."
    )


def _done(line: Hold, still_waiting: Sequence[Hold], before: Told) -> Done:
    """What a decision on a delivery did; what was refused or waits beside it is as it was."""
    is_accepted = line.state == "accepted"
    return Done(
        rows={"raw_focus_costs": line.rows if is_accepted else 0},
        published=int(is_accepted),
        unchanged=0,
        periods=(line.period,) if is_accepted else (),
        refused=before.refused,
        held=tuple(held_sentence(one) for one in still_waiting),
        notes=(f"{line.id}: {line.state} by {line.decided_by}",),
    )


def _money_keys(line: Hold) -> list[str]:
    keys = {*line.sums, *line.published_sums}
    return sorted(key for key in keys if key.endswith(("/BilledCost", "/EffectiveCost"))) or [""]
