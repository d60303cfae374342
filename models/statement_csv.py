"""The bytes of a statement file: lines of ``mart_chargeback_lines`` as CSV that a spreadsheet and an ERP both read safely.

One way for the command and the pages. Which lines a reader may have, and where a file goes, does not belong here.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from datetime import date
from decimal import Decimal

import polars as pl

from models.identity import RULE_VERSION
from models.schemas import MONEY

LAYOUT_VERSION = 1
"""Raised when a column of the CSV is added (at the end); columns are never moved or renamed."""

COLUMNS = (
    "statement_id",
    "statement_version",
    "period",
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
    "billed_cost",
    "effective_cost",
    "amount",
    "description",
)
"""Header of the CSV."""

_BLANK = "[\\s\\ufeff\\u200b]*"
_FORMULA = re.compile(f"{_BLANK}[=+\\-@\uff1d\uff0b\uff0d\uff20]|[ \\u00a0\\ufeff\\u200b]*[\\t\\r\\n\\x00]")


def stamped_lines(lines: pl.DataFrame, version: int, period: date, team: str | None) -> pl.DataFrame:
    """Lines of ``mart_chargeback_lines`` with what a ledger wants on each of them; ``select(COLUMNS)`` is the file.

    ``version`` is the release of the statement, ``team`` the one whose lines these are, or None for the whole.
    """
    month = f"{period:%Y-%m}"
    rounding = pl.format("Rounding of {} " + month + " to minor units", "billing_currency")
    charge = pl.format("{} {} of {}, " + month, "service_name", "charge_category", "app_name")
    return lines.with_columns(
        statement_id=pl.lit(statement_id(lines, period, team)),
        statement_version=pl.lit(version),
        period=pl.lit(month),
        description=pl.when(pl.col("cost_type") == "rounding")
        .then(rounding)
        .otherwise(charge)
        .str.strip_chars(),
    )


def statement_id(lines: pl.DataFrame, period: date, team: str | None) -> str:
    """Fingerprint of what the statement says: the same lines by the same rules have the same id, wherever written."""
    said = hashlib.sha256(json.dumps([RULE_VERSION, team]).encode())
    said.update(csv_bytes(lines)[0])
    return f"{period:%Y-%m}-{said.hexdigest()[:16]}"


def csv_bytes(frame: pl.DataFrame) -> tuple[bytes, int]:
    """A frame as RFC 4180 CSV in UTF-8, and the number of text cells that had to be made safe.

    By column type: amounts are plain decimals, text that a spreadsheet would run as a formula gets a leading ``'``.
    """
    escaped = 0
    columns = []
    for series in frame:
        if series.dtype == MONEY:
            columns.append([plain(value) for value in series])
        elif series.dtype == pl.String:
            cells = [safe(text) for text in series]
            escaped += sum(cell != text for cell, text in zip(cells, series, strict=True))
            columns.append(cells)
        else:
            columns.append([str(value) for value in series])
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue().encode(), escaped


def plain(amount: Decimal) -> str:
    """Exact decimal text: point, no exponent, no zeros at the end, no minus before zero."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def safe(text: str) -> str:
    """Text no spreadsheet runs: one that starts as a formula, also after blanks, gets a leading ``'``."""
    return f"'{text}" if _FORMULA.match(text) else text
