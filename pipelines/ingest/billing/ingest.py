"""Runs one ingest of one billing source: scan, count, decide, load, verify, compare, publish or hold, collect.

Can be killed at any moment and run again: rows of an attempt that did not end are read by nobody. Bad input is
reported in the outcome, never raised.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from models.errors import (
    AppfleetError,
    ConfigurationError,
    ControlTotalError,
    DiskFull,
    LeaseHeld,
    LeaseLost,
    ObjectRefused,
    WarehouseError,
)
from models.settings import BillingSource, Settings
from pipelines.ingest.billing.comparing import (
    Comparing,
    MonthState,
    are_runs,
    are_twins,
    expected_of,
    keys_of,
    older_of_pairs,
)
from pipelines.ingest.billing.counting import Counter
from pipelines.ingest.billing.delivery import Delivery, changed_meanwhile, scan
from pipelines.ingest.billing.formats import BillFormat
from pipelines.ingest.billing.held import PUBLISHING, TABLE, added, collect, difference, held_sentence
from pipelines.ingest.billing.ledger import (
    NO_MONTH,
    Hold,
    Ledger,
    Line,
    ObjectMonth,
)
from pipelines.ingest.billing.mappings import bill_of
from pipelines.ingest.billing.month_lines import is_note, lines_of, loaded_lines, note_of, quiet_lines
from pipelines.ingest.billing.outcome import BillingOutcome, PeriodOutcome, PeriodState, Refusal, Repair
from pipelines.ingest.billing.plan import Candidate, Known, MonthPlan, Published, is_accepted, plan
from pipelines.ingest.billing.sameness import (
    Reason,
    Shared,
)
from pipelines.ingest.billing.spooling import Spool
from pipelines.ingest.billing.writing import Writing
from pipelines.ingest.sources import ObjectStore, open_store
from sql.bill_files import EngineFile, member_names, survey
from sql.catalog import statement
from sql.leases import lease
from sql.publish import Release, publish
from sql.state import state_folder
from sql.warehouse import Warehouse

_LOG = logging.getLogger(__name__)


MOST_ATTEMPTS = 4
"""Loads of one month in an ingest: as delivered, without copies, without what is replaced, and once more."""

PUBLISHING_SECONDS = 600.0


def ingest_source(
    warehouse: Warehouse,
    settings: Settings,
    source: BillingSource,
    months: Collection[date] | None = None,
    wait_seconds: float = 60.0,
    again: bool = False,
) -> BillingOutcome:
    """Publishes what is new in a billing source, of all months or of those named, and reports each.

    Bad input is part of the outcome. A location that does not exist is too: its source fails alone. With ``again`` a
    month that is delivered as it is published is loaded and published once more, from its source.

    Raises:
        LeaseHeld: another process still ingests this source after ``wait_seconds``.
        LeaseLost: our lease of it ended while it was read; nothing was published since.
        WarehouseError: the warehouse cannot be reached.
        DiskFull: there is no room to spool or to load; nothing is refused by that.
    """
    started = time.monotonic()
    try:
        with _run(warehouse, settings, source, months, wait_seconds, again) as run:
            run.read(run.deliver)
    except ConfigurationError as error:
        return _unreadable(source, error, time.monotonic() - started)
    return _outcome(run, time.monotonic() - started)


def look_at_source(
    warehouse: Warehouse, settings: Settings, source: BillingSource, wait_seconds: float = 60.0
) -> tuple[tuple[date, ...], BillingOutcome]:
    """Months of which something else is delivered than what is published, and what was said while objects were counted.

    Nothing is loaded; an object that was counted before is not counted again.

    Raises:
        LeaseHeld, WarehouseError, DiskFull: as `ingest_source` does.
    """
    started = time.monotonic()
    try:
        with _run(warehouse, settings, source, None, wait_seconds) as run:
            run.read(run.look)
    except ConfigurationError as error:
        return (), _unreadable(source, error, time.monotonic() - started)
    return tuple(run.found), _outcome(run, time.monotonic() - started)


@contextmanager
def _run(
    warehouse: Warehouse,
    settings: Settings,
    source: BillingSource,
    months: Collection[date] | None,
    wait_seconds: float,
    again: bool = False,
) -> Iterator[_Run]:
    """A run that holds the lease of its source."""
    ledger = Ledger(warehouse, source.name)
    bill = bill_of(source, settings.root)
    with lease(settings.root, ledger.scope, wait_seconds):
        yield _Run(warehouse, settings, source, ledger, bill, months, rows_rules(bill), again)


def _outcome(run: _Run, seconds: float) -> BillingOutcome:
    return BillingOutcome(
        source=run.source.name,
        periods=tuple(run.periods),
        refusals=tuple(run.refusals),
        notes=tuple(run.notes),
        standing=tuple(run.standing),
        repairs=tuple(run.repairs),
        ignored_columns=tuple(sorted(run.ignored)),
        seconds=seconds,
    )


def _unreadable(source: BillingSource, error: ConfigurationError, seconds: float) -> BillingOutcome:
    """The outcome of a source whose mapping cannot be followed: it fails alone."""
    return BillingOutcome(
        source.name, refusals=(Refusal(source.mapping or source.location, 0, str(error)),), seconds=seconds
    )


def rows_rules(bill: BillFormat) -> str:
    """Fingerprint of the statement rows are made by; charges made by others are not compared."""
    return "rules " + hashlib.sha256(statement(bill.load).encode()).hexdigest()[:12]


@dataclass
class _Run:
    """State of one ingest while it runs."""

    warehouse: Warehouse
    settings: Settings
    source: BillingSource
    ledger: Ledger
    bill: BillFormat
    months: Collection[date] | None
    rules: str
    again: bool = False
    may_replace: bool = False
    periods: list[PeriodOutcome] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)
    found: list[date] = field(default_factory=list)

    def read(self, work: Callable[[ObjectStore, Spool], None]) -> None:
        """Works on the source's objects; what is wrong with the source as a whole is a refusal."""
        folder = state_folder(self.settings.root, "spool", "billing", self.source.name)
        shutil.rmtree(folder / "objects", ignore_errors=True)
        try:
            store = open_store(self.source, self.settings.root)
            with Spool(store, folder, self.bill, self._member_names, self._survey) as spool:
                work(store, spool)
        except AppfleetError as error:
            if isinstance(error, WarehouseError | DiskFull | LeaseHeld | LeaseLost):
                raise
            self.refusals.append(Refusal(self.source.location, 0, str(error)))

    def _member_names(self, path: Path) -> list[str]:
        return member_names(self.warehouse.reading, path)

    def _survey(self, name: str, file: EngineFile, bound: Mapping[str, Any]) -> Mapping[str, Any]:
        return survey(self.warehouse.reading, name, file, bound)

    @property
    def _overlaps_are(self) -> str | None:
        """What a newer object is that shares charges with an older one: what the source says, else its format."""
        return self.source.deliveries or self.bill.overlaps

    def look(self, store: ObjectStore, spool: Spool) -> None:
        """Which months would be loaded, and what stands of the others."""
        counted = self._counted(store, spool)
        state = self._state()
        plans = self._plans(*counted, state)
        quiet = [one for one in plans if one.action != "load"]
        self.found += sorted(one.period for one in plans if one.action == "load")
        self.periods += [_kept(one, state.releases.get(one.period)) for one in quiet]
        self.standing += [note_of(line) for line in quiet_lines(quiet) if is_note(line)]

    def deliver(self, store: ObjectStore, spool: Spool) -> None:
        """Everything of one delivery, from listing to collection.

        A month is planned again when its load showed that objects hold the same charges.
        """
        delivery, candidates, refused = self._counted(store, spool)
        self._report_rejects(candidates)
        loaded: set[date] = set()
        for _ in range(MOST_ATTEMPTS):
            state = self._state()
            plans = self._plans(delivery, candidates, refused, state)
            quiet = [one for one in plans if one.action != "load"]
            self._report_quiet(quiet, state)
            loads = [one for one in plans if one.action == "load"]
            if not loads:
                break
            loaded |= {one.period for one in loads}
            self._attempt(loads, spool, state)
            if loaded <= {done.period for done in self.periods}:
                break
        if loaded:
            self._collect(sorted(loaded))
        self.periods.sort(key=lambda one: one.period)

    def _plans(
        self, delivery: Delivery, candidates: list[Candidate], refused: dict[str, str], state: MonthState
    ) -> list[MonthPlan]:
        """What is to be done with each month that was asked for and is not done yet."""
        incomplete = str(delivery.refused[0]) if delivery.refused else ""
        done = {one.period for one in self.periods}
        return [
            replace(one, action="load")
            if self.again and one.action == "unchanged" and one.candidates
            else one
            for one in plan(candidates, state.published, refused, incomplete, state.known)
            if (self.months is None or one.period in self.months) and one.period not in done
        ]

    def _state(self) -> MonthState:
        """What is published and known now."""
        releases = self.ledger.releases()
        objects = self.ledger.published_objects()
        lines = self.ledger.holds()
        known = Known(
            prints=self.ledger.prints(self.rules),
            replacements=self.ledger.replacements() if self.may_replace else (),
            decisions=[line for line in lines if line.state in ("accepted", "rejected")],
        )
        published = {
            period: Published(objects.get(period, {}), release.version)
            for period, release in releases.items()
        }
        waiting = {
            line.period: line for line in lines if line.is_latest and line.state in ("held", "accepted")
        }
        return MonthState(releases, published, known, waiting)

    def _report_quiet(self, plans: list[MonthPlan], state: MonthState) -> None:
        """Outcomes of months that are not loaded, and what did not count beside the others."""
        self._record(quiet_lines(plans))
        for one in plans:
            self.periods.append(_kept(one, state.releases.get(one.period)))
            self._lapse(one.period, "", state)

    def _record(self, lines: list[Line]) -> None:
        """Writes ledger lines and notes of them what changes what counts."""
        news = self.ledger.record(lines)
        self.notes += [note_of(line) for line in news if is_note(line)]
        self.standing += [note_of(line) for line in lines if is_note(line)]

    def _lapse(self, period: date, fingerprint: str, state: MonthState) -> None:
        """Ends the wait of a delivery that is not what is delivered any more."""
        waiting = state.waiting.get(period)
        if waiting and waiting.state == "held" and waiting.sha256 != fingerprint:
            self.ledger.hold(replace(waiting, state="lapsed", reason="something else is delivered by now"))

    def _counted(self, store: ObjectStore, spool: Spool) -> tuple[Delivery, list[Candidate], dict[str, str]]:
        """The delivery with its counted objects and why others were refused; a manifest that moved is retried once."""
        for attempt in (1, 2):
            delivery = scan(store, spool.folder)
            counter = Counter(self.warehouse, self.ledger, spool, self.bill)
            candidates, refused, lines = [], {}, []
            for error in delivery.refused:
                refused[error.object_name] = error.reason
            for item in delivery.objects:
                try:
                    candidates.append(counter.candidate(item))
                except ObjectRefused as error:
                    refused[item.name] = error.reason
                    if item.group:
                        refused[item.group] = str(error)
                    lines.append((item, error))
            moved = changed_meanwhile(store, delivery)
            if not moved:
                break
            _LOG.info("%s changed while it was read, attempt %d", moved, attempt)
        else:
            raise ObjectRefused(moved, "changed while read: run again")
        self.ledger.remember_words(delivery.words)
        self.repairs += counter.repairs
        self.refusals += [Refusal(error.object_name, 0, error.reason) for error in delivery.refused]
        self.refusals += [Refusal(item.name, error.position, error.reason) for item, error in lines]
        self.ledger.record(Line(item, "", NO_MONTH, "refused", str(error)) for item, error in lines)
        news = self.ledger.record(
            Line(item, "", NO_MONTH, "superseded", "a newer run folder beside it counts alone")
            for item, _ in delivery.older_runs
        )
        older = {
            item.name: f"{item.name}: {folder} is newer and counts alone"
            for item, folder in delivery.older_runs
        }
        self.notes += [older[line.item.name] for line in news]
        self.standing += older.values()
        for one in candidates:
            self.ignored.update(one.profile.ignored_columns)
        self.may_replace = self._overlaps_are == "replace" or any(one.item.run_place for one in candidates)
        return delivery, candidates, refused

    def _report_rejects(self, candidates: Iterable[Candidate]) -> None:
        for one in candidates:
            if any(month.rejected for month in one.profile.months.values()):
                self.refusals += self.ledger.rejects(one.profile.sha256, one.item.name)

    def _attempt(self, plans: list[MonthPlan], spool: Spool, state: MonthState) -> None:
        """Loads months and publishes each that proves right; one whose objects turn out to hold the same charges is
        left to be planned again, one that needs a person is held."""
        failed: dict[date, str] = {}
        batches, measured = self._reused(plans, state)
        new = [one for one in plans if one.period not in batches]
        if new:
            batch_id = self._written(new, spool, failed)
            batches |= {one.period: batch_id for one in new}
            measured |= self._comparing.measured(
                [one for one in new if one.period not in failed], batch_id, state.known
            )
        proved = []
        for one in plans:
            expected = expected_of(one)
            counted = added(measured[key].totals for key in keys_of(one) if key in measured)
            if one.period not in failed and (wrong := difference(expected, counted)):
                failed[one.period] = str(
                    ControlTotalError(f"{one.period:%Y-%m}: {wrong}; nothing was published")
                )
                self.refusals.append(Refusal(self.source.name, 0, failed[one.period]))
            if one.period in failed:
                self.ledger.record(lines_of(one, "refused", failed[one.period]))
                self.periods.append(PeriodOutcome(one.period, "refused", failed[one.period]))
            elif not are_twins(one, measured):
                proved.append(one)
        with lease(self.settings.root, PUBLISHING, PUBLISHING_SECONDS):
            found = self._comparing.shared(proved, batches, spool, state)
            for one in proved:
                shared = [each for each in found if each.period == one.period]
                self._publish_or_hold(one, batches[one.period], measured, shared, state)

    def _publish_or_hold(
        self,
        one: MonthPlan,
        batch_id: UUID,
        measured: Mapping[tuple[str, date], ObjectMonth],
        found: list[Shared],
        state: MonthState,
    ) -> None:
        own = [each for each in found if not each.one.source and not each.other.source]
        if self._overlaps_are == "add":
            found = [each for each in found if each not in own]
        replaced = own if self._overlaps_are == "replace" else [each for each in own if are_runs(each, one)]
        if is_accepted(one, state.known):
            reason = None
        elif replaced:
            self.ledger.remember_overlaps(replaced)
            return
        else:
            reason = self._comparing.reason_to_hold(one, batch_id, measured, found, state)
        if reason is None:
            self._publish(one, batch_id)
            self._lapse(one.period, "", state)
        else:
            self._hold(one, batch_id, reason, own, state)

    def _hold(
        self, one: MonthPlan, batch_id: UUID, reason: Reason, own: list[Shared], state: MonthState
    ) -> None:
        """Leaves a loaded month unread until a person decides."""
        assert one.version is not None
        expected = expected_of(one)
        release = state.releases.get(one.period)
        old = set(state.published[one.period].objects.values()) if release else set()
        older = older_of_pairs(one, own)
        line = Hold(
            source=self.source.name,
            period=one.period,
            sha256=one.fingerprint,
            state="held",
            cause=reason.cause,
            reason=reason.sentence,
            batch_id=batch_id,
            rows=expected.rows,
            sums=expected.sums,
            residues=expected.residues,
            published_sums=release.sums if release else {},
            version=one.version,
            object_names=tuple(each.item.name for each in one.candidates),
            object_sha256s=tuple(each.sha256 for each in one.candidates),
            new_sha256s=tuple(each.sha256 for each in one.candidates if each.sha256 not in old),
            newest_sha256s=tuple(each.sha256 for each in one.candidates if each.sha256 not in older),
        )
        before = state.waiting.get(one.period)
        if before is None or replace(before, recorded_at=line.recorded_at) != line:
            self.ledger.record(lines_of(one, "held", reason.sentence, batch_id), even_if_known=True)
            self.ledger.hold(line)
        sentence = held_sentence(line)
        kept = PeriodOutcome(one.period, "held", sentence)
        self.periods.append(_of_release(one.period, "held", sentence, release) if release else kept)

    def _reused(
        self, plans: list[MonthPlan], state: MonthState
    ) -> tuple[dict[date, UUID], dict[tuple[str, date], ObjectMonth]]:
        """Batches of months that were loaded and held as exactly this before, as long as their rows are there."""
        batches: dict[date, UUID] = {}
        measured: dict[tuple[str, date], ObjectMonth] = {}
        for one in plans:
            line = state.waiting.get(one.period)
            if line is None or line.sha256 != one.fingerprint:
                continue
            found = self._comparing.measured([one], line.batch_id, state.known)
            if not difference(expected_of(one), added(month.totals for month in found.values())):
                batches[one.period] = line.batch_id
                measured |= found
        return batches, measured

    @property
    def _comparing(self) -> Comparing:
        return Comparing(self.warehouse, self.settings, self.source, self.ledger, self.bill, self.rules)

    def _written(self, plans: list[MonthPlan], spool: Spool, failed: dict[date, str]) -> UUID:
        """The batch of these months, with what was met while it was written among what is told."""
        writing = Writing(self.warehouse, self.settings, self.source, self.ledger, self.bill)
        try:
            return writing.load(plans, spool, failed)
        finally:
            self.refusals += writing.refusals
            self.repairs += writing.repairs

    def _publish(self, one: MonthPlan, batch_id: UUID) -> None:
        assert one.version is not None
        totals = expected_of(one)
        self._record(loaded_lines(one, batch_id))
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

    def _collect(self, periods: list[date]) -> None:
        """Removes rows of batches that nobody can read any more; a failure here changes no figure."""
        collect(self.warehouse, self.source.name, periods)


def _kept(one: MonthPlan, release: Release | None) -> PeriodOutcome:
    assert one.action != "load"
    if release is None:
        return PeriodOutcome(one.period, one.action, one.reason)
    return _of_release(one.period, one.action, one.reason, release)


def _of_release(period: date, state: PeriodState, reason: str, release: Release) -> PeriodOutcome:
    return PeriodOutcome(period, state, reason, release.rows, release.sums, release.residues, release.version)
