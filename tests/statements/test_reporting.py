"""A month in the reporting currency: frozen with its closing whatever the table of rates says later; own ledgers stand.

Every figure was added up by hand.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from models.errors import CloseRefused, ConfigurationError
from models.settings import ReportingSettings
from pipelines.compute.reporting import compute_reporting, reported_months
from pipelines.reports.closing import plan_close, reopen_month, write_beside
from pipelines.reports.statements import read_statement, write_statement
from sql.closings import closed_file
from sql.publish import heads
from tests.statements.conftest import NOW, Books, Charge

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
D = Decimal
HEADER = "date,from,to,rate,source\n"
JANUARYS = "2026-01-02,USD,EUR,0.5,ECB\n2026-01-03,USD,EUR,0.25,ECB\n2026-01-31,USD,EUR,0.3,ECB\n"


def charge(app: str, billed: str, day: int = 2, currency: str = "USD") -> Charge:
    return Charge(app, D(billed), D(billed), currency, day=day)


@pytest.fixture
def told(books: Books) -> Iterator[Books]:
    """Books that are reported in euros."""
    path = books.settings.root / "rates.csv"
    path.write_text(HEADER + JANUARYS)
    books.settings = replace(books.settings, reporting=ReportingSettings("EUR", path))
    books.owners({"shop": "web", "batch": "jobs"})
    books.bill(
        JANUARY, [charge("shop", "10"), charge("shop", "20.02", 3), charge("batch", "5", currency="EUR")]
    )
    yield books


def rates(books: Books, text: str) -> None:
    assert books.settings.reporting
    books.settings.reporting.rates.write_text(text)


def lines(books: Books, month: date) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """App and currency of the bill -> billed and charged in the reporting currency, as every reader sees it."""
    frame = books.warehouse.frame_of(
        "SELECT l.app_id, toString(l.billing_currency), r.billed_cost, r.amount, l.line FROM mart_reporting_lines_current AS r"
        " LEFT JOIN (SELECT * FROM mart_statement_lines_current WHERE statement_period = {month:Date}) AS l ON l.line = r.line"
        " WHERE r.statement_period = {month:Date} AND r.reporting_currency = 'EUR'",
        month=month,
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in frame.rows()}


def shown(books: Books, name: str, **more: object) -> list[tuple]:
    """Rows a page gets for finance."""
    return books.warehouse.frame(f"queries/reporting/{name}", teams=["web", "jobs"], **more).rows()


def test_a_closed_month_keeps_its_rates(told: Books, tmp_path: Path) -> None:
    outcome = compute_reporting(told.warehouse, told.settings)
    assert (outcome.notes, outcome.refused, len(outcome.releases)) == ((), (), 1)
    # 10 x .5 + 20.02 x .25 = 10.005, charged 10.00 (half to even); with 5 the total is 15.005, charged 15.00
    first = {
        ("shop", "USD"): (D("10.005"), D("10.00")), ("batch", "EUR"): (D(5), D(5)), ("", "EUR"): (D(0), D(0)),
        ("", "USD"): (D(0), D(0)), ("", ""): (D(0), D(0)),
    }  # fmt: skip
    assert lines(told, JANUARY) == first
    assert compute_reporting(told.warehouse, told.settings).unchanged == 1
    assert shown(told, "statement", billing_period=JANUARY, see_whole_bills=False) == [
        ("CC-web", "web", "EUR", D("10.005"), D("10.005"), D("10.00")), ("CC-jobs", "jobs", "EUR", D(5), D(5), D(5)),
    ]  # fmt: skip
    assert shown(told, "usage", first_day=JANUARY, last_day=date(2026, 1, 2)) == [("EUR", D(10), 0)]
    assert shown(told, "rates", billing_period=JANUARY) == [
        ("EUR", "EUR", 1, D(1), D(1), 0, None, []), ("USD", "EUR", 2, D("0.25"), D("0.5"), 0, None, ["ECB"]),
    ]  # fmt: skip
    closing = told.close(JANUARY)
    assert set(closing.files) >= {"reporting-2026-01.csv", "rates-2026-01.csv"}
    frozen = closed_file(told.warehouse, closing, "reporting-2026-01.csv")
    rows = list(csv.DictReader(io.StringIO(frozen.decode())))
    assert sum(D(row["reporting_amount"]) for row in rows) == D("15.00")
    assert {row["app_id"]: row["reporting_amount"] for row in rows}["shop"] == "10.00"
    kept = list(
        csv.DictReader(io.StringIO(closed_file(told.warehouse, closing, "rates-2026-01.csv").decode()))
    )
    assert [(row["usage_date"], row["rate"]) for row in kept if row["billing_currency"] == "USD"] == [
        ("2026-01-02", "0.5"), ("2026-01-03", "0.25"),
    ]  # fmt: skip

    rates(told, HEADER + JANUARYS.replace("0.5", "0.9") + "2026-02-01,USD,EUR,2,ECB\n")
    told.bill(FEBRUARY, [charge("shop", "7", 1)])
    told.bill(
        JANUARY, [charge("shop", "11"), charge("shop", "20.02", 3), charge("batch", "5", currency="EUR")]
    )
    compute_reporting(told.warehouse, told.settings)
    assert lines(told, JANUARY) == first
    assert write_beside(told.warehouse, told.settings, JANUARY, tmp_path, "reporting").read_bytes() == frozen
    # February: 7 x 2 of its own, and 1 of January restated, of no day of usage: at the rate of the first
    february = told.warehouse.frame_of(
        "SELECT billed_cost, amount FROM mart_reporting_lines_current WHERE statement_period = {month:Date} ORDER BY line",
        month=FEBRUARY,
    )
    assert [row for row in february.rows() if any(row)] == [(D(14), D(14)), (D(2), D(2))]
    [usage] = shown(told, "statement", billing_period=FEBRUARY, see_whole_bills=True)[:1]
    assert usage == ("CC-web", "web", "EUR", D(16), D(16), D(16))
    # open again it follows the table
    reopen_month(told.warehouse, told.settings, JANUARY, "ada", "a wrong rate", NOW)
    compute_reporting(told.warehouse, told.settings)
    assert lines(told, JANUARY)["shop", "USD"][0] == D(11) * D("0.9") + D("20.02") * D("0.25")


def test_a_day_without_a_rate_refuses_the_reporting_view_only(told: Books, tmp_path: Path) -> None:
    rates(told, HEADER + "2026-01-02,USD,EUR,0.5,ECB\n")
    outcome = compute_reporting(told.warehouse, told.settings)
    said = (
        "2026-01 is not reported in EUR: rates.csv has no rate from USD to EUR for usage of 2026-01-03; the bill's own "
        "currencies are not affected"
    )
    assert (outcome.notes, outcome.refused, lines(told, JANUARY)) == ((said,), (), {})
    assert shown(told, "usage", first_day=JANUARY, last_day=date(2026, 1, 31))[0][2] == 1
    assert shown(told, "currencies") == [("EUR",)]
    assert shown(told, "rates", billing_period=JANUARY)[1][5:7] == (1, date(2026, 1, 3))
    months = told.warehouse.frame("queries/reporting/months").rows()
    assert months == [(JANUARY, "EUR", D(0), D(0), 1, False)]
    assert write_statement(told.warehouse, told.settings, JANUARY, tmp_path).sums["USD/billed_cost"] == D(
        "30.02"
    )
    with pytest.raises(
        ConfigurationError, match="rates.csv has no rate from USD to EUR for usage of 2026-01-03"
    ):
        write_beside(told.warehouse, told.settings, JANUARY, tmp_path, "reporting")
    with pytest.raises(CloseRefused, match="rates.csv has no rate from USD to EUR for usage of 2026-01-03"):
        told.close(JANUARY)
    # at the month's end the last day's rate holds for all of it; a table that cannot be read changes nothing
    assert told.settings.reporting
    told.settings = replace(told.settings, reporting=replace(told.settings.reporting, by="month_end"))
    assert not plan_close(told.warehouse, told.settings, JANUARY, "ada", NOW).checks[-1].is_green
    rates(told, HEADER + JANUARYS)
    compute_reporting(told.warehouse, told.settings)
    by_end = lines(told, JANUARY)
    assert by_end["shop", "USD"] == (D("30.02") * D("0.3"), D("9.01"))
    rates(told, "nonsense\n")
    refused = compute_reporting(told.warehouse, told.settings).refused
    assert refused == ("rates.csv, line 1: the header must be date,from,to,rate,source",)
    assert lines(told, JANUARY) == by_end
    rates(told, HEADER + JANUARYS)
    compute_reporting(told.warehouse, told.settings)
    assert reported_months(told.warehouse, told.settings)[1] == {}
    # without a reporting currency nothing is reported, and a month closes as ever
    told.settings = replace(told.settings, reporting=None)
    compute_reporting(told.warehouse, told.settings)
    assert lines(told, JANUARY) == {}
    assert "reporting-2026-01.csv" not in told.close(JANUARY).files
    assert read_statement(told.warehouse, JANUARY).lines.height == 4
    assert [one.period for one in heads(told.warehouse, "reporting")] == [JANUARY]
