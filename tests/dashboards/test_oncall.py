"""On-call: what burns, worst first as the command has it, with its route, version and trace; filters narrow, never widen."""

from __future__ import annotations

import io
import re
from datetime import UTC, timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from streamlit.testing.v1 import AppTest

from models.people import Viewer
from pipelines.commands.summary import print_slo, print_status
from sql.workspace import load_settings
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import AS_OF, FAILED_TRACE, NOBODY, Fleet

CLOCK = AS_OF + timedelta(hours=1)


def tables(app: AppTest) -> dict[str, pl.DataFrame]:
    """The tables of the page by what only they have, the last one by having none of that."""
    marks = {
        "alerts": "Severity",
        "actions": "Does",
        "newest": "Minutes",
        "firing": "Route",
        "faults": "Share",
        "silent": "Silent since",
        "quiet": "State",
        "without": "App id",
    }
    found: dict[str, pl.DataFrame] = {}
    for one in app.dataframe:
        columns = set(one.value.columns)
        name = (
            "faults" if "Share" in columns else next(name for name, mark in marks.items() if mark in columns)
        )
        assert name not in found
        found[name] = pl.from_pandas(one.value)
    return found


def counts(app: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in app.metric}


def test_what_fires_stands_first_with_its_culprit(run: Run, full_workspace: Path) -> None:
    shown = tables(run(full_workspace, "oncall"))
    names = ("app", "State", "Objective", "Route", "Version", "Trace", "Team")
    assert shown["firing"].select(names).rows() == [
        ("checkout", "Page", "Availability", "POST /pay", "2.1", FAILED_TRACE, "payments"),
        ("card-vault", "Ticket", "Availability", "other routes", "7", "", "payments"),
    ]
    assert [one.replace(tzinfo=UTC) for one in shown["firing"]["Since"]] == [AS_OF - timedelta(hours=5)] * 2
    assert shown["firing"]["Budget left"].to_list() == pytest.approx([-150.0, 20.0])
    assert shown["firing"].columns[:4] == ["app", "State", "Since", "Budget left"]
    names = ("app", "Route", "Version", "Bad", "Events", "Trace")
    assert shown["faults"].select(names).rows() == [
        ("checkout", "POST /pay", "2.1", 70, 200, FAILED_TRACE),
        ("checkout", "GET /cart", "2.0", 4, 400, ""),
        ("card-vault", "other routes", "7", 8, 80, ""),
        ("card-vault", "GET /card", "7", 2, 60, ""),
    ]


def test_no_alert_silent_and_without_indicator_stand_apart(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "oncall")
    shown = tables(app)
    assert shown["quiet"]["State"][:2].to_list() == ["Budget spent", "OK"]
    assert shown["quiet"]["app"][0] == "payslip-view"
    assert "report-mailer" in set(shown["without"]["app"])
    silent = shown["silent"]
    assert silent["app"].to_list() == ["customs-forms", "desk-booking"]
    assert [one.replace(tzinfo=UTC) for one in silent["Silent since"]] == [
        AS_OF - timedelta(hours=30),
        AS_OF - timedelta(hours=7),
    ]
    assert silent.select("Requests since", "Expected").rows() == [(0, 212), (3, 41)]
    assert silent["Requests a day before"].to_list() == [169.9, 141.9]
    assert counts(app)["Page"] == counts(app)["Ticket"] == counts(app)["Budget spent"] == "1"
    [refreshed] = [one.value for one in app.caption if one.value.startswith("Refreshed ")]
    assert re.fullmatch(r"Refreshed \d\d:\d\d:\d\d UTC, and again every minute\.", refreshed)


def test_the_page_and_the_command_agree_about_the_worst(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    """The same objectives in the same order, and the same counts in `slo`, `status` and on the page."""
    app = run(full_workspace, "oncall")
    shown = tables(app)
    page = [
        (row["app"], row["Objective"].lower())
        for name in ("firing", "quiet")
        for row in shown[name].iter_rows(named=True)
    ]
    settings = load_settings(full_workspace)
    printed = Console(file=io.StringIO(), width=250)
    print_slo(printed, settings, None, CLOCK)
    lines = [line.split("│") for line in printed.file.getvalue().splitlines() if line.startswith("│")]  # type: ignore[attr-defined]
    command = [(cells[1].strip(), cells[3].strip()) for cells in lines]
    assert command[: len(page)] == page
    assert command[len(page) :] == [("report-mailer", "availability")]
    status = Console(file=io.StringIO(), width=250)
    print_status(status, settings, CLOCK)
    words = " ".join(status.file.getvalue().split())  # type: ignore[attr-defined]
    shown_counts = counts(app)
    names = {
        "Page": "page",
        "Ticket": "ticket",
        "Budget spent": "spent",
        "Silent": "silent",
        "Data is old": "stale",
    }
    assert ", ".join(f"{shown_counts[label]} {name}" for label, name in names.items()) in words


@pytest.mark.parametrize(
    ("query", "firing", "silent"),
    [
        ({"search": "POST /PAY"}, ["checkout"], []),
        ({"search": "card"}, ["card-vault"], []),
        ({"search": "logist"}, [], ["customs-forms"]),
        ({"search": "availab"}, ["checkout", "card-vault"], []),
        ({"team": "people"}, [], ["desk-booking"]),
        ({"team": "payments", "search": "vault"}, ["card-vault"], []),
        ({"search": "[.*"}, [], []),
    ],
)
def test_team_and_search_narrow_every_table(
    run: Run, full_workspace: Path, query: dict[str, str], firing: list[str], silent: list[str]
) -> None:
    app = run(full_workspace, "oncall", **query)
    assert not app.exception and not app.error
    shown = tables(app)
    assert [*shown["firing"]["app"]] == firing if firing else "firing" not in shown
    assert [*shown["silent"]["app"]] == silent if silent else "silent" not in shown
    if "team" in query:
        assert {one for table in shown.values() if "Team" in table for one in table["Team"]} == {
            query["team"]
        }
    if query == {"search": "[.*"}:
        assert not shown and "Nothing holds this text" in app.info[0].value


def test_a_team_that_is_not_mine_is_told_and_shows_nothing(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "oncall", viewer=Viewer(teams=("people", "insights")), team="payments")
    assert "There is no team “payments”, or it is not yours" in app.error[0].value
    assert not app.dataframe and not app.metric


@pytest.mark.parametrize("team", ["people", NOBODY])
def test_a_lead_sees_the_own_team_alone(run: Run, full_workspace: Path, fleet: Fleet, team: str) -> None:
    own = {row["app_id"] for row in fleet.rows("mart_app_inventory", team=team)}
    shown = tables(run(full_workspace, "oncall", viewer=Viewer(teams=(team,))))
    assert {app for table in shown.values() for name in ("app", "App id") for app in table[name]} <= own
    assert shown
