"""Credits for failures of shared apps on statements: accepted once, in balance, never in a closed month's bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from models.credit_proposals import ACCEPTED, DECLINED, REVERSED
from models.errors import CloseRefused
from models.money import money_series, units_of
from models.reliability_cost_windows import windows_to
from models.reliability_costs import worth_policy
from models.schemas import SCHEMAS
from pipelines.commands import credits as command
from pipelines.compute.publishing import insert
from pipelines.reports.closing import reopen_month
from pipelines.reports.credits import credits_of, decide_credit
from pipelines.reports.statements import read_statement, write_statement
from sql.publish import WHOLE_TABLE, collect, new_batch_id, publish
from sql.warehouse import Warehouse
from tests.statements.conftest import NOW, Books, Charge, books_in, emptied, of_bills
from tests.statements.test_closing_properties import QuickBooks, closed_bytes

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
D = Decimal


def hurt(month: date, app: str, team: str, credit: str, requests: int, payer: str = "jobs") -> dict[str, Any]:
    """What gate's failures cost an app of a team in a month."""
    return {
        "month": month, "first_day": month, "last_day": month + timedelta(days=9), "from_app_id": "gate",
        "from_team": payer, "app_id": app, "team": team, "billing_currency": "USD", "failed_calls": requests,
        "hurt_requests": requests, "credit": D(credit),
    }  # fmt: skip


def failed(warehouse: Warehouse, rows: Sequence[dict[str, Any]], known_to: date) -> None:
    """Publishes what failures cost, as a pass does."""
    batches = {table: new_batch_id() for table in ("mart_reliability_credits", "mart_app_worth")}
    schema = SCHEMAS["mart_reliability_credits"]
    frame = pl.DataFrame(
        [{key: value for key, value in row.items() if key != "credit"} for row in rows],
        schema={name: kind for name, kind in schema.items() if name != "credit"},
    ).with_columns(money_series("credit", [units_of(row["credit"]) for row in rows]))
    insert(warehouse, "mart_reliability_credits", frame, batches["mart_reliability_credits"])
    window = windows_to(known_to, worth_policy())[0]
    worth = pl.DataFrame({"app_id": ["gate"], "first_day": [window[0]], "last_day": [window[1]]})
    insert(warehouse, "mart_app_worth", worth, batches["mart_app_worth"])
    batch = str(batches["mart_app_worth"])
    collect(
        warehouse,
        [publish(warehouse, "worth", WHOLE_TABLE, batches=batches, rows=len(rows) + 1, sha256=batch, version=NOW)],
    )  # fmt: skip


def credits_on(books: Books, month: date) -> list[tuple[Any, ...]]:
    """Credits on a month's statement: month of the failures, team, app, billed cost, amount and name."""
    lines = read_statement(books.warehouse, month).lines.filter(adjustment="credit")
    assert lines["billed_cost"].equals(lines["effective_cost"])
    return sorted(
        lines.select("billing_period", "team", "app_id", "billed_cost", "amount", "adjustment_of").rows()
    )


@pytest.fixture
def quick(engine: Warehouse, tmp_path: Path) -> QuickBooks:
    """January and February with bills, nothing closed; gate is of jobs."""
    emptied(engine)
    books = QuickBooks(engine, books_in(tmp_path, engine).settings)
    books.owners({"shop": "web", "search": "web", "batch": "jobs"})
    books.bill(JANUARY, [Charge("shop", D(10), D(9)), Charge("batch", D(4), D(4))])
    books.bill(FEBRUARY, [Charge("shop", D(1), D(1))])
    books.compute()
    return books


