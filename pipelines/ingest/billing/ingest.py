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
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

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
from models.settings import BillingSource, Settings, pairs_of
from pipelines.ingest.billing.counting import Counter
from pipelines.ingest.billing.delivery import DeliveredObject, Delivery, changed_meanwhile, scan
from pipelines.ingest.billing.formats import BillFormat, feeds_of
from pipelines.ingest.billing.held import PUBLISHING, TABLE, added, collect, difference, held_sentence
from pipelines.ingest.billing.ledger import (
    NO_MONTH,
    REPAIR_METRICS,
    Hold,
    Ledger,
    Line,
    MonthTotals,
    ObjectMonth,
)
from pipelines.ingest.billing.loading import Loadable, bound, together
from pipelines.ingest.billing.mappings import bill_of
from pipelines.ingest.billing.outcome import BillingOutcome, PeriodOutcome, PeriodState, Refusal, Repair
from pipelines.ingest.billing.plan import Candidate, Known, MonthPlan, Published, is_accepted, plan
from pipelines.ingest.billing.policy import policy
from pipelines.ingest.billing.sameness import (
    Before,
    Held,
    Reason,
    Shared,
    growth_reason,
    is_declared_pair,
    overlap_reason,
    overlaps,
    restatement_reason,
    same_money_reason,
    with_keys,
)
from pipelines.ingest.billing.spooling import Spool
from pipelines.ingest.sources import ObjectStore, SourceObject, open_store
from sql.bill_files import EngineFile, member_names, survey, undelivered
from sql.catalog import statement
from sql.leases import lease
from sql.publish import Release, heads, new_batch_id, publish
from sql.state import state_folder
from sql.warehouse import Warehouse

_LOG = logging.getLogger(__name__)


MOST_ATTEMPTS = 4
"""Loads of one month in an ingest: as delivered, without copies, without what is replaced, and once more."""

PUBLISHING_SECONDS = 600.0

ALL_HASHES = 2**64 - 1
LEAST_SKETCH = 64
"""Distinct hashes below which a sketch is taken again from all rows."""


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


