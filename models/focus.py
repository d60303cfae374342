"""FOCUS Cost and Usage as data: columns of 1.0 to 1.4 with their types, and the currencies of ISO 4217.

What a file's header means is decided here; how its bytes are read is not. Column facts are from the FOCUS
specifications 1.0, 1.2, 1.3 and 1.4 (finopsfoundation/FOCUS_Spec, CC-BY-4.0).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from models.errors import InputRefused

ColumnType = Literal["string", "decimal", "time", "json", "tags"]

METRICS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
"""The four costs of a row; each is summed and reconciled on its own."""

PROVIDER_COLUMNS = ("ServiceProviderName", "ProviderName")
"""One of them must be there: 1.3 renamed the second to the first."""


@dataclass(frozen=True)
class FocusColumn:
    """One column of the superset; ``since`` and ``removed`` are FOCUS versions."""

    name: str
    type: ColumnType
    nullable: bool
    required: bool
    low_cardinality: bool
    since: str
    removed: str
    description: str


@dataclass(frozen=True)
class Header:
    """What a file's header says: delivered name by FOCUS column, what is ignored, and the version it shows."""

    delivered: dict[str, str]
    ignored: tuple[str, ...]
    version: str


@cache
def columns() -> dict[str, FocusColumn]:
    """The superset of FOCUS 1.0 to 1.4 by column name."""
    return {
        row["column"]: FocusColumn(
            name=row["column"],
            type=row["type"],  # type: ignore[arg-type]
            nullable=row["nullable"] == "1",
            required=row["required"] == "1",
            low_cardinality=row["low_cardinality"] == "1",
            since=row["since"],
            removed=row["removed"],
            description=row["description"],
        )
        for row in _policy("focus_columns.csv")
    }


@cache
def currencies() -> dict[str, int]:
    """Decimal places of the minor unit by ISO 4217 code."""
    return {row["currency"]: int(row["minor_units"]) for row in _policy("currencies.csv")}


def read_header(delivered: Sequence[str]) -> Header:
    """Finds the FOCUS columns of a header; case, spaces, ``_`` and ``-`` do not count.

    Raises:
        InputRefused: a column twice, or a required one missing; the message names it.
    """
    known = {_plain(name): name for name in columns()}
    found: dict[str, str] = {}
    ignored = []
    for name, count in Counter(delivered).items():
        column = known.get(_plain(name))
        if count > 1 or column in found:
            other = "" if count > 1 else f" (also written {found[column or '']})"
            raise InputRefused(f"its header has column {name} twice{other}: deliver one of them")
        if column is None:
            ignored.append(name)
        else:
            found[column] = name
    missing = [name for name, column in columns().items() if column.required and name not in found]
    if not any(name in found for name in PROVIDER_COLUMNS):
        missing.append(" or ".join(PROVIDER_COLUMNS))
    if missing:
        raise InputRefused(f"its header lacks the required column {missing[0]}: add it to the export")
    return Header(found, tuple(ignored), _version(found))


def _version(found: dict[str, str]) -> str:
    """The oldest FOCUS version that has every column found."""
    return max((columns()[name].since for name in found), default="1.0")


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _policy(name: str) -> list[dict[str, str]]:
    text = resources.files("models").joinpath("policy", name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(io.StringIO("\n".join(lines))))
