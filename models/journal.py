"""A statement as entries of a journal: what each account is charged, against one clearing account, balanced.

Amounts in minor units in, debits and credits out. How an ERP wants them written is a template's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import polars as pl

from models.errors import ModelError
from models.money import exact_total
from models.statement_csv import in_places

ACCOUNT = ("billing_currency", "legal_entity", "gl_account", "erp_cost_center", "cost_center")
"""What makes an entry, in the order of the journal."""

CLEARING = "clearing"


def journal_entries(lines: pl.DataFrame, clearing: str, period: date) -> list[dict[str, str]]:
    """Entries of a statement's ``amount``: one per ``ACCOUNT``, and per currency and legal entity one of the clearing account.

    Keys: ``line, period, currency, legal_entity, gl_account, cost_center, debit, credit, description``; of ``debit`` and
    ``credit`` one is an exact amount above zero, the other empty. Per currency and legal entity debits equal credits; what
    sums to nothing has no entry.

    Raises:
        ModelError: debits and credits differ.
    """
    entries: list[dict[str, str]] = []
    totals: dict[tuple[str, str], Decimal] = {}
    for key, part in lines.sort(ACCOUNT).group_by(ACCOUNT, maintain_order=True):
        currency, entity, account, erp_center, center = map(str, key)
        amount = exact_total(part["amount"])
        totals[currency, entity] = exact_total((totals.get((currency, entity), Decimal(0)), amount))
        if amount:
            text = f"Cloud cost {period:%Y-%m} of cost centre {center or 'unallocated'}"
            entries.append(_entry(period, currency, entity, account, erp_center, amount, text))
    for (currency, entity), amount in sorted(totals.items()):
        if amount:
            text = f"Cloud cost {period:%Y-%m}, charged to cost centres"
            entries.append(_entry(period, currency, entity, clearing, "", -amount, text))
    _balanced(entries)
    return [{"line": str(number), **entry} for number, entry in enumerate(entries, start=1)]


def journal_totals(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    """``currency, legal_entity, debit, credit`` of a journal, exact."""
    told = []
    for (currency, entity), (debit, credit) in sorted(_sums(entries).items()):
        told.append(
            {
                "currency": currency,
                "legal_entity": entity,
                "debit": in_places(debit, currency),
                "credit": in_places(credit, currency),
            }
        )
    return told


def _entry(
    period: date, currency: str, entity: str, account: str, center: str, amount: Decimal, text: str
) -> dict[str, str]:
    told = in_places(abs(amount), currency)
    return {
        "period": f"{period:%Y-%m}",
        "currency": currency,
        "legal_entity": entity,
        "gl_account": account,
        "cost_center": center,
        "debit": told if amount > 0 else "",
        "credit": told if amount < 0 else "",
        "description": text,
    }


def _sums(entries: list[dict[str, str]]) -> Mapping[tuple[str, str], tuple[Decimal, Decimal]]:
    sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for one in entries:
        debit, credit = sums.get((one["currency"], one["legal_entity"]), (Decimal(0), Decimal(0)))
        sums[one["currency"], one["legal_entity"]] = (
            exact_total((debit, Decimal(one["debit"] or 0))),
            exact_total((credit, Decimal(one["credit"] or 0))),
        )
    return sums


def _balanced(entries: list[dict[str, str]]) -> None:
    for (currency, entity), (debit, credit) in _sums(entries).items():
        if debit != credit:
            raise ModelError(f"the journal of {entity} in {currency} has debits {debit} and credits {credit}")
