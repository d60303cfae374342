"""Decisions about alerts as they are kept: read, added to under the lease of sending, and by people; never changed.

What is decided, and what is sent of it, do not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

import polars as pl

from models.alerts import alert_policy
from models.errors import WarehouseError
from models.remediation import Decision
from sql.leases import held
from sql.warehouse import Warehouse

DECISIONS = "remediation_decisions"
_COLUMNS = pl.Schema(
    {
        "decision_id": pl.String(),
        "action_id": pl.String(),
        "fence": pl.UInt64(),
        "seq": pl.UInt64(),
        "decision": pl.String(),
        "decided_by": pl.String(),
        "decided_at": pl.Datetime("ms", "UTC"),
        "reason": pl.String(),
        "of_line": pl.String(),
        "playbook": pl.String(),
        "version": pl.String(),
        "action": pl.String(),
        "target": pl.String(),
        "risk": pl.String(),
        "alert_key": pl.String(),
        "episode": pl.UInt32(),
        "kind": pl.String(),
        "subject": pl.String(),
        "team": pl.String(),
        "environment": pl.String(),
        "inputs": pl.String(),
        "event": pl.String(),
    }
)


def decisions(warehouse: Warehouse, now: datetime) -> list[Decision]:
    """Every decision that may still matter, in the order they were made."""
    policy = alert_policy()
    first = now - 4 * max(policy.kept_for, policy.frozen_for)
    decided_from = f"{first.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    frame = warehouse.frame("queries/remediation/decisions", decided_from=decided_from)
    return [Decision(**row) for row in frame.iter_rows(named=True)]


def write_decisions(warehouse: Warehouse, made: Sequence[Decision]) -> list[Decision]:
    """Adds what a pass decided, each as the line that holds; the caller holds the lease of sending.

    Raises:
        LeaseLost: the lease ended, so somebody else may be deciding.
    """
    if not made:
        return []
    lease = held()
    lease.prove()
    written = [replace(one, fence=lease.fence or 0) for one in made]
    warehouse.insert(DECISIONS, _frame(written))
    return written


def write_answer(warehouse: Warehouse, answer: Decision) -> None:
    """Adds what a person decided, and reads it back.

    Raises:
        WarehouseError: it is not there after it was written.
    """
    warehouse.insert(DECISIONS, _frame([answer]))
    if not any(one.decision_id == answer.decision_id for one in decisions(warehouse, answer.decided_at)):
        raise WarehouseError("what was decided about the action was not stored: do it again")


def _frame(lines: Sequence[Decision]) -> pl.DataFrame:
    rows = [asdict(one) for one in lines]
    return pl.DataFrame({name: [one[name] for one in rows] for name in _COLUMNS.names()}, schema=_COLUMNS)
