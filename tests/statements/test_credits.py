"""Credits for failures of shared apps on statements: accepted once, in balance, never in a closed month's bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from streamlit.testing.v1 import AppTest

from dashboards import access
from dashboards import credits as page
from dashboards.access import Identity, Looker
from models.credit_proposals import ACCEPTED, DECLINED, REVERSED
from models.errors import CloseRefused, NotAdmitted
from models.people import CLOSE_MONTHS, SEE_ALL_TEAMS, SEE_STATEMENTS, Viewer, access_policy
from pipelines.commands import credits as command
from pipelines.commands.checks import Look, credits_waiting
from pipelines.commands.explain import credit_sentence
from pipelines.commands.summary import _waiting_credits, print_waiting_credits
from pipelines.reports.closing import reclassify_month, reopen_month
from pipelines.reports.credits import credits_of, decide_credit
from pipelines.reports.statements import read_statement, write_statement
from sql.warehouse import Warehouse
from tests.conftest import emptied
from tests.statements.conftest import NOW, Books, Charge, books_in, of_bills
from tests.statements.failures import failed, hurt
from tests.statements.test_closing_properties import QuickBooks, closed_bytes

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
D = Decimal


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


def decide(books: Books, name: str, decision: str = ACCEPTED, reason: str = "they failed") -> bool:
    """Decides as fin; whether it is new."""
    return decide_credit(books.warehouse, books.settings, name, decision, "fin", reason, NOW)[1]


def told_to_wait(books: Books) -> tuple[list[tuple[str, bool]], str]:
    """Findings of ``doctor`` on credits that wait, with whether they fail it; and what ``status`` says of them."""
    found = list(credits_waiting(Look(books.warehouse, books.settings, NOW)))
    assert all("appfleet credits accept" in one.advice for one in found)
    console = Console(record=True, width=300, soft_wrap=True)
    print_waiting_credits(console, _waiting_credits(books.warehouse))
    return [(one.sentence, one.is_failure) for one in found], console.export_text()


JANUARYS = [
    hurt(JANUARY, "shop", "web", "1.015", 4),
    hurt(JANUARY, "search", "web", "0.000000000000000001", 1),
]


def on_statement(name: str) -> list[tuple[Any, ...]]:
    """``JANUARYS`` on a statement, by hand: 1.015 and 1.015 and a little more are 1.02 each, rounded half to even."""
    return [
        (JANUARY, "jobs", "gate", D("1.015000000000000001"), D("1.02"), name),
        (JANUARY, "web", "search", D("-0.000000000000000001"), D(0), name),
        (JANUARY, "web", "shop", D("-1.015"), D("-1.02"), name),
    ]


def test_an_accepted_credit_is_lines_that_sum_to_nothing(quick: QuickBooks, tmp_path: Path) -> None:
    warehouse, settings = quick.warehouse, quick.settings
    failed(warehouse, [hurt(JANUARY, "shop", "web", "1.005", 3), JANUARYS[1]], date(2026, 1, 30))
    [one] = credits_of(warehouse).proposed
    assert (one.state, one.total) == ("open", D("1.005000000000000001"))
    assert told_to_wait(quick) == ([], "")  # its month is not whole, so there is nothing to answer yet
    with pytest.raises(CloseRefused, match="2026-01 is known to 2026-01-30 only"):
        decide(quick, one.name)
    with pytest.raises(CloseRefused, match="say why with --reason"):
        decide(quick, one.name, reason=" ")
    # the figures change after somebody saw them
    failed(warehouse, JANUARYS, date(2026, 2, 3))
    [now] = credits_of(warehouse).proposed
    with pytest.raises(CloseRefused, match=f"it is {now.name} now, USD 1.015000000000000001 to 2 apps"):
        decide(quick, one.name)
    assert credits_on(quick, JANUARY) == []
    sentence = f"{now.name}: gate (jobs) would pay USD 1.015000000000000001 to 2 apps"
    assert told_to_wait(quick) == (
        [(sentence, False)],
        f"Credits that wait for an answer: {sentence}. `appfleet credits` lists them.\n",
    )
    assert decide(quick, now.name, DECLINED)
    assert told_to_wait(quick) == ([], "")
    console = Console(record=True, width=200, soft_wrap=True)
    command.show(console, credits_of(warehouse))
    text = console.export_text()
    assert f"{now.name}: gate (jobs) would pay USD 1.015000000000000001; declined" in text

    assert decide(quick, now.name)
    assert not decide(quick, now.name, reason="again"), "accepted twice changes nothing"
    with pytest.raises(CloseRefused, match="was accepted by fin at 2026-12-01 00:00 UTC: take it back"):
        decide(quick, now.name, DECLINED)
    assert credits_of(warehouse).proposed == []
    assert credits_on(quick, JANUARY) == on_statement(now.name)
    assert quick.booked() == of_bills(quick.delivered)
    lines = read_statement(warehouse, JANUARY).lines
    assert sum(lines["amount"]) == D(14) and lines["line"].to_list() == list(range(1, lines.height + 1))
    written = write_statement(warehouse, settings, JANUARY, tmp_path / "out").csv_path
    rows = list(csv.DictReader(io.StringIO(written.read_text(encoding="utf-8-sig"))))
    said = {(row["app_id"], row["adjustment_of"]): row["description"] for row in rows if row["adjustment"]}
    assert said["shop", now.name] == "Credit for failures of gate: shop, 2026-01"
    whole: dict[str, Any] = {"billing_period": JANUARY, "see_whole_bills": True, "teams": ["web", "jobs"]}
    tied = warehouse.frame("queries/finance/tie_out", **whole)
    assert tied.select("source_name", "own", "published").rows() == [
        ("aws", D(14), D(14)),
        ("aws", D(13), D(13)),
    ]

    # why, for the terminal: of the one who pays and of one who gets
    for app, side in (("gate", "Charged"), ("shop", "Credited")):
        asked: dict[str, Any] = {"app_id": app, "billing_period": JANUARY}
        [row] = warehouse.frame("queries/explain/credits", **asked).to_dicts()
        amount, requests = {"gate": ("1.015000000000000001", 5), "shop": ("-1.015", 4)}[app]
        assert credit_sentence(row) == (
            f"{side} on the statement of 2026-01 for failures of gate in 2026-01, beside what is billed: USD {amount}, for "
            f"{requests} requests hurt by {requests} failed calls from 2026-01-01 to 2026-01-10; {now.name}, accepted by fin at "
            "2026-12-01 00:00 UTC: they failed"
        )
    assert warehouse.frame("queries/explain/credits", app_id="batch", billing_period=JANUARY).is_empty()


@pytest.mark.slow
def test_what_changes_after_a_month_is_closed_is_on_the_open_statement(quick: QuickBooks) -> None:
    warehouse, settings = quick.warehouse, quick.settings
    failed(warehouse, JANUARYS, date(2026, 2, 3))
    [one] = credits_of(warehouse).proposed
    decide(quick, one.name)
    quick.close(JANUARY)
    kept = closed_bytes(quick)
    # fewer failures are a proposal of the difference
    failed(warehouse, [hurt(JANUARY, "shop", "web", "1", 4), JANUARYS[1]], date(2026, 2, 4))
    [less] = credits_of(warehouse).proposed
    assert [(line.app_id, line.credit, line.hurt_requests) for line in less.lines] == [
        ("shop", D("-0.015"), 0)
    ]
    assert decide(quick, less.name)
    assert credits_on(quick, JANUARY) == on_statement(one.name)
    assert credits_on(quick, FEBRUARY) == [
        (JANUARY, "jobs", "gate", D("-0.015"), D("-0.02"), less.name),
        (JANUARY, "web", "shop", D("0.015"), D("0.02"), less.name),
    ]
    # a provider restates the closed month: the credit is no part of its bill, and reclassified it is not moved
    quick.bill(JANUARY, [Charge("shop", D(11), D(9)), Charge("batch", D(4), D(4))])
    quick.owners({"shop": "jobs", "batch": "jobs"})
    quick.compute()
    reclassify_month(warehouse, settings, JANUARY, "ada", "moved", NOW)
    assert quick.booked() == of_bills(quick.delivered)
    moved = read_statement(warehouse, FEBRUARY).lines.filter(adjustment="reclassification")
    assert sorted(moved.select("team", "billed_cost").rows()) == [("jobs", D(11)), ("web", D(-11))]
    # taken back: where it is closed by the opposite on the open statement, else it is gone
    assert decide(quick, one.name, REVERSED) and decide(quick, less.name, REVERSED)
    assert credits_on(quick, FEBRUARY) == sorted(
        (of, team, app, -billed, -amount, name)
        for of, team, app, billed, amount, name in on_statement(one.name)
    )
    with pytest.raises(CloseRefused, match="nothing to take back"):
        decide(quick, less.name + "0", REVERSED)
    quick.close(FEBRUARY)
    assert {key: closed_bytes(quick)[key] for key in kept} == kept
    # opened again, the newest first, every statement follows what holds
    reopen_month(warehouse, settings, FEBRUARY, "ada", "again", NOW)
    reopen_month(warehouse, settings, JANUARY, "ada", "again", NOW)
    assert credits_on(quick, JANUARY) == credits_on(quick, FEBRUARY) == []
    assert quick.booked() == of_bills(quick.delivered)
    [again] = credits_of(warehouse).proposed
    assert again.total == D("1.000000000000000001")


def seen_by(warehouse: Warehouse, *teams: str, rights: Sequence[str] = (SEE_STATEMENTS,)) -> Any:
    """Reads of a viewer, as a page has them."""
    viewer = Viewer("Fin", teams, tuple(rights))
    return SimpleNamespace(
        viewer=viewer, frame=lambda name: warehouse.frame(f"queries/{name}", teams=list(teams))
    )


def test_the_page_shows_teams_their_own_and_lets_those_decide_who_may(
    quick: QuickBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = quick.warehouse
    quick.owners({"shop": "web", "batch": "jobs"})
    rows = [hurt(JANUARY, "shop", "web", "3", 3, "ops"), hurt(JANUARY, "batch", "jobs", "2", 2, "ops")]
    failed(warehouse, rows, date(2026, 2, 3))
    [whole] = credits_of(warehouse).proposed
    finance = seen_by(warehouse, "web", "jobs", rights=access_policy().roles["finance"])
    assert page.found(finance) == ([whole], [])
    [part] = page.found(seen_by(warehouse, "web"))[0]
    assert [line.app_id for line in part.lines] == ["shop"]
    assert page.found(seen_by(warehouse, "ops")) == ([], [])

    asked: list[list[str]] = []
    monkeypatch.setattr(page, "run_command", lambda _, words, by: asked.append([*words, by]) or (True, ""))
    monkeypatch.setattr(page, "log_of", lambda _: SimpleNamespace(record=lambda _: None))
    monkeypatch.setattr(Looker, "check", lambda _: None)
    for missing in (CLOSE_MONTHS, SEE_ALL_TEAMS):
        rights = tuple(right for right in access_policy().roles["finance"] if right != missing)
        eve = Looker(Path(), Identity(), Viewer("Eve", ("web",), rights))
        monkeypatch.setattr(access, "looking", lambda eve=eve: eve)
        with pytest.raises(NotAdmitted, match=missing):
            page.decide(finance, whole.name, "accept", "why")
    looker = Looker(Path(), Identity(), finance.viewer)
    monkeypatch.setattr(access, "looking", lambda: looker)
    with pytest.raises(NotAdmitted, match="no such proposal"):
        page.decide(finance, part.name, "accept", "why")
    assert asked == [] and page.decide(finance, whole.name, "accept", "why") == (True, "")
    assert asked == [["credits", "accept", whole.name, "--reason=why", "--wait=60", "Fin"]]

    decide(quick, whole.name, reason="they <b>failed</b>")
    proposed, [kept] = page.found(finance)
    assert proposed == [] and kept.proposal.total == 5
    [own] = page.found(seen_by(warehouse, "web"))[1]
    assert [(line.app_id, line.credit) for line in own.proposal.lines] == [("shop", D(3))]
    assert page.found(seen_by(warehouse, "ops"))[1] == []

    # more of January since, and February is not whole
    rows = [hurt(JANUARY, "shop", "web", "4", 5, "ops"), rows[1], hurt(FEBRUARY, "search", "web", "2.5", 2)]
    failed(warehouse, rows, date(2026, 2, 3))
    for rights in (access_policy().roles["finance"], (SEE_STATEMENTS,)):
        frames = {
            name: seen_by(warehouse, "web").frame(name)
            for name in ("finance/credits", "finance/credit_decisions")
        }

        def script(frames: dict[str, object], rights: tuple[str, ...]) -> None:
            from types import SimpleNamespace

            from dashboards.credits import credits_section
            from models.people import Viewer

            reads: Any = SimpleNamespace(frame=frames.__getitem__, viewer=Viewer("Fin", ("web",), rights))
            credits_section(reads)

        shown = AppTest.from_function(script, default_timeout=30, args=(frames, rights)).run()
        assert not shown.exception
        proposed, decided = (table.value.to_dict("records") for table in shown.dataframe)
        assert [
            (row["Month"], row["App hurt"], row["Credit"], row["Requests hurt"], row["State"])
            for row in proposed
        ] == [
            ("2026-01", "shop", "1", 2, "Waits for a person"),
            ("2026-02", "search", "2.5", 2, "Grows until its month is whole"),
        ]
        assert [(row["Credit"], row["Decision"], row["Why"], row["Credited"]) for row in decided] == [
            (whole.name, "accepted", "they <b>failed</b>", "3")
        ]
        assert [one.label for one in shown.button] == (
            ["Accept", "Decline"] if CLOSE_MONTHS in rights else []
        )
        if CLOSE_MONTHS in rights:
            [choice] = shown.selectbox
            assert choice.options == [
                f"2026-01/gate/USD@{credits_of(warehouse).proposed[0].digest}: ops pays USD 1 to 1 app"
            ]
