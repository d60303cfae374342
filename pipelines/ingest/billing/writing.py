"""Writes the rows of planned months under one batch, object by object or several at once, and tells what in them is not as it
was delivered.

An object that cannot be written fails its months and no others. Whether a batch is right, and counts, is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from models.errors import ObjectRefused, WarehouseError
from models.settings import BillingSource, Settings, pairs_of
from pipelines.ingest.billing.formats import BillFormat, feeds_of
from pipelines.ingest.billing.ledger import REPAIR_METRICS, Ledger
from pipelines.ingest.billing.loading import Loadable, bound, together
from pipelines.ingest.billing.outcome import Refusal, Repair
from pipelines.ingest.billing.plan import Candidate, MonthPlan
from pipelines.ingest.billing.spooling import Spool
from sql.bill_files import undelivered
from sql.publish import new_batch_id
from sql.warehouse import Warehouse


@dataclass
class Writing:
    """Loads of one source; ``refusals`` and ``repairs`` are what was met while they were written."""

    warehouse: Warehouse
    settings: Settings
    source: BillingSource
    ledger: Ledger
    bill: BillFormat
    refusals: list[Refusal] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)

    def load(self, plans: list[MonthPlan], spool: Spool, failed: dict[date, str]) -> UUID:
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
        for item, periods in by_object(plans):
            wanted = tuple(period for period in periods if period not in failed)
            if not wanted:
                continue
            try:
                readable = spool.readable(item.item)
            except ObjectRefused as error:
                self._fail(item.item.name, error.reason, wanted, failed)
                continue
            undelivered += undelivered_costs(item, self._missing(readable.header.undelivered_metrics))
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


def by_object(plans: list[MonthPlan]) -> list[tuple[Candidate, list[date]]]:
    """Objects with the months to load from each; equal bytes once."""
    found: dict[str, tuple[Candidate, list[date]]] = {}
    for one in plans:
        for candidate in one.candidates:
            if one.period in candidate.profile.months:
                found.setdefault(candidate.profile.sha256, (candidate, []))[1].append(one.period)
    return list(found.values())


def undelivered_costs(candidate: Candidate, metrics: Iterable[str]) -> list[Repair]:
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
