"""What keeps a month open, each by its sentence; what is frozen, and the files of every kind read back."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from models.errors import CloseRefused, ConfigurationError
from models.readers import Reader
from models.schemas import MONEY
from models.statement_files import parquet_bytes, xlsx_bytes
from pipelines.reports.closing import close_month, plan_close, write_beside
from pipelines.reports.statements import write_statement
from sql.warehouse import Warehouse
from tests.conftest import emptied
from tests.statements.conftest import NOW, Charge, books_in
from tests.statements.test_closing_properties import QuickBooks

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
D = Decimal

ACCOUNTS = """\
clearing: "1590"
accounts:
  - {cost_center: CC-web, gl_account: "0640", legal_entity: DE01, valid_from: 2025-01-01}
  - {cost_center: CC-jobs, gl_account: "0650", legal_entity: US01, erp_cost_center: "77", valid_from: 2025-01-01}
  - {cost_center: unallocated, gl_account: "0699", legal_entity: DE01, valid_from: 2025-01-01}
"""


@pytest.fixture
def quick(engine: Warehouse, tmp_path: Path) -> QuickBooks:
    """Two months of three apps, not closed."""
    emptied(engine)
    places = {"invoices": tmp_path / "invoices.yaml", "accounts": tmp_path / "accounts.yaml"}
    places["invoices"].write_text("")
    places["accounts"].write_text(ACCOUNTS)
    books = QuickBooks(engine, books_in(tmp_path, engine, **places).settings)
    books.owners({"shop": "web", "batch": "jobs"})
    books.bill(
        JANUARY,
        [
            Charge("shop", D("10.005"), D(9)), Charge("batch", D("-3"), D(-3)), Charge("", D("0.5"), D("0.5")),
            Charge("batch", D("1000.5"), D(1), "JPY"),
        ],
    )  # fmt: skip
    books.bill(FEBRUARY, [Charge("shop", D(1), D(1))])
    books.compute()
    return books


def red(books: QuickBooks, month: date = JANUARY, now: datetime = NOW) -> dict[str, str]:
    """Name -> sentence of the checks that stand against closing; closing says the same and writes nothing."""
    plan = plan_close(books.warehouse, books.settings, month, "ada", now)
    found = {one.name: one.sentence for one in plan.red}
    if found:
        with pytest.raises(CloseRefused) as raised:
            close_month(books.warehouse, books.settings, month, "ada", now)
        assert all(sentence in str(raised.value) for sentence in found.values())
        assert not books.warehouse.frame_of("SELECT 1 FROM mart_statement_lines LIMIT 1").height
    return found


def test_an_invoice_ties_within_its_tolerance(quick: QuickBooks) -> None:
    """The bill of January is 10.005 - 3 + 0.5 = 7.505 USD and 1000.5 JPY."""
    path = quick.settings.statements.invoices
    assert path
    line = 'invoices:\n  - {{source: aws, month: 2026-01, currency: {}, total: "{}", tolerance: "{}"}}\n'
    for currency, total, tolerance, is_red in (
        ("USD", "7.505", "0", False), ("USD", "7.51", "0.005", False), ("USD", "7.51", "0.004", True),
        ("USD", "7.50", "0.004", True), ("JPY", "1000.5", "0", False), ("EUR", "0.01", "0", True),
    ):  # fmt: skip
        path.write_text(line.format(currency, total, tolerance))
        assert bool(red(quick)) is is_red, (currency, total)
    path.write_text(line.format("USD", "8", "0.1"))
    assert red(quick) == {
        "invoice aws USD": "aws 2026-01: the invoice has 8 USD, the bill 7.505: -0.495 apart, 0.1 is allowed"
    }
    path.write_text(line.format("USD", "8", "0.1").replace("aws", "gcp"))
    assert red(quick) == {"invoice gcp USD": "gcp has an invoice of 2026-01 and no bill"}
    path.write_text(line.format("USD", "8", "0").replace("2026-01", "2026-03"))
    assert red(quick) == {}
    path.write_text("invoices: [1]\n")
    assert red(quick) == {
        "invoices": "invoices.yaml, line 1: invoices[0] must be a mapping of keys to values"
    }


def test_days_are_settled_by_the_source_s_own_word(quick: QuickBooks) -> None:
    early = datetime(2026, 2, 5, 23, 59, 59, tzinfo=UTC)
    assert red(quick, now=early) == {
        "days aws": "aws is settled 5 days after a day's end, so 2026-01 is not before 2026-02-06"
    }
    assert red(quick, now=datetime(2026, 2, 6, tzinfo=UTC)) == {}
    quick.settings = books_in(quick.settings.root, quick.warehouse).settings
    object.__setattr__(quick.settings.billing[0], "settled_after_days", None)
    assert "set `settled_after_days` of the source" in red(quick)["days aws"]
    quick.warehouse.execute_text(
        "ALTER TABLE period_head UPDATE version = '2026-01-20 00:00:00' WHERE scope = 'billing/aws' SETTINGS mutations_sync = 2"
    )
    object.__setattr__(quick.settings.billing[0], "settled_after_days", 0)
    assert red(quick)["days aws"] == (
        "aws delivered 2026-01 last on 2026-01-20, before the month's end: its last days are not there"
    )


def test_what_is_not_computed_or_not_there_any_more_keeps_a_month_open(quick: QuickBooks) -> None:
    quick.bill(JANUARY, [Charge("shop", D(2), D(2))])
    found = red(quick)
    assert "`appfleet run`" in found["computed"]
    assert "attributed BilledCost is 1000.5 JPY, billed is 0" in found["attributed equals billed"]
    quick.compute()
    assert red(quick) == {}
    quick.warehouse.execute_text("DELETE FROM raw_focus_costs WHERE BilledCost = 2")
    assert set(red(quick)) == {"rows"}
    assert red(quick, date(2025, 1, 1))["statement"].startswith("there is no statement of 2025-01")


def test_a_held_delivery_keeps_its_month_open(quick: QuickBooks) -> None:
    def hold(month: date, state: str) -> None:
        quick.warehouse.execute_text(
            "INSERT INTO raw_held_deliveries (source_name, period, sha256, state, recorded_at)"
            " SELECT 'aws', {period:Date}, 'abc', {state:String}, now64(9)",
            period=month,
            state=state,
        )

    hold(FEBRUARY, "held")
    assert red(quick) == {}
    hold(JANUARY, "held")
    assert list(red(quick)) == ["held"]
    hold(JANUARY, "rejected")
    assert red(quick) == {}


def test_months_are_closed_in_their_order(quick: QuickBooks) -> None:
    quick.bill(date(2026, 3, 1), [Charge("shop", D(1), D(1))])
    quick.compute()
    quick.close(JANUARY)
    plan = plan_close(quick.warehouse, quick.settings, date(2026, 3, 1), "ada", NOW)
    assert [one.sentence for one in plan.red] == [
        "2026-02 must be closed first: adjustments go to the first open month"
    ]
    again = plan_close(quick.warehouse, quick.settings, JANUARY, "ada", NOW)
    assert [one.sentence for one in again.red] == [
        "2026-01 is closed already, by ada at 2026-12-01 00:00 UTC"
    ]


def test_a_cost_center_without_an_account_keeps_a_month_open(quick: QuickBooks) -> None:
    path = quick.settings.statements.accounts
    assert path
    path.write_text(ACCOUNTS.replace("legal_entity: US01", "legal_entity: US01, valid_to: 2026-01-30"))
    assert red(quick) == {"accounts": "accounts.yaml: cost centre CC-jobs has no account on 2026-01-31"}
    own = quick.settings.root / "own.j2"
    own.write_text("{{ nothing }}")
    path.write_text(ACCOUNTS)
    object.__setattr__(quick.settings.statements, "journal", own)
    assert red(quick) == {"journal": "own.j2: 'nothing' is undefined"}


def test_lines_are_booked_and_the_journal_balances(quick: QuickBooks, tmp_path: Path) -> None:
    planned = plan_close(quick.warehouse, quick.settings, JANUARY, "ada", NOW)
    closing = quick.close(JANUARY)
    assert dict(closing.sums) == dict(planned.closing.sums if planned.closing else {})
    assert closing.statement_id == (planned.closing.statement_id if planned.closing else "")
    journal = write_beside(quick.warehouse, quick.settings, JANUARY, tmp_path / "out", "journal").read_text()
    rows = [
        (
            row["currency"],
            row["legal_entity"],
            row["gl_account"],
            row["cost_center"],
            row["debit"],
            row["credit"],
        )
        for row in csv.DictReader(io.StringIO(journal, newline=""))
    ]
    # 10.005 -> 10.00 (half to even), -3, 0.50; the total 7.505 -> 7.50 (half to even), so rounding is 0
    # 1000.5 JPY -> 1000, total 1000
    assert rows == [
        ("JPY", "US01", "0650", "77", "1000", ""),
        ("USD", "DE01", "0640", "CC-web", "10.00", ""),
        ("USD", "DE01", "0699", "", "0.50", ""),
        ("USD", "US01", "0650", "77", "", "3.00"),
        ("JPY", "US01", "1590", "", "", "1000"),
        ("USD", "DE01", "1590", "", "", "10.50"),
        ("USD", "US01", "1590", "", "3.00", ""),
    ]
    # the mapping is changed: what is closed stays
    path = quick.settings.statements.accounts
    assert path
    path.write_text(ACCOUNTS.replace("0640", "0641"))
    assert (
        write_beside(quick.warehouse, quick.settings, JANUARY, tmp_path / "b", "journal").read_text()
        == journal
    )
    files = write_statement(quick.warehouse, quick.settings, JANUARY, tmp_path / "b", reader=Reader.erp)
    told = list(csv.DictReader(io.StringIO(files.csv_path.read_bytes().decode(), newline="")))
    assert {(row["cost_center"], row["gl_account"], row["legal_entity"], row["erp_cost_center"]) for row in told} == {
        ("CC-web", "0640", "DE01", "CC-web"), ("CC-jobs", "0650", "US01", "77"), ("", "0699", "DE01", ""),
    }  # fmt: skip
    sidecar = json.loads(files.sidecar_path.read_text())
    assert sidecar["closed"]["by"] == "ada"
    assert sidecar["sha256"] == closing.files["chargeback-2026-01-erp.csv"]
    web = write_statement(quick.warehouse, quick.settings, JANUARY, tmp_path / "b", team="web")
    assert web.sums["USD/billed_cost"] == D("10.005")
    with pytest.raises(ConfigurationError, match="a journal is of the whole statement"):
        write_beside(quick.warehouse, quick.settings, JANUARY, tmp_path, "journal", "web")


def cells_of(content: bytes) -> list[list[tuple[str, str]]]:
    """Rows of a workbook's sheet as (kind, text); ``s`` is text, ``n`` a number, ``f`` would be a formula."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        shared = [
            "".join(one.itertext())
            for one in ElementTree.fromstring(book.read("xl/sharedStrings.xml")).findall("m:si", space)
        ]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.findall(".//m:row", space):
        cells = []
        for cell in row.findall("m:c", space):
            value = cell.findtext("m:v", "", space)
            kind = "f" if cell.find("m:f", space) is not None else cell.get("t", "n")
            cells.append((kind, shared[int(value)] if kind == "s" else value))
        rows.append(cells)
    return rows


