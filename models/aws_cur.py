"""AWS's Cost and Usage Report as data: columns of CUR 2.0 and of the legacy report, and what a line item type is in FOCUS.

What a file's header means is decided here; how its bytes are read is not. Facts stand in ``policy/aws_cur_columns.csv`` and
``policy/aws_line_types.csv``, each with its source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from models import focus
from models.bill_formats import SIGNATURES, other_format, plain_name
from models.errors import InputRefused
from models.focus import FocusColumn, Header, columns_found, delivered_columns, policy_rows

FORMAT = "aws-cur"
NET_COST, DISCOUNTS, BILLED = "line_item_net_unblended_cost", "discount", "line_item_unblended_cost"

_TAG_COLUMN = re.compile(r"resource_?tags[/_](?P<key>.+)", re.IGNORECASE | re.DOTALL)
_OF_USERS = re.compile(r"^user[:_]", re.IGNORECASE)
_DIALECT = focus.Dialect(FORMAT, SIGNATURES[FORMAT].title, False, SIGNATURES[FORMAT].names, {}, True)
_LIST_COST = "pricing_public_on_demand_cost"

DECIDING = (
    BILLED,
    "",
    "bill_billing_period_start_date",
    "bill_billing_period_end_date",
    "bill_billing_period_end_date",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
    "line_item_usage_end_date",
    "line_item_currency_code",
    "line_item_line_item_type",
)
"""The column behind each verdict about a row, in the order of ``ingest/focus_cells``; what is effective has several."""

EFFECTIVE_OF = {
    "billed": BILLED,
    "nothing": BILLED,
    "savings_plan_used": "savings_plan_savings_plan_effective_cost",
    "savings_plan_unused": "savings_plan_used_commitment",
    "reservation_used": "reservation_effective_cost",
    "reservation_unused": "reservation_unused_recurring_fee",
    "reservation_fee": BILLED,
}
"""The column that is named where what is effective cannot be read, by what is effective of a line item type."""


@dataclass(frozen=True)
class LineType:
    """What a line item type is in FOCUS; ``effective`` says of what its EffectiveCost is made."""

    name: str
    effective: str
    charge_category: str
    charge_class: str
    charge_frequency: str
    pricing_category: str
    commitment_status: str


@dataclass(frozen=True)
class CurHeader(Header):
    """A header, and the columns of which each holds the values of one tag: its key by their delivered name."""

    tag_columns: dict[str, str] = field(default_factory=dict)

    @property
    def undelivered_metrics(self) -> tuple[str, ...]:
        """A report has no contracted cost, and no list cost where its columns of list prices are left out."""
        lacking = () if _LIST_COST in self.delivered else ("ListCost",)
        return (*lacking, "ContractedCost")

    @property
    def has_discounts_in_columns(self) -> bool:
        """Whether discounts lower a line's net cost, and are no lines of their own."""
        return DISCOUNTS in self.delivered


@cache
def columns() -> dict[str, FocusColumn]:
    """The columns that are read, by their name in CUR 2.0."""
    return delivered_columns("aws_cur_columns.csv", "shown")


@cache
def line_types() -> dict[str, LineType]:
    """What each line item type is, by its plain name."""
    return {
        plain_name(row["line_type"]): LineType(
            row["line_type"],
            row["effective"],
            row["charge_category"],
            row["charge_class"],
            row["charge_frequency"],
            row["pricing_category"],
            row["commitment_status"],
        )
        for row in policy_rows("aws_line_types.csv")
    }


def read_header(delivered: Sequence[str]) -> CurHeader:
    """Finds the report's columns in a header, whichever way it spells them.

    Raises:
        InputRefused: another format, a column twice, a required one missing, or discounts without the net cost they lead to.
    """
    if other := other_format(delivered, FORMAT):
        raise InputRefused(other)
    found = columns_found(delivered, {plain_name(name): name for name in columns()})
    missing = [one for name, one in columns().items() if one.required and name not in found]
    if missing:
        raise InputRefused(
            f"its header lacks the column {missing[0].name} (in the legacy report: {missing[0].description}): "
            "add it to the export"
        )
    if DISCOUNTS in found and NET_COST not in found:
        raise InputRefused(
            f"it has discounts in its column {found[DISCOUNTS]} and not {NET_COST}, the cost less these: add that column "
            "to the export, or turn on its manual discount compatibility"
        )
    tags = _tag_columns(delivered)
    taken = {*found.values(), *tags}
    ignored = tuple(name for name in delivered if name not in taken)
    return CurHeader(found, ignored, _version(delivered), _DIALECT, tag_columns=tags)


def values(header: Header) -> dict[str, Any]:
    """What statements over a report bind beside its columns: the columns of FOCUS by name, and the line item types."""
    assert isinstance(header, CurHeader)
    types = line_types()
    shown = {name: header.delivered.get(name, one.description or name) for name, one in columns().items()}
    return {
        "currencies": sorted(focus.currencies()),
        "charge_categories": focus.charge_categories(),
        "empty_effective_cost_is_billed": int(_DIALECT.is_empty_effective_cost_billed),
        "is_net": int(header.has_discounts_in_columns),
        "tag_keys": ["", *header.tag_columns.values()],
        "line_types": list(types),
        "line_type_effective": [one.effective for one in types.values()],
        "line_type_category": [one.charge_category for one in types.values()],
        "line_type_class": [one.charge_class for one in types.values()],
        "line_type_frequency": [one.charge_frequency for one in types.values()],
        "line_type_pricing": [one.pricing_category for one in types.values()],
        "line_type_status": [one.commitment_status for one in types.values()],
        "deciding_names": [shown.get(name, "") for name in DECIDING],
        "effective_kinds": list(EFFECTIVE_OF),
        "effective_names": [shown[name] for name in EFFECTIVE_OF.values()],
    }


def rules() -> tuple[str, ...]:
    """What rows are counted and read by, as text."""
    return (
        repr(columns()),
        repr(line_types()),
        repr(sorted(focus.currencies())),
        repr(focus.charge_categories()),
    )


def _tag_columns(delivered: Sequence[str]) -> dict[str, str]:
    """Key by column of the columns that hold a tag each; what AWS puts before a user's own key is taken off.

    Raises:
        InputRefused: a column twice.
    """
    found: dict[str, str] = {}
    for name in delivered:
        match = _TAG_COLUMN.fullmatch(name)
        if match is None:
            continue
        if name in found:
            raise InputRefused(f"its header has column {name} twice: deliver one of them")
        key = _OF_USERS.sub("", match["key"])
        found[name] = name if key in found.values() else key
    return found


def _version(delivered: Sequence[str]) -> str:
    return "legacy" if any("/" in name for name in delivered) else "2.0"
