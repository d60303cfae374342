"""The ledger of one billing source: what it remembers of objects, and the lines this run adds.

Writes nothing twice: a line that says what the newest one of its object and month says is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from models.focus import METRICS
from pipelines.ingest.billing.delivery import DeliveredObject, ManifestLine
from pipelines.ingest.billing.outcome import Refusal, Repair
from pipelines.ingest.billing.sameness import Held, Print, SameMoney, Shared
from pipelines.ingest.sources import SourceObject
from sql.publish import NO_BATCH, WHOLE_TABLE, Release, heads
from sql.warehouse import Warehouse

NO_MONTH = WHOLE_TABLE
"""Period of a line that is about an object as a whole."""

REPAIR_METRICS = ("BilledCost", "EffectiveCost")
"""The costs told beside what was repaired."""

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


@dataclass(frozen=True)
class Hold:
    """A line on a delivery of a month that waits, or waited, for a person (columns of ``raw_held_deliveries``)."""

    source: str
    period: date
    sha256: str
    state: str
    cause: str
    reason: str
    batch_id: UUID
    rows: int
    sums: Mapping[str, Decimal]
    residues: Mapping[str, Decimal]
    published_sums: Mapping[str, Decimal]
    version: datetime
    object_names: tuple[str, ...]
    object_sha256s: tuple[str, ...]
    new_sha256s: tuple[str, ...]
    newest_sha256s: tuple[str, ...]
    kept_sha256s: tuple[str, ...] = ()
    decided_by: str = ""
    why: str = ""
    recorded_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    is_latest: bool = True

    @property
    def id(self) -> str:
        """What a person calls it: source, month and the beginning of its fingerprint."""
        return f"{self.source}/{self.period:%Y-%m}/{self.sha256[:8]}"


@dataclass(frozen=True)
class ObjectMonth:
    """The rows of one object and month in a batch: totals for the comparison with its bytes, and what its charges are."""

    totals: MonthTotals
    print: Print
    sketch: tuple[int, ...] = ()


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

    def remember_words(self, lines: Iterable[ManifestLine]) -> None:
        """Writes what manifests say of their months, as far as it is news."""
        lines = list(lines)
        if not lines:
            return
        frame = self._warehouse.frame("queries/freshness/manifest_words", source_name=self._source)
        known = {
            row["period"]: (row["state"], row["reason"], tuple(row["object_names"]))
            for row in frame.to_dicts()
        }
        now = datetime.now(UTC)
        rows = [
            {
                "source_name": self._source,
                "manifest_name": one.manifest.name,
                "period": one.word.month,
                "state": one.word.state,
                "reason": one.word.reason,
                "object_names": list(one.names),
                "modified_at": one.manifest.modified_at,
                "recorded_at": now,
            }
            for one in lines
            if known.get(one.word.month) != (one.word.state, one.word.reason, one.names)
        ]
        if rows:
            overrides = {"object_names": pl.List(pl.String)}
            self._warehouse.insert("raw_manifest_states", pl.DataFrame(rows, schema_overrides=overrides))

    def record(self, lines: Iterable[Line], even_if_known: bool = False) -> list[Line]:
        """Writes lines, of those that load nothing only what is news unless told, and returns what was written."""
        lines = list(lines)
        if not lines:
            return []
        frame = self._warehouse.frame("queries/ledger/billing_last_states", source_name=self._source)
        last = {
            (row["object_name"], row["period"]): (row["object_sha256"], row["state"], row["reason"])
            for row in frame.iter_rows(named=True)
        }
        news = [
            line
            for line in lines
            if even_if_known
            or line.state == "loaded"
            or last.get((line.item.name, line.period)) != (line.sha256, line.state, line.reason)
        ]
        self._write(news)
        return news

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

    def prints(self, rules: str) -> dict[tuple[str, date], Print]:
        """Charges of objects whose rows were made by the same rules before, by digest and month."""
        frame = self._warehouse.frame(
            "queries/ledger/billing_object_charges", source_name=self._source, rules=rules
        )
        return {
            (row["object_sha256"], row["period"]): Print(
                row["rows"], row["row_hash_sum"], _amounts(row["gross"])
            )
            for row in frame.iter_rows(named=True)
        }

    def batch(
        self, batch_id: UUID, periods: Collection[date], sketched: Mapping[str, int], sketch_hashes: int
    ) -> dict[tuple[str, date], ObjectMonth]:
        """What a batch holds in the table, by object name and month.

        Args:
            batch_id: the batch.
            periods: its months to read.
            sketched: objects to sketch, with the hash below which enough are found.
            sketch_hashes: most hashes of a sketch.
        """
        frame = self._warehouse.frame(
            "queries/ledger/billing_batch_totals",
            source_name=self._source,
            batch_id=batch_id,
            periods=sorted(periods),
            sketched=list(sketched),
            limits=list(sketched.values()),
            sketch_hashes=sketch_hashes,
        )
        found: dict[tuple[str, date], ObjectMonth] = {}
        for row in frame.iter_rows(named=True):
            key = (row["object_name"], row["period"])
            before = found.get(key, ObjectMonth(MonthTotals(), Print(0, 0)))
            currency = row["currency"]
            sums = {f"{currency}/{metric}": Decimal(row[f"sum_{metric}"]) for metric in METRICS}
            found[key] = ObjectMonth(
                MonthTotals(before.totals.rows + row["rows"], 0, {**before.totals.sums, **sums}),
                Print(
                    before.print.rows + row["rows"],
                    (before.print.row_hash_sum + row["row_hash_sum"]) % 2**64,
                    {**before.print.gross, currency: Decimal(row["gross"])},
                ),
                tuple(sorted({*before.sketch, *row["sketch"]})[:sketch_hashes]),
            )
        return found

    def days_covered(self, period: date, batch_id: UUID, published_batch: UUID) -> Print:
        """Rows and gross money of a batch on the days that are published of a month."""
        frame = self._warehouse.frame(
            "queries/ledger/billing_days_covered",
            source_name=self._source,
            period=period,
            batch_id=batch_id,
            published_batch=published_batch,
        )
        gross = {row["currency"]: Decimal(row["gross"]) for row in frame.iter_rows(named=True)}
        return Print(int(frame["rows"].sum()), 0, gross)

    def remember_charges(self, rules: str, found: Mapping[tuple[Held, date], ObjectMonth]) -> None:
        """Writes what the charges of objects are, all in one insert."""
        now = datetime.now(UTC)
        rows = [
            {
                "source_name": self._source,
                "period": period,
                "object_sha256": one.sha256,
                "rules": rules,
                "object_name": one.name,
                "rows": month.print.rows,
                "row_hash_sum": month.print.row_hash_sum,
                "gross": _texts(month.print.gross),
                "sketch": list(month.sketch),
                "recorded_at": now,
            }
            for (one, period), month in found.items()
        ]
        overrides: dict[str, Any] = {
            "rows": pl.UInt64,
            "row_hash_sum": pl.UInt64,
            "gross": _AMOUNTS,
            "sketch": pl.List(pl.UInt64),
        }
        if rows:
            self._warehouse.insert("raw_object_charges", pl.DataFrame(rows, schema_overrides=overrides))

    def shared_charges(self, rules: str, parts: Sequence[tuple[date, UUID, Held, bool]]) -> list[Shared]:
        """Pairs of objects that share charges, of which one at least is new: of an attempt, and of other sources.

        Args:
            rules: what the rows were made by.
            parts: month, batch, object and whether it is new, for each object and month of the attempt.
        """
        frame = self._warehouse.frame(
            "queries/ledger/billing_shared_charges",
            source_name=self._source,
            rules=rules,
            periods=sorted({period for period, _, _, _ in parts}),
            part_periods=[period for period, _, _, _ in parts],
            part_batches=[batch for _, batch, _, _ in parts],
            part_names=[one.name for _, _, one, _ in parts],
            part_sha256s=[one.sha256 for _, _, one, _ in parts],
            part_new=[new for _, _, _, new in parts],
        )

        def held(row: Mapping[str, Any], which: str) -> Held:
            source = row[f"{which}source_name"]
            return Held(
                "" if source == self._source else source,
                row[f"{which}object_name"],
                row[f"{which}object_sha256"],
            )

        return [
            Shared(
                row["period"], held(row, ""), held(row, "other_"), row["looked_up"], row["found"], row["rows"]
            )
            for row in frame.iter_rows(named=True)
        ]

    def same_money(self, period: date, batch_id: UUID, others: Collection[str]) -> list[SameMoney]:
        """How much of the money of a batch's month stands in other sources, by source and metric."""
        frame = self._warehouse.frame(
            "queries/billing/same_money",
            source_name=self._source,
            period=period,
            batch_id=batch_id,
            others=sorted(others),
        )
        return [
            SameMoney(
                row["other_source_name"],
                row["metric"],
                row["sums"],
                row["other_sums"],
                row["found"],
                row["amounts"],
            )
            for row in frame.iter_rows(named=True)
        ]

    def replacements(self) -> set[tuple[date, frozenset[str]]]:
        """Pairs of digests that share charges in a month of a source whose newer deliveries replace the older."""
        frame = self._warehouse.frame("queries/ledger/billing_object_overlaps", source_name=self._source)
        return {
            (row["period"], frozenset((row["object_sha256"], row["other_object_sha256"])))
            for row in frame.iter_rows(named=True)
        }

    def remember_overlaps(self, found: Iterable[Shared]) -> None:
        """Writes pairs of objects of this source that share charges."""
        now = datetime.now(UTC)
        rows = [
            {
                "source_name": self._source,
                "period": one.period,
                "object_sha256": one.one.sha256,
                "object_name": one.one.name,
                "other_object_sha256": one.other.sha256,
                "other_object_name": one.other.name,
                "looked_up": one.looked_up,
                "found": one.found,
                "recorded_at": now,
            }
            for one in found
        ]
        if rows:
            self._warehouse.insert("raw_object_overlaps", pl.DataFrame(rows))

    def held_objects(self, batch_id: UUID, period: date) -> list[Line]:
        """The objects of a delivery that waits for a person, with the totals counted from their bytes."""
        frame = self._warehouse.frame(
            "queries/ledger/billing_held_objects",
            source_name=self._source,
            batch_id=batch_id,
            period=period,
        )
        return [
            Line(
                DeliveredObject(
                    SourceObject(row["object_name"], row["object_bytes"], row["modified_at"], ""),
                    row["modified_at"],
                ),
                row["object_sha256"],
                period,
                "held",
                batch_id=batch_id,
                totals=MonthTotals(row["rows"], 0, _amounts(row["sums"]), _amounts(row["residues"])),
            )
            for row in frame.iter_rows(named=True)
        ]

    def holds(self) -> list[Hold]:
        """Every line on deliveries of this source that wait or waited for a person, newest first."""
        return holds(self._warehouse, self._source)

    def hold(self, line: Hold) -> None:
        """Writes a line on a delivery that waits for a person, or on what was decided."""
        row = {
            "source_name": self._source,
            "period": line.period,
            "sha256": line.sha256,
            "state": line.state,
            "cause": line.cause,
            "reason": line.reason,
            "batch_id": str(line.batch_id),
            "rows": line.rows,
            "sums": _texts(line.sums),
            "residues": _texts(line.residues),
            "published_sums": _texts(line.published_sums),
            "version": line.version,
            "object_names": list(line.object_names),
            "object_sha256s": list(line.object_sha256s),
            "new_sha256s": list(line.new_sha256s),
            "newest_sha256s": list(line.newest_sha256s),
            "kept_sha256s": list(line.kept_sha256s),
            "decided_by": line.decided_by,
            "why": line.why,
            "recorded_at": datetime.now(UTC),
        }
        texts = ("object_names", "object_sha256s", "new_sha256s", "newest_sha256s", "kept_sha256s")
        overrides: dict[str, Any] = {
            **dict.fromkeys(("sums", "residues", "published_sums"), _AMOUNTS),
            **dict.fromkeys(texts, pl.List(pl.String)),
        }
        self._warehouse.insert("raw_held_deliveries", pl.DataFrame([row], schema_overrides=overrides))

    def repairs_of(self, batch_id: UUID, periods: list[date]) -> list[Repair]:
        """What the rows of a batch say was repaired in them, by object, month, column and reason."""
        frame = self._warehouse.frame(
            "queries/ledger/billing_repairs",
            source_name=self._source,
            batch_id=batch_id,
            periods=periods,
        )
        return [
            Repair(
                row["object_name"],
                row["period"],
                row["subject"],
                row["reason"],
                row["records"],
                _amounts(row["amounts"]),
                row["example"],
            )
            for row in frame.iter_rows(named=True)
        ]

    def repaired(self, repairs: Iterable[Repair], sha256_by_name: Mapping[str, str]) -> None:
        """Writes what was repaired, a line each."""
        now = datetime.now(UTC)
        rows = [
            {
                "kind": "billing",
                "source_name": self._source,
                "object_name": one.object_name,
                "object_sha256": sha256_by_name[one.object_name],
                "period": one.period,
                "subject": one.subject,
                "reason": one.reason,
                "records": one.records,
                "amounts": _texts(one.amounts),
                "example": one.example,
                "recorded_at": now,
            }
            for one in repairs
        ]
        if rows:
            self._warehouse.insert(
                "raw_repairs",
                pl.DataFrame(rows, schema_overrides={"amounts": _AMOUNTS, "records": pl.UInt64}),
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
                "batch_id": str(line.batch_id or NO_BATCH),
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


def holds(warehouse: Warehouse, source_name: str = "") -> list[Hold]:
    """Lines on deliveries that wait or waited for a person, newest first, of one source or of all."""
    frame = warehouse.frame("queries/ledger/held_deliveries", source_name=source_name)
    return [
        Hold(
            source=row["source_name"],
            period=row["period"],
            sha256=row["sha256"],
            state=row["state"],
            cause=row["cause"],
            reason=row["reason"],
            batch_id=UUID(row["batch_id"]),
            rows=row["rows"],
            sums=_amounts(row["sums"]),
            residues=_amounts(row["residues"]),
            published_sums=_amounts(row["published_sums"]),
            version=row["version"],
            object_names=tuple(row["object_names"]),
            object_sha256s=tuple(row["object_sha256s"]),
            new_sha256s=tuple(row["new_sha256s"]),
            newest_sha256s=tuple(row["newest_sha256s"]),
            kept_sha256s=tuple(row["kept_sha256s"]),
            decided_by=row["decided_by"],
            why=row["why"],
            recorded_at=row["recorded_at"],
            is_latest=bool(row["is_latest"]),
        )
        for row in frame.iter_rows(named=True)
    ]


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {key: format(value, "f") for key, value in amounts.items()}


def _amounts(value: Any) -> dict[str, Decimal]:
    pairs = value.items() if isinstance(value, Mapping) else ((one["key"], one["value"]) for one in value)
    return {key: Decimal(text) for key, text in pairs}
