"""What an ingest of one billing source came to, for people and for the checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Literal

_EXACT = Context(prec=120)
"""Wider than any sum of Decimal(76, 38): adding in it never rounds."""

PeriodState = Literal["published", "unchanged", "superseded", "vanished", "refused", "held", "rejected"]


@dataclass(frozen=True)
class Refusal:
    """Something that was not taken: an object (position 0) or one of its data rows, from 1."""

    object_name: str
    position: int
    sentence: str

    def __str__(self) -> str:
        where = f"{self.object_name}, row {self.position}" if self.position else self.object_name
        return f"{where}: {self.sentence}"


@dataclass(frozen=True)
class Repair:
    """What was emptied, guessed or not delivered in rows of an object that count, with the money beside it.

    ``amounts`` by ``<currency>/<metric>``; ``example`` is one value as it was delivered, shortened.
    """

    object_name: str
    period: date
    subject: str
    reason: str
    records: int
    amounts: dict[str, Decimal]
    example: str = ""

    def __str__(self) -> str:
        money = ", ".join(
            f"{key.split('/')[0]} {value:f}"
            for key, value in sorted(self.amounts.items())
            if key.endswith("/BilledCost")
        )
        example = f" (as {self.example!r})" if self.example else ""
        where = f"{self.object_name}, {self.period:%Y-%m}" if self.period.year > 1970 else self.object_name
        return (
            f"{where}: {self.subject} {self.reason}, in {self.records:,} row(s) "
            f"of {money or 'no money'} billed{example}"
        )


@dataclass(frozen=True)
class PeriodOutcome:
    """What happened to one billing month; rows and sums are those now published, keys ``<currency>/<metric>``."""

    period: date
    state: PeriodState
    reason: str = ""
    rows: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    residues: dict[str, Decimal] = field(default_factory=dict)
    version: datetime | None = None


@dataclass(frozen=True)
class BillingOutcome:
    """An ingest of one source: each month it knows of, what was refused, and how long it took."""

    source: str
    periods: tuple[PeriodOutcome, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    """What was decided by itself and changes what counts: copies counted once, older runs and deliveries left out."""
    standing: tuple[str, ...] = ()
    """The same, whether it was said before or not."""
    repairs: tuple[Repair, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def published(self) -> tuple[PeriodOutcome, ...]:
        """Months for which this ingest published a new release."""
        return tuple(one for one in self.periods if one.state == "published")

    @property
    def held(self) -> tuple[PeriodOutcome, ...]:
        """Months whose delivery waits for a person; the old figures stay until then."""
        return tuple(one for one in self.periods if one.state == "held")

    @property
    def rows(self) -> int:
        """Rows published by this ingest."""
        return sum(one.rows for one in self.published)

    @property
    def sums(self) -> dict[str, Decimal]:
        """Exact sums published by this ingest, key ``<currency>/<metric>``."""
        total: dict[str, Decimal] = {}
        for one in self.published:
            for key, value in one.sums.items():
                total[key] = exact_sum(total.get(key, Decimal(0)), value)
        return total


def exact_sum(left: Decimal, right: Decimal) -> Decimal:
    """The sum of two amounts without rounding, whatever the caller's decimal context."""
    return _EXACT.add(left, right)
