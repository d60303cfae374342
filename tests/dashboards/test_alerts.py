"""Alerts on the On-call page: in the order of the command, each team its own, acted on by who has the right and may see them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from dashboards import access, alerts
from dashboards.access import Identity, Looker
from dashboards.queries import reads_of
from models.errors import NotAdmitted
from models.people import ACT_ON_ALERTS, SEE_ALL_TEAMS, SEE_WHOLE_BILLS, Viewer
from pipelines.commands.alerts import acknowledge, print_oncall, silence
from sql.workspace import load_settings
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import AS_OF

CLOCK = AS_OF + timedelta(hours=1)
ORDER = [
    "slo/checkout/production/availability",
    "silent/customs-forms/production",
    "slo/desk-booking/production/availability",
    "stale/aws-main",
    "slo/card-vault/production/availability",
]
"""Counted by hand: what fires before what is frozen, a page before tickets, then by key; what ended is not there."""
ONA = Viewer("Ona", rights=(SEE_ALL_TEAMS, SEE_WHOLE_BILLS, ACT_ON_ALERTS))
LEE = Viewer("Lee", ("payments",), (ACT_ON_ALERTS,))


def test_the_page_and_the_command_have_one_list_and_one_order(run: Run, full_workspace: Path) -> None:
    page = run(full_workspace, "oncall")
    [table] = [one.value for one in page.dataframe if "Handled" in one.value.columns]
    assert pl.from_pandas(table)["Key"].to_list() == ORDER
    console = Console(record=True, width=250)
    assert print_oncall(console, load_settings(full_workspace), CLOCK) == 0
    said = console.export_text()
    places = [said.index(key) for key in ORDER]
    assert places == sorted(places) and "slo/depot-map" not in said


def test_who_may_acts_on_what_they_see_and_it_is_shown(
    full_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], str]] = []
    monkeypatch.setattr(alerts, "run_alerts", lambda _, words, by: asked.append((words, by)) or (True, ""))
    monkeypatch.setattr(Looker, "check", lambda _: None)

    def looks(viewer: Viewer) -> None:
        monkeypatch.setattr(access, "looking", lambda: Looker(full_workspace, Identity(), viewer))

    def acts(viewer: Viewer, key: str) -> None:
        looks(viewer)
        alerts.act(reads_of(full_workspace, viewer), key, ["ack", key])

    with pytest.raises(NotAdmitted, match=ACT_ON_ALERTS):
        acts(Viewer("Eve", ("payments",)), ORDER[0])
    for of_others in (ORDER[1], ORDER[3], "slo/depot-map/production/latency", ""):
        with pytest.raises(NotAdmitted, match="no such alert"):
            acts(LEE, of_others)
    assert asked == []
    acts(LEE, ORDER[0])
    acts(ONA, ORDER[3])
    assert asked == [(["ack", ORDER[0]], "Lee"), (["ack", ORDER[3]], "Ona")]

    settings = load_settings(full_workspace)
    acknowledge(settings, ORDER[0], "on it <b>", "Lee", CLOCK)
    silence(settings, "4h", "a move", "Ona", CLOCK, team="logistics")
    shown = alerts.alerts_of_teams(reads_of(full_workspace, ONA), CLOCK + timedelta(hours=1))
    handled = dict(shown.select("alert_key", "handled").rows())
    assert handled[ORDER[0]] == "Acknowledged by Lee: on it <b>"
    assert handled[ORDER[1]] == f"Silenced by Ona until {CLOCK + timedelta(hours=4):%m-%d %H:%M}: a move"
    assert handled[ORDER[2]] == handled[ORDER[3]] == "Acknowledged by ida: seen"
    assert handled[ORDER[4]] == ""
    later = alerts.alerts_of_teams(reads_of(full_workspace, ONA), CLOCK + timedelta(hours=4))
    assert dict(later.select("alert_key", "handled").rows())[ORDER[1]] == ""
    own = alerts.alerts_of_teams(reads_of(full_workspace, LEE), CLOCK)
    assert own["alert_key"].to_list() == [ORDER[0], ORDER[4]]


def test_each_alert_stands_by_what_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app opens its page, a budget of a team that team's; a fleet and a source are named."""
    drawn: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(
        alerts,
        "app_table",
        lambda frame, _key, _label, _columns, others: drawn.append(
            (frame["app_id"].to_list(), others.to_list())
        ),
    )
    keys = {
        "slo/shop/production/latency": ("slo", "shop"),
        "budget/app/shop/USD/month/2026-03-01": ("budget", "shop"),
        "budget/team/a b/USD/month/2026-03-01": ("budget", "a b"),
        "budget/fleet//USD/month/2026-03-01": ("budget", "fleet"),
        "stale/aws": ("stale", "aws"),
    }
    rows = [
        {
            "alert_key": key, "kind": kind, "subject": subject, "team": "", "severity": "ticket", "state": "firing",
            "cause": "", "sentence": "x", "since": AS_OF, "told_at": AS_OF, "is_unreached": False, "handled": "",
        }
        for key, (kind, subject) in keys.items()
    ]  # fmt: skip
    alerts.alerts_table(pl.DataFrame(rows))
    [(apps, others)] = drawn
    assert apps == ["shop", "shop", "", "", ""]
    assert others[2:] == ["team a b", "fleet", "aws"]
