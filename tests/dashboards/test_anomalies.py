"""Anomalies: every episode in its own currency with the service that moved, whoever looks sees the own teams' alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from models.people import SEE_ALL_TEAMS, Viewer
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import ALL_TEAMS, EVERYTHING, Fleet

SCOPES = {"team": "Team", "service": "Service of a team", "fleet": "Service of all teams"}


def shown(app: AppTest) -> pl.DataFrame:
    assert not app.exception and not app.error
    table = app.dataframe[0]
    return pl.from_pandas(table.value).with_columns(pl.col("From", "To").cast(pl.Date))


def test_every_episode_is_listed_exactly_open_first_then_newest(
    run: Run, full_workspace: Path, fleet: Fleet
) -> None:
    app = run(full_workspace, "anomalies")
    table = shown(app)
    episodes = sorted(fleet.tables["mart_cost_anomalies"], key=lambda row: row["state"] != "open")
    assert [row["state"] for row in episodes] == ["open", "ended"]
    want = []
    for row in episodes:
        [cause] = fleet.rows("mart_cost_causes", app_id=row["app_id"], subject="anomaly")
        want.append(
            (
                row["app_id"],
                {"open": "Open", "ended": "Ended"}[row["state"]],
                row["impact"],
                row["billing_currency"],
                row["start_date"],
                row["end_date"],
                "Above expected",
                cause["driver_service"],
                cause["driver_change"],
                cause["version"],
                cause["sentence"],
                row["team"],
                row["expected_cost"],
                row["actual_cost"],
            )
        )
    names = ("app", "State", "Impact", "Currency", "From", "To", "Kind", "Service", "Moved", "Version", "Why", "Team", "Expected", "Actual")  # fmt: skip
    assert table.select(names).rows() == want
    assert table["Against"].to_list() == pytest.approx([300.0, 200.0])
    assert any("open first, then the newest, then the largest against" in one.value for one in app.caption)


def test_the_headline_is_of_open_ones_per_currency(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    [metric] = run(full_workspace, "anomalies").metric
    [episode] = fleet.rows("mart_cost_anomalies", state="open")
    assert metric.label == f"Open, above expected in {episode['billing_currency']}"
    assert metric.value == f"{episode['billing_currency']} {round(episode['impact'], 2):,}"
    assert metric.delta == "1 anomaly"


@pytest.mark.parametrize(
    ("query", "apps"),
    [
        ({"state": "open"}, ["depot-map"]),
        ({"state": "ended"}, ["daily-kpi"]),
        ({"team": "insights"}, ["daily-kpi"]),
        ({"search": "AZURE"}, ["depot-map"]),
        ({"search": "lambda"}, ["daily-kpi"]),
        ({"search": "above exp"}, ["depot-map", "daily-kpi"]),
        ({"team": "insights", "search": "depot"}, []),
    ],
)
def test_team_state_and_search_narrow_the_list(
    run: Run, full_workspace: Path, query: dict[str, str], apps: list[str]
) -> None:
    app = run(full_workspace, "anomalies", **query)
    if apps:
        assert shown(app)["app"].to_list() == apps
    else:
        assert "No anomaly matches" in app.info[0].value
        assert all("Expected" not in table.value for table in app.dataframe)


@pytest.mark.parametrize(
    ("key", "value", "noun"), [("team", "payments", "team"), ("state", "closed", "state")]
)
def test_an_address_that_asks_for_what_is_not_mine_is_told(
    run: Run, full_workspace: Path, key: str, value: str, noun: str
) -> None:
    app = run(full_workspace, "anomalies", viewer=Viewer(teams=("insights", "people")), **{key: value})
    assert f"There is no {noun} “{value}”, or it is not yours" in app.error[0].value
    assert not app.dataframe


def test_a_team_without_anomalies_is_told_so(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "anomalies", viewer=Viewer(teams=("people",)))
    assert not app.dataframe and app.info[0].value.startswith("None: every app's cost")


def test_teams_and_services_stand_apart_and_so_does_what_is_in_no_trend(
    run: Run, full_workspace: Path, fleet: Fleet
) -> None:
    everyone = Viewer("Ada Moreno", ALL_TEAMS, (SEE_ALL_TEAMS,))
    for viewer, scopes in ((EVERYTHING, ("team", "service")), (everyone, ("team", "service", "fleet"))):
        app = run(full_workspace, "anomalies", viewer=viewer, state="open")
        rollups, apart = (pl.from_pandas(table.value) for table in app.dataframe[1:])
        assert sorted(rollups.select("Of", "Team", "Service", "Impact", "Apps").rows()) == sorted(
            (SCOPES[row["scope"]], row["team"], row["service_name"], row["impact"], row["apps"])
            for row in fleet.rows("mart_cost_anomaly_rollups", state="open")
            if row["scope"] in scopes
        )
    assert apart.select("app", "Kind", "Billed", "Change").rows() == [
        ("legacy-sync", "Adjustment", Decimal("2.75"), Decimal("1.25")),
        ("depot-map", "Credit", Decimal("-20.125"), Decimal("-21.625")),
        ("checkout", "Purchase", Decimal(1200), Decimal("1198.5")),
        ("checkout", "Tax", Decimal("900.5"), Decimal(899)),
    ]
