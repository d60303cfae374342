"""Decisions on proposed credits as they are kept: read, and added to under the lease of statements; never changed.

What is proposed, and what an accepted credit puts on a statement, do not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

import polars as pl

from models.credit_proposals import CreditDecision, CreditLine, Proposal
from models.errors import LeaseLost, WarehouseError
from models.schemas import MONEY
from sql.closings import Closing
from sql.leases import held
from sql.warehouse import Warehouse

DECISIONS = "statement_credits"
_COLUMNS = pl.Schema(
    {
        "credit_id": pl.String(),
        "fence": pl.UInt64(),
        "seq": pl.UInt64(),
        "decision": pl.String(),
        "month": pl.Date(),
        "from_app_id": pl.String(),
        "from_team": pl.String(),
        "from_cost_center": pl.String(),
        "billing_currency": pl.String(),
        "apps": pl.List(pl.String),
        "teams": pl.List(pl.String),
        "cost_centers": pl.List(pl.String),
        "first_days": pl.List(pl.Date),
        "last_days": pl.List(pl.Date),
        "failed_calls": pl.List(pl.Int64),
        "hurt_requests": pl.List(pl.Int64),
        "credits": pl.List(MONEY),
        "worth_batch": pl.String(),
        "known_to": pl.Date(),
        "decided_by": pl.String(),
        "reason": pl.String(),
        "decided_at": pl.Datetime("ms", "UTC"),
    }
)
_OF_LINES = {
    "apps": "app_id",
    "teams": "team",
    "cost_centers": "cost_center",
    "first_days": "first_day",
    "last_days": "last_day",
    "failed_calls": "failed_calls",
    "hurt_requests": "hurt_requests",
    "credits": "credit",
}
"""Array of the table -> what of a line it holds."""

_OF_PROPOSAL = ("month", "from_app_id", "from_team", "from_cost_center", "billing_currency")
_OF_DECISION = (
    "credit_id",
    "fence",
    "seq",
    "decision",
    "known_to",
    "decided_by",
    "reason",
    "decided_at",
)


def credit_decisions(warehouse: Warehouse) -> list[CreditDecision]:
    """The decision that holds of each proposal ever decided on, by month and name."""
    return decisions_of(warehouse.frame("queries/credits/decisions"))


def decisions_of(frame: pl.DataFrame) -> list[CreditDecision]:
    """Rows of ``queries/credits/decisions`` as decisions."""
    return [
        CreditDecision(
            proposal=Proposal(
                **{name: row[name] for name in _OF_PROPOSAL},
                lines=tuple(
                    CreditLine(**dict(zip(_OF_LINES.values(), values, strict=True)))
                    for values in zip(*(row[name] for name in _OF_LINES), strict=True)
                ),
                state=row["decision"],
            ),
            worth_batch=UUID(row["worth_batch"]),
            **{name: row[name] for name in _OF_DECISION},
        )
        for row in frame.iter_rows(named=True)
    ]


def booked_credits(warehouse: Warehouse, closed: Iterable[Closing]) -> pl.DataFrame:
    """Credits on closed statements: ``statement_period, line`` and columns of ``mart_statement_lines`` that a change has."""
    return warehouse.frame("queries/credits/booked", batches=[one.lines_batch for one in closed])


def write_decision(warehouse: Warehouse, one: CreditDecision) -> CreditDecision:
    """Adds a decision as the one that holds, and reads it back; the caller holds the lease of statements.

    Raises:
        LeaseLost: the lease ended, or somebody decided under a newer one.
        WarehouseError: it is not what holds after it was written.
    """
    before = credit_decisions(warehouse)
    ours, fence = held(), max((old.fence for old in before), default=0)
    if ours.fence is not None:
        ours.prove()
        if ours.fence < fence:
            raise LeaseLost("credits were decided on under a newer lease than ours: run it again")
        fence = ours.fence
    done = replace(one, fence=fence, seq=max((old.seq for old in before), default=0) + 1)
    warehouse.insert(DECISIONS, _frame([done]))
    if done not in (now := credit_decisions(warehouse)):
        raise WarehouseError(
            f"what was decided about {one.credit_id} was not stored as it is ({len(now)} decisions are): look at it again"
        )
    return done


def _frame(ones: Sequence[CreditDecision]) -> pl.DataFrame:
    rows = [
        {
            **{name: getattr(one, name) for name in _OF_DECISION},
            **{name: getattr(one.proposal, name) for name in _OF_PROPOSAL},
            **{name: [getattr(line, of) for line in one.proposal.lines] for name, of in _OF_LINES.items()},
            "worth_batch": str(one.worth_batch),
        }
        for one in ones
    ]
    return pl.DataFrame({name: [row[name] for row in rows] for name in _COLUMNS.names()}, schema=_COLUMNS)