@dataclass(frozen=True)
class _State:
    """What is published, known and waiting for a person at the start of an attempt."""

    releases: Mapping[date, Release]
    published: Mapping[date, Published]
    known: Known
    waiting: Mapping[date, Hold]


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
        self.standing += [_note(line) for line in _quiet_lines(quiet) if _is_note(line)]

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
        self, delivery: Delivery, candidates: list[Candidate], refused: dict[str, str], state: _State
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

    def _state(self) -> _State:
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
        return _State(releases, published, known, waiting)

    def _report_quiet(self, plans: list[MonthPlan], state: _State) -> None:
        """Outcomes of months that are not loaded, and what did not count beside the others."""
        self._record(_quiet_lines(plans))
        for one in plans:
            self.periods.append(_kept(one, state.releases.get(one.period)))
            self._lapse(one.period, "", state)

    def _record(self, lines: list[Line]) -> None:
        """Writes ledger lines and notes of them what changes what counts."""
        news = self.ledger.record(lines)
        self.notes += [_note(line) for line in news if _is_note(line)]
        self.standing += [_note(line) for line in lines if _is_note(line)]

    def _lapse(self, period: date, fingerprint: str, state: _State) -> None:
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

    def _attempt(self, plans: list[MonthPlan], spool: Spool, state: _State) -> None:
        """Loads months and publishes each that proves right; one whose objects turn out to hold the same charges is
        left to be planned again, one that needs a person is held."""
        failed: dict[date, str] = {}
        batches, measured = self._reused(plans, state)
        new = [one for one in plans if one.period not in batches]
        if new:
            batch_id = self._load(new, spool, failed)
            batches |= {one.period: batch_id for one in new}
            measured |= self._measured(
                [one for one in new if one.period not in failed], batch_id, state.known
            )
        proved = []
        for one in plans:
            expected = _expected(one)
            counted = added(measured[key].totals for key in _keys(one) if key in measured)
            if one.period not in failed and (wrong := difference(expected, counted)):
                failed[one.period] = str(
                    ControlTotalError(f"{one.period:%Y-%m}: {wrong}; nothing was published")
                )
                self.refusals.append(Refusal(self.source.name, 0, failed[one.period]))
            if one.period in failed:
                self.ledger.record(_lines(one, "refused", failed[one.period]))
                self.periods.append(PeriodOutcome(one.period, "refused", failed[one.period]))
            elif not _twins(one, measured):
                proved.append(one)
        with lease(self.settings.root, PUBLISHING, PUBLISHING_SECONDS):
            found = with_keys(
                self._overlaps(proved, batches, state),
                overlaps(self._shared_keys(proved, spool, state), policy()),
            )
            for one in proved:
                shared = [each for each in found if each.period == one.period]
                self._publish_or_hold(one, batches[one.period], measured, shared, state)

    def _publish_or_hold(
        self,
        one: MonthPlan,
        batch_id: UUID,
        measured: Mapping[tuple[str, date], ObjectMonth],
        found: list[Shared],
        state: _State,
    ) -> None:
        own = [each for each in found if not each.one.source and not each.other.source]
        if self._overlaps_are == "add":
            found = [each for each in found if each not in own]
        replaced = own if self._overlaps_are == "replace" else [each for each in own if _are_runs(each, one)]
        if is_accepted(one, state.known):
            reason = None
        elif replaced:
            self.ledger.remember_overlaps(replaced)
            return
        else:
            reason = (
                overlap_reason(found)
                or self._same_money(one, batch_id)
                or self._restatement(one, batch_id, measured, state)
            )
        if reason is None:
            self._publish(one, batch_id)
            self._lapse(one.period, "", state)
        else:
            self._hold(one, batch_id, reason, own, state)

    def _same_money(self, one: MonthPlan, batch_id: UUID) -> Reason | None:
        """Whether a source whose rows are made by other rules, so that no hash of theirs can be equal, has the same money.

        A source that is gone from the settings has the rules its charges were remembered by.
        """
        formats = {each.name: each.format for each in self.settings.billing}
        pairs = {each.name for each in pairs_of(self.source, self.settings.billing)}
        others = [
            name
            for each in heads(self.warehouse, "billing/")
            if each.period == one.period and each.rows and each.scope != self.ledger.scope
            for name in [each.scope.removeprefix("billing/")]
            if name not in pairs and formats.get(name) != self.source.format
            if name in formats or not Ledger(self.warehouse, name).prints(self.rules)
        ]
        if not others:
            return None
        return same_money_reason(self.ledger.same_money(one.period, batch_id, others), policy())

    def _restatement(
        self,
        one: MonthPlan,
        batch_id: UUID,
        measured: Mapping[tuple[str, date], ObjectMonth],
        state: _State,
    ) -> Reason | None:
        release = state.releases.get(one.period)
        if release is None:
            return None
        if one.kept_out:
            return Reason(
                "rejected_before",
                f"{', '.join(one.kept_out)} was rejected, and what it stands for is not delivered any more",
            )
        digests = frozenset(state.published[one.period].objects.values())
        prints = [state.known.prints.get((digest, one.period)) for digest in digests]
        known = [each for each in prints if each is not None]
        gross: dict[str, Decimal] = {}
        for each in known:
            for currency, amount in each.gross.items():
                gross[currency] = gross.get(currency, Decimal(0)) + amount
        prints_now = [measured[key].print for key in _keys(one) if key in measured]
        before = Before(
            digests, release.rows, gross if len(known) == len(prints) else {}, release.published_at
        )
        reason = restatement_reason(
            before,
            [each.sha256 for each in one.candidates],
            prints_now,
            one.emptied,
            one.rolled_on,
            _month_ends(one.period),
            policy(),
            known if len(known) == len(prints) else None,
        )
        if reason and reason.cause == "grows":
            covered = self.ledger.days_covered(one.period, batch_id, release.batches[TABLE])
            return growth_reason(before, covered, policy())
        return reason

    def _hold(self, one: MonthPlan, batch_id: UUID, reason: Reason, own: list[Shared], state: _State) -> None:
        """Leaves a loaded month unread until a person decides."""
        assert one.version is not None
        expected = _expected(one)
        release = state.releases.get(one.period)
        old = set(state.published[one.period].objects.values()) if release else set()
        older = _older_of_pairs(one, own)
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
            self.ledger.record(_lines(one, "held", reason.sentence, batch_id), even_if_known=True)
            self.ledger.hold(line)
        sentence = held_sentence(line)
        kept = PeriodOutcome(one.period, "held", sentence)
        self.periods.append(_of_release(one.period, "held", sentence, release) if release else kept)

    def _reused(
        self, plans: list[MonthPlan], state: _State
    ) -> tuple[dict[date, UUID], dict[tuple[str, date], ObjectMonth]]:
        """Batches of months that were loaded and held as exactly this before, as long as their rows are there."""
        batches: dict[date, UUID] = {}
        measured: dict[tuple[str, date], ObjectMonth] = {}
        for one in plans:
            line = state.waiting.get(one.period)
            if line is None or line.sha256 != one.fingerprint:
                continue
            found = self._measured([one], line.batch_id, state.known)
            if not difference(_expected(one), added(month.totals for month in found.values())):
                batches[one.period] = line.batch_id
                measured |= found
        return batches, measured

    def _load(self, plans: list[MonthPlan], spool: Spool, failed: dict[date, str]) -> UUID:
        """Writes one batch with the rows of all these months; why a month could not be written is in ``failed``."""
        batch_id = new_batch_id()
        undelivered: list[Repair] = []
        for run in together(self._loadable(plans, spool, failed, undelivered)):
            if len(run) > 1 and all(one.is_there for one in run):
                try:
                    self._write(run, batch_id)
                    continue
                except WarehouseError:
                    # some of its rows may be there: under another batch each is loaded by itself, so the one at fault is named
                    batch_id, undelivered = new_batch_id(), []
                    for one in self._loadable(plans, spool, failed, undelivered):
                        self._load_alone(one, spool, batch_id, failed)
                    break
            for one in run:
                self._load_alone(one, spool, batch_id, failed)
        self._tell_repairs(plans, batch_id, undelivered, failed)
        return batch_id

    def _loadable(
        self, plans: list[MonthPlan], spool: Spool, failed: dict[date, str], undelivered: list[Repair]
    ) -> Iterator[Loadable]:
        """The objects of months that did not fail; one that cannot be read fails its months."""
        for item, periods in _by_object(plans):
            wanted = tuple(period for period in periods if period not in failed)
            if not wanted:
                continue
            try:
                readable = spool.readable(item.item)
            except ObjectRefused as error:
                self._fail(item.item.name, error.reason, wanted, failed)
                continue
            undelivered += _undelivered(item, self._missing(readable.header.undelivered_metrics))
            yield Loadable(item, readable, wanted)

    def _missing(self, undelivered_metrics: Iterable[str]) -> list[str]:
        """Costs that neither an object has nor the source it is a pair with, which has the other view of the bill."""
        fed = {feeds_of(one.format) for one in pairs_of(self.source, self.settings.billing)}
        return [metric for metric in undelivered_metrics if metric not in fed]

    def _load_alone(self, one: Loadable, spool: Spool, batch_id: UUID, failed: dict[date, str]) -> None:
        """Writes the rows of an object, which is fetched again where its bytes are gone by now."""
        try:
            self._write((replace(one, readable=spool.readable(one.candidate.item)),), batch_id)
        except ObjectRefused as error:
            self._fail(one.name, error.reason, one.periods, failed)
        except WarehouseError as error:
            self._fail(one.name, f"it cannot be loaded ({error})", one.periods, failed)

    def _write(self, run: tuple[Loadable, ...], batch_id: UUID) -> None:
        parameters, text = bound(run), self.bill.text(self.bill.load)
        self.warehouse.load(
            self.bill.load,
            words=self.bill.words,
            reading_settings=run[0].readable.file.settings,
            leave_out=undelivered(text, parameters),
            **parameters,
            source_name=self.source.name,
            batch_id=batch_id,
        )

    def _fail(self, name: str, reason: str, periods: Iterable[date], failed: dict[date, str]) -> None:
        self.refusals.append(Refusal(name, 0, reason))
        failed |= dict.fromkeys(periods, f"{name}: {reason}")

    def _tell_repairs(
        self, plans: list[MonthPlan], batch_id: UUID, undelivered: list[Repair], failed: Mapping[date, str]
    ) -> None:
        """Keeps and tells what the rows of a batch hold that is not as it was delivered, or was not delivered."""
        loaded = [one for one in plans if one.period not in failed]
        repairs = self.ledger.repairs_of(batch_id, [one.period for one in loaded])
        for one in loaded:
            sha256_by_name = {each.item.name: each.profile.sha256 for each in one.candidates}
            found = [repair for repair in (*repairs, *undelivered) if repair.period == one.period]
            self.ledger.repaired(found, sha256_by_name)
            self.repairs += found

    def _measured(
        self, plans: list[MonthPlan], batch_id: UUID, known: Known
    ) -> dict[tuple[str, date], ObjectMonth]:
        """What a batch holds of each object and month, read once; charges met for the first time are remembered."""
        if not plans:
            return {}
        most = policy().sketch_hashes
        periods = [one.period for one in plans]
        unknown = {
            (each.item.name, one.period): each
            for one in plans
            for each in one.candidates
            if (each.sha256, one.period) not in known.prints
        }
        limits: dict[str, int] = {}
        for (name, period), each in unknown.items():
            rows = each.profile.months.get(period, MonthTotals()).rows
            limits[name] = max(limits.get(name, 0), _enough_below(rows, most))
        found = self.ledger.batch(batch_id, periods, limits, most)
        # Equal rows have equal hashes: an object of few distinct charges may have none below its limit.
        thin = {
            name
            for (name, _), month in found.items()
            if 0 < limits.get(name, 0) < ALL_HASHES and len(month.sketch) < LEAST_SKETCH
        }
        if thin:
            again = self.ledger.batch(batch_id, periods, dict.fromkeys(sorted(thin), ALL_HASHES), most)
            found |= {key: month for key, month in again.items() if key[0] in thin}
        fresh = {
            (Held("", key[0], each.sha256), key[1]): found[key]
            for key, each in unknown.items()
            if key in found
        }
        self.ledger.remember_charges(self.rules, fresh)
        return found

    def _overlaps(self, plans: list[MonthPlan], batches: Mapping[date, UUID], state: _State) -> list[Shared]:
        """Objects that share more charges than chance explains, of which at least one is new.

        Objects of one manifest or run folder are one delivery, and never looked up in each other.
        """
        others = {
            one.period
            for one in heads(self.warehouse, "billing/")
            if one.scope != self.ledger.scope and one.rows
        }
        parts = []
        groups: dict[tuple[date, str], str] = {}
        for one in plans:
            before = state.published.get(one.period)
            old = set(before.objects.values()) if before else set()
            filled = [each for each in one.candidates if one.period in each.profile.months]
            if len(filled) < 2 and one.period not in others:
                continue
            for each in filled:
                held = Held("", each.item.name, each.sha256)
                groups[one.period, each.sha256] = each.item.group
                parts.append((one.period, batches[one.period], held, each.sha256 not in old))
        if not any(new for _, _, _, new in parts):
            return []
        shared = [
            each
            for each in self.ledger.shared_charges(self.rules, parts)
            if each.one.source
            or each.other.source
            or not groups[each.period, each.one.sha256]
            or groups[each.period, each.one.sha256] != groups[each.period, each.other.sha256]
        ]
        fed = {
            one.name: feeds_of(one.format) for one in self.settings.billing if one.name != self.source.name
        }
        fed[""] = self.bill.feeds
        return overlaps((each for each in shared if not is_declared_pair(each, fed)), policy())

    def _shared_keys(self, plans: list[MonthPlan], spool: Spool, state: _State) -> Iterator[Shared]:
        """Pairs of objects of this source that hold rows of the same key, whatever these cost; one at least is new.

        A row that was restated with another amount has another hash and the same key. Objects of one manifest or run
        folder are one delivery.
        """
        for one in plans if self.bill.keys else ():
            before = state.published.get(one.period)
            old = set(before.objects.values()) if before else set()
            filled = [each for each in one.candidates if one.period in each.profile.months]
            pairs = [
                (left, right)
                for left, right in permutations(filled, 2)
                if not {left.sha256, right.sha256} <= old
                and not (left.item.group and left.item.group == right.item.group)
            ]
            held = {each.sha256: each for pair in pairs for each in pair}
            keys = {sha256: self._row_keys(each, one.period, spool) for sha256, each in held.items()}
            for left, right in pairs:
                found = np.intersect1d(keys[left.sha256], keys[right.sha256], assume_unique=True).size
                if found:
                    rows = left.profile.months[one.period].rows
                    first, second = (Held("", each.item.name, each.sha256) for each in (left, right))
                    yield Shared(one.period, first, second, keys[left.sha256].size, found, rows)

    def _row_keys(self, each: Candidate, period: date, spool: Spool) -> npt.NDArray[np.uint64]:
        """The keys of an object's rows in a month, each once."""
        readable = spool.readable(each.item)
        frame = self.warehouse.reading.frame(
            self.bill.keys, settings=readable.file.settings, period=period, **readable.bound
        )
        return frame["row_key"].to_numpy()

    def _publish(self, one: MonthPlan, batch_id: UUID) -> None:
        assert one.version is not None
        totals = _expected(one)
        self._record(_loaded_lines(one, batch_id))
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
    return added(each.profile.months.get(one.period, MonthTotals()) for each in one.candidates)


