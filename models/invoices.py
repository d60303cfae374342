"""Totals of invoices as finance declares them, to hold a bill against: text in, values out.

Reading the file, and what becomes of a difference, do not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, field_validator
from pydantic.dataclasses import dataclass

from models.errors import ConfigurationError
from models.focus import currencies
from models.yaml_reader import Misplaced, Name, documents, is_empty, one_of, validated

_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")
_AMOUNT = re.compile(r"-?\d{1,20}(\.\d{1,18})?")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def _amount(value: object) -> Decimal:
    """An amount written as text: YAML reads a plain number as a float, which is another one."""
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise ValueError(
            f'is {value!r}; write an amount in quotes, with a point and no separators: "1234.56"'
        )
    return Decimal(value)


def _month(value: object) -> date:
    found = _MONTH.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"is {value!r}; it must be a month such as 2026-10")
    return date(int(found[1]), int(found[2]), 1)


Amount = Annotated[Decimal, BeforeValidator(_amount)]


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Invoice:
    """What a source's invoice of a month asks for in one currency, and how far its bill may be from that."""

    source: Name
    month: Annotated[date, BeforeValidator(_month)]
    currency: Annotated[Name, one_of(currencies())]
    total: Amount
    tolerance: Amount = Decimal(0)

    def difference(self, sums: Mapping[str, Decimal]) -> Decimal:
        """The bill's BilledCost less the invoice's total; ``sums`` has keys ``<currency>/<metric>``."""
        return sums.get(f"{self.currency}/BilledCost", Decimal(0)) - self.total


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Invoices:
    """Everything a file of invoices declares."""

    invoices: tuple[Invoice, ...] = field(default_factory=tuple)

    @field_validator("invoices")
    @classmethod
    def _each_once(cls, ones: tuple[Invoice, ...]) -> tuple[Invoice, ...]:
        seen = set()
        for place, one in enumerate(ones):
            if one.tolerance < 0:
                raise Misplaced("is below zero", (place, "tolerance"))
            if (one.source, one.month, one.currency) in seen:
                raise Misplaced(
                    f"is declared twice for {one.source} {one.month:%Y-%m} {one.currency}; add them up",
                    (place, "total"),
                )
            seen.add((one.source, one.month, one.currency))
        return ones


def parse_invoices(text: str, file: str) -> Invoices:
    """What the text of a file of invoices declares; sentences call it ``file``.

    Raises:
        ConfigurationError: a wrong key, type or amount; names file, line and key.
    """
    found = [one for one in documents(text, file) if not is_empty(one.node)]
    if len(found) > 1:
        raise ConfigurationError(f"{file} holds {len(found)} documents; write all invoices into one")
    return validated(Invoices, found[0]) if found else Invoices()
