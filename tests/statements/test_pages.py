"""What the pages show of closed months, counted by Python; who may take which file; and the whole way by the command line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from rich.console import Console

from dashboards import access
from dashboards.access import Identity, Looker
from dashboards.closing import close_month as asked_to_close
from dashboards.closing import run_close
from dashboards.queries import TeamReads, reads_of
from dashboards.statement import closed_file, statement_file
from models.errors import ControlTotalError, NotAdmitted
from models.identity import RULE_VERSION
from models.people import (
    CLOSE_MONTHS,
    DOWNLOAD_STATEMENTS,
    SEE_ALL_TEAMS,
    SEE_STATEMENTS,
    SEE_WHOLE_BILLS,
    Viewer,
    access_policy,
)
from pipelines.commands import closing
from pipelines.reports.closing import reclassify_month
from pipelines.reports.statements import read_statement
from sql.closings import closed_months
from sql.opening import open_warehouse
from tests.conftest import Migrated, SmallFleet, python_path
from tests.statements.conftest import NOW, Charge, books_in
from tests.statements.test_closing_properties import QuickBooks

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
D = Decimal
FINANCE = Viewer("Fin", (), access_policy().roles["finance"])
LEAD = Viewer("Lead", ("web",), (SEE_STATEMENTS, DOWNLOAD_STATEMENTS))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    """January closed, restated by 0.5 for shop and reclassified; February closed with that; January restated by 0.25 since."""
    root = migrated(tmp_path_factory.mktemp("closed"))
    with open_warehouse(root) as warehouse:
        books = QuickBooks(warehouse, books_in(root, warehouse).settings)
        books.owners({"shop": "web", "batch": "jobs"})
        books.bill(JANUARY, [Charge("shop", D(10), D(9)), Charge("batch", D(4), D(4))])
        books.bill(FEBRUARY, [Charge("shop", D(1), D(1))])
        books.compute()
        books.close(JANUARY)
        books.bill(JANUARY, [Charge("shop", D("10.5"), D(9)), Charge("batch", D(4), D(4))])
        books.owners({"shop": "web", "batch": "web"})
        books.compute()
        reclassify_month(warehouse, books.settings, JANUARY, "ada", "moved", NOW)
        books.close(FEBRUARY, by="grace")
        books.bill(JANUARY, [Charge("shop", D("10.75"), D(9)), Charge("batch", D(4), D(4))])
        books.bill(MARCH, [Charge("shop", D(2), D(2))])
        books.compute()
    yield root
    st.cache_resource.clear()


def reads(root: Path, viewer: Viewer) -> TeamReads:
    return reads_of(root, viewer)


def test_a_month_ties_to_its_bill_over_every_statement(root: Path) -> None:
    frame = reads(root, FINANCE).frame("finance/tie_out", billing_period=JANUARY)
    # own 14 and 13; the closed February adjusts by 0.5 and moves 4 from jobs to web; March will add 0.25
    assert frame.rows() == [
        ("aws", "USD", "BilledCost", D(14), D("0.5"), D("0.25"), D("14.75"), D(0)),
        ("aws", "USD", "EffectiveCost", D(13), D(0), D(0), D(13), D(0)),
    ]
    assert reads(root, LEAD).frame("finance/tie_out", billing_period=JANUARY).is_empty()
    every_team = Viewer(teams=("web", "jobs"), rights=(SEE_STATEMENTS, SEE_ALL_TEAMS))
    assert reads(root, every_team).frame("finance/tie_out", billing_period=JANUARY).is_empty()
    with pytest.raises(NotAdmitted):
        reads(root, Viewer(teams=("web",))).frame("finance/tie_out", billing_period=JANUARY)


def test_adjustments_are_shown_with_the_month_they_are_of_and_the_one_they_are_in(root: Path) -> None:
    def told(viewer: Viewer, month: date) -> list[tuple[Any, ...]]:
        frame = reads(root, viewer).frame("finance/adjustments", billing_period=month)
        columns = (
            "statement_period",
            "billing_period",
            "adjustment",
            "team",
            "app_id",
            "billed_cost",
            "amount",
        )
        return sorted(frame.select(columns).rows())

    february = [
        (FEBRUARY, JANUARY, "reclassification", "jobs", "batch", D(-4), D(-4)),
        (FEBRUARY, JANUARY, "reclassification", "web", "batch", D(4), D(4)),
        (FEBRUARY, JANUARY, "restatement", "web", "shop", D("0.5"), D("0.5")),
    ]
    march = [(MARCH, JANUARY, "restatement", "web", "shop", D("0.25"), D("0.25"))]
    assert told(FINANCE, JANUARY) == february + march
    assert told(FINANCE, FEBRUARY) == february
    assert told(FINANCE, MARCH) == march
    assert told(LEAD, FEBRUARY) == february[1:]
    frame = reads(root, FINANCE).frame("finance/adjustments", billing_period=MARCH)
    january = reads(root, FINANCE).frame("finance/closings", billing_period=JANUARY).row(0, named=True)
    assert frame["adjustment_of"].to_list() == [f"{january['statement_id']}/2"]
    assert frame.select("cost_center", "service_name", "billing_currency", "effective_cost").rows() == [
        ("CC-web", "Compute", "USD", D(0))
    ]


def test_decisions_are_shown_the_newest_first(root: Path) -> None:
    frame = reads(root, LEAD).frame("finance/closings", billing_period=FEBRUARY)
    assert frame.select(
        "state", "decided_by", "reason", "statement_version", "rule_version", "lines"
    ).rows() == [("closed", "grace", "", 3, RULE_VERSION, 6)]
    assert frame["decided_at"].to_list() == [NOW]
    assert reads(root, LEAD).frame("finance/closings", billing_period=MARCH).is_empty()


def test_closed_files_are_for_who_may_see_all_of_them(root: Path) -> None:
    with open_warehouse(root, role="reader") as warehouse:
        february = closed_months(warehouse)[FEBRUARY]
    frame = reads(root, FINANCE).frame("finance/closed_files", billing_period=FEBRUARY, file_name="")
    assert dict(frame.select("file_name", "file_sha256").rows()) == dict(february.files)
    assert set(frame["content"]) == {""}
    sizes = dict(frame.select("file_name", "bytes").rows())
    for name, sha256 in february.files.items():
        content = closed_file(reads(root, FINANCE), FEBRUARY, name)
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, sizes[name])
    # the CSV of the page is the closed one for who sees all, and a part of it for a team
    csv_name = "chargeback-2026-02.csv"
    assert statement_file(reads(root, FINANCE), FEBRUARY) == closed_file(
        reads(root, FINANCE), FEBRUARY, csv_name
    )
    assert statement_file(reads(root, LEAD), FEBRUARY) != statement_file(reads(root, FINANCE), FEBRUARY)
    for rights in (
        (SEE_STATEMENTS, DOWNLOAD_STATEMENTS, SEE_ALL_TEAMS),
        (SEE_STATEMENTS, DOWNLOAD_STATEMENTS, SEE_WHOLE_BILLS),
    ):
        viewer = Viewer(teams=("web",), rights=rights)
        found = reads(root, viewer).frame("finance/closed_files", billing_period=FEBRUARY, file_name="")
        assert found.is_empty()
        with pytest.raises(ControlTotalError):
            closed_file(reads(root, viewer), FEBRUARY, csv_name)
    with pytest.raises(NotAdmitted):
        reads(root, Viewer(teams=("web",), rights=(SEE_STATEMENTS, SEE_WHOLE_BILLS, SEE_ALL_TEAMS))).frame(
            "finance/closed_files", billing_period=FEBRUARY, file_name=""
        )


def test_only_the_right_closes_from_a_page(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "dashboards.closing.run_close", lambda _, month, by: asked.append((month, by)) or (True, "")
    )
    monkeypatch.setattr(Looker, "check", lambda _: None)
    others = tuple(right for right in access_policy().roles["admin"] if right != CLOSE_MONTHS)
    monkeypatch.setattr(access, "looking", lambda: Looker(root, Identity(), Viewer("Eve", ("web",), others)))
    with pytest.raises(NotAdmitted, match="close_months"):
        asked_to_close(MARCH)
    assert asked == []
    monkeypatch.setattr(access, "looking", lambda: Looker(root, Identity(), FINANCE))
    assert asked_to_close(MARCH) == (True, "")
    assert asked == [("2026-03", "Fin")]


def test_the_commands_say_what_is_red_what_is_frozen_and_what_moved(root: Path) -> None:
    """The last of this module: it closes March, opens it again and reclassifies January."""
    settings = books_in(root, None).settings  # type: ignore[arg-type]
    console = Console(record=True, width=200)

    def said() -> str:
        return console.export_text()

    assert not closing.show_plan(console, settings, JANUARY, "ada")
    assert "2026-01 is closed already, by ada" in said()
    assert closing.show_plan(console, settings, MARCH, "ada")
    shown = said()
    assert "would freeze" in shown and "chargeback-2026-03.xlsx" in shown and "Nothing was written." in shown
    with open_warehouse(root, role="reader") as warehouse:
        assert MARCH not in closed_months(warehouse)
    closing.close(console, settings, MARCH, "fin", 0)
    shown = said()
    with open_warehouse(root, role="reader") as warehouse:
        done = closed_months(warehouse)[MARCH]
    assert f"2026-03 is closed, by fin at {done.decided_at:%Y-%m-%d %H:%M} UTC" in shown
    assert all(sha256 in shown for sha256 in done.files.values())
    closing.reopen(console, settings, MARCH, "a test", "fin", 0)
    assert "2026-03 is open again, by fin: a test." in said()
    closing.reclassify(console, settings, JANUARY, "same owners", "fin", 0)
    assert "2026-01 is reclassified by fin: same owners. 0 lines of the statement of 2026-03" in said()


PAGE = Path(__file__).resolve().parents[2] / "dashboards" / "app.py"


@pytest.mark.slow
def test_a_fleet_is_closed_shown_written_and_reopened_by_the_commands(
    small_fleet: SmallFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simulated fleet after its pass: refused until its sources say when they are settled, then closed as from a page."""
    root = small_fleet.copy(small_fleet.passed, tmp_path / "fleet")
    settings = root / "appfleet.yaml"
    text = settings.read_text()
    environment = {**os.environ, "PYTHONPATH": python_path()}

    def appfleet(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipelines.commands.cli", *words, "-w", str(root)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    month = "2026-09"
    settings.write_text("".join(line for line in text.splitlines(True) if "settled_after_days" not in line))
    shown = appfleet("close", "--month", month, "--dry-run")
    assert shown.returncode == 1, shown.stdout + shown.stderr
    assert "settled_after_days" in shown.stdout and "Nothing was written" in shown.stdout
    settings.write_text(text)  # as the simulator wrote it
    shown = appfleet("close", "--month", month, "--dry-run")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    done, said = run_close(root, month, "Fin")
    assert done, said
    assert "is closed, by Fin" in said
    again = appfleet("run")
    assert again.returncode == 0, again.stdout + again.stderr
    with open_warehouse(root, role="reader") as warehouse:
        september = closed_months(warehouse)[date(2026, 9, 1)]
        assert read_statement(warehouse, date(2026, 9, 1)).closing == september
    written = appfleet("chargeback", "--month", month, "--out", str(tmp_path / "out"), "--format", "xlsx")
    assert written.returncode == 0, written.stderr
    for name in (f"chargeback-{month}.csv", f"chargeback-{month}.xlsx"):
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == september.files[name]
    refused = appfleet("reopen", "--month", month, "--reason", " ")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    opened = appfleet("reopen", "--month", month, "--reason", "a test", "--by", "Fin")
    assert opened.returncode == 0, opened.stderr
    assert "open again, by Fin: a test" in opened.stdout
