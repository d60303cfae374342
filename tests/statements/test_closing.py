"""A closed month never moves: what a provider, a rule or an owner changes later are lines of the open month, exact."""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal

import pytest

from models.errors import CloseRefused
from pipelines.reports.closing import reclassify_month, reopen_month
from pipelines.reports.statements import read_statement, write_statement
from sql.closings import closed_file, closed_months
from tests.statements.conftest import NOW, Books, Charge, of_bills

JANUARY, FEBRUARY, MARCH, APRIL = (date(2026, month, 1) for month in (1, 2, 3, 4))
D = Decimal


def charge(app: str, billed: str, effective: str | None = None, **more: object) -> Charge:
    return Charge(app, D(billed), D(effective if effective is not None else billed), **more)  # type: ignore[arg-type]


def test_a_month_is_closed_with_everything_and_adjusted_by_hand_counted_lines(books: Books) -> None:
    """Every figure of this test was added up by hand."""
    books.owners({"shop": "web", "batch": "jobs"})
    january = [
        charge("shop", "10.005"),
        charge("batch", "20.000000000000000001", "19"),
        charge("", "0.5"),
        charge("shop", "1000.5", currency="JPY"),
        charge("shop", "1.2345", currency="KWD"),
    ]
    books.bill(JANUARY, january)
    closing = books.close(JANUARY)
    lines = read_statement(books.warehouse, JANUARY).lines
    told = {
        (row["billing_currency"], row["app_id"], row["cost_type"]): (row["billed_cost"], row["amount"])
        for row in lines.iter_rows(named=True)
    }
    assert told == {
        ("JPY", "shop", "direct"): (D("1000.5"), D(1000)),
        ("JPY", "", "rounding"): (D(0), D(0)),
        ("KWD", "shop", "direct"): (D("1.2345"), D("1.234")),
        ("KWD", "", "rounding"): (D(0), D(0)),
        ("USD", "shop", "direct"): (D("10.005"), D("10.00")),
        ("USD", "batch", "direct"): (D("20.000000000000000001"), D("20.00")),
        ("USD", "unallocated", "unallocated"): (D("0.5"), D("0.50")),
        ("USD", "", "rounding"): (D(0), D("0.01")),  # 30.505 + 1e-18 is 30.51; 10.00 + 20.00 + 0.50 is 30.50
    }
    assert (closing.decided_by, closing.decided_at, closing.statement_version) == ("ada", NOW, 1)
    assert closing.sums["USD/billed_cost"] == D("30.505000000000000001")
    assert set(closing.files) == {
        "chargeback-2026-01.csv", "chargeback-2026-01-erp.csv", "chargeback-2026-01.xlsx", "chargeback-2026-01.parquet",
    }  # fmt: skip
    for name, sha256 in closing.files.items():
        assert hashlib.sha256(closed_file(books.warehouse, closing, name)).hexdigest() == sha256

    # The provider restates January: shop's charge is corrected, a new one of batch appears, nobody's goes away.
    books.bill(FEBRUARY, [charge("shop", "7")])
    books.bill(
        JANUARY,
        [
            charge("shop", "9.505"), *january[1:2], *january[3:],
            charge("batch", "3.001", service="Storage"),
        ],
    )  # fmt: skip
    february = read_statement(books.warehouse, FEBRUARY).lines
    adjusted = {
        (row["app_id"], row["service_name"]): (row["billed_cost"], row["amount"], row["adjustment_of"])
        for row in february.filter(february["adjustment"] == "restatement").iter_rows(named=True)
    }
    numbers = {(row["app_id"], row["billing_currency"]): row["line"] for row in lines.iter_rows(named=True)}
    assert adjusted == {
        ("shop", "Compute"): (D("-0.5"), D("-0.50"), f"{closing.statement_id}/{numbers['shop', 'USD']}"),
        ("batch", "Storage"): (D("3.001"), D("3.00"), "none"),
        ("unallocated", "Compute"): (
            D("-0.5"), D("-0.50"), f"{closing.statement_id}/{numbers['unallocated', 'USD']}",
        ),
    }  # fmt: skip
    assert set(february.filter(february["adjustment"] != "")["billing_period"]) == {JANUARY}
    # 7 - 0.5 + 3.001 - 0.5 = 9.001, rounded 9.00
    assert sum(february["amount"]) == D("9.00")
    assert sum(february["billed_cost"]) == D("9.001")
    assert february["line"].to_list() == list(range(1, february.height + 1))
    assert read_statement(books.warehouse, JANUARY).lines.equals(lines)


