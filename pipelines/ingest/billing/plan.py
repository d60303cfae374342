"""What to do with each month of a delivery: a pure decision from what is delivered, what is published and what is known
of their charges.

The content at a name is what counts now, whatever its modification time; times only order different names. Nothing
here reads or writes anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.ledger import Hold, Profile
from pipelines.ingest.billing.sameness import Print

Action = Literal["load", "unchanged", "superseded", "vanished", "refused", "rejected"]


@dataclass(frozen=True)
class Candidate:
    """A delivered object whose bytes were counted."""

    item: DeliveredObject
    profile: Profile

    @property
    def sha256(self) -> str:
        """Digest of its content."""
        return self.profile.sha256

    @property
    def age(self) -> tuple[datetime, str]:
        """Orders objects of different names; the greatest is the newest."""
        return self.item.version, self.item.name


@dataclass(frozen=True)
class Published:
    """The current release of a month: digest by object name, and its version."""

    objects: Mapping[str, str]
    version: datetime


@dataclass(frozen=True)
class Known:
    """What is known of the charges of objects, and what people decided about them.

    ``prints`` by digest and month; ``replacements`` are pairs of digests of which the newer object counts;
    ``decisions`` are lines with state accepted or rejected.
    """

    prints: Mapping[tuple[str, date], Print] = field(default_factory=dict)
    replacements: Collection[tuple[date, frozenset[str]]] = ()
    decisions: Collection[Hold] = ()


@dataclass(frozen=True)
class Aside:
    """An object of a month that does not count beside the others, and why; ``state`` is that of its ledger line."""

    candidate: Candidate
    state: Literal["unchanged", "replaced", "rejected"]
    reason: str


@dataclass(frozen=True)
class MonthPlan:
    """What happens to one month. ``candidates`` feed it, one per content; ``asides`` do not count beside these.

    ``vanished`` are published objects that are not delivered any more, ``rolled_on`` those whose name holds other months
    now, ``emptied`` those that hold a header only; ``kept_out`` are rejected contents that could not be left out.
    """

    period: date
    action: Action
    reason: str
    candidates: tuple[Candidate, ...]
    asides: tuple[Aside, ...] = ()
    vanished: tuple[str, ...] = ()
    rolled_on: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    kept_out: tuple[str, ...] = ()
    version: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 over month and sorted digests: the identity of the month's content."""
        return fingerprint(self.period, (one.sha256 for one in self.candidates))


def fingerprint(period: date, sha256s: Iterable[str]) -> str:
    """Identity of a month's content, from the digests of its objects."""
    return hashlib.sha256("\n".join([period.isoformat(), *sorted(sha256s)]).encode()).hexdigest()


def plan(
    candidates: Collection[Candidate],
    published: Mapping[date, Published],
    refused_names: Mapping[str, str],
    incomplete: str = "",
    known: Known | None = None,
) -> list[MonthPlan]:
    """Decides every month that is delivered or published, in order.

    Args:
        candidates: delivered objects that could be read; equal content may come under several names.
        published: current releases by month.
        refused_names: why, by name, for delivered objects that could not be read.
        incomplete: why some of the delivery could not be listed, else empty.
        known: what was learned of the objects' charges before.
    """
    feeding: dict[date, list[Candidate]] = {period: [] for period in published}
    for one in sorted(candidates, key=lambda one: one.item.name):
        for period in _months_fed(one, published):
            feeding.setdefault(period, []).append(one)
    delivery = _Delivery(
        names={one.item.name: one for one in candidates},
        refused=refused_names,
        blocked={one.item.group for one in candidates} & set(refused_names),
        incomplete=incomplete,
        known=known or Known(),
    )
    return [_month(period, feeding[period], published, delivery) for period in sorted(feeding)]


@dataclass(frozen=True)
class _Delivery:
    names: Mapping[str, Candidate]
    refused: Mapping[str, str]
    blocked: Collection[str]
    incomplete: str
    known: Known


def _months_fed(one: Candidate, published: Mapping[date, Published]) -> list[date]:
    """Months an object has rows for; without any row, those its last content fed: it empties them.

    A name that rolls from month to month fed many; only those of the newest of its contents are meant.
    """
    if one.profile.months:
        return list(one.profile.months)
    name = one.item.name
    fed = {period: release.objects[name] for period, release in published.items() if name in release.objects}
    return [period for period, digest in fed.items() if digest == fed[max(fed)]]