def _undelivered(candidate: Candidate, metrics: Iterable[str]) -> list[Repair]:
    """What the months of an object lack because it has no column for these costs."""
    return [
        Repair(
            candidate.item.name,
            period,
            metric,
            "is not delivered: 0, as its rows need one"
            if metric in REPAIR_METRICS
            else "is not delivered: empty",
            month.rows,
            {key: value for key, value in month.sums.items() if key.split("/")[1] in REPAIR_METRICS},
        )
        for metric in metrics
        for period, month in candidate.profile.months.items()
        if month.rows
    ]


def _kept(one: MonthPlan, release: Release | None) -> PeriodOutcome:
    assert one.action != "load"
    if release is None:
        return PeriodOutcome(one.period, one.action, one.reason)
    return _of_release(one.period, one.action, one.reason, release)


def _of_release(period: date, state: PeriodState, reason: str, release: Release) -> PeriodOutcome:
    return PeriodOutcome(period, state, reason, release.rows, release.sums, release.residues, release.version)


def _lines(one: MonthPlan, state: str, reason: str, batch_id: UUID | None = None) -> list[Line]:
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


def _loaded_lines(one: MonthPlan, batch_id: UUID) -> list[Line]:
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


def _note(line: Line) -> str:
    return f"{line.item.name} {line.period:%Y-%m}: {line.reason}"


