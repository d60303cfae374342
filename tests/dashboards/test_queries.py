"""The reading layer: no read without the viewer's teams, none of another team, and a warehouse that comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from dashboards.access import current_viewer
from dashboards.queries import TEAMS_PARAMETER, TeamReads, reads_of
from dashboards.statement import statement_file
from models.errors import ConfigurationError
from models.evidence import POLICY, EvidenceRange
from models.people import (
    ACT_ON_ALERTS,
    APPROVE_ACTIONS,
    DOWNLOAD_STATEMENTS,
    RIGHTS,
    SEE_ACCESS_LOG,
    SEE_ALL_TEAMS,
    SEE_STATEMENTS,
    SEE_WHOLE_BILLS,
    Viewer,
)
from models.policy import health_checks, request_errors, request_slices, slo_defaults
from models.requests import classification, ladder_ms
from pipelines.reports.statements import write_statement
from sql.catalog import statement, statements
from sql.evidence import Asked
from sql.local_warehouse.process import WarehouseProcess
from sql.opening import open_warehouse
from sql.warehouse import bindings
from tests.conftest import Migrated
from tests.dashboards.fleet import (
    ALL_TEAMS,
    AS_OF,
    COST_DAY,
    EVERYTHING,
    FAILED_TRACE,
    FIRST_DAY,
    NOBODY,
    SOURCES,
    Fleet,
    month_of,
    publish_marts,
    write_settings,
)

STATEMENTS = (SEE_STATEMENTS, DOWNLOAD_STATEMENTS)
PEOPLE = Viewer(teams=("people",), rights=(*STATEMENTS, SEE_ACCESS_LOG))
OF_ANYBODY = ("damage/",)
"""Told to whoever has a team, of no team: tests/dashboards/test_silent.py and ``dashboards.shared``."""
NAMES = [
    name
    for one in statements("queries")
    for name in [one.removeprefix("queries/")]
    if TEAMS_PARAMETER in statement(one) and not name.startswith(OF_ANYBODY)
]
"""Every statement a page may read: without the teams it would be refused."""
OF_CLOSED_MONTHS = ("finance/tie_out", "finance/closed_files")
"""Told of months that are closed, of which this fleet has none: tests/statements/test_pages.py."""
OF_ANOTHER_FLEET = ("reporting/bridge", "reporting/statement", "reporting/unused")
"""Told of a reporting currency and of commitments, of which this fleet has none: tests/dashboards/test_closed_months.py."""
OF_WHOLE_BILLS = (
    "finance/reconciliation",
    "finance/deliveries",
    "finance/held_deliveries",
    "finance/days",
)
ASKED = Asked("checkout", EvidenceRange(AS_OF - timedelta(minutes=5), AS_OF))
PARAMETERS: dict[str, Any] = {
    "file_name": "",
    "cost_day": COST_DAY,
    "search": "",
    "only": (),
    "order_by": "cost",
    "states": ("page", "ok"),
    "compared_last_day": COST_DAY,
    "before_first_day": FIRST_DAY - timedelta(days=60),
    "before_last_day": FIRST_DAY - timedelta(days=1),
    "row_limit": 1000,
    "kinds": ("page", "file"),
    "bounds_ms": ladder_ms(request_slices(), slo_defaults()),
    "apps": ("checkout",),
    "slices": (f"{AS_OF - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}",),
    **bindings(classification(request_errors(), health_checks())),
    **ASKED.values,
    **ASKED.around,
    "environments": ("prod",),
    "objectives": ("availability",),
    "begins": (int((AS_OF - timedelta(days=30)).timestamp()),),
    "ends": (int(AS_OF.timestamp()),),
    "targets": (0.99,),
    "routes": ("",),
    "span_kinds": ("server,consumer",),
    "colds": (False,),
    "rungs": (0,),
    "left_out": (),
    "named": POLICY.named,
    "least_bad": 1,
    "value_limit": 10,
    "per_kind": 5,
    "sample_size": 10,
    "known_from": f"{AS_OF - timedelta(days=3):%Y-%m-%d %H:%M:%S}",
    "events_from": f"{AS_OF - timedelta(days=3):%Y-%m-%d %H:%M:%S}",
    "trace_ids": (FAILED_TRACE,),
    "app_id": "checkout",
    "first_day": FIRST_DAY,
    "last_day": COST_DAY,
    "billing_period": month_of(COST_DAY),
}


def needed(name: str) -> dict[str, Any]:
    """The parameters a statement takes."""
    text = statement(f"queries/{name}")
    return {key: value for key, value in PARAMETERS.items() if f"{{{key}:" in text}


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_takes_the_teams_and_returns_the_columns_it_declares(
    full_workspace: Path, empty_workspace: Path, name: str
) -> None:
    assert TEAMS_PARAMETER in statement(f"queries/{name}")
    full = reads_of(full_workspace, EVERYTHING).frame(name, **needed(name))
    empty = reads_of(empty_workspace, EVERYTHING).frame(name, **needed(name))
    assert full.columns == empty.columns
    declared = statement(f"queries/{name}").split("-- columns:")[1].split("SELECT")[0]
    if "those of" not in declared:
        assert all(column in declared for column in full.columns)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_of_another_team_never_leaves_the_warehouse(
    full_workspace: Path, fleet: Fleet, name: str
) -> None:
    frame = reads_of(full_workspace, PEOPLE).frame(name, **needed(name))
    own = {row["app_id"] for row in fleet.tables["mart_app_inventory"] if row["team"] == "people"}
    if "app_id" in frame.columns:
        assert set(frame["app_id"]) <= own
    if "team" in frame.columns:
        assert set(frame["team"]) <= {"people"}
    if name.startswith(("app/", "evidence/")) and name != "app/choices":
        assert frame.is_empty()  # the app asked for is of another team
    if name in OF_WHOLE_BILLS:
        assert frame.is_empty()


@pytest.mark.parametrize("name", NAMES)
def test_a_team_that_owns_nothing_gets_nothing(full_workspace: Path, name: str) -> None:
    frame = reads_of(full_workspace, Viewer(teams=("nobody-of-ours",), rights=PEOPLE.rights)).frame(
        name, **needed(name)
    )
    if name.startswith("dashboards/"):
        return
    figures = [value for row in frame.iter_rows() for value in row]
    assert not any(figures)


def test_a_statement_without_the_teams_is_refused(full_workspace: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not take the viewer's teams"):
        reads_of(full_workspace, EVERYTHING).frame("ledger/heads", scope_prefix="")


def test_a_viewer_without_teams_is_refused(full_workspace: Path) -> None:
    with pytest.raises(ConfigurationError, match="no team"):
        reads_of(full_workspace, Viewer())
    with pytest.raises(ConfigurationError, match="no team"):
        TeamReads(full_workspace, Viewer(), "").frame("fleet/counts")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("dashboards/")])
def test_a_page_cannot_hand_in_a_scope(full_workspace: Path, name: str) -> None:
    """A parameter named as the teams or as a right never stands in for the viewer's."""
    reads = reads_of(full_workspace, PEOPLE)
    given = needed(name)
    for widened in ({"teams": tuple(ALL_TEAMS)}, dict.fromkeys(RIGHTS, True)):
        with pytest.raises(ConfigurationError, match="comes from the viewer"):
            reads.frame(name, **given, **widened)


