"""A bill of some days by its lines, against days before: one read, its figures and one table for every page.

Usage is what is compared; tax, purchases, credits, adjustments and corrections stand beside it. Which days are compared
with which is decided by ``models.comparison``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.frame import by_currency
from dashboards.queries import TeamReads
from models.comparison import Comparison
from models.money import exact_total
from models.statement_csv import plain

BILL_LINES = "dashboards/bill_lines"
USAGE = "Usage"

_IN_SIGHT = 2
"""Lines beside usage that the small print of a figure has room for on a phone; all of them are in its help."""


@dataclass(frozen=True)
class CurrencyBill:
    """What is billed in some days in one currency: in all, its usage with the days before, and what is no app's."""

    currency: str
    days: Comparison
    first_cost_day: date | None
    """First day of anybody's usage in the currency, or None without any."""
    lines: pl.DataFrame
    """``bill_line, billed, compared, billed_before, unallocated``."""

    @property
    def billed(self) -> Decimal:
        """All charges of the days shown."""
        return exact_total(self.lines["billed"])

    @property
    def unallocated(self) -> Decimal:
        """Of all charges of the days shown, those of no app."""
        return exact_total(self.lines["unallocated"])

    @property
    def usage(self) -> Decimal:
        """Usage of the days shown."""
        return self._of_usage("billed")

    @property
    def is_comparable(self) -> bool:
        """Whether the days before are all days of which there is a bill."""
        return self.first_cost_day is not None and self.first_cost_day <= self.days.before_first

    @property
    def change(self) -> str:
        """How usage changed against the days before, and which they are; empty where there is none in either."""
        if self.first_cost_day and not self.is_comparable:
            return f"no {self.days.before_words}: usage begins {formats.day(self.first_cost_day)}"
        now, before = self._of_usage("compared"), self._of_usage("billed_before")
        words = formats.change(now, before)
        return f"{words} vs {self.days.before_words}" if words else ""

    def other_lines(self, most: int | None = None) -> str:
        """The charges of the days shown that are no usage, as words, the largest first; beyond ``most`` their number."""
        rows = self.lines.filter((pl.col("bill_line") != USAGE) & (pl.col("billed") != 0)).sort(
            pl.col("billed").abs(), descending=True
        )
        told = [
            f"{formats.LINES.get(line, line).lower()} {formats.amount(billed)}"
            for line, billed in rows.select("bill_line", "billed").rows()
        ]
        more = f" and {len(told) - most} more" if most and len(told) > most else ""
        return ", ".join(told[:most]) + more or "usage only"

    def _of_usage(self, column: str) -> Decimal:
        return exact_total(self.lines.filter(pl.col("bill_line") == USAGE)[column])


def compared_days(days: Comparison) -> dict[str, date]:
    """The days of a comparison as ``BILL_LINES`` takes them."""
    return {
        "first_day": days.first,
        "last_day": days.last,
        "compared_last_day": days.compared_last,
        "before_first_day": days.before_first,
        "before_last_day": days.before_last,
    }


def bills_of(reads: TeamReads, days: Comparison) -> list[CurrencyBill]:
    """The bill of some days, one per currency by its code."""
    frame = reads.frame(BILL_LINES, **compared_days(days))
    first_cost_days = dict(reads.of_anybody("dashboards/first_cost_days").rows())
    return [
        CurrencyBill(currency, days, first_cost_days.get(currency), part)
        for currency, part in by_currency(frame)
    ]


def usage_metric(place: st.delta_generator.DeltaGenerator, bill: CurrencyBill) -> None:
    """Usage of the days shown with its change against the days before, which its label and its small print name."""
    is_percent = bill.change.startswith(("+", "-"))
    place.metric(
        f"Usage in {bill.currency}, {bill.days.words}",
        formats.money(bill.usage, bill.currency),
        bill.change or None,
        delta_color="inverse" if is_percent else "off",
        delta_arrow="auto" if is_percent else "off",
        border=True,
        help=f"Exactly {formats.exact(bill.usage)}: charges of category Usage, without corrections. Tax, purchases, "
        "credits and corrections are not compared.",
    )


def charges_metric(place: st.delta_generator.DeltaGenerator, bill: CurrencyBill) -> None:
    """All charges of the days shown, and what they hold beside usage."""
    place.metric(
        f"All charges in {bill.currency}, {bill.days.words}",
        formats.money(bill.billed, bill.currency),
        bill.other_lines(_IN_SIGHT),
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=f"Exactly {formats.exact(bill.billed)}; beside usage {bill.other_lines()}. Currencies are never added.",
    )


def lines_table(windows: list[list[CurrencyBill]]) -> None:
    """The lines of the bill in each window, shown and before, one table over all currencies with a total for each."""
    currencies = sorted({bill.currency for bills in windows for bill in bills})
    rows: list[dict[str, str]] = []
    for currency in currencies:
        own = [bill for bills in windows for bill in bills if bill.currency == currency]
        held = {line for bill in own for line in bill.lines["bill_line"]}
        lines = [line for line in formats.LINES if line in held] + sorted(held - set(formats.LINES))
        for line in [*lines, ""]:
            row = {
                "Line": f"Total {currency}" if not line else formats.LINES.get(line, line),
                "Currency": currency,
            }
            for bill in own:
                part = bill.lines.filter(pl.col("bill_line") == line) if line else bill.lines
                row[formats.sentence_case(bill.days.words)] = plain(exact_total(part["billed"]))
                row[formats.sentence_case(bill.days.before_words)] = plain(exact_total(part["billed_before"]))
            rows.append(row)
    frame = pl.DataFrame(rows)
    st.dataframe(
        frame,
        column_config={
            name: st.column_config.TextColumn(alignment="right")
            for name in frame.columns
            if name not in ("Line", "Currency")
        },
        hide_index=True,
        placeholder=formats.NOTHING,
        alt="Lines of the bill: usage, purchases, tax, credits, adjustments and corrections",
    )