def _is_note(line: Line) -> bool:
    """Whether a ledger line of an object that does not count beside the others is told to whoever runs."""
    return line.state in ("unchanged", "replaced") and bool(line.reason)


def _quiet_lines(plans: Iterable[MonthPlan]) -> list[Line]:
    """Ledger lines of months that are not loaded; an unchanged one tells only what does not count beside it."""
    lines = []
    for one in plans:
        if one.action in ("refused", "superseded"):
            lines += _lines(one, one.action, one.reason)
        if one.action == "vanished":
            lines += [_vanished(name, one) for name in one.vanished]
        lines += _aside_lines(one)
    return lines


def _vanished(name: str, one: MonthPlan) -> Line:
    gone = SourceObject(name, 0, one.version or datetime(1970, 1, 1, tzinfo=UTC), "")
    return Line(DeliveredObject(gone, gone.modified_at), "", one.period, "vanished", one.reason)


def _keys(one: MonthPlan) -> Iterator[tuple[str, date]]:
    """The objects of a month as a batch names them."""
    return ((each.item.name, one.period) for each in one.candidates)


def _twins(one: MonthPlan, measured: Mapping[tuple[str, date], ObjectMonth]) -> bool:
    """Whether two objects of a month proved to hold the same charges."""
    prints = [measured[key].print for key in _keys(one) if key in measured]
    return len(set(prints)) < len(prints)


