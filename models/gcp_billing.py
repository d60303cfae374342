"""Google's billing export (standard and detailed) as data: its columns, and what its words mean in FOCUS.

What a header means is decided here; how bytes are read is not. Facts are in ``policy/gcp_columns.csv`` and
``policy/gcp_billing.yaml``, each with its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from models.bill_formats import SIGNATURES, other_format, plain_name
from models.errors import InputRefused
from models.focus import Dialect, FocusColumn, Header, columns_found, policy_rows

FORMAT = "gcp-billing"
_DIALECT = Dialect(FORMAT, SIGNATURES[FORMAT].title, False, (), {}, False)
CREDITS = "credits"
_MEMBERS_OF_CREDITS = ("amount", "name", "id", "type", "full_name")


@dataclass(frozen=True)
class GcpColumn(FocusColumn):
    """One column; a flattened one names the ``record`` it is a member of."""

    record: str
    member: str


@dataclass(frozen=True)
class GcpHeader(Header):
    """What the header of an export says."""

    @property
    def undelivered_metrics(self) -> tuple[str, ...]:
        """Costs that no column gives; all others follow from ``cost`` and ``credits``."""
        return () if "cost_at_list" in self.delivered else ("ListCost",)


@cache
def columns() -> dict[str, GcpColumn]:
    """The columns of the export that are read, by name."""
    return {
        row["column"]: GcpColumn(
            name=row["column"],
            type=row["type"],  # type: ignore[arg-type]
            nullable=True,
            required=row["required"] == "1",
            low_cardinality=row["low_cardinality"] == "1",
            since="",
            removed="",
            description=row["description"],
            record=row["record"],
            member=row["member"],
        )
        for row in policy_rows("gcp_columns.csv")
    }


@cache
def words() -> dict[str, Any]:
    """What the words of the export mean (``gcp_billing.yaml``)."""
    text = resources.files("models").joinpath("policy", "gcp_billing.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def read_header(delivered: Sequence[str]) -> Header:
    """Finds the columns of an export in the header of a CSV or Parquet; case, spaces, ``.``, ``_`` and ``-`` do not count.

    Raises:
        InputRefused: a column twice, a required one missing, or credits flattened to single values; names it.
    """
    return _header(delivered, lacks_are_nulls=False)


def read_members(delivered: Sequence[str]) -> Header:
    """As `read_header`, of the members of JSON lines: where no row has credits, none names them.

    Raises:
        InputRefused: as `read_header`.
    """
    return _header(delivered, lacks_are_nulls=True)


def _header(delivered: Sequence[str], lacks_are_nulls: bool) -> Header:
    found = columns_found(delivered, {plain_name(name): name for name in columns()})
    missing = [
        name
        for name, column in columns().items()
        if column.required
        and name not in found
        and column.record not in found
        and not (lacks_are_nulls and name == CREDITS)
    ]
    if missing:
        if other := other_format(delivered, FORMAT):
            raise InputRefused(other)
        shown = ", ".join(name[:40] for name in delivered[:5])
        raise InputRefused(
            f"its header ({shown}{', ...' if len(delivered) > 5 else ''}) lacks the column {missing[0]} of Google's "
            "billing export: add it to the export"
        )
    taken = set(found.values())
    ignored = tuple(name for name in delivered if name not in taken)
    flat = {plain_name(f"{CREDITS} {member}") for member in _MEMBERS_OF_CREDITS}
    for name in ignored:
        if plain_name(name) in flat:
            raise InputRefused(
                f"its column {name} is one value where a row has any number of credits: export the credits of a row "
                "as one column (as JSON text in a CSV)"
            )
    return GcpHeader(found, ignored, "", _DIALECT)