def test_an_accepted_credit_is_lines_that_sum_to_nothing_and_follows_what_changes(
    quick: QuickBooks, tmp_path: Path
) -> None:
    warehouse, settings = quick.warehouse, quick.settings
    rows = [
        hurt(JANUARY, "shop", "web", "1.005", 3),
        hurt(JANUARY, "search", "web", "0.000000000000000001", 1),
    ]
    failed(warehouse, rows, date(2026, 1, 30))
    [one] = credits_of(warehouse).proposed
    assert (one.state, one.total) == ("open", D("1.005000000000000001"))

    def decide(name: str, decision: str = ACCEPTED, reason: str = "they failed") -> bool:
        return decide_credit(warehouse, settings, name, decision, "fin", reason, NOW)[1]

    with pytest.raises(CloseRefused, match="2026-01 is known to 2026-01-30 only"):
        decide(one.name)
    failed(warehouse, rows, date(2026, 1, 31))
    shown = credits_of(warehouse).proposed[0].name
    with pytest.raises(CloseRefused, match="say why with --reason"):
        decide(shown, reason=" ")
    # the figures change after somebody saw them
    rows[0] = hurt(JANUARY, "shop", "web", "1.015", 4)
    failed(warehouse, rows, date(2026, 2, 3))
    [now] = credits_of(warehouse).proposed
    with pytest.raises(CloseRefused, match=f"it is {now.name} now, USD 1.015000000000000001 to 2 apps"):
        decide(shown)
    assert credits_on(quick, JANUARY) == []

    assert decide(now.name, DECLINED)
    assert [one.state for one in credits_of(warehouse).proposed] == ["declined"]
    assert decide(now.name)
    assert not decide(now.name, reason="again"), "accepted twice changes nothing"
    with pytest.raises(CloseRefused, match="was accepted by fin at 2026-12-01 00:00 UTC: take it back"):
        decide(now.name, DECLINED)
    assert credits_of(warehouse).proposed == []
    told = [
        (JANUARY, "jobs", "gate", D("1.015000000000000001"), D("1.02"), now.name),
        (JANUARY, "web", "search", D("-0.000000000000000001"), D(0), now.name),
        (JANUARY, "web", "shop", D("-1.015"), D("-1.02"), now.name),
    ]
    assert credits_on(quick, JANUARY) == told
    assert quick.booked() == of_bills(quick.delivered)
    lines = read_statement(warehouse, JANUARY).lines
    assert sum(lines["amount"]) == D(14) and lines["line"].to_list() == list(range(1, lines.height + 1))
    centers = dict(lines.filter(adjustment="credit").select("team", "cost_center").rows())
    assert centers == {"jobs": "", "web": ""}, "the registry of these books knows no cost centre"
    written = write_statement(warehouse, settings, JANUARY, tmp_path / "out").csv_path
    rows_of = list(csv.DictReader(io.StringIO(written.read_text(encoding="utf-8-sig"))))
    said = {(row["app_id"], row["adjustment_of"]): row["description"] for row in rows_of if row["adjustment"]}
    assert said["shop", now.name] == "Credit for failures of gate: shop, 2026-01"

    # closed with it: more failures of January are a proposal of the difference, on the statement that is open
    quick.close(JANUARY)
    kept = closed_bytes(quick)
    rows[0] = hurt(JANUARY, "shop", "web", "1", 4)
    failed(warehouse, rows, date(2026, 2, 4))
    [less] = credits_of(warehouse).proposed
    assert [(line.app_id, line.credit, line.hurt_requests) for line in less.lines] == [
        ("shop", D("-0.015"), 0)
    ]
    assert decide(less.name)
    assert credits_on(quick, JANUARY) == told
    assert credits_on(quick, FEBRUARY) == [
        (JANUARY, "jobs", "gate", D("-0.015"), D("-0.02"), less.name),
        (JANUARY, "web", "shop", D("0.015"), D("0.02"), less.name),
    ]
    # a provider restates the closed month: the credit is no part of its bill
    quick.bill(JANUARY, [Charge("shop", D(11), D(9)), Charge("batch", D(4), D(4))])
    quick.compute()
    assert quick.booked() == of_bills(quick.delivered)
    # taken back: where it is closed by the opposite on the open statement, else it is gone
    assert decide(now.name, REVERSED) and decide(less.name, REVERSED)
    assert credits_on(quick, FEBRUARY) == [
        (JANUARY, "jobs", "gate", D("-1.015000000000000001"), D("-1.02"), now.name),
        (JANUARY, "web", "search", D("0.000000000000000001"), D(0), now.name),
        (JANUARY, "web", "shop", D("1.015"), D("1.02"), now.name),
    ]
    with pytest.raises(CloseRefused, match="nothing to take back"):
        decide(less.name + "0", REVERSED)
    quick.close(FEBRUARY)
    assert {key: closed_bytes(quick)[key] for key in kept} == kept
    # opened again, the newest first, every statement follows what holds
    reopen_month(warehouse, settings, FEBRUARY, "ada", "again", NOW)
    reopen_month(warehouse, settings, JANUARY, "ada", "again", NOW)
    assert credits_on(quick, JANUARY) == credits_on(quick, FEBRUARY) == []
    assert quick.booked() == of_bills(quick.delivered)

    console = Console(record=True, width=200, soft_wrap=True)
    command.print_credits(console, settings)
    text = console.export_text()
    assert f"{now.name}" in text and "gate (jobs) would pay USD 1.000000000000000001" in text