def _enough_below(rows: int, sketch_hashes: int) -> int:
    """A hash below which an object of so many distinct rows has more than a sketch's hashes, by far."""
    wanted = 4 * sketch_hashes
    return ALL_HASHES if rows <= wanted else 2**64 * wanted // rows


def _are_runs(shared: Shared, one: MonthPlan) -> bool:
    """Whether both objects lie in folders of a point in time of one place: the newer run replaces the older."""
    places = {each.sha256: each.item for each in one.candidates}
    left, right = places[shared.one.sha256], places[shared.other.sha256]
    return bool(left.run_place) and left.run_place == right.run_place and _folder(left) != _folder(right)


def _folder(item: DeliveredObject) -> str:
    return item.name.rpartition("/")[0]


def _older_of_pairs(one: MonthPlan, own: Iterable[Shared]) -> set[str]:
    """Contents that would be left out if the newer of two objects that share charges counted alone."""
    age = {each.sha256: each.age for each in one.candidates}
    return {min(pair.one.sha256, pair.other.sha256, key=lambda sha256: age[sha256]) for pair in own}


def _month_ends(period: date) -> datetime:
    following = (period.replace(day=28) + timedelta(days=4)).replace(day=1)
    return datetime(following.year, following.month, following.day, tzinfo=UTC)
