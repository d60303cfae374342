"""Holds a loaded month against what is published and what else is delivered: what it holds of each object, which charges it
shares with others, and whether it restates more than it may.

Nothing is written but what charges were met for the first time. What a likeness means is ``sameness``'s; whether a month is
published or held is decided by who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import numpy as np
import numpy.typing as npt

from models.settings import BillingSource, Settings, pairs_of
from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.formats import BillFormat, feeds_of
from pipelines.ingest.billing.held import TABLE, added
from pipelines.ingest.billing.ledger import Hold, Ledger, MonthTotals, ObjectMonth
from pipelines.ingest.billing.plan import Candidate, Known, MonthPlan, Published
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
from sql.publish import Release, heads
from sql.warehouse import Warehouse

ALL_HASHES = 2**64 - 1
LEAST_SKETCH = 64
"""Distinct hashes below which a sketch is taken again from all rows."""


@dataclass(frozen=True)
class MonthState:
    """What is published, known and waiting for a person at the start of an attempt."""

    releases: Mapping[date, Release]
    published: Mapping[date, Published]
    known: Known
    waiting: Mapping[date, Hold]


@dataclass(frozen=True)
class Comparing:
    """One source's months against all that is known; ``rules`` are those its rows are made by."""

    warehouse: Warehouse
    settings: Settings
    source: BillingSource
    ledger: Ledger
    bill: BillFormat
    rules: str

    def shared(
        self, plans: list[MonthPlan], batches: Mapping[date, UUID], spool: Spool, state: MonthState
    ) -> list[Shared]:
        """Objects that share more charges, or rows of more keys, than chance explains, of which at least one is new."""
        return with_keys(
            self._overlaps(plans, batches, state), overlaps(self._shared_keys(plans, spool, state), policy())
        )

    def reason_to_hold(
        self,
        one: MonthPlan,
        batch_id: UUID,
        measured: Mapping[tuple[str, date], ObjectMonth],
        found: list[Shared],
        state: MonthState,
    ) -> Reason | None:
        """Why a person is to look at a month before it counts; None where nothing speaks against it."""
        return (
            overlap_reason(found)
            or self._same_money(one, batch_id)
            or self._restatement(one, batch_id, measured, state)
        )

    def measured(
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
            limits[name] = max(limits.get(name, 0), enough_below(rows, most))
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

    def _overlaps(
        self, plans: list[MonthPlan], batches: Mapping[date, UUID], state: MonthState
    ) -> list[Shared]:
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

    def _shared_keys(self, plans: list[MonthPlan], spool: Spool, state: MonthState) -> Iterator[Shared]:
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
        state: MonthState,
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
        prints_now = [measured[key].print for key in keys_of(one) if key in measured]
        before = Before(
            digests, release.rows, gross if len(known) == len(prints) else {}, release.published_at
        )
        reason = restatement_reason(
            before,
            [each.sha256 for each in one.candidates],
            prints_now,
            one.emptied,
            one.rolled_on,
            month_ends(one.period),
            policy(),
            known if len(known) == len(prints) else None,
        )
        if reason and reason.cause == "grows":
            covered = self.ledger.days_covered(one.period, batch_id, release.batches[TABLE])
            return growth_reason(before, covered, policy())
        return reason


def expected_of(one: MonthPlan) -> MonthTotals:
    """What the month must hold in the table, by the counts over the bytes of its objects."""
    return added(each.profile.months.get(one.period, MonthTotals()) for each in one.candidates)


def keys_of(one: MonthPlan) -> Iterator[tuple[str, date]]:
    """The objects of a month as a batch names them."""
    return ((each.item.name, one.period) for each in one.candidates)


def are_twins(one: MonthPlan, measured: Mapping[tuple[str, date], ObjectMonth]) -> bool:
    """Whether two objects of a month proved to hold the same charges."""
    prints = [measured[key].print for key in keys_of(one) if key in measured]
    return len(set(prints)) < len(prints)


def enough_below(rows: int, sketch_hashes: int) -> int:
    """A hash below which an object of so many distinct rows has more than a sketch's hashes, by far."""
    wanted = 4 * sketch_hashes
    return ALL_HASHES if rows <= wanted else 2**64 * wanted // rows


def are_runs(shared: Shared, one: MonthPlan) -> bool:
    """Whether both objects lie in folders of a point in time of one place: the newer run replaces the older."""
    places = {each.sha256: each.item for each in one.candidates}
    left, right = places[shared.one.sha256], places[shared.other.sha256]
    return bool(left.run_place) and left.run_place == right.run_place and _folder(left) != _folder(right)


def _folder(item: DeliveredObject) -> str:
    return item.name.rpartition("/")[0]


def older_of_pairs(one: MonthPlan, own: Iterable[Shared]) -> set[str]:
    """Contents that would be left out if the newer of two objects that share charges counted alone."""
    age = {each.sha256: each.age for each in one.candidates}
    return {min(pair.one.sha256, pair.other.sha256, key=lambda sha256: age[sha256]) for pair in own}


def month_ends(period: date) -> datetime:
    following = (period.replace(day=28) + timedelta(days=4)).replace(day=1)
    return datetime(following.year, following.month, following.day, tzinfo=UTC)