def _month(
    period: date, feeding: list[Candidate], releases: Mapping[date, Published], delivery: _Delivery
) -> MonthPlan:
    published = releases.get(period)
    before = dict(published.objects) if published else {}
    old = set(before.values())
    counting, asides = _set_aside(period, feeding, old, delivery.known)
    delivered = {one.item.name for one in feeding}
    contents = {one.sha256 for one in feeding}
    moved = [name for name in before if name not in delivered and name in delivery.names]
    vanished = tuple(
        sorted(
            name
            for name, digest in before.items()
            if name not in delivered and name not in delivery.names and digest not in contents
        )
    )
    version = max((one.item.version for one in feeding), default=None)
    rejected = {one.candidate.sha256 for one in asides if one.state == "rejected"}
    kept_out = tuple(one.item.name for one in counting if one.sha256 in _rejected(period, delivery.known))

    def decided(action: Action, reason: str = "") -> MonthPlan:
        return MonthPlan(
            period,
            action,
            reason,
            tuple(counting),
            tuple(asides),
            vanished,
            rolled_on=tuple(sorted(name for name in moved if before[name] not in contents)),
            emptied=tuple(
                one.item.name for one in counting if not one.profile.months and one.sha256 not in old
            ),
            kept_out=kept_out,
            version=version,
        )

    was_refused = sorted(name for name in before if name in delivery.refused)
    if was_refused:
        return decided(
            "refused", f"{was_refused[0]} was refused and fed this month before: the old figures stay"
        )
    if delivery.incomplete and vanished:
        return decided("refused", f"the delivery is incomplete ({delivery.incomplete}): the old figures stay")
    group = next((one.item.group for one in feeding if one.item.group in delivery.blocked), "")
    if group:
        return decided("refused", f"an object of {group} was refused: {delivery.refused[group]}")
    content = {one.sha256 for one in counting}
    if published and content == old:
        return decided("unchanged")
    if rejected and content <= old:
        return decided(
            "rejected", "its delivery was rejected: the old figures stay until its content changes"
        )
    if published and content < old:
        lost = [name for name in moved if not _rolled(period, delivery.names[name], releases)]
        if vanished or lost or not moved:
            gone = [f"{', '.join(vanished)} vanished"] if vanished else []
            gone += [f"{', '.join(lost)} holds no row of this month any more"] if lost else []
            what = ", ".join(gone) or "no object holds some of its rows any more"
            plan_ = decided("vanished", f"{what}: the published figures stay")
            return replace(plan_, vanished=tuple(sorted([*vanished, *lost])))
        return decided("unchanged")
    if published and version and version < published.version and not delivered & set(before):
        return decided(
            "superseded",
            f"{', '.join(sorted(delivered))} is of {version:%Y-%m-%d %H:%M:%S}, published is {published.version:%Y-%m-%d %H:%M:%S}: "
            "deliver it under a published name, or with a newer time, if it is what counts",
        )
    bad = [one for one in counting if (month := one.profile.months.get(period)) and month.rejected]
    if bad:
        names = ", ".join(sorted(one.item.name for one in bad))
        return decided("refused", f"{names} has rows that cannot be taken: the old figures stay")
    return decided("load")


def _rolled(period: date, one: Candidate, releases: Mapping[date, Published]) -> bool:
    """Whether a name went on to months later than those its old content had, as a rolling file does; otherwise some of
    its rows were lost.

    A header alone empties what its last content fed, so it went on from every other month before.
    """
    if not one.profile.months:
        return True
    digests = {month: release.objects.get(one.item.name) for month, release in releases.items()}
    last = max(month for month, digest in digests.items() if digest == digests[period])
    return period < min(one.profile.months) and last < max(one.profile.months)


def _set_aside(
    period: date, feeding: list[Candidate], old: Collection[str], known: Known
) -> tuple[list[Candidate], list[Aside]]:
    """The objects that count in a month, and those that do not beside them."""
    asides: list[Aside] = []
    counting: dict[str, Candidate] = {}
    for one in feeding:
        first = counting.setdefault(one.sha256, one)
        if first is not one:
            asides.append(Aside(one, "unchanged", f"the same content as {first.item.name}, counted once"))
    prints: dict[Print, Candidate] = {}
    for one in sorted(counting.values(), key=lambda one: one.age, reverse=True):
        mark = known.prints.get((one.sha256, period))
        if mark is None or not mark.rows:
            continue
        newest = prints.setdefault(mark, one)
        if newest is not one:
            asides.append(Aside(one, "unchanged", f"the same charges as {newest.item.name}, counted once"))
            del counting[one.sha256]
    there = dict(counting)
    for older, newer in _replacements(period, there, known):
        if older.sha256 in counting:
            reason = f"it shares charges with {newer.item.name}, which replaces it"
            asides.append(Aside(older, "replaced", reason))
            del counting[older.sha256]
    rejected = _rejected(period, known)
    left = {sha256: one for sha256, one in counting.items() if sha256 not in rejected}
    # What is published can only be kept with a change beside it while its bytes are there to be loaded again.
    if set(old) <= set(left) or set(left) <= set(old):
        asides += [
            Aside(one, "rejected", "it was rejected: it does not count until its content changes")
            for sha256, one in counting.items()
            if sha256 not in left
        ]
        counting = left
    return sorted(counting.values(), key=lambda one: one.item.name), asides


def _replacements(
    period: date, there: Mapping[str, Candidate], known: Known
) -> Iterable[tuple[Candidate, Candidate]]:
    """Older objects with the newer one that counts in their place."""
    pairs = [pair for month, pair in known.replacements if month == period and pair <= set(there)]
    for pair in sorted(pairs, key=sorted):
        older, newer = sorted((there[sha256] for sha256 in pair), key=lambda one: one.age)
        yield older, newer
    for line in _decided(period, known, "accepted"):
        kept = [there[sha256] for sha256 in line.kept_sha256s if sha256 in there]
        for sha256 in set(line.object_sha256s) - set(line.kept_sha256s):
            if sha256 in there and kept:
                yield there[sha256], max(kept, key=lambda one: one.age)


def is_accepted(one: MonthPlan, known: Known) -> bool:
    """Whether a person accepted a month delivered as exactly this."""
    contents = {each.sha256 for each in one.candidates}
    return any(set(line.kept_sha256s) == contents for line in _decided(one.period, known, "accepted"))


def _rejected(period: date, known: Known) -> set[str]:
    """Contents that were rejected, and not accepted since."""
    found: set[str] = set()
    for line in sorted(known.decisions, key=lambda one: one.recorded_at):
        if line.period == period and line.state == "rejected":
            found |= set(line.new_sha256s)
        if line.period == period and line.state == "accepted":
            found -= set(line.kept_sha256s)
    return found


def _decided(period: date, known: Known, state: str) -> list[Hold]:
    return [line for line in known.decisions if line.period == period and line.state == state]
