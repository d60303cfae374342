"""Where a ledger books a cost centre: account, legal entity and cost centre as the ERP names it, each with its days.

The text of a file finance owns in, answers for a day out. A cost centre that is booked nowhere or twice on a day is refused
by its name. Reading the file does not belong here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import field
from datetime import date, timedelta
from typing import Annotated

import polars as pl
from pydantic import BeforeValidator, ConfigDict, field_validator
from pydantic.dataclasses import dataclass

from models.errors import ConfigurationError
from models.yaml_reader import Misplaced, Name, documents, is_empty, validated

NOBODY = "unallocated"
"""How the file names the cost centre of what nobody owns, and of rounding."""

_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")
_DAY = timedelta(days=1)


def _day(value: object) -> date:
    if type(value) is not date:
        raise ValueError(f"is {value!r}; it must be a day such as 2026-01-31")
    return value


def _code(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'is a number; put a code in quotes: "{value}"')
    return value


Day = Annotated[date, BeforeValidator(_day)]
Code = Annotated[Name, BeforeValidator(_code)]


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Booking:
    """Account and legal entity of a cost centre from the first day of ``valid_from`` to the last of ``valid_to``."""

    cost_center: Code
    gl_account: Code
    legal_entity: Code
    valid_from: Day
    valid_to: Day | None = None
    erp_cost_center: Code | None = None

    @property
    def last(self) -> date:
        """The last day it holds."""
        return self.valid_to or date.max


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class LedgerAccounts:
    """Everything a file of accounts says; ``clearing`` is the account the other side of each entry is booked to."""

    clearing: Code
    accounts: tuple[Booking, ...] = field(default_factory=tuple)

    @field_validator("accounts")
    @classmethod
    def _each_day_once(cls, bookings: tuple[Booking, ...]) -> tuple[Booking, ...]:
        by_center: dict[str, list[tuple[int, Booking]]] = defaultdict(list)
        for place, one in enumerate(bookings):
            if one.last < one.valid_from:
                raise Misplaced(f"ends before it begins ({one.valid_from})", (place, "valid_to"))
            by_center[one.cost_center].append((place, one))
        for center, ones in by_center.items():
            ones.sort(key=lambda pair: pair[1].valid_from)
            for (_, before), (place, after) in zip(ones, ones[1:], strict=False):
                if after.valid_from <= before.last:
                    raise Misplaced(
                        f"overlaps: cost centre {center} is booked to {before.gl_account} until "
                        f"{before.valid_to or 'further notice'} already",
                        (place, "valid_from"),
                    )
                if after.valid_from != before.last + _DAY:
                    raise Misplaced(
                        f"leaves a gap: cost centre {center} is booked nowhere from {before.last + _DAY} to "
                        f"{after.valid_from - _DAY}",
                        (place, "valid_from"),
                    )
        return bookings

    def unbooked(self, cost_centers: Collection[str], first: date, last: date) -> list[str]:
        """Sentences on cost centres of a statement that are not booked to one account on every day of its month."""
        problems = []
        for center in sorted(set(cost_centers)):
            name = center or NOBODY
            ones = [one for one in self.accounts if one.cost_center == name]
            if not ones:
                problems.append(f"cost centre {name} has no account")
            elif not any(one.valid_from <= first <= one.last for one in ones):
                problems.append(f"cost centre {name} has no account on {first}")
            elif not any(one.valid_from <= last <= one.last for one in ones):
                problems.append(f"cost centre {name} has no account on {last}")
        return problems

    def booked(self, lines: pl.DataFrame, day: date) -> pl.DataFrame:
        """Lines with ``gl_account, legal_entity, erp_cost_center`` as they hold on a day; empty where none does."""
        known = {
            ("" if one.cost_center == NOBODY else one.cost_center): one
            for one in self.accounts
            if one.valid_from <= day <= one.last
        }
        columns: dict[str, list[str]] = {"gl_account": [], "legal_entity": [], "erp_cost_center": []}
        for center in lines["cost_center"]:
            one = known.get(center)
            columns["gl_account"].append(one.gl_account if one else "")
            columns["legal_entity"].append(one.legal_entity if one else "")
            columns["erp_cost_center"].append((one.erp_cost_center or center) if one else "")
        return lines.with_columns(pl.Series(name, values, pl.String) for name, values in columns.items())


def parse_accounts(text: str, file: str) -> LedgerAccounts:
    """What the text of a file of accounts says; sentences call it ``file``.

    Raises:
        ConfigurationError: a wrong key or type, a gap or an overlap; names file, line, key and cost centre.
    """
    found = [one for one in documents(text, file) if not is_empty(one.node)]
    if len(found) != 1:
        raise ConfigurationError(f"{file} holds {len(found)} documents; write all accounts into one")
    return validated(LedgerAccounts, found[0])
