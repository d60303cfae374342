"""The bytes of a statement as a workbook and as Parquet: the same cells as its CSV, for who reads those.

The same lines give the same bytes: no clock is read. Which lines a reader may have does not belong here.
"""

from __future__ import annotations

import io
from datetime import datetime
from decimal import Decimal

import polars as pl
import pyarrow.parquet as pq
import xlsxwriter

from models.schemas import MONEY
from models.statement_csv import in_places, plain, safe

_FLOAT_DIGITS = 15
"""Significant digits a double always keeps (IEEE 754 binary64): a longer amount is written as text."""
_MADE_AT = datetime(1980, 1, 1)  # noqa: DTZ001 (a workbook's times have no zone; the earliest a zip file can hold)
_MOST_CELLS = 32_767
"""Characters a cell of a workbook can hold (ECMA-376; Excel's own limit)."""


def xlsx_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as a workbook of one sheet with a header.

    An amount is a number where a double holds it exactly as written, else its exact text; text stays text, and what would
    run as a formula has a leading ``'``.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    book.set_properties({"created": _MADE_AT})
    sheet = book.add_worksheet("statement")
    bold = book.add_format({"bold": True})
    formats = {
        places: book.add_format({"num_format": "0." + "0" * places if places else "0"})
        for places in range(19)
    }
    for column, series in enumerate(frame):
        sheet.write_string(0, column, series.name, bold)
        is_amount = series.name == "amount"
        for row, value in enumerate(series, start=1):
            if value is None:
                continue
            if series.dtype == MONEY:
                text = in_places(value, frame["billing_currency"][row - 1]) if is_amount else plain(value)
                places = len(text.partition(".")[2])
                if _is_exact(value):
                    sheet.write_number(row, column, float(value), formats[places])
                else:
                    sheet.write_string(row, column, text)
            elif series.dtype == pl.String:
                sheet.write_string(row, column, safe(value)[:_MOST_CELLS])
            elif series.dtype.is_integer():
                sheet.write_number(row, column, value)
            else:
                sheet.write_string(row, column, str(value))
    sheet.freeze_panes(1, 0)
    book.close()
    return buffer.getvalue()


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as Parquet; amounts are decimals of 38 digits, 18 of them places, and text is as it is."""
    buffer = io.BytesIO()
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table.replace_schema_metadata(None), buffer, compression="zstd", store_schema=False)
    return buffer.getvalue()


def _is_exact(value: Decimal) -> bool:
    """Whether a spreadsheet, which shows 15 digits of a double, shows this amount to its last digit."""
    digits = plain(abs(value)).replace(".", "").strip("0")
    return len(digits) <= _FLOAT_DIGITS and Decimal(repr(float(value))) == value
