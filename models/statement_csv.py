"""The bytes of a statement file: lines of ``mart_chargeback_lines`` as CSV that a spreadsheet and an ERP both read safely.

One way for the command and the pages. Which lines a reader may have, and where a file goes, does not belong here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import polars as pl

from models.errors import ModelError

TEXT_COLUMNS = (
    "cost_center",
    "team",
    "owner",
    "app_id",
    "app_name",
    "source_name",
    "provider",
    "service_name",
    "charge_category",
    "charge_class",
    "cost_type",
    "attribution_rule",
    "billing_currency",
)
EXACT_COLUMNS = ("billed_cost", "effective_cost")
COLUMNS = ("period", "line", *TEXT_COLUMNS, *EXACT_COLUMNS, "amount")
"""Header of the file; a column is only ever added at its end."""

_TRIGGERS = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
_LEADING = " \u00a0\ufeff"


def statement_csv(lines: pl.DataFrame, billing_period: date, minor_units: Mapping[str, int]) -> bytes:
    """The lines as RFC 4180 CSV in UTF-8, ordered by ``line``.

    Exact costs keep every digit that counts, amounts the places of their currency's minor unit: a decimal point, no
    exponent, no thousands separator. Text a spreadsheet would run as a formula gets a quote in front (OWASP, CSV
    injection), by the type of its column, so an amount below zero never does.

    Args:
        lines: columns of ``mart_chargeback_lines``.
        billing_period: a day of the billing month.
        minor_units: places of the minor unit by ISO 4217 code.

    Raises:
        ModelError: a currency without a minor unit.
    """
    unknown = sorted(set(lines["billing_currency"]) - set(minor_units))
    if unknown:
        raise ModelError(f"{unknown[0]} is no currency of ISO 4217, so its minor unit is not known")
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    period = f"{billing_period:%Y-%m}"
    for row in lines.sort("line").iter_rows(named=True):
        places = minor_units[row["billing_currency"]]
        writer.writerow(
            [
                period,
                row["line"],
                *(safe_text(row[name]) for name in TEXT_COLUMNS),
                *(exact_number(row[name]) for name in EXACT_COLUMNS),
                f"{row['amount']:.{places}f}",
            ]
        )
    return file.getvalue().encode("utf-8")


def safe_text(text: str) -> str:
    """``text`` with a quote in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip(_LEADING).startswith(_TRIGGERS) else text


def exact_number(value: Decimal) -> str:
    """Every digit that counts, without an exponent; zero is ``0``."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