def test_only_a_provider_adjusts_by_itself_and_a_person_reclassifies(books: Books) -> None:
    books.owners({"shop": "web", "batch": "jobs"})
    january = [charge("shop", "10"), charge("batch", "20")]
    books.bill(JANUARY, january)
    books.close(JANUARY)
    books.bill(FEBRUARY, [charge("shop", "5")])
    books.owners({"shop": "sales", "batch": "jobs"})
    february = read_statement(books.warehouse, FEBRUARY).lines
    assert set(february["adjustment"]) == {""}
    assert set(february["team"]) == {"sales", ""}
    # restated: what changes is charged to whom it was charged
    books.bill(JANUARY, [charge("shop", "11"), charge("batch", "20")])
    adjusted = read_statement(books.warehouse, FEBRUARY).lines.filter(adjustment="restatement")
    assert adjusted.select("team", "cost_center", "billed_cost").rows() == [("web", "CC-web", D(1))]
    with pytest.raises(CloseRefused, match="with a reason"):
        reclassify_month(books.warehouse, books.settings, JANUARY, "ada", " ", NOW)
    reclassify_month(books.warehouse, books.settings, JANUARY, "ada", "shop moved", NOW)
    adjusted = read_statement(books.warehouse, FEBRUARY).lines
    moved = adjusted.filter(adjusted["adjustment"] == "reclassification")
    assert sorted(moved.select("team", "billed_cost").rows()) == [("sales", D(11)), ("web", D(-11))]
    # restated once more: from now on by whom it was reclassified to
    books.bill(JANUARY, [charge("shop", "11.5"), charge("batch", "20")])
    lines = read_statement(books.warehouse, FEBRUARY).lines.filter(billing_period=JANUARY)
    told: dict[tuple[str, str], D] = {}
    for row in lines.iter_rows(named=True):
        told[row["adjustment"], row["team"]] = row["billed_cost"]
    assert told == {
        ("restatement", "web"): D(1), ("restatement", "sales"): D("0.5"),
        ("reclassification", "web"): D(-11), ("reclassification", "sales"): D(11),
    }  # fmt: skip
    # booked once: the next month has none of it
    books.close(FEBRUARY)
    books.bill(MARCH, [charge("batch", "1")])
    assert set(read_statement(books.warehouse, MARCH).lines["adjustment"]) == {""}
    books.bill(JANUARY, [charge("shop", "12"), charge("batch", "20")])
    (again,) = read_statement(books.warehouse, MARCH).lines.filter(billing_period=JANUARY).rows(named=True)
    assert (again["team"], again["billed_cost"]) == ("sales", D("0.5"))
    bills = {
        JANUARY: [charge("shop", "12"), charge("batch", "20")],
        FEBRUARY: [charge("shop", "5")],
        MARCH: [charge("batch", "1")],
    }
    assert books.booked() == of_bills(bills)


def test_a_month_is_reopened_with_a_reason_and_the_newest_first(books: Books, tmp_path) -> None:
    books.owners({"shop": "web"})
    books.bill(JANUARY, [charge("shop", "10")])
    first = books.close(JANUARY)
    assert books.close(JANUARY, by="somebody else") == first
    books.bill(FEBRUARY, [charge("shop", "5")])
    books.bill(JANUARY, [charge("shop", "11")])
    february = books.close(FEBRUARY)
    with pytest.raises(
        CloseRefused, match="adjusted by the closed statement of 2026-02: reopen that one first"
    ):
        reopen_month(books.warehouse, books.settings, JANUARY, "ada", "wrong", NOW)
    with pytest.raises(CloseRefused, match="say why with --reason"):
        reopen_month(books.warehouse, books.settings, FEBRUARY, "ada", "", NOW)
    opened = reopen_month(books.warehouse, books.settings, FEBRUARY, "grace", "wrong owner", NOW)
    assert (opened.state, opened.decided_by, opened.reason, opened.seq) == (
        "reopened",
        "grace",
        "wrong owner",
        2,
    )
    assert set(closed_months(books.warehouse)) == {JANUARY}
    books.compute()
    again = books.close(FEBRUARY)
    assert (again.seq, again.files) == (3, february.files)
    with pytest.raises(CloseRefused, match="2026-03 is not closed"):
        reopen_month(books.warehouse, books.settings, MARCH, "ada", "x", NOW)
    written = write_statement(books.warehouse, books.settings, FEBRUARY, tmp_path)
    assert hashlib.sha256(written.csv_path.read_bytes()).hexdigest() == again.files["chargeback-2026-02.csv"]


@pytest.mark.slow
def test_a_month_that_is_closed_again_forgets_what_was_asked_of_its_first_closing(books: Books) -> None:
    """A reclassification, and adjustments shown in a month that is not the first open one any more, end with a reopening."""
    books.owners({"shop": "web"})
    books.bill(JANUARY, [charge("shop", "10")])
    books.close(JANUARY)
    books.bill(FEBRUARY, [charge("shop", "5")])
    books.owners({"shop": "sales"})
    reclassify_month(books.warehouse, books.settings, JANUARY, "ada", "shop moved", NOW)
    assert read_statement(books.warehouse, FEBRUARY).lines.filter(adjustment="reclassification").height == 2
    reopen_month(books.warehouse, books.settings, JANUARY, "ada", "again", NOW)
    assert set(read_statement(books.warehouse, FEBRUARY).lines["adjustment"]) == {""}
    books.owners({"shop": "jobs"})
    books.close(JANUARY)
    books.compute()
    assert set(read_statement(books.warehouse, JANUARY).lines["team"]) == {"jobs", ""}
    assert set(read_statement(books.warehouse, FEBRUARY).lines["adjustment"]) == {""}
    assert books.booked() == of_bills({JANUARY: [charge("shop", "10")], FEBRUARY: [charge("shop", "5")]})
