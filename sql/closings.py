"""The ledger of closed statements: who closed which month with what, its lines and the bytes of its files.

A month is closed, or reopened, by one insert of one row into ``statement_closings``; lines and files are written before it
under a batch of their own, so that a closing cut short leaves nothing anybody reads. What a line says, and whether a month
may be closed, is the business of those who call this.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from models.errors import CloseRefused, ControlTotalError, LeaseLost, WarehouseError
from sql.leases import held
from sql.publish import new_batch_id
from sql.warehouse import Warehouse

LINES = "mart_statement_lines"
FILES = "statement_files"
LEASE = "statements"
"""The lease under which months are closed, reopened and reclassified."""

CLOSED, REOPENED = "closed", "reopened"
_TIME = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(frozen=True)
class Closing:
    """A decision on a month's statement (columns of ``statement_closings``)."""

    statement_period: date
    state: str
    lines_batch: uuid.UUID
    decided_by: str
    decided_at: datetime
    reason: str = ""
    statement_id: str = ""
    statement_version: int = 0
    rule_version: str = ""
    rules_sha256: str = ""
    shared_rules_version: str = ""
    shared_rules_sha256: str = ""
    shared_rules: str = ""
    layout_version: int = 0
    rows: int = 0
    sums: Mapping[str, Decimal] = field(default_factory=dict)
    batches: Mapping[str, uuid.UUID] = field(default_factory=dict)
    releases: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    fence: int = 0
    seq: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether this closes the month."""
        return self.state == CLOSED


@dataclass(frozen=True)
class Reclassification:
    """A closed month that is to be charged by newer rules or owners (columns of ``statement_reclassifications``)."""

    billing_period: date
    batches: Mapping[str, uuid.UUID]
    decided_by: str
    reason: str
    decided_at: datetime
    fence: int = 0
    seq: int = 0
    shared_rules: str = ""


def batch_key(scope: str, period: date, table: str) -> str:
    """Key of a batch in ``batches``: what it is of, and the provider's month it was read for."""
    return f"{scope} {period:%Y-%m} {table}"


def batches_of(batches: Mapping[str, uuid.UUID], scope_prefix: str, period: date) -> dict[str, uuid.UUID]:
    """Scope -> batch of those of a month whose scope begins with a prefix."""
    found = {}
    for key, batch in batches.items():
        scope, month, _ = key.rsplit(" ", 2)
        if month == f"{period:%Y-%m}" and scope.startswith(scope_prefix):
            found[scope] = batch
    return found


def day_key(scope: str, day: date, table: str) -> str:
    """Key of a batch in ``batches`` that was read for one day."""
    return f"{scope} {day} {table}"


def batches_of_days(batches: Mapping[str, uuid.UUID], scope: str, table: str) -> dict[date, uuid.UUID]:
    """Day -> batch of those read for single days."""
    found = {}
    for key, batch in batches.items():
        of, when, named = key.rsplit(" ", 2)
        if (of, named) == (scope, table) and when.count("-") == 2:
            found[date.fromisoformat(when)] = batch
    return found


def closings(warehouse: Warehouse) -> dict[date, Closing]:
    """Month -> the decision that holds, of every month that was ever closed, in their order."""
    holding: dict[date, Closing] = {}
    for row in warehouse.frame("queries/closing/closings").iter_rows(named=True):
        holding.setdefault(row["statement_period"], _closing(row))
    return holding


def closed_months(warehouse: Warehouse) -> dict[date, Closing]:
    """Month -> closing, of the months that are closed now, in their order."""
    return {month: one for month, one in closings(warehouse).items() if one.is_closed}


def reclassifications(warehouse: Warehouse) -> list[Reclassification]:
    """Everything people asked to be reclassified, by month and in that order."""
    return [
        Reclassification(
            billing_period=row["billing_period"],
            batches=_batches(row["batches"]),
            decided_by=row["decided_by"],
            reason=row["reason"],
            decided_at=row["decided_at"],
            fence=row["fence"],
            seq=row["seq"],
            shared_rules=row["shared_rules"],
        )
        for row in warehouse.frame("queries/closing/reclassifications").iter_rows(named=True)
    ]


def closed_lines(warehouse: Warehouse, ones: Collection[Closing]) -> pl.DataFrame:
    """Lines of closed statements, by month and line: columns of ``mart_statement_lines``."""
    return warehouse.frame("queries/closing/lines", batches=[one.lines_batch for one in ones])


def closed_file(warehouse: Warehouse, closing: Closing, file_name: str) -> bytes:
    """The bytes a month was closed with.

    Raises:
        ControlTotalError: there is no such file any more, or its bytes are not those the ledger names.
    """
    frame = warehouse.frame("queries/closing/files", batch_id=closing.lines_batch, file_name=file_name)
    contents = [base64.b64decode(content) for content in frame["content"]]
    for content in contents:
        if hashlib.sha256(content).hexdigest() == closing.files.get(file_name):
            return content
    raise ControlTotalError(
        f"{file_name} of the closed statement {closing.statement_period:%Y-%m} is "
        f"{'not the file it was closed with' if contents else 'not stored any more'}: restore it from a backup"
    )


