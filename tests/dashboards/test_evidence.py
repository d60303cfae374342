"""From an alert to its evidence on the pages: for a chosen objective and range, in the address, and told as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboards import evidence
from models.people import Viewer
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import AS_OF, FAILED_TRACE, Fleet

RANGE = {
    "from": f"{AS_OF - timedelta(minutes=4):%Y-%m-%dT%H:%M}",
    "to": f"{AS_OF:%Y-%m-%dT%H:%M}",
}
OF = {
    "one_app": {"app": "checkout", "objective": "prod/availability"},
    "oncall": {"evidence": "checkout/prod/availability"},
}


def table(app: AppTest, *columns: str) -> pd.DataFrame:
    """The one table that has these columns."""
    found = [one.value for one in app.dataframe if set(columns) <= set(one.value.columns)]
    assert len(found) == 1
    return found[0]


def told(app: AppTest) -> Sequence[str]:
    return [one.value for one in (*app.caption, *app.info, *app.error, *app.text)]


@pytest.mark.parametrize("page", OF)
def test_an_alert_leads_to_its_route_version_and_trace(run: Run, full_workspace: Path, page: str) -> None:
    """Of the fleet's three spans two failed: at 200 and 100 seconds before the end."""
    app = run(full_workspace, page, **OF[page], **RANGE)
    assert not app.exception
    values = table(app, "What", "Value", "Bad", "Good")
    counted = {(row["What"], row["Value"]): (row["Bad"], row["Good"]) for _, row in values.iterrows()}
    assert counted["Route", "POST /pay"] == (2, 1)
    assert counted["Version", "2.1"] == (2, 1)
    assert counted["Status", "error"] == (2, 0)
    traces = table(app, "At", "Route", "Trace")
    assert list(traces["Trace"]) == [FAILED_TRACE, "0ld" + "0" * 29]
    assert any(line.startswith("2 bad requests from") for line in told(app))
    copied = [one.value for one in app.code]
    assert len(copied) == 10 and all("checkout" in one or FAILED_TRACE in one for one in copied)
    assert not any(re.search(r"\{\w+\s*:", one) for one in copied)
    for name, given in RANGE.items():
        assert app.query_params[name] in (given, [given])


def test_a_range_is_to_the_minute(run: Run, full_workspace: Path) -> None:
    """The last two minutes hold one of the two."""
    later = f"{AS_OF - timedelta(minutes=2):%Y-%m-%dT%H:%M}"
    app = run(full_workspace, "one_app", **OF["one_app"], **{**RANGE, "from": later})
    assert any(line.startswith("1 bad request from") for line in told(app))


def test_nothing_is_read_until_somebody_asks(
    run: Run, full_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(evidence, "gathered", refused)
    for page in OF:
        assert not run(full_workspace, page, **({"app": "checkout"} if page == "one_app" else {})).exception


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"from": "![p](https://evil.example/p.png)"}, "is no time"),
        ({"from": RANGE["to"]}, "not after its start"),
        ({"from": "2020-01-01T00:00"}, "longer than"),
    ],
)
def test_a_range_that_is_none_is_one_sentence_of_text(
    run: Run, full_workspace: Path, given: dict[str, str], said: str
) -> None:
    app = run(full_workspace, "one_app", **OF["one_app"], **{**RANGE, **given})
    assert not app.exception
    (sentence,) = [one.value for one in app.error]
    assert said in sentence and "![p](" not in sentence


def test_another_teams_app_has_no_evidence(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "oncall", Viewer(teams=("people",)), **OF["oncall"], **RANGE)
    assert not app.code and not any(FAILED_TRACE in str(one.value) for one in app.dataframe)
