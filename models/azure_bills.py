"""Azure's actual and amortized cost exports as data: their columns, spellings and words, and what these are in FOCUS.

What a header means is decided here, and what its rows as a whole tell of a file; nothing here reads one. Facts are from
Microsoft's schemas, named in ``policy/azure_*.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Literal

from models.bill_formats import other_format, plain_name
from models.errors import InputRefused
from models.focus import FocusColumn, Header, delivered_columns, dialects, policy_rows
from models.focus import columns as focus_columns

View = Literal["actual", "amortized"]

FED: dict[View, str] = {"actual": "BilledCost", "amortized": "EffectiveCost"}
"""The metric each view of a bill feeds; the other one has it from the other view, so nothing counts twice."""

PREFIX = "az_"
"""Before the name of a column of the export, as parameter of a statement: some are called as a column of FOCUS is."""

_IN_BRACKETS = re.compile(r"\(([^()]+)\)\s*\Z")
_SHOWN_NAMES = 5
_IN_PRICING_CURRENCY = {
    "ContractedUnitPrice": "PricingCurrencyContractedUnitPrice",
    "ListUnitPrice": "PricingCurrencyListUnitPrice",
}
"""Prices are in the billing currency, but where the export has a pricing currency."""


@cache
def columns() -> dict[str, FocusColumn]:
    """The columns that are read, by their name as a parameter."""
    return delivered_columns("azure_columns.csv", "description", PREFIX)


@cache
def _sources() -> dict[str, frozenset[str]]:
    """By FOCUS column the parameters it comes of, any of which is enough."""
    found: dict[str, set[str]] = {}
    for row in policy_rows("azure_columns.csv"):
        for focus in row["focus"].split():
            if focus != "-":
                found.setdefault(focus, set()).add(PREFIX + row["column"])
    return {focus: frozenset(names) for focus, names in found.items()}


@cache
def _spellings() -> dict[str, str]:
    """Parameter by plain spelling."""
    own = {plain_name(name.removeprefix(PREFIX)): name for name in columns()}
    return own | {
        plain_name(row["delivered"]): PREFIX + row["column"] for row in policy_rows("azure_names.csv")
    }


@cache
def words(column: str, focus: str) -> tuple[list[str], list[str]]:
    """The plain words of a column that mean something in a column of FOCUS, and beside each what it is there."""
    found = [
        row for row in policy_rows("azure_values.csv") if row["column"] == column and row["focus"] == focus
    ]
    return [plain_name(row["delivered"]) for row in found], [row["value"] for row in found]


def values_of(column: str, focus: str) -> tuple[list[str], list[str]]:
    """All words of a column, and beside each what it is in a column of FOCUS; empty where it is nothing there."""
    meant = dict(zip(*words(column, focus), strict=True))
    known = dict.fromkeys(
        plain_name(row["delivered"]) for row in policy_rows("azure_values.csv") if row["column"] == column
    )
    return list(known), [meant.get(word, "") for word in known]


def read_header(view: View, delivered: Sequence[str]) -> Header:
    """Finds the columns of a header; case, spaces and punctuation do not count, and of a name in another language only
    what stands in brackets behind it.

    Raises:
        InputRefused: a column twice, or a required one missing; the message names it, and what the header looks like.
    """
    found: dict[str, str] = {}
    for name in delivered:
        column = _column_of(name)
        if column is None:
            continue
        if column in found:
            raise InputRefused(
                f"its header has column {name} twice (also written {found[column]}): deliver one of them"
            )
        found[column] = name
    missing = [
        name.removeprefix(PREFIX) for name, one in columns().items() if one.required and name not in found
    ]
    if missing:
        raise InputRefused(_refusal(view, delivered, missing[0], len(found)))
    taken = set(found.values())
    metrics = {FED[view]} | ({"ListCost"} if _gives_list_cost(view, found) else set())
    focus = next(one for one in dialects() if one.name == "focus")
    return Header(
        found, tuple(name for name in delivered if name not in taken), "", focus, frozenset(metrics)
    )


def looks_like(delivered: Iterable[str]) -> int:
    """How many names of a header are known."""
    return sum(_column_of(name) is not None for name in delivered)


def focus_names(view: View, header: Header, absent: str) -> dict[str, str]:
    """What each column of FOCUS is called among the rows of ``ingest/azure_rows``; ``absent`` where nothing gives it.

    The cost is one metric's alone; list cost stands beside amortized costs, so that it counts once too.
    """
    has_pricing_currency = PREFIX + "PricingCurrency" in header.delivered
    always = {"InvoiceIssuerName", "ProviderName", "ServiceProviderName"}
    names: dict[str, str] = {}
    for name in focus_columns():
        sources = _sources().get(name, frozenset())
        names[name] = name if name in always or sources & set(header.delivered) else absent
    for billing, pricing in _IN_PRICING_CURRENCY.items():
        given = {"ContractedUnitPrice": "UnitPrice", "ListUnitPrice": "PayGPrice"}[billing]
        is_there = PREFIX + given in header.delivered
        names[billing] = given if is_there and not has_pricing_currency else absent
        names[pricing] = given if is_there and has_pricing_currency else absent
    names["ServiceProviderName"] = "ProviderName"
    names["ListCost"] = "ListCost" if _gives_list_cost(view, header.delivered) else absent
    for one, metric in FED.items():
        names[metric] = "cost" if one == view else "other_cost"
    return names


def delivered_names(view: View, header: Header) -> tuple[list[str], list[str]]:
    """Columns of FOCUS that decide about a row, and beside each what it is called in the file."""
    of = {
        FED[view]: "Cost",
        "BillingPeriodStart": "BillingPeriodStartDate",
        "BillingPeriodEnd": "BillingPeriodEndDate",
        "ChargePeriodStart": "Date",
        "ChargePeriodEnd": "Date",
        "BillingCurrency": "BillingCurrency",
        "ChargeCategory": "ChargeType",
    }
    found = {
        focus: header.delivered.get(PREFIX + name, header.delivered[PREFIX + "Date"])
        for focus, name in of.items()
    }
    return list(found), list(found.values())


def date_order(day_first: str, month_first: str, doubtful: str) -> str:
    """How dates that do not begin with their year are read in a whole file: ``mdy``, ``dmy``, or empty where none leaves a
    doubt.

    Args:
        day_first: a date of the file that can only begin with the day; empty: there is none.
        month_first: one that can only begin with the month.
        doubtful: one that can be read both ways.

    Raises:
        InputRefused: the dates contradict each other, or nothing decides between both orders.
    """
    if day_first and month_first:
        raise InputRefused(
            f"its dates are of two orders, such as {day_first} and {month_first}: export it with dates as YYYY-MM-DD"
        )
    if doubtful and not day_first and not month_first:
        raise InputRefused(
            f"each of its dates can be read as month/day and as day/month, such as {doubtful}: export it with dates as "
            "YYYY-MM-DD, or with BillingPeriodEndDate"
        )
    return "dmy" if day_first else "mdy" if month_first else ""


def check_view(view: View, amortized: str, actual: str) -> None:
    """Does nothing where the rows of a file may be those of this view of a bill.

    Args:
        view: the view its source says it is.
        amortized: a kind of charge in it that only an amortized export has; empty: there is none.
        actual: one that only an actual export has.

    Raises:
        InputRefused: it is the other view; names the likely format.
    """
    other, evidence = ("amortized", amortized) if view == "actual" else ("actual", actual)
    if evidence:
        raise InputRefused(
            f"it holds charges of type {evidence}, which only an {other} export has: `format: azure-{other}` is the likely "
            "right one"
        )


def bound_words() -> Mapping[str, list[str]]:
    """The parameters of the statements that hold words of the export and of FOCUS."""
    types, categories = values_of("ChargeType", "ChargeCategory")
    models, of_models = values_of("PricingModel", "PricingCategory")
    frequencies, of_frequencies = values_of("Frequency", "ChargeFrequency")
    families, of_families = values_of("ServiceFamily", "ServiceCategory")
    return {
        "charge_types": types,
        "categories_of_types": categories,
        "classes_of_types": values_of("ChargeType", "ChargeClass")[1],
        "statuses_of_types": values_of("ChargeType", "CommitmentDiscountStatus")[1],
        "pricing_models": models,
        "categories_of_models": of_models,
        "statuses_of_models": values_of("PricingModel", "CommitmentDiscountStatus")[1],
        "frequencies": frequencies,
        "frequencies_of": of_frequencies,
        "families": families,
        "categories_of_families": of_families,
        "amortized_types": words("ChargeType", "CommitmentDiscountStatus")[0],
        "commitments": words("PricingModel", "CommitmentDiscountStatus")[0],
    }


def _gives_list_cost(view: View, delivered: Mapping[str, str]) -> bool:
    return view == "amortized" and PREFIX + "PaygCostInBillingCurrency" in delivered


def _column_of(name: str) -> str | None:
    in_brackets = _IN_BRACKETS.search(name)
    return _spellings().get(plain_name(in_brackets[1] if in_brackets else name))


def _refusal(view: View, delivered: Sequence[str], missing: str, known: int) -> str:
    if other := other_format(delivered, f"azure-{view}"):
        return other
    if known * 2 > sum(one.required for one in columns().values()):
        return (
            f"it looks like Azure's {view} cost export, but its header lacks the required column {missing}: "
            "add it to the export"
        )
    shown = ", ".join(name[:40] for name in delivered[:_SHOWN_NAMES])
    return (
        f"its header ({shown}{', ...' if len(delivered) > _SHOWN_NAMES else ''}) looks like no cost export of Azure: "
        f"it lacks the required column {missing}"
    )
