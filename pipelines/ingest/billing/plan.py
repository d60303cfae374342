"""What to do with each month of a delivery: a pure decision from what is delivered and what is published.

Nothing here reads or writes anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.ledger import Profile

Action = Literal["load", "unchanged", "superseded", "vanished", "refused"]


@dataclass(frozen=True)
class Candidate:
    """A delivered object whose bytes were counted."""

    item: DeliveredObject
    profile: Profile


@dataclass(frozen=True)
class Published:
    """The current release of a month: digest by object name, and its version."""

    objects: Mapping[str, str]
    version: datetime


@dataclass(frozen=True)
class MonthPlan:
    """What happens to one month. ``candidates`` feed it, one per digest; ``duplicates`` are further names of these."""

    period: date
    action: Action
    reason: str
    candidates: tuple[Candidate, ...]
    duplicates: tuple[Candidate, ...]
    vanished: tuple[str, ...]
    version: datetime | None

    @property
    def fingerprint(self) -> str:
        """sha256 over month and sorted digests: the identity of the month's content."""
        digests = sorted(one.profile.sha256 for one in self.candidates)
        return hashlib.sha256("\n".join([self.period.isoformat(), *digests]).encode()).hexdigest()


def plan(
    candidates: Collection[Candidate],
    published: Mapping[date, Published],
    refused_names: Mapping[str, str],
    incomplete: str = "",
) -> list[MonthPlan]:
    """Decides every month that is delivered or published, in order.

    Args:
        candidates: delivered objects that could be read; equal bytes may come under several names.
        published: current releases by month.
        refused_names: why, by name, for delivered objects that could not be read.
        incomplete: why some of the delivery could not be listed, else empty.
    """
    feeding: dict[date, list[Candidate]] = {period: [] for period in published}
    for one in sorted(candidates, key=lambda one: one.item.name):
        for period in _months_fed(one, published):
            feeding.setdefault(period, []).append(one)
    blocked_groups = {one.item.manifest for one in candidates} & set(refused_names)
    return [
        _month(period, feeding[period], published.get(period), refused_names, blocked_groups, incomplete)
        for period in sorted(feeding)
    ]


def _months_fed(one: Candidate, published: Mapping[date, Published]) -> list[date]:
    """Months an object has rows for; without any row, those it has fed before: it empties them."""
    if one.profile.months:
        return list(one.profile.months)
    return [period for period, release in published.items() if one.item.name in release.objects]


def _month(
    period: date,
    feeding: list[Candidate],
    published: Published | None,
    refused_names: Mapping[str, str],
    blocked_groups: Collection[str],
    incomplete: str,
) -> MonthPlan:
    first: dict[str, Candidate] = {}
    for one in feeding:
        first.setdefault(one.profile.sha256, one)
    unique = tuple(first.values())
    duplicates = tuple(one for one in feeding if first[one.profile.sha256] is not one)
    delivered = {one.item.name for one in feeding}
    before = dict(published.objects) if published else {}
    vanished = tuple(
        sorted(name for name, digest in before.items() if name not in delivered and digest not in first)
    )
    version = max((one.item.version for one in feeding), default=None)

    def decided(action: Action, reason: str = "") -> MonthPlan:
        return MonthPlan(period, action, reason, unique, duplicates, vanished, version)

    was_refused = sorted(name for name in before if name in refused_names)
    if was_refused:
        return decided(
            "refused", f"{was_refused[0]} was refused and fed this month before: the old figures stay"
        )
    if incomplete and vanished:
        return decided("refused", f"the delivery is incomplete ({incomplete}): the old figures stay")
    group = next((one.item.manifest for one in feeding if one.item.manifest in blocked_groups), "")
    if group:
        return decided("refused", f"an object listed by {group} was refused: {refused_names[group]}")
    content = set(first)
    old = set(before.values())
    if published and content == old:
        return decided("unchanged")
    if published and content < old:
        what = f"{', '.join(vanished)} vanished" if vanished else "no object holds some of its rows any more"
        return decided("vanished", f"{what}: the published figures stay")
    if published and version and version < published.version:
        return decided(
            "superseded",
            f"delivered {version:%Y-%m-%d %H:%M:%S}, published is {published.version:%Y-%m-%d %H:%M:%S}",
        )
    bad = [one for one in unique if (month := one.profile.months.get(period)) and month.rejected]
    if bad:
        names = ", ".join(sorted(one.item.name for one in bad))
        return decided("refused", f"{names} has rows that cannot be taken: the old figures stay")
    return decided("load")
