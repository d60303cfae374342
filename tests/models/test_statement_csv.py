"""The statement file, read back with the csv module of Python."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from models.errors import ModelError
from models.money import AMOUNT
from models.statement_csv import COLUMNS, EXACT_COLUMNS, TEXT_COLUMNS, statement_csv

UNITS = {"EUR": 2, "JPY": 0, "KWD": 3}


def line(number: int = 1, **values: Any) -> dict[str, Any]:
    """A line with every column."""
    row: dict[str, Any] = dict.fromkeys(TEXT_COLUMNS, "x") | {"billing_currency": "EUR"}
    return row | {"line": number, "billed_cost": "1", "effective_cost": "1", "amount": "1"} | values


def frame(*lines: dict[str, Any]) -> pl.DataFrame:
    """Lines as the mart has them."""
    rows = [
        {key: Decimal(value) if key in (*EXACT_COLUMNS, "amount") else value for key, value in row.items()}
        for row in lines
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys((*EXACT_COLUMNS, "amount"), AMOUNT))


def read(data: bytes) -> list[dict[str, str]]:
    """Rows of the file by an independent reader."""
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_the_header_is_the_columns_and_lines_end_as_rfc_4180_says() -> None:
    data = statement_csv(frame(line()), date(2026, 3, 1), UNITS)
    assert data.startswith(",".join(COLUMNS).encode() + b"\r\n")
    assert data.endswith(b"\r\n") and data.count(b"\r\n") == 2 and not data.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("billed", "written"),
    [
        ("2.08320743876", "2.08320743876"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("-12.50", "-12.5"),
        ("0", "0"),
        ("1000000", "1000000"),
        ("12345678901234567890.1", "12345678901234567890.1"),
    ],
)
def test_exact_costs_keep_every_digit(billed: str, written: str) -> None:
    [row] = read(statement_csv(frame(line(billed_cost=billed)), date(2026, 3, 1), UNITS))
    assert row["billed_cost"] == written
    assert Decimal(row["billed_cost"]) == Decimal(billed)


@pytest.mark.parametrize(
    ("currency", "amount", "written"),
    [("EUR", "-12.5", "-12.50"), ("JPY", "1250", "1250"), ("KWD", "1.5", "1.500"), ("EUR", "0", "0.00")],
)
def test_amounts_have_the_places_of_their_currency(currency: str, amount: str, written: str) -> None:
    [row] = read(
        statement_csv(frame(line(billing_currency=currency, amount=amount)), date(2026, 3, 1), UNITS)
    )
    assert row["amount"] == written


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-5", "@SUM(A1)", "\tx", "\rx", "\nx", "  =cmd", "\ufeff=1", "\uff1d1", "\u00a0-1"]
)
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    [row] = read(statement_csv(frame(line(app_name=text)), date(2026, 3, 1), UNITS))
    assert row["app_name"] == "'" + text


def test_other_text_comes_back_as_it_was() -> None:
    texts = ['a,"b"', "line\nbreak", "0012", "café ☕", "", "a=b"]
    rows = read(
        statement_csv(
            frame(*(line(number, app_name=text) for number, text in enumerate(texts))),
            date(2026, 3, 1),
            UNITS,
        )
    )
    assert [row["app_name"] for row in rows] == texts
    assert {row["period"] for row in rows} == {"2026-03"}


def test_lines_come_in_their_order_and_the_bytes_do_not_depend_on_the_frames() -> None:
    lines = [line(number) for number in (3, 1, 2)]
    data = statement_csv(frame(*lines), date(2026, 3, 1), UNITS)
    assert [row["line"] for row in read(data)] == ["1", "2", "3"]
    assert data == statement_csv(frame(*reversed(lines)), date(2026, 3, 1), UNITS)


def test_a_currency_without_a_minor_unit_is_refused() -> None:
    with pytest.raises(ModelError, match="XYZ"):
        statement_csv(frame(line(billing_currency="XYZ")), date(2026, 3, 1), UNITS)
