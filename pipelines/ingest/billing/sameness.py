"""Whether two objects hold the same charges, and whether a month may be published as delivered: pure decisions.

What is compared was measured elsewhere, over the mapped rows of a batch. Nothing here reads or writes anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pipelines.ingest.billing.policy import SamenessPolicy

Cause = Literal["overlap", "shrinks", "grows", "emptied", "rolled_on", "rejected_before"]


@dataclass(frozen=True)
class Print:
    """The charges of one object and month: equal ones hold the same, in whatever order, packing and format."""

    rows: int
    row_hash_sum: int
    gross: Mapping[str, Decimal] = field(default_factory=dict, compare=False)
    """Sum of BilledCost without its sign, by currency."""


@dataclass(frozen=True)
class Held:
    """One object whose rows of a month count or would count; ``source`` is empty for the source that is ingested."""

    source: str
    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} of source {self.source}" if self.source else self.name


@dataclass(frozen=True)
class Shared:
    """Of ``looked_up`` distinct charges of an object's month, ``found`` are in the other object too; ``rows`` is its rows."""

    period: date
    one: Held
    other: Held
    looked_up: int
    found: int
    rows: int

    @property
    def share(self) -> Decimal:
        """Share of the object's charges that the other one holds too."""
        return Decimal(self.found) / Decimal(self.looked_up)

    @property
    def shared_rows(self) -> Decimal:
        """How many of its rows these are, estimated from the share."""
        return self.share * self.rows


def is_declared_pair(shared: Shared, feeds: Mapping[str, str]) -> bool:
    """Whether two objects are of two sources that each hold one view of a bill and feed its own metric: the same charge in
    both counts once in each, whatever it is.

    Args:
        shared: the objects.
        feeds: the one metric that a source feeds, by its name (empty: the source that is ingested); empty where it feeds
            both.
    """
    one, other = feeds.get(shared.one.source, ""), feeds.get(shared.other.source, "")
    return bool(one and other) and one != other


def overlaps(shared: Iterable[Shared], policy: SamenessPolicy) -> list[Shared]:
    """What is too much to be chance, one direction of a pair being enough.

    Rows are counted over all months of a pair, as an object of two months shares few in each of them.
    """
    by_pair: dict[tuple[Held, Held], list[Shared]] = {}
    for one in shared:
        by_pair.setdefault((one.one, one.other), []).append(one)
    found = []
    for lines in by_pair.values():
        rows = sum((one.shared_rows for one in lines), Decimal(0))
        for one in lines:
            enough = one.share >= policy.least_share and rows >= policy.least_overlap_rows
            if enough or one.found == one.looked_up:
                found.append(one)
    return sorted(found, key=lambda one: (one.period, -one.share, str(one.one), str(one.other)))


def with_keys(by_charge: Iterable[Shared], by_key: Iterable[Shared]) -> list[Shared]:
    """Pairs of objects that share charges, and those that share keys of rows only, as a restated row keeps its key and not
    its amount.

    Other keys acquit nobody: another report may give the same line another id.
    """
    found = {(one.period, one.one, one.other): one for one in (*by_key, *by_charge)}
    return sorted(found.values(), key=lambda one: (one.period, -one.share, str(one.one), str(one.other)))


@dataclass(frozen=True)
class Reason:
    """Why a month waits for a person."""

    cause: Cause
    sentence: str


@dataclass(frozen=True)
class SameMoney:
    """Of ``sums`` of an account, resource and day in a batch, and of ``other_sums`` in another source, ``found`` are in both, to the
    last digit that is compared; ``amounts`` of these differ from each other."""

    source: str
    metric: str
    sums: int
    other_sums: int
    found: int
    amounts: int

    @property
    def share(self) -> Decimal:
        """Share of the smaller of both that the other one has too: a part of a bill lies in the whole."""
        return Decimal(self.found) / Decimal(min(self.sums, self.other_sums))