def test_a_team_is_one_name_whatever_it_holds(full_workspace: Path, fleet: Fleet) -> None:
    """A comma in a team's name makes no second team of it, and no team carries a right."""
    write_settings(full_workspace, Viewer(teams=("people, unassigned",)))
    viewer = current_viewer(full_workspace)
    assert viewer == Viewer(
        teams=("people, unassigned",), rights=(*STATEMENTS, ACT_ON_ALERTS, APPROVE_ACTIONS)
    )
    reads = reads_of(full_workspace, viewer)
    assert reads.frame("fleet/counts")["apps"][0] == 0
    for name in (
        "finance/reconciliation",
        "finance/deliveries",
        "finance/held_deliveries",
        "finance/statement",
        "finance/lines",
    ):
        assert reads.frame(name, **needed(name)).is_empty()


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if "see_whole_bills" in statement(f"queries/{name}")
        and name not in (*OF_CLOSED_MONTHS, *OF_ANOTHER_FLEET)
    ],
)
def test_whole_bills_hang_on_the_right_alone(full_workspace: Path, name: str) -> None:
    """Neither every team together nor what nobody owns gives what the right gives, and the right opens no other rows."""
    teams_only = reads_of(full_workspace, Viewer(teams=ALL_TEAMS, rights=STATEMENTS)).frame(
        name, **needed(name)
    )
    with_right = reads_of(full_workspace, EVERYTHING).frame(name, **needed(name))
    people = reads_of(full_workspace, Viewer(teams=("people",), rights=(SEE_WHOLE_BILLS, *STATEMENTS)))
    if name in OF_WHOLE_BILLS:
        assert teams_only.is_empty() and with_right.height
        assert people.frame(name, **needed(name)).equals(with_right)
        return
    assert "" not in teams_only["team"] and "" in with_right["team"]
    assert set(people.frame(name, **needed(name))["team"]) == {"people", ""}