def test_a_workbook_has_numbers_where_they_are_exact_and_text_where_not() -> None:
    amounts = [
        "1.1",
        "0.1",
        "123456789012345",
        "1234567890.12345",
        "12345678901234.12",
        "0.000000000000000001",
        "-7",
    ]
    exact = ["1.1", "0.1", "123456789012345", "1234567890.12345", None, "0.000000000000000001", "-7"]
    frame = pl.DataFrame(
        {
            "app_name": ["=1+1", "+a", "-5", "@x", "0012", "\t=x", "http://a.b"],
            "billed_cost": pl.Series([D(one) for one in amounts], dtype=MONEY),
            "billing_currency": ["USD"] * 7,
            "amount": pl.Series([D(12345678901234567).scaleb(-2)] * 7, dtype=MONEY),
        }
    )
    content = xlsx_bytes(frame)
    assert content == xlsx_bytes(frame)
    header, *rows = cells_of(content)
    assert [text for _, text in header] == frame.columns
    assert [row[0] for row in rows] == [
        ("s", text) for text in ("'=1+1", "'+a", "'-5", "'@x", "0012", "'\t=x", "http://a.b")
    ]
    for row, number, text in zip(rows, exact, amounts, strict=True):
        kind, said = row[1]
        if number is None:
            assert (kind, said) == ("s", text)
        else:
            assert kind == "n" and D(repr(float(said))) == D(number)
        assert row[3] == ("s", "123456789012345.67")  # 17 digits: a double shows other ones


def test_parquet_has_decimals_and_the_same_bytes_each_time() -> None:
    frame = pl.DataFrame(
        {
            "app_name": ["=1", "b"],
            "amount": pl.Series([D("12345678901234567890.123456789012345678"), D(-1)], dtype=MONEY),
        }
    )
    content = parquet_bytes(frame)
    assert content == parquet_bytes(frame)
    read = pl.read_parquet(io.BytesIO(content))
    assert read.equals(frame)
    assert read.schema["amount"] == MONEY