def write_closed(
    warehouse: Warehouse, closing: Closing, lines: pl.DataFrame, files: Mapping[str, bytes]
) -> Closing:
    """Stores lines and files under a fresh batch, reads them back, and closes the month by one row.

    The caller holds the lease of statements.

    Raises:
        ControlTotalError: what was stored is not what was given; nothing is closed.
        LeaseLost: the lease ended.
        WarehouseError: somebody else decided on the month meanwhile.
    """
    batch = new_batch_id()
    warehouse.insert(LINES, lines.with_columns(batch_id=pl.lit(str(batch))))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    for name, content in sorted(files.items()):
        warehouse.insert(FILES, _file_row(closing.statement_period, name, content, batch))
    done = Closing(**{**closing.__dict__, "lines_batch": batch, "files": hashes})
    if not closed_lines(warehouse, [done]).equals(lines):
        raise ControlTotalError(
            f"the lines of {closing.statement_period:%Y-%m} were not stored as they are: nothing was closed, close it again"
        )
    for name in files:
        closed_file(warehouse, done, name)
    return decide(warehouse, done)


def decide(warehouse: Warehouse, closing: Closing) -> Closing:
    """Writes the one row that closes or reopens a month, and reads it back.

    Raises:
        LeaseLost: the lease ended.
        WarehouseError: somebody else decided on the month meanwhile.
    """
    previous = closings(warehouse).get(closing.statement_period)
    done = Closing(**{**closing.__dict__, **_next(previous)})
    warehouse.execute(
        "statements/close_statement",
        **{**done.__dict__, "decided_at": done.decided_at.astimezone(UTC).strftime(_TIME)},
    )
    now = closings(warehouse).get(closing.statement_period)
    if now is None or (now.fence, now.seq, now.lines_batch, now.state) != (
        done.fence,
        done.seq,
        done.lines_batch,
        done.state,
    ):
        raise WarehouseError(
            f"{closing.statement_period:%Y-%m} was closed or reopened by somebody else at the same time: look at it again"
        )
    return now


def write_reclassification(warehouse: Warehouse, one: Reclassification) -> Reclassification:
    """Records that a month is to be reclassified; the caller holds the lease of statements.

    Raises:
        LeaseLost: the lease ended.
    """
    before = [old for old in reclassifications(warehouse) if old.billing_period == one.billing_period]
    done = Reclassification(**{**one.__dict__, **_next(before[-1] if before else None)})
    warehouse.execute(
        "statements/reclassify_statement",
        **{**done.__dict__, "decided_at": done.decided_at.astimezone(UTC).strftime(_TIME)},
    )
    return done


def refuse_unless(condition: bool, sentence: str) -> None:
    """Does nothing where a condition holds.

    Raises:
        CloseRefused: it does not.
    """
    if not condition:
        raise CloseRefused(sentence)


def _next(previous: Closing | Reclassification | None) -> dict[str, int]:
    """Fence and number of the decision that follows one."""
    ours = held()
    fence, seq = (previous.fence, previous.seq) if previous else (0, 0)
    if ours.fence is not None:
        ours.prove()
        if ours.fence < fence:
            raise LeaseLost("statements were decided on under a newer lease than ours: run it again")
        fence = ours.fence
    return {"fence": fence, "seq": seq + 1}


def _file_row(period: date, name: str, content: bytes, batch: uuid.UUID) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "statement_period": [period],
            "file_name": [name],
            "file_sha256": [hashlib.sha256(content).hexdigest()],
            "content": [content],
            "batch_id": [str(batch)],
        }
    )


def _closing(row: Mapping[str, Any]) -> Closing:
    plain = {
        key: row[key]
        for key in (
            "statement_period", "state", "statement_id", "statement_version", "rule_version", "rules_sha256",
            "shared_rules_version", "shared_rules_sha256", "shared_rules", "layout_version", "rows", "decided_by", "reason", "decided_at", "fence", "seq",
        )
    }  # fmt: skip
    return Closing(
        **plain,
        lines_batch=uuid.UUID(row["lines_batch"]),
        sums={key: Decimal(value) for key, value in pairs_of_map(row["sums"])},
        batches=_batches(row["batches"]),
        releases={key: int(value) for key, value in pairs_of_map(row["releases"])},
        files=dict(pairs_of_map(row["files"])),
    )


def _batches(value: Any) -> dict[str, uuid.UUID]:
    return {key: uuid.UUID(batch) for key, batch in pairs_of_map(value)}


def pairs_of_map(value: Any) -> Iterable[tuple[str, Any]]:
    """A Map column as pairs, whichever way Arrow hands it over."""
    if isinstance(value, Mapping):
        return list(value.items())
    return [(item["key"], item["value"]) for item in value]
