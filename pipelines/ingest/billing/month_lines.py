"""What the ledger is told of a month that is loaded, held, refused or left as it was: a line for each of its objects.

What is to be done with a month is ``plan``'s; what lines mean, and where they are kept, is ``ledger``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.ledger import Line
from pipelines.ingest.billing.plan import MonthPlan
from pipelines.ingest.sources import SourceObject


def lines_of(one: MonthPlan, state: str, reason: str, batch_id: UUID | None = None) -> list[Line]:
    return [
        Line(
            each.item,
            each.profile.sha256,
            one.period,
            state,
            reason,
            batch_id,
            each.profile.months.get(one.period),
        )
        for each in one.candidates
    ]


def loaded_lines(one: MonthPlan, batch_id: UUID) -> list[Line]:
    loaded = [
        Line(
            each.item,
            each.profile.sha256,
            one.period,
            "loaded",
            "",
            batch_id,
            each.profile.months.get(one.period),
            each.profile.ignored_columns,
        )
        for each in one.candidates
    ]
    return loaded + _aside_lines(one)


def _aside_lines(one: MonthPlan) -> list[Line]:
    return [
        Line(each.candidate.item, each.candidate.sha256, one.period, each.state, each.reason)
        for each in one.asides
    ]


def note_of(line: Line) -> str:
    return f"{line.item.name} {line.period:%Y-%m}: {line.reason}"


def is_note(line: Line) -> bool:
    """Whether a ledger line of an object that does not count beside the others is told to whoever runs."""
    return line.state in ("unchanged", "replaced") and bool(line.reason)


def quiet_lines(plans: Iterable[MonthPlan]) -> list[Line]:
    """Ledger lines of months that are not loaded; an unchanged one tells only what does not count beside it."""
    lines = []
    for one in plans:
        if one.action in ("refused", "superseded"):
            lines += lines_of(one, one.action, one.reason)
        if one.action == "vanished":
            lines += [_vanished(name, one) for name in one.vanished]
        lines += _aside_lines(one)
    return lines


def _vanished(name: str, one: MonthPlan) -> Line:
    gone = SourceObject(name, 0, one.version or datetime(1970, 1, 1, tzinfo=UTC), "")
    return Line(DeliveredObject(gone, gone.modified_at), "", one.period, "vanished", one.reason)
