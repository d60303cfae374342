"""What tells the formats of bills apart: names that the header of one has and no other's has.

A format that is read has a row here and one in ``BILL_FORMATS``, in the same order. How a header is read further belongs to
each format; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """How a format is recognised: what it is called in a sentence, and sets of names, each enough; any spelling counts."""

    title: str
    names: tuple[frozenset[str], ...]


def _any_of(*names: str) -> tuple[frozenset[str], ...]:
    """Each argument a set of names parted by blanks, one such set being enough."""
    return tuple(frozenset(one.split()) for one in names)


_AZURE = Signature(
    "Azure's actual or amortized cost export",
    _any_of("CostInBillingCurrency MeterId", "PreTaxCost MeterId", "Cost MeterId"),
)
"""Both views of a bill have one header: which of them a file is, its rows and its folder say."""

SIGNATURES: dict[str, Signature] = {
    "focus": Signature("FOCUS", _any_of("BilledCost BillingPeriodStart")),
    "aws-cur": Signature("AWS's Cost and Usage Report", _any_of("lineItem/UnblendedCost")),
    "gcp-billing": Signature(
        "Google's detailed billing export", _any_of("billing_account_id usage_start_time cost")
    ),
    "azure-actual": _AZURE,
    "azure-amortized": _AZURE,
    "mapping": Signature("a file with a mapping of its own", ()),
}
"""By format, as a source's ``format`` gives it; names from each provider's documentation of its export."""

BILLING_FORMATS = ("focus", "aws-cur", "gcp-billing", "azure-actual", "azure-amortized", "mapping")
"""Formats that are read, in the order of ``SIGNATURES``."""


def formats_of(delivered: Iterable[str]) -> tuple[str, ...]:
    """The formats a header has the names of; more than one where they share their header."""
    plain = {plain_name(name) for name in delivered}
    return tuple(
        name
        for name, one in SIGNATURES.items()
        if any({plain_name(each) for each in names} <= plain for names in one.names)
    )


def other_format(delivered: Iterable[str], expected: str) -> str:
    """What is said of a header that is not the expected format but another one; empty if no other one is known."""
    found = formats_of(delivered)
    if not found or expected in found:
        return ""
    looks_like = f"it looks like {SIGNATURES[found[0]].title}, not like {SIGNATURES[expected].title}"
    read = [name for name in found if name in BILLING_FORMATS]
    if not read:
        return f"{looks_like}: deliver the provider's FOCUS export instead, as a source with `format: focus`"
    return f"{looks_like}: give its source `format: {' or '.join(read)}`"


def signature_names() -> set[str]:
    """Plain names that some signature has."""
    return {plain_name(name) for one in SIGNATURES.values() for names in one.names for name in names}


def plain_name(name: str) -> str:
    """A column's name without case, spaces and punctuation."""
    return "".join(c for c in name.casefold() if c.isalnum())