def same_money_reason(found: Collection[SameMoney], policy: SamenessPolicy) -> Reason | None:
    """One bill in two formats: sums per account, resource and day that another source has to the last digit.

    Equal amounts happen by themselves, as two machines of one kind cost the same: different ones are counted. All sums of both
    are always enough.
    """
    alike = [
        one
        for one in found
        if (one.share >= policy.least_share and one.amounts >= policy.least_overlap_rows)
        or one.found == one.sums == one.other_sums
    ]
    if not alike:
        return None
    first = max(alike, key=lambda one: (one.share, one.found, one.source, one.metric))
    return Reason(
        "overlap",
        f"{first.found} of its {first.sums} sums of {first.metric} by account, resource and day are those of source "
        f"{first.source} to the last digit: one bill in two formats would count twice",
    )


@dataclass(frozen=True)
class Before:
    """What is published of a month: contents, rows and gross money by currency, and since when."""

    contents: frozenset[str]
    rows: int
    gross: Mapping[str, Decimal]
    published_at: datetime


def overlap_reason(found: Collection[Shared]) -> Reason | None:
    """Two objects of a month, or of another source, that hold the same charges."""
    if not found:
        return None
    first = max(found, key=lambda one: (one.share, one.found))
    share = "all" if first.found == first.looked_up else f"about {first.share:.0%}"
    pairs = {frozenset((one.one, one.other)) for one in found}
    more = f" (and {len(pairs) - 1} more such pairs)" if len(pairs) > 1 else ""
    return Reason(
        "overlap",
        f"{share} of the {first.rows} rows of {first.one} are also in {first.other}{more}: they would count twice",
    )


def restatement_reason(
    before: Before | None,
    contents: Collection[str],
    prints: Collection[Print],
    emptied: Collection[str],
    rolled_on: Collection[str],
    month_ends: datetime,
    policy: SamenessPolicy,
    published_prints: Collection[Print] | None = None,
) -> Reason | None:
    """Whether a delivery changes a published month by more than restatements do.

    Args:
        before: what is published, None for a month that is new.
        contents: digests of what the month would be published from.
        prints: the charges of each of them.
        emptied: objects that fed the month and hold a header only.
        rolled_on: objects that fed the month and hold other months now.
        month_ends: the first moment after the month.
        published_prints: the charges of what is published, None where not all are known.
    """
    if before is None:
        return None
    if emptied:
        return Reason(
            "emptied",
            f"{', '.join(sorted(emptied))} holds a header without rows; {before.rows} rows are published",
        )
    if before.contents <= set(contents):
        return None
    if published_prints is not None and _total(published_prints) == _total(prints):
        return None
    if rolled_on:
        return Reason(
            "rolled_on",
            f"{', '.join(sorted(rolled_on))} holds other months now, and its rows of this one would be replaced",
        )
    rows = sum(one.rows for one in prints)
    if not rows and before.rows:
        return Reason("shrinks", f"no row is left of {before.rows} published ones")
    if before.rows < policy.least_published_rows:
        return None
    gross = _gross(prints)
    if rows < before.rows * policy.shrinks_below and before.rows - rows >= policy.least_published_rows:
        return Reason("shrinks", f"{rows} rows are left of {before.rows} published ones")
    for currency, amount in before.gross.items():
        left = gross.get(currency, Decimal(0))
        if left < amount * policy.shrinks_below:
            return Reason(
                "shrinks", f"charges of {currency} {left:.2f} are left of {amount:.2f} published ones"
            )
    if before.published_at < month_ends + policy.settled_after:
        return None
    return growth_reason(before, Print(rows, 0, gross), policy)


def growth_reason(before: Before, now: Print, policy: SamenessPolicy) -> Reason | None:
    """Whether the days that are published of a month that is over would hold far more than they do."""
    if now.rows > before.rows * policy.grows_above:
        return Reason(
            "grows",
            f"{now.rows} rows would replace {before.rows} published ones of the same days, of a month that is over",
        )
    for currency, amount in now.gross.items():
        there = before.gross.get(currency, Decimal(0))
        if there and amount > there * policy.grows_above:
            return Reason(
                "grows",
                f"charges of {currency} {amount:.2f} would replace {there:.2f} published ones of the same days, of a month that is over",
            )
    return None


def _total(prints: Collection[Print]) -> tuple[int, int]:
    return sum(one.rows for one in prints), sum(one.row_hash_sum for one in prints) % 2**64


def _gross(prints: Collection[Print]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for one in prints:
        for currency, amount in one.gross.items():
            total[currency] = total.get(currency, Decimal(0)) + amount
    return total
