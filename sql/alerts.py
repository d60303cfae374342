"""Alerts as they are published, the messages about them on their way, and what people did about them.

Messages and acts are only ever added to: of a message the line with the highest (fence, seq) holds. What is wrong, who is told
and how it is sent do not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from models.alert_routes import Act, Message
from models.alerts import Alert, alert_policy, alerts_of
from models.errors import WarehouseError
from sql.leases import held
from sql.warehouse import Warehouse

SENDS = "alert_sends"
ACTS = "alert_acts"
LEASE = "alerts/send"
"""The lease under which messages are made, claimed and sent."""

WORDS = "words"
"""Form of a message to people; those of playbooks are events or webhooks, as ``models.playbooks`` names them."""

DUE, CLAIMED, SENT, FAILED, GIVEN_UP = "due", "claimed", "sent", "failed", "given_up"
_MOMENT = pl.Datetime("ms", "UTC")
_SEND_COLUMNS = pl.Schema(
    {
        "message_id": pl.String(),
        "fence": pl.UInt64(),
        "seq": pl.UInt64(),
        "target": pl.String(),
        "form": pl.String(),
        "state": pl.String(),
        "attempt": pl.UInt32(),
        "at": _MOMENT,
        "made_at": _MOMENT,
        "next_at": _MOMENT,
        "title": pl.String(),
        "body": pl.String(),
        "items": pl.List(pl.String),
        "reason": pl.String(),
    }
)
_ACT_COLUMNS = pl.Schema(
    {
        "act_id": pl.String(),
        "act": pl.String(),
        "acted_by": pl.String(),
        "acted_at": _MOMENT,
        "reason": pl.String(),
        "alert_key": pl.String(),
        "episode": pl.UInt32(),
        "severity": pl.String(),
        "subject": pl.String(),
        "team": pl.String(),
        "kind": pl.String(),
        "ends_at": _MOMENT,
        "of_act": pl.String(),
    }
)


@dataclass(frozen=True)
class Send:
    """Where a message is (columns of ``alert_sends``)."""

    message_id: str
    target: str
    state: str
    attempt: int
    at: datetime
    made_at: datetime
    next_at: datetime
    title: str
    body: str
    items: tuple[str, ...]
    reason: str = ""
    form: str = WORDS
    fence: int = 0
    seq: int = 0

    @classmethod
    def of(cls, message: Message, now: datetime) -> Send:
        """A message that is due, as its first line."""
        return cls(
            message.message_id,
            message.target,
            DUE,
            0,
            now,
            now,
            now,
            message.title,
            message.body,
            message.items,
        )


def current_alerts(warehouse: Warehouse) -> list[Alert]:
    """Alerts of the newest release, by key."""
    return alerts_of(warehouse.frame("queries/alerts/current"))


def sends(warehouse: Warehouse, now: datetime) -> list[Send]:
    """Where every message is that may still matter: those of alerts that are still shown."""
    policy = alert_policy()
    made_from = _text(now - 4 * max(policy.kept_for, policy.frozen_for))
    return [
        Send(**{**row, "items": tuple(row["items"])})
        for row in warehouse.frame("queries/alerts/sends", made_from=made_from).iter_rows(named=True)
    ]


def acts(warehouse: Warehouse, now: datetime) -> list[Act]:
    """What people did that may still hold."""
    policy = alert_policy()
    acted_from = _text(now - max(policy.longest_silence, 4 * policy.frozen_for) - timedelta(days=1))
    frame = warehouse.frame("queries/alerts/acts", acted_from=acted_from)
    return [Act(**row) for row in frame.iter_rows(named=True)]


def write_sends(warehouse: Warehouse, lines: Iterable[Send], state: str, now: datetime) -> list[Send]:
    """Writes what became of messages, each as the line that holds from now on; the caller holds the lease of sending.

    Raises:
        LeaseLost: the lease ended, so somebody else may be sending.
    """
    lease = held()
    lease.prove()
    written = [replace(one, state=state, at=now, fence=lease.fence or 0, seq=one.seq + 1) for one in lines]
    warehouse.insert(SENDS, _frame(written, _SEND_COLUMNS))
    return written


def write_act(warehouse: Warehouse, act: Act) -> None:
    """Records what a person did, and reads it back.

    Raises:
        WarehouseError: it is not there after it was written.
    """
    warehouse.insert(ACTS, _frame([act], _ACT_COLUMNS))
    if not any(one.act_id == act.act_id for one in acts(warehouse, act.acted_at)):
        raise WarehouseError("what was decided about the alert was not stored: do it again")


def _frame(rows: Sequence[Send | Act], schema: pl.Schema) -> pl.DataFrame:
    values = [asdict(one) for one in rows]
    return pl.DataFrame({name: [one[name] for one in values] for name in schema.names()}, schema=schema)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