def test_all_teams_are_seen_by_right_and_by_nothing_else(full_workspace: Path, fleet: Fleet) -> None:
    """The right opens every team's rows and no whole bill; a team of its name opens nothing."""
    reads = reads_of(full_workspace, Viewer(teams=("hidden",), rights=(SEE_ALL_TEAMS, SEE_STATEMENTS)))
    assert set(reads.teams) == {*ALL_TEAMS, "hidden"}
    assert reads.frame("fleet/counts")["apps"][0] == len(fleet.tables["mart_app_inventory"])
    assert reads.frame("finance/reconciliation", **needed("finance/reconciliation")).is_empty()
    assert reads.narrowed(("people",)).frame("fleet/counts")["apps"][0] == 4
    named = reads_of(full_workspace, Viewer(teams=(SEE_ALL_TEAMS,)))
    assert named.teams == (SEE_ALL_TEAMS,) and named.frame("fleet/counts")["apps"][0] == 0


def test_all_teams_of_nothing_are_nobodys(empty_workspace: Path) -> None:
    reads = reads_of(empty_workspace, Viewer(rights=(SEE_ALL_TEAMS,)))
    assert reads.teams == (NOBODY,)


def test_narrowing_never_widens(full_workspace: Path) -> None:
    reads = reads_of(full_workspace, PEOPLE)
    assert reads.narrowed(("people", "payments")).teams == ("people",)
    with pytest.raises(ConfigurationError):
        reads.narrowed(("payments",)).frame("fleet/counts")


def test_two_viewers_never_share_what_is_remembered(full_workspace: Path) -> None:
    people = reads_of(full_workspace, PEOPLE).frame("fleet/counts")
    nobody = reads_of(full_workspace, Viewer(teams=(NOBODY,))).frame("fleet/counts")
    assert people["apps"][0] == 4
    assert nobody["apps"][0] == 2


def test_a_release_is_seen_at_once_and_a_restart_survived(
    tmp_path: Path, migrated: Migrated, fleet: Fleet
) -> None:
    root = migrated(tmp_path / "own")
    first = WarehouseProcess(root)
    first.start()
    assert reads_of(root, EVERYTHING).frame("fleet/counts")["apps"][0] == 0
    with open_warehouse(root) as warehouse:
        publish_marts(warehouse, fleet)
    assert reads_of(root, EVERYTHING).frame("fleet/counts")["apps"][0] == 24
    first.stop(at_once=True)
    second = WarehouseProcess(root)
    second.start()
    unseen = replace(reads_of(root, EVERYTHING), mark="nothing is remembered of it")
    assert unseen.frame("fleet/counts")["apps"][0] == 24
    second.stop(at_once=True)
    st.cache_resource.clear()


@pytest.mark.parametrize(("viewer", "team"), [(EVERYTHING, None), (PEOPLE, "people")])
def test_the_download_is_the_file_of_the_command(
    full_workspace: Path, tmp_path: Path, viewer: Viewer, team: str | None
) -> None:
    month = month_of(COST_DAY)
    with open_warehouse(full_workspace, role="reader") as warehouse:
        written = write_statement(warehouse, None, month, tmp_path, team)
    assert statement_file(reads_of(full_workspace, viewer), month) == written.csv_path.read_bytes()


def test_a_held_delivery_is_shown_with_the_money_at_stake(full_workspace: Path, fleet: Fleet) -> None:
    """The newest line of each source and month alone, what would count beside what is published."""
    frame = reads_of(full_workspace, EVERYTHING).frame(
        "finance/held_deliveries", **needed("finance/held_deliveries")
    )
    month = needed("finance/held_deliveries")["billing_period"]
    expected = [
        (source, currency, 2 * billed, billed, billed, "a.csv, b.csv")
        for source, (_, currency) in sorted(SOURCES.items())
        if (
            billed := sum(
                (row["billed_cost"] for row in fleet.costs(source_name=source, billing_period=month)),
                Decimal(0),
            )
        )
    ]
    assert expected
    columns = [
        "source_name",
        "billing_currency",
        "delivered_cost",
        "published_cost",
        "difference",
        "object_names",
    ]
    assert frame.select(columns).rows() == expected
    assert set(frame["cause"]) == {"overlap"}
