"""A process that is killed while it closes or reopens a month, and what is left of closed lines that are lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.commands import checks
from pipelines.commands.checks import Look
from pipelines.reports.closing import plan_close
from sql.closings import closed_file, closed_months
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.statements.conftest import NOW, Books, Charge, books_in
from tests.statements.test_closing_properties import QuickBooks

JANUARY = date(2026, 1, 1)
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """\
warehouse: embedded
sources:
  billing: [{name: aws, format: focus, location: bills, settled_after_days: 5, deliveries: replace}]
  telemetry: []
catalog: catalog
teams: teams.yaml
"""


@pytest.fixture
def books(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Books]:
    """January of three apps, ready to be closed, in a workspace of its own."""
    root = migrated(tmp_path_factory.mktemp("killed"))
    with open_warehouse(root) as warehouse:
        books = QuickBooks(warehouse, books_in(root, warehouse).settings)
        books.owners({"shop": "web", "batch": "jobs"})
        charges = [
            Charge(app, Decimal(cost), Decimal(cost))
            for app, cost in (("shop", "1.005"), ("batch", "2"), ("", "3"))
        ]
        books.bill(JANUARY, charges)
        books.compute()
        (root / "appfleet.yaml").write_text(SETTINGS)
        yield books


def started(root: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines.commands.cli", *words, "--month", "2026-01", "-w", str(root)]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip


def killed_when(process: subprocess.Popen[str], seen: str, warehouse: Warehouse, least: int) -> None:
    """Kills a process as soon as a table holds more than so many rows, or it has ended."""
    while process.poll() is None:
        if warehouse.frame_of(f"SELECT count() FROM {seen}").item() > least:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate(timeout=60)


def decisions(warehouse: Warehouse) -> list[str]:
    frame = warehouse.frame_of("SELECT toString(state) FROM statement_closings ORDER BY seq")
    return frame.to_series().to_list()


@pytest.mark.slow
def test_a_closing_that_is_killed_and_run_again_closes_once_with_the_same_bytes(books: Books) -> None:
    """Killed once its first line is stored, once its first file is, and once the month is closed."""
    warehouse, root = books.warehouse, books.settings.root
    wanted = plan_close(warehouse, books.settings, JANUARY, "ada", NOW)
    assert wanted.red == ()
    left = []
    for table in ("mart_statement_lines", "statement_files", "statement_closings"):
        least = warehouse.frame_of(f"SELECT count() FROM {table}").item()
        killed_when(started(root, "close", "--by", "ada"), table, warehouse, least)
        left.append(decisions(warehouse))
        assert left[-1] in ([], ["closed"])
    assert left[0] == [] or left[1] == ["closed"]  # a fast machine may have closed before it was seen
    again = started(root, "close", "--by", "ada")
    said, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert decisions(warehouse) == ["closed"] and "2026-01 is closed, by ada" in said
    closing = closed_months(warehouse)[JANUARY]
    # a workbook's and a CSV's bytes hold no time: those of a plan are those of any closing
    assert {name: closed_file(warehouse, closing, name) for name in closing.files} == dict(wanted.files)
    assert books.booked() == {(JANUARY, "USD"): (Decimal("6.005"), Decimal("6.005"))}

    killed_when(
        started(root, "reopen", "--reason", "a test", "--by", "ada"), "statement_closings", warehouse, 1
    )
    again = started(root, "reopen", "--reason", "a test", "--by", "ada")
    _, errors = again.communicate(timeout=120)
    assert again.returncode in (0, 1), errors
    assert (again.returncode == 1) == ("nothing to reopen" in errors)
    assert decisions(warehouse) == ["closed", "reopened"]
    assert books.booked() == {(JANUARY, "USD"): (Decimal("6.005"), Decimal("6.005"))}


def test_lost_lines_of_a_closed_statement_are_told_by_name(books: Books) -> None:
    warehouse = books.warehouse
    closing = books.close(JANUARY)
    look = Look(warehouse, books.settings, NOW)
    assert [*checks.closed_statements(look)] == []
    now = "SETTINGS mutations_sync = 2"
    warehouse.execute_text(
        f"ALTER TABLE mart_statement_lines UPDATE billed_cost = billed_cost + 0.5 WHERE line = 1 {now}"
    )
    (found,) = checks.closed_statements(look)
    before = closing.sums["USD/billed_cost"]
    assert found.is_failure and f"sum to {before + Decimal('0.5'):f} USD/billed_cost" in found.sentence
    warehouse.execute_text(
        "INSERT INTO mart_statement_lines SELECT * FROM mart_statement_lines WHERE line = 2"
    )
    (found,) = checks.closed_statements(look)
    assert found.sentence.endswith(f"is there twice: {closing.statement_id}/2")
    warehouse.execute_text(f"ALTER TABLE mart_statement_lines DELETE WHERE line IN (2, 3) {now}")
    warehouse.execute_text(
        f"ALTER TABLE statement_files DELETE WHERE file_name = 'chargeback-2026-01.csv' {now}"
    )
    lines, file = checks.closed_statements(look)
    names = f"{closing.statement_id}/2, {closing.statement_id}/3"
    assert lines.sentence == (f"2026-01: 2 of {closing.rows} lines of its closed statement are lost: {names}")
    assert "chargeback-2026-01.csv of the closed statement 2026-01 is not stored any more" in file.sentence
    warehouse.execute_text("TRUNCATE TABLE mart_statement_lines")
    lost, _ = checks.closed_statements(look)
    assert f"{closing.rows} of {closing.rows} lines" in lost.sentence
