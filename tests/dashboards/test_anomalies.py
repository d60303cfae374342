"""Anomalies: every episode in its own currency with the service that moved, whoever looks sees the own teams' alone."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, localcontext
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from models.people import Viewer
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import Fleet, Row


def shown(app: AppTest) -> pl.DataFrame:
    assert not app.exception and not app.error
    [table] = app.dataframe
    return pl.from_pandas(table.value).with_columns(pl.col("From", "To").cast(pl.Date))


def moved(fleet: Fleet, episode: Row) -> tuple[str, Decimal]:
    """The service that moved most beyond as many mean days of the 28 before, and by how much."""
    days = (episode["end_date"] - episode["start_date"]).days + 1
    found: dict[str, Decimal] = {}
    with localcontext(prec=80):
        keys = {key: episode[key] for key in ("app_id", "billing_currency")}
        for row in fleet.costs(**keys, charge_category="Usage", charge_class=""):
            before = (episode["start_date"] - row["usage_date"]).days
            if before <= 28 and row["usage_date"] <= episode["end_date"]:
                part = row["effective_cost"] * 28 if before <= 0 else -row["effective_cost"] * days
                found[row["service_name"]] = found.get(row["service_name"], Decimal(0)) + part
        service = max(found, key=lambda name: found[name])
        return service, (found[service] / 28).quantize(Decimal(1).scaleb(-18), ROUND_DOWN)


def test_every_episode_is_listed_exactly_open_first_then_newest(
    run: Run, full_workspace: Path, fleet: Fleet
) -> None:
    app = run(full_workspace, "anomalies")
    table = shown(app)
    episodes = sorted(fleet.tables["mart_cost_anomalies"], key=lambda row: row["state"] != "open")
    assert [row["state"] for row in episodes] == ["open", "ended"]
    want = []
    for row in episodes:
        service, change = moved(fleet, row)
        want.append(
            (
                row["app_id"],
                {"open": "Open", "ended": "Ended"}[row["state"]],
                row["impact"],
                row["billing_currency"],
                row["start_date"],
                row["end_date"],
                "Above expected",
                service,
                change,
                row["team"],
                row["expected_cost"],
                row["actual_cost"],
            )
        )
    names = ("app", "State", "Impact", "Currency", "From", "To", "Kind", "Service", "Moved", "Team", "Expected", "Actual")  # fmt: skip
    assert table.select(names).rows() == want
    assert table["Against"].to_list() == pytest.approx([300.0, 200.0])
    assert "open first, then the newest, then the largest against what was expected" in app.caption[-1].value


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
        assert not app.dataframe and "No anomaly matches" in app.info[0].value


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
