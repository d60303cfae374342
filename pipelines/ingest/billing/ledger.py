"""The ledger of one billing source: what it remembers of objects, and the lines this run adds.

Writes nothing twice: a line that says what the newest one of its object and month says is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.outcome import Refusal
from sql.publish import WHOLE_TABLE, Release, heads
from sql.warehouse import Warehouse

NO_MONTH = WHOLE_TABLE
"""Period of a line that is about an object as a whole."""

_AMOUNTS = pl.Map(pl.String, pl.String)


@dataclass(frozen=True)
class MonthTotals:
    """Counts of one month, from the bytes or from the table; keys ``<currency>/<metric>``."""

    rows: int = 0
    rejected: int = 0
    sums: Mapping[str, Decimal] = field(default_factory=dict)
    residues: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """What the bytes of one object hold, by month; no months means a header without rows."""

    sha256: str
    months: Mapping[date, MonthTotals]
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One line of ``raw_deliveries``."""

    item: DeliveredObject
    sha256: str
    period: date
    state: str
    reason: str = ""
    batch_id: UUID | None = None
    totals: MonthTotals | None = None
    ignored_columns: tuple[str, ...] = ()


class Ledger:
    """Reads and writes the ledger of one source; the caller holds the source's lease."""

    def __init__(self, warehouse: Warehouse, source_name: str) -> None:
        self._warehouse, self._source = warehouse, source_name

    @property
    def scope(self) -> str:
        """Scope of the source's releases."""
        return f"billing/{self._source}"

    def releases(self) -> dict[date, Release]:
        """Current release by month."""
        return {one.period: one for one in heads(self._warehouse, self.scope) if one.scope == self.scope}

    def profiles(self, rules: str) -> dict[str, Profile]:
        """Remembered profiles by sha256, as far as they were counted under the same rules."""
        found: dict[str, dict[date, MonthTotals]] = {}
        ignored: dict[str, tuple[str, ...]] = {}
        frame = self._warehouse.frame(
            "queries/ledger/billing_profiles", source_name=self._source, rules=rules
        )
        for row in frame.iter_rows(named=True):
            months = found.setdefault(row["object_sha256"], {})
            ignored[row["object_sha256"]] = tuple(row["ignored_columns"])
            if row["period"] != NO_MONTH:
                months[row["period"]] = MonthTotals(
                    row["rows"], row["rejected"], _amounts(row["sums"]), _amounts(row["residues"])
                )
        return {sha256: Profile(sha256, months, ignored[sha256]) for sha256, months in found.items()}

    def published_objects(self) -> dict[date, dict[str, str]]:
        """Digest by object name for each month's current release."""
        found: dict[date, dict[str, str]] = {}
        frame = self._warehouse.frame("queries/ledger/billing_published_objects", source_name=self._source)
        for row in frame.iter_rows(named=True):
            found.setdefault(row["period"], {})[row["object_name"]] = row["object_sha256"]
        return found

    def rejects(self, sha256: str, object_name: str) -> list[Refusal]:
        """Rows of an object that were set aside."""
        frame = self._warehouse.frame(
            "queries/ledger/billing_rejects", source_name=self._source, object_sha256=sha256
        )
        return [
            Refusal(object_name, row["position"], f"{row['detail']} {row['reason']}")
            for row in frame.iter_rows(named=True)
        ]

    def remember(self, item: DeliveredObject, profile: Profile, rules: str) -> None:
        """Writes an object's profile, all its months in one insert."""
        months = profile.months or {NO_MONTH: MonthTotals()}
        self._write(
            Line(item, profile.sha256, period, "profiled", rules, None, totals, profile.ignored_columns)
            for period, totals in months.items()
        )

    def record(self, lines: Iterable[Line]) -> None:
        """Writes lines; of those that load nothing, only what is news."""
        frame = self._warehouse.frame("queries/ledger/billing_last_states", source_name=self._source)
        last = {
            (row["object_name"], row["period"]): (row["object_sha256"], row["state"], row["reason"])
            for row in frame.iter_rows(named=True)
        }
        self._write(
            line
            for line in lines
            if line.state == "loaded"
            or last.get((line.item.name, line.period)) != (line.sha256, line.state, line.reason)
        )

    def set_aside(self, object_name: str, sha256: str, faults: pl.DataFrame) -> None:
        """Writes rows set aside: columns position, reason, detail, first_bytes."""
        self._warehouse.insert(
            "raw_rejects",
            faults.select(
                pl.lit("billing").alias("kind"),
                pl.lit(self._source).alias("source_name"),
                pl.lit(object_name).alias("object_name"),
                pl.lit(sha256).alias("object_sha256"),
                "position",
                "reason",
                "detail",
                "first_bytes",
                pl.lit(datetime.now(UTC)).alias("rejected_at"),
            ),
        )

    def _write(self, lines: Iterable[Line]) -> None:
        now = datetime.now(UTC)
        rows = [
            {
                "kind": "billing",
                "source_name": self._source,
                "object_name": line.item.name,
                "object_sha256": line.sha256,
                "object_bytes": line.item.object.size,
                "modified_at": line.item.version,
                "signal": "costs",
                "period": line.period,
                "batch_id": str(line.batch_id or UUID(int=0)),
                "rows": line.totals.rows if line.totals else 0,
                "sums": _texts(line.totals.sums if line.totals else {}),
                "residues": _texts(line.totals.residues if line.totals else {}),
                "rejected": line.totals.rejected if line.totals else 0,
                "ignored_columns": list(line.ignored_columns),
                "state": line.state,
                "reason": line.reason,
                "recorded_at": now,
            }
            for line in lines
        ]
        overrides = {"sums": _AMOUNTS, "residues": _AMOUNTS, "ignored_columns": pl.List(pl.String)}
        if rows:
            self._warehouse.insert("raw_deliveries", pl.DataFrame(rows, schema_overrides=overrides))


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {key: format(value, "f") for key, value in amounts.items()}


def _amounts(value: Any) -> dict[str, Decimal]:
    pairs = value.items() if isinstance(value, Mapping) else ((one["key"], one["value"]) for one in value)
    return {key: Decimal(text) for key, text in pairs}
