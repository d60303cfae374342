"""Batches that nobody can read any more: which there are, and their removal after a grace.

What a current release, a closed statement or a waiting delivery names is never among them, nor what was superseded so lately
that a statement may still read it. Telemetry is counted, not published, and has no such batches. Who asks for it, and what is
said about it, is the business of those who call this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sql.closings import FILES, LINES
from sql.damage import BILL, COMPUTED
from sql.publish import TIMED
from sql.warehouse import Warehouse

TABLES = (*COMPUTED, LINES, FILES)


@dataclass(frozen=True)
class Superseded:
    """A batch that may go. ``source`` and ``period`` are those of a bill, empty and None for what is computed; ``bytes`` is what
    its rows take on disk, by the average of its table."""

    table: str
    batch: UUID
    rows: int
    bytes: int
    source: str = ""
    period: date | None = None

    @property
    def scope(self) -> str:
        """What a person knows it as: the source and month of a bill, or its table."""
        return f"{self.source} {self.period:%Y-%m}" if self.period else self.table


def superseded(warehouse: Warehouse, now: datetime, grace: timedelta) -> list[Superseded]:
    """Every batch that nobody can read any more, bills first, by table, source and month.

    A batch no release ever named may be one somebody is loading: its id says when it was made, and it counts as superseded
    then.
    """
    before = (now - grace).astimezone(UTC)
    per_row = dict(warehouse.frame("queries/collection/bytes_per_row").rows())
    found = [
        Superseded(
            BILL,
            UUID(row["batch_id"]),
            row["rows"],
            round(row["rows"] * per_row.get(BILL, 0.0)),
            row["source_name"],
            row["period"],
        )
        for row in warehouse.frame("queries/collection/superseded_bills", before=_text(before)).to_dicts()
        if row["is_named"] or _is_older(UUID(row["batch_id"]), before)
    ]
    for table in TABLES:
        frame = warehouse.frame(
            "queries/collection/superseded", computed=table, table=table, before=_text(before)
        )
        found += [
            Superseded(
                table,
                UUID(row["batch_id"]),
                row["rows"],
                round(row["rows"] * per_row.get(table, 0.0)),
            )
            for row in frame.to_dicts()
            if row["is_named"] or _is_older(UUID(row["batch_id"]), before)
        ]
    return found


def remove(
    warehouse: Warehouse, ones: Sequence[Superseded], done: Callable[[Superseded], None] = lambda _: None
) -> None:
    """Removes batches; killed between two of them, the others are found again the next time.

    The caller holds the lease of whatever could publish or decide meanwhile.
    """
    tables = defaultdict(list)
    for one in ones:
        tables[one.table].append(one)
    for table, batches in tables.items():
        for one in batches:
            if one.period is None:
                warehouse.execute("statements/collect", table_name=table, batches=[one.batch])
            else:
                warehouse.execute(
                    "statements/collect_billing",
                    source_name=one.source,
                    period=one.period,
                    batch_id=one.batch,
                )
            done(one)
        warehouse.execute("statements/apply_deletions", table_name=table)


def _is_older(batch: UUID, before: datetime) -> bool:
    """Whether a batch that nobody published was begun before a moment; an id that does not tell is of no attempt of today."""
    return batch.version != TIMED or datetime.fromtimestamp((batch.int >> 80) / 1000, UTC) < before


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
