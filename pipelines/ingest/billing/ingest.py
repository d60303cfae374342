"""Runs one ingest of one billing source: scan, count, decide, load, verify, publish, collect.

Can be killed at any moment and run again: rows of an attempt that did not end are read by nobody. Bad input is
reported in the outcome, never raised.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from models.errors import AppfleetError, ControlTotalError, ObjectRefused, WarehouseError
from models.focus import METRICS
from models.settings import BillingSource, Settings
from pipelines.ingest.billing.counting import Counter
from pipelines.ingest.billing.delivery import DeliveredObject, Delivery, changed_meanwhile, scan
from pipelines.ingest.billing.ledger import NO_MONTH, Ledger, Line, MonthTotals
from pipelines.ingest.billing.outcome import BillingOutcome, PeriodOutcome, PeriodState, Refusal, exact_sum
from pipelines.ingest.billing.plan import Candidate, MonthPlan, Published, plan
from pipelines.ingest.billing.spooling import Spool
from pipelines.ingest.sources import ObjectStore, SourceObject, open_store
from sql.publish import IN_THE_BACKGROUND, Release, lease, new_batch_id, publish
from sql.warehouse import Warehouse

_LOG = logging.getLogger(__name__)

TABLE = "raw_focus_costs"


def ingest_source(
    warehouse: Warehouse,
    settings: Settings,
    source: BillingSource,
    months: Collection[date] | None = None,
    wait_seconds: float = 60.0,
) -> BillingOutcome:
    """Publishes what is new in a billing source, of all months or of those named, and reports each.

    Bad input is part of the outcome. A location that does not exist is too: its source fails alone.

    Raises:
        LeaseHeld: another process still ingests this source after ``wait_seconds``.
        WarehouseError: the warehouse cannot be reached.
    """
    started = time.monotonic()
    folder = settings.state / "spool" / "billing" / source.name
    ledger = Ledger(warehouse, source.name)
    with lease(settings.root, ledger.scope, wait_seconds):
        shutil.rmtree(folder / "objects", ignore_errors=True)
        run = _Run(warehouse, ledger, source.name, months)
        try:
            store = open_store(source, settings.root)
            with Spool(store, folder) as spool:
                run.deliver(store, spool)
        except AppfleetError as error:
            if isinstance(error, WarehouseError):
                raise
            run.refusals.append(Refusal(source.location, 0, str(error)))
    return BillingOutcome(
        source=source.name,
        periods=tuple(run.periods),
        refusals=tuple(run.refusals),
        ignored_columns=tuple(sorted(run.ignored)),
        seconds=time.monotonic() - started,
    )


@dataclass
class _Run:
    """State of one ingest while it runs."""

    warehouse: Warehouse
    ledger: Ledger
    source_name: str
    months: Collection[date] | None
    periods: list[PeriodOutcome] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)

    def deliver(self, store: ObjectStore, spool: Spool) -> None:
        """Everything of one delivery, from listing to collection."""
        delivery, candidates, refused = self._counted(store, spool)
        releases = self.ledger.releases()
        objects = self.ledger.published_objects()
        published = {
            period: Published(objects.get(period, {}), release.version)
            for period, release in releases.items()
        }
        incomplete = str(delivery.refused[0]) if delivery.refused else ""
        plans = plan(candidates, published, refused, incomplete)
        if self.months is not None:
            plans = [one for one in plans if one.period in self.months]
        self._report_rejects(candidates)
        self.ledger.record(_quiet_lines(plans))
        for one in plans:
            if one.action != "load":
                self.periods.append(_kept(one, releases.get(one.period)))
        loads = [one for one in plans if one.action == "load"]
        if loads:
            self._load(loads, spool)
            self._collect([one.period for one in loads])
        self.periods.sort(key=lambda one: one.period)

    def _counted(self, store: ObjectStore, spool: Spool) -> tuple[Delivery, list[Candidate], dict[str, str]]:
        """The delivery with its counted objects and why others were refused; a manifest that moved is retried once."""
        for attempt in (1, 2):
            delivery = scan(store, spool.folder)
            counter = Counter(self.warehouse, self.ledger, spool)
            candidates, refused, lines = [], {}, []
            for error in delivery.refused:
                refused[error.object_name] = error.reason
            for item in delivery.objects:
                try:
                    candidates.append(counter.candidate(item))
                except ObjectRefused as error:
                    refused[item.name] = error.reason
                    if item.manifest:
                        refused[item.manifest] = str(error)
                    lines.append((item, error))
            moved = changed_meanwhile(store, delivery)
            if not moved:
                break
            _LOG.info("%s changed while it was read, attempt %d", moved, attempt)
        else:
            raise ObjectRefused(moved, "changed while read: run again")
        self.refusals += [Refusal(error.object_name, 0, error.reason) for error in delivery.refused]
        self.refusals += [Refusal(item.name, error.position, error.reason) for item, error in lines]
        self.ledger.record(Line(item, "", NO_MONTH, "refused", str(error)) for item, error in lines)
        for one in candidates:
            self.ignored.update(one.profile.ignored_columns)
        return delivery, candidates, refused

    def _report_rejects(self, candidates: Iterable[Candidate]) -> None:
        for one in candidates:
            if any(month.rejected for month in one.profile.months.values()):
                self.refusals += self.ledger.rejects(one.profile.sha256, one.item.name)

    def _load(self, plans: list[MonthPlan], spool: Spool) -> None:
        """Writes one batch with the rows of all these months, and publishes each month that proves right."""
        batch_id = new_batch_id()
        months = {one.period: one for one in plans}
        failed: dict[date, str] = {}
        for item, periods in _by_object(plans):
            wanted = [period for period in periods if period not in failed]
            if not wanted:
                continue
            try:
                readable = spool.readable(item.item)
                self.warehouse.execute(
                    "ingest/focus",
                    path=readable.path,
                    format=readable.format,
                    structure=readable.structure,
                    source_name=self.source_name,
                    object_name=item.item.name,
                    periods=wanted,
                    batch_id=batch_id,
                )
            except (ObjectRefused, WarehouseError) as error:
                reason = (
                    error.reason if isinstance(error, ObjectRefused) else f"it cannot be loaded ({error})"
                )
                self.refusals.append(Refusal(item.item.name, 0, reason))
                failed |= dict.fromkeys(wanted, f"{item.item.name}: {reason}")
        counted = self._totals(batch_id, [period for period in months if period not in failed])
        for period, one in months.items():
            expected = _expected(one)
            if period not in failed and (wrong := _difference(expected, counted.get(period, MonthTotals()))):
                failed[period] = str(ControlTotalError(f"{period:%Y-%m}: {wrong}; nothing was published"))
                self.refusals.append(Refusal(self.source_name, 0, failed[period]))
            if period in failed:
                self.ledger.record(_lines(one, "refused", failed[period]))
                self.periods.append(PeriodOutcome(period, "refused", failed[period]))
            else:
                self._publish(one, expected, batch_id)

    def _publish(self, one: MonthPlan, totals: MonthTotals, batch_id: UUID) -> None:
        assert one.version is not None
        self.ledger.record(_loaded_lines(one, batch_id))
        release = publish(
            self.warehouse,
            self.ledger.scope,
            one.period,
            batches={TABLE: batch_id},
            rows=totals.rows,
            sha256=one.fingerprint,
            version=one.version,
            sums=totals.sums,
            residues=totals.residues,
        )
        _LOG.info("published %s %s: %d rows", self.ledger.scope, one.period, totals.rows)
        self.periods.append(_of_release(one.period, "published", "", release))

    def _totals(self, batch_id: UUID, periods: list[date]) -> dict[date, MonthTotals]:
        frame = self.warehouse.frame(
            "queries/ledger/billing_batch_totals",
            source_name=self.source_name,
            batch_id=batch_id,
            periods=periods,
        )
        found: dict[date, MonthTotals] = {}
        for row in frame.iter_rows(named=True):
            sums = {f"{row['currency']}/{metric}": Decimal(row[f"sum_{metric}"]) for metric in METRICS}
            before = found.get(row["period"], MonthTotals())
            found[row["period"]] = MonthTotals(before.rows + row["rows"], 0, {**before.sums, **sums})
        return found

    def _collect(self, periods: list[date]) -> None:
        """Removes rows of batches that no release of the last two names; a failure here changes no figure."""
        frame = self.warehouse.frame(
            "queries/ledger/billing_uncollected", source_name=self.source_name, periods=periods
        )
        for row in frame.iter_rows(named=True):
            self.warehouse.execute(
                "statements/collect_billing",
                settings=IN_THE_BACKGROUND,
                source_name=self.source_name,
                period=row["period"],
                batch_id=row["batch_id"],
            )


def _by_object(plans: list[MonthPlan]) -> list[tuple[Candidate, list[date]]]:
    """Objects with the months to load from each; equal bytes once."""
    found: dict[str, tuple[Candidate, list[date]]] = {}
    for one in plans:
        for candidate in one.candidates:
            if one.period in candidate.profile.months:
                found.setdefault(candidate.profile.sha256, (candidate, []))[1].append(one.period)
    return list(found.values())


def _expected(one: MonthPlan) -> MonthTotals:
    """What the month must hold in the table, by the counts over the bytes of its objects."""
    rows, sums, residues = 0, {}, {}  # type: int, dict[str, Decimal], dict[str, Decimal]
    for candidate in one.candidates:
        month = candidate.profile.months.get(one.period, MonthTotals())
        rows += month.rows
        for total, part in ((sums, month.sums), (residues, month.residues)):
            for key, value in part.items():
                total[key] = exact_sum(total.get(key, Decimal(0)), value)
    return MonthTotals(rows, 0, sums, residues)


def _difference(expected: MonthTotals, counted: MonthTotals) -> str:
    """How the table differs from the bytes, or an empty text."""
    if expected.rows != counted.rows:
        return f"the bytes hold {expected.rows} rows, the table {counted.rows}"
    for key in sorted({*expected.sums, *counted.sums}):
        left, right = expected.sums.get(key, Decimal(0)), counted.sums.get(key, Decimal(0))
        if left != right:
            return f"the bytes sum to {left:f} {key}, the table to {right:f}"
    return ""


def _kept(one: MonthPlan, release: Release | None) -> PeriodOutcome:
    assert one.action != "load"
    if release is None:
        return PeriodOutcome(one.period, one.action, one.reason)
    return _of_release(one.period, one.action, one.reason, release)


def _of_release(period: date, state: PeriodState, reason: str, release: Release) -> PeriodOutcome:
    return PeriodOutcome(period, state, reason, release.rows, release.sums, release.residues, release.version)


def _lines(one: MonthPlan, state: str, reason: str) -> list[Line]:
    return [
        Line(
            each.item,
            each.profile.sha256,
            one.period,
            state,
            reason,
            None,
            each.profile.months.get(one.period),
        )
        for each in one.candidates
    ]


def _loaded_lines(one: MonthPlan, batch_id: UUID) -> list[Line]:
    first = {each.profile.sha256: each.item.name for each in one.candidates}
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
    return loaded + [
        Line(
            each.item,
            each.profile.sha256,
            one.period,
            "unchanged",
            f"the same bytes as {first[each.profile.sha256]}, counted once",
        )
        for each in one.duplicates
    ]


def _quiet_lines(plans: Iterable[MonthPlan]) -> list[Line]:
    """Ledger lines of months that are not loaded; an unchanged one has nothing to say."""
    lines = []
    for one in plans:
        if one.action in ("refused", "superseded"):
            lines += _lines(one, one.action, one.reason)
        if one.action == "vanished":
            lines += [_vanished(name, one) for name in one.vanished]
    return lines


def _vanished(name: str, one: MonthPlan) -> Line:
    gone = SourceObject(name, 0, one.version or datetime(1970, 1, 1, tzinfo=UTC), "")
    return Line(DeliveredObject(gone, gone.modified_at), "", one.period, "vanished", one.reason)
