"""A dated table of exchange rates as finance keeps it, YAML or CSV: text in, the rate of a day out.

A rate is used as it is written: none is inverted, chained or guessed. Reading the file, and what is converted by it, do not
belong here.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from models.errors import ConfigurationError
from models.focus import currencies
from models.yaml_reader import Misplaced, Name, documents, is_empty, one_of, validated

By = Literal["day", "month_end"]
"""What a month is converted by: each day of usage at its own rate, or all of it at that of the month's last day."""

PLACES = 18
COLUMNS = ("date", "from", "to", "rate", "source")
"""Header of a table written as CSV."""

_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")
_RATE = re.compile(rf"\d{{1,15}}(\.\d{{1,{PLACES}}})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_WHAT_A_RATE_IS = (
    f'a rate above zero in quotes, with a point, at most {PLACES} places and no separators: "0.9217"'
)


def _rate(value: object) -> Decimal:
    """A rate written as text: YAML reads a plain number as a float, which is another one."""
    if not isinstance(value, str) or not _RATE.fullmatch(value) or not Decimal(value):
        raise ValueError(f"is {value!r}; write {_WHAT_A_RATE_IS}")
    return Decimal(value)


def _day(value: object) -> date:
    if type(value) is not date:
        raise ValueError(f"is {value!r}; it must be a day such as 2026-01-31")
    return value


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Rate:
    """What one unit of a currency was worth in another on a day, and who says so."""

    date: Annotated[date, BeforeValidator(_day)]
    from_: Annotated[Name, one_of(currencies()), Field(alias="from")]
    to: Annotated[Name, one_of(currencies())]
    rate: Annotated[Decimal, BeforeValidator(_rate)]
    source: Name


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class RateTable:
    """Every rate of a file, each day once for a pair of currencies."""

    rates: tuple[Rate, ...] = field(default_factory=tuple)

    @field_validator("rates")
    @classmethod
    def _each_once(cls, rates: tuple[Rate, ...]) -> tuple[Rate, ...]:
        seen: dict[tuple[object, ...], Rate] = {}
        for place, one in enumerate(rates):
            if one.from_ == one.to:
                raise Misplaced(f"is {one.to} as well: a currency needs no rate to itself", (place, "to"))
            before = seen.setdefault((one.date, one.from_, one.to), one)
            if before is not one:
                raise Misplaced(
                    f"is the second one from {one.from_} to {one.to} on {one.date}; keep one of them",
                    (place, "rate"),
                )
        return rates

    @cached_property
    def _by_pair(self) -> Mapping[tuple[str, str], tuple[list[date], list[Rate]]]:
        pairs: dict[tuple[str, str], list[Rate]] = {}
        for one in sorted(self.rates, key=lambda rate: rate.date):
            pairs.setdefault((one.from_, one.to), []).append(one)
        return {pair: ([one.date for one in ones], ones) for pair, ones in pairs.items()}

    def on(self, day: date, from_: str, to: str, hold_days: int = 0) -> Rate | None:
        """The rate of a day: that of the day, else the newest one of at most ``hold_days`` before; None without one."""
        days, ones = self._by_pair.get((from_, to), ([], []))
        place = bisect_right(days, day)
        if not place or days[place - 1] < day - timedelta(days=hold_days):
            return None
        return ones[place - 1]


def parse_rates(text: str, file: str) -> RateTable:
    """What the text of a table of rates says; sentences call it ``file``, whose ending tells CSV from YAML.

    Raises:
        ConfigurationError: a wrong key, day, currency or rate, or a day twice; names file, line and key.
    """
    return _from_csv(text, file) if file.lower().endswith(".csv") else _from_yaml(text, file)


def _from_yaml(text: str, file: str) -> RateTable:
    found = [one for one in documents(text, file) if not is_empty(one.node)]
    if len(found) > 1:
        raise ConfigurationError(f"{file} holds {len(found)} documents; write all rates into one")
    return validated(RateTable, found[0]) if found else RateTable()


def _from_csv(text: str, file: str) -> RateTable:
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(name.strip().lower() for name in rows[0]) != COLUMNS:
        raise ConfigurationError(f"{file}, line 1: the header must be {','.join(COLUMNS)}")
    rates = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(COLUMNS):
            raise ConfigurationError(f"{file}, line {line}: has {len(row)} cells, the header {len(COLUMNS)}")
        cells = {name: cell.strip() for name, cell in zip(COLUMNS, row, strict=True)}
        rates.append(_csv_rate(cells, f"{file}, line {line}"))
    try:
        return RateTable(tuple(rates))
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {_cause(error)}") from None


def _csv_rate(cells: Mapping[str, str], where: str) -> Rate:
    day: Any = cells["date"]
    try:
        day = date.fromisoformat(cells["date"]) if _DAY.fullmatch(cells["date"]) else cells["date"]
    except ValueError:
        pass  # said below, with what was written
    try:
        return TypeAdapter(Rate).validate_python({**cells, "date": day})
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {_cause(error)}") from None


def _cause(error: ValidationError) -> str:
    """The first mistake pydantic found, with the column it is in."""
    one = error.errors(include_url=False)[0]
    cause = one.get("ctx", {}).get("error")
    below = getattr(cause, "below", ())
    name = next(str(part) for part in reversed((*one["loc"], *below)) if isinstance(part, str))
    return f"{name} {cause or 'is empty'}"
