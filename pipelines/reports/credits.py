"""Accepts a proposed credit for failures of a shared app, declines it, or takes an accepted one back.

An accepted one is lines of an open statement that sum to nothing. What is proposed, and what those lines say, is
``models.credit_proposals``; the ledger of decisions is ``sql.credits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from models.credit_proposals import (
    ACCEPTED,
    DECLINED,
    REVERSED,
    CreditDecision,
    Proposal,
    asked_for,
    placed,
    proposals,
)
from models.errors import CloseRefused
from models.reliability_costs import worth_policy
from models.settings import Settings
from pipelines.compute.adjustments import compute_adjustments
from pipelines.reports.closing import deciding
from sql.closings import refuse_unless
from sql.credits import credit_decisions, write_decision
from sql.leases import lease
from sql.publish import NO_BATCH, WHOLE_TABLE, collect, head
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class Credits:
    """What is proposed now, and what was decided: the decision that holds of each proposal."""

    proposed: Sequence[Proposal]
    decided: Sequence[CreditDecision]
    known_to: date | None
    worth_batch: UUID = NO_BATCH


def credits_of(warehouse: Warehouse) -> Credits:
    """Proposals and decisions as they are now."""
    decided = credit_decisions(warehouse)
    known = warehouse.frame("queries/credits/known")["known_to"].to_list()
    release = head(warehouse, "worth", WHOLE_TABLE)
    if not known or release is None:
        return Credits((), decided, None)
    found = proposals(warehouse.frame("queries/credits/computed"), decided, known[0], worth_policy())
    return Credits(found, decided, known[0], release.batches.get("mart_reliability_credits", NO_BATCH))


def decide_credit(
    warehouse: Warehouse,
    settings: Settings,
    name: str,
    decision: str,
    by: str,
    reason: str,
    now: datetime,
    wait_seconds: float = 0.0,
) -> tuple[CreditDecision, bool]:
    """Decides on a proposal by its name; the decision that holds, and whether it is new. What is decided so already stays.

    Raises:
        CloseRefused: there is no reason, no such proposal, it says something else than its name by now, its month is not
            whole, nobody can pay, or it was accepted and cannot be declined.
        LeaseHeld: a pass runs, or somebody else decides.
    """
    refuse_unless(bool(reason.strip()), f"{name} is decided on with a reason: say why with --reason")
    with deciding(settings, wait_seconds), lease(settings.root, "costs", wait_seconds):
        found = credits_of(warehouse)
        before = next((one for one in found.decided if one.credit_id == name), None)
        if before is not None and before.decision == decision:
            return before, False
        proposal = _decidable(warehouse, found, before, name, decision)
        done = write_decision(
            warehouse,
            CreditDecision(
                proposal=proposal,
                credit_id=name,
                decision=decision,
                worth_batch=found.worth_batch,
                known_to=found.known_to or proposal.month,
                decided_by=by,
                reason=reason.strip(),
                decided_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            ),
        )
        collect(warehouse, compute_adjustments(warehouse))
        return done, True


def _decidable(
    warehouse: Warehouse, found: Credits, before: CreditDecision | None, name: str, decision: str
) -> Proposal:
    """What a decision freezes."""
    was = before.decision if before else ""
    if decision == REVERSED:
        refuse_unless(was == ACCEPTED, f"{name} is not accepted, so there is nothing to take back")
    if was == ACCEPTED:
        assert before
        refuse_unless(
            decision != DECLINED,
            f"{name} was accepted by {before.decided_by} at {before.decided_at:%Y-%m-%d %H:%M} UTC: take it back with "
            "`appfleet credits reverse`",
        )
        return _in_state(before.proposal, decision)
    if found.known_to is None:
        raise CloseRefused(f"no credit {name} is proposed: `appfleet run` computes what failures cost")
    one = asked_for(found.proposed, name, found.known_to)
    teams = warehouse.frame("queries/identities/teams")
    return _in_state(placed(one, dict(teams.select("team", "cost_center").iter_rows())), decision)


def _in_state(one: Proposal, decision: str) -> Proposal:
    return Proposal(**{**one.__dict__, "state": decision})
