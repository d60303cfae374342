"""`appfleet doctor`: what is wrong or getting old in a workspace, and what to do about it.

Which checks there are stands here, in the order people read them; what each looks at is ``pipelines.commands.checks``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from models.errors import AppfleetError
from models.settings import Settings
from pipelines.commands import checks
from pipelines.commands.checks import Checking, Finding, Look
from sql.opening import open_warehouse

CHECKS: Mapping[str, Checking] = {
    check.__name__.replace("_", " "): check
    for check in (
        checks.sources,
        checks.writer,
        checks.ages,
        checks.clock,
        checks.lost_parts,
        checks.closed_statements,
        checks.control_totals,
        checks.last_pass,
        checks.alerts,
        checks.playbooks,
        checks.refusals,
        checks.held_deliveries,
        checks.credits_waiting,
        checks.rejects,
        checks.notes,
        checks.repairs,
        checks.redactions,
        checks.unhidden,
        checks.overlaps,
        checks.differing_copies,
        checks.orphans,
        checks.retention,
        checks.partitions_missing,
        checks.unassigned_shares,
        checks.shared_cost_rules,
        checks.maintenance,
        checks.spans_without_resource,
        checks.nameless_senders,
        checks.samples,
        checks.uncounted,
        checks.stale_sources,
        checks.charges_ahead,
        checks.silent_apps,
        checks.silent_projects,
        checks.refused_segments,
        checks.tokens,
        checks.intakes,
        checks.people,
        checks.access,
    )
}
"""Name of a check -> what makes it."""


def findings(settings: Settings, clock: datetime) -> Iterator[tuple[str, Finding]]:
    """Everything found in a workspace at a moment, with the name of its check; a check without findings says so.

    One that cannot be made is a finding too, and the others are made all the same.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        look = Look(warehouse, settings, clock)
        for name, check in CHECKS.items():
            lines: list[Finding] = []
            try:
                lines += check(look)
            except AppfleetError as error:
                advice = "mend that first; what this check looks at is not known until then"
                lines.append(Finding(f"could not be looked at: {error}", advice, is_failure=True))
            for line in lines or [Finding("nothing found")]:
                yield name, line
