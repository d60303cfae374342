"""FOCUS Cost and Usage as data: columns of 1.0 to 1.4 with their types, dialects of it, and the currencies of ISO 4217.

What a file's header means is decided here; how its bytes are read is not. Column facts are from the FOCUS
specifications 1.0, 1.2, 1.3 and 1.4 (finopsfoundation/FOCUS_Spec, CC-BY-4.0), those of dialects from the sources named
in ``policy/focus_dialects.csv``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from models.bill_formats import other_format, plain_name, signature_names
from models.errors import InputRefused

ColumnType = Literal["string", "decimal", "time", "json", "tags"]

METRICS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
"""The four costs of a row; each is summed and reconciled on its own."""

PROVIDER_COLUMNS = ("ServiceProviderName", "ProviderName")
"""One of them must be there: 1.3 renamed the second to the first."""

_SHOWN_NAMES = 5


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
class Dialect:
    """What a header may look like: FOCUS as somebody writes it, or a bill that is no FOCUS.

    ``signatures`` are sets of plain names, each enough to recognise it; ``names`` the FOCUS column of each plain name
    that is the dialect's own.
    """

    name: str
    title: str
    is_focus: bool
    signatures: tuple[frozenset[str], ...]
    names: dict[str, str]
    is_empty_effective_cost_billed: bool


@dataclass(frozen=True)
class Header:
    """What a file's header says: delivered name by column, what is ignored, its version and its dialect.

    ``metrics`` are the costs it gives where its columns are not those of FOCUS.
    """

    delivered: dict[str, str]
    ignored: tuple[str, ...]
    version: str
    dialect: Dialect
    metrics: frozenset[str] | None = None

    @property
    def undelivered_metrics(self) -> tuple[str, ...]:
        """Costs that no column of the file gives."""
        given = self.delivered if self.metrics is None else self.metrics
        return tuple(metric for metric in METRICS if metric not in given)


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
        for row in policy_rows("focus_columns.csv")
    }


@cache
def dialects() -> tuple[Dialect, ...]:
    """What headers may look like, the most particular first."""
    names: dict[str, dict[str, str]] = {}
    for row in policy_rows("focus_names.csv"):
        names.setdefault(row["dialect"], {})[plain_name(row["delivered"])] = row["column"]
    return tuple(
        Dialect(
            name=row["dialect"],
            title=row["title"],
            is_focus=row["kind"] == "focus",
            signatures=tuple(
                frozenset(plain_name(name) for name in one.split()) for one in row["signature"].split("|")
            ),
            names=names.get(row["dialect"], {}),
            is_empty_effective_cost_billed=row["empty_effective_cost"] == "BilledCost",
        )
        for row in policy_rows("focus_dialects.csv")
    )


@cache
def charge_categories() -> tuple[str, ...]:
    """The categories a charge can have."""
    return tuple(row["value"] for row in policy_rows("focus_values.csv") if row["column"] == "ChargeCategory")


@cache
def currencies() -> dict[str, int]:
    """Decimal places of the minor unit by ISO 4217 code."""
    return {row["currency"]: int(row["minor_units"]) for row in policy_rows("currencies.csv")}


def read_header(delivered: Sequence[str]) -> Header:
    """Finds the FOCUS columns of a header; case, spaces, ``_`` and ``-`` do not count.

    Raises:
        InputRefused: a column twice, or a required one missing; the message names it and what the header looks like.
    """
    dialect = _recognised(delivered)
    own = {plain_name(name): name for name in columns()}
    found = columns_found(delivered, own)
    if dialect is not None and dialect.is_focus:
        further = columns_found(delivered, dialect.names)
        found |= {column: name for column, name in further.items() if column not in found}
    missing = [name for name, column in columns().items() if column.required and name not in found]
    if not any(name in found for name in PROVIDER_COLUMNS):
        missing.append(" or ".join(PROVIDER_COLUMNS))
    if dialect is None or not dialect.is_focus or missing:
        raise InputRefused(_refusal(delivered, dialect, missing))
    taken = set(found.values())
    ignored = tuple(name for name in delivered if name not in taken)
    return Header(found, ignored, _version(found), dialect)


def looks_like(delivered: Sequence[str]) -> int:
    """How many names of a header are known: what tells the right way to read it from the wrong ones."""
    own = {plain_name(name) for name in columns()} | signature_names()
    known = own.union(
        *(one.names for one in dialects()), *(set().union(*one.signatures) for one in dialects())
    )
    return len(known & {plain_name(name) for name in delivered})


def columns_found(delivered: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    """Delivered name by column, of the plain names known.

    Raises:
        InputRefused: a name or a column twice.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name in delivered:
        column = known.get(plain_name(name))
        if name in seen:
            raise InputRefused(f"its header has column {name} twice: deliver one of them")
        if column in found:
            also = found[column]
            raise InputRefused(
                f"its header has column {name} twice (also written {also}): deliver one of them"
            )
        seen.add(name)
        if column is not None:
            found[column] = name
    return found


def _recognised(delivered: Iterable[str]) -> Dialect | None:
    plain = {plain_name(name) for name in delivered}
    for one in dialects():
        if any(names <= plain for names in one.signatures):
            return one
    required = {plain_name(name) for name, column in columns().items() if column.required}
    is_most_there = len(required & plain) * 2 > len(required)
    return next(one for one in dialects() if one.name == "focus") if is_most_there else None


def _refusal(delivered: Sequence[str], dialect: Dialect | None, missing: Sequence[str]) -> str:
    if other := other_format(delivered, "focus"):
        return other
    if dialect is not None and not dialect.is_focus:
        return (
            f"it looks like {dialect.title}, which is no FOCUS (it lacks the required column {missing[0]}): "
            "deliver the provider's FOCUS export instead"
        )
    if dialect is not None:
        return (
            f"it looks like {dialect.title}, but its header lacks the required column {missing[0]}: "
            "add it to the export"
        )
    shown = ", ".join(name[:40] for name in delivered[:_SHOWN_NAMES])
    return (
        f"its header ({shown}{', ...' if len(delivered) > _SHOWN_NAMES else ''}) looks like no version of FOCUS: "
        f"it lacks the required column {missing[0]}"
    )


def _version(found: dict[str, str]) -> str:
    """The oldest FOCUS version that has every column found."""
    return max((columns()[name].since for name in found), default="1.0")


def delivered_columns(file: str, described_by: str, prefix: str = "") -> dict[str, FocusColumn]:
    """Columns of a bill that is no FOCUS, from a CSV of the policy: by their name behind ``prefix``, ``described_by`` one of the
    file's own columns. What is not required may be NULL.
    """
    return {
        prefix + row["column"]: FocusColumn(
            name=prefix + row["column"],
            type=row["type"],  # type: ignore[arg-type]
            nullable=row["required"] == "0",
            required=row["required"] == "1",
            low_cardinality=row["low_cardinality"] == "1",
            since="",
            removed="",
            description=row[described_by],
        )
        for row in policy_rows(file)
    }


def policy_rows(name: str) -> list[dict[str, str]]:
    """Rows of a CSV of the package's policy; lines that begin with # are remarks."""
    text = resources.files("models").joinpath("policy", name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(io.StringIO("\n".join(lines))))
