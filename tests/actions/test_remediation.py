"""What playbooks do, sent to a real receiver of this machine: once, over kills, only while its alert is open, and with every
decision kept. Expected events are checked by the attributes CloudEvents 1.0 requires, by hand."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from rich.console import Console

from models.alerts import FIRING, RESOLVED, Alert, alerts_frame
from models.errors import ConfigurationError
from models.settings import Settings
from pipelines.actions.notify import tell, told_of
from pipelines.actions.targets import load_routing
from pipelines.commands import playbooks as commands
from pipelines.commands.checks import Look
from pipelines.commands.checks import playbooks as doctor_looks
from pipelines.compute.publishing import publish_frames
from sql.alerts import current_alerts, sends
from sql.opening import open_warehouse
from sql.remediation import decisions
from sql.warehouse import Warehouse
from tests.actions.receivers import Receiver, receiver
from tests.actions.test_telling import TELL
from tests.conftest import ROOT, Migrated, python_path

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REQUIRED = {"id", "source", "specversion", "type"}
"""Attributes CloudEvents 1.0 requires, each text that is not empty."""
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
Place = tuple[Settings, Warehouse]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Place]:
    root = migrated(tmp_path_factory.mktemp("doing"))
    settings = Settings(root=root, catalog=root, teams=root)
    with open_warehouse(root) as warehouse:
        yield settings, warehouse


@pytest.fixture
def receives() -> Iterator[Receiver]:
    with receiver() as seen:
        yield seen


@pytest.fixture
def books(place: Place, receives: Receiver, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes playbooks.yaml with a target named as the path of its receiver; one playbook is one set of keys."""

    def write(*playbooks: dict[str, Any], target: str = "gate", address: str = "", **more: Any) -> None:
        monkeypatch.setenv("GATE", address or f"http://127.0.0.1:{receives.port}/{target}")
        target_of = {"url": {"env": "GATE"}, "seconds": 10, "inward": True, **more}
        file = {"targets": {target: target_of}, "playbooks": list(playbooks)}
        (place[0].root / "playbooks.yaml").write_text(yaml.safe_dump(file), encoding="utf-8")

    return write


def playbook(app: str, action: str = "throttle", **changes: Any) -> dict[str, Any]:
    does: dict[str, Any] = {"action": action, "target": "gate"}
    if action == "throttle":
        does |= {"percent": 50, "minutes": 30}
    when = {"kinds": ["slo"], "apps": [app]}
    return {
        "name": f"{action}-{app}".replace("_", "-"),
        "when": when,
        "do": does,
        "dry_run": False,
        **changes,
    }


def firing(app: str, **changes: Any) -> Alert:
    one = Alert(f"slo/{app}/prod/availability", "slo", app, "prod", "payments", "page", FIRING, "", f"{app} <fails>", NOW, NOW, NOW, episode=7)  # fmt: skip
    return replace(one, **changes)


def publish(place: Place, *alerts: Alert) -> None:
    publish_frames(place[1], place[0], "alerts", {"core_alerts": alerts_frame(alerts)}, str(alerts), None)


def made(place: Place, app: str) -> list[tuple[str, str]]:
    return [(one.decision, one.decided_by) for one in decisions(place[1], NOW) if one.subject == app]


def check_event(event: dict[str, Any], kind: str, app: str) -> None:
    for name in REQUIRED:
        assert isinstance(event[name], str) and event[name], name
    assert all(re.fullmatch("[a-z0-9]+", name) for name in event), "names of attributes"
    assert event["specversion"] == "1.0" and urlsplit(event["source"]).path == event["source"]
    assert event["type"].endswith(f".{kind}") and event["subject"] == app
    assert RFC_3339.fullmatch(event["time"]) and event["datacontenttype"] == "application/json"


def test_an_event_is_sent_once_after_a_person_approved_it_and_every_decision_is_kept(
    place: Place, receives: Receiver, books: Callable[..., None]
) -> None:
    settings, warehouse = place
    books(
        playbook("a"),
        playbook("a", "webhook"),
        playbook("a", "disable", dry_run=True),
        {**playbook("a", "flag"), "do": {"action": "flag", "note": "sheds <b>load"}},
    )
    publish(place, firing("a"))
    assert tell(warehouse, settings, NOW).sent == 1, "the webhook: its risk is low"
    assert receives.types["gate"] == ["application/json; charset=utf-8"]
    waits = "1 action of a playbook waits for a person: `appfleet playbooks` lists them"
    assert tell(warehouse, settings, NOW + MINUTE).notes == (waits,)
    decided = [one for one, _ in made(place, "a")]
    assert sorted(decided[:4]) == ["acted", "dry_run", "held_back", "proposed"], "three begin in a pass"
    assert decided[4:] == ["acted"], "the mark, in the next one"

    [proposed] = [one for one in decisions(warehouse, NOW) if one.decision == "proposed"]
    for wrong, why in (("nobody-knows", "there is no action"), (proposed.action_id, "--reason is empty")):
        with pytest.raises(ConfigurationError, match=why):
            commands.answer(settings, wrong, True, "" if "reason" in why else "x", "ona", NOW)
    said = commands.answer(settings, proposed.action_id, True, "shed it", "ona", NOW + MINUTE)
    assert said == f"approved {proposed.action_id}: throttle of a is sent"
    assert tell(warehouse, settings, NOW + 2 * MINUTE).sent == 0
    key, event = receives.came["gate"][1]
    check_event(event, "throttle", "a")
    assert key == event["id"] == proposed.action_id and len(receives.came["gate"]) == 2
    assert receives.types["gate"][1] == "application/cloudevents+json; charset=utf-8"
    assert event["data"]["parameters"] == {"percent": 50, "minutes": 30}
    assert event["data"]["approved_by"] == "ona"
    with pytest.raises(ConfigurationError, match="waits for nobody"):
        commands.answer(settings, proposed.action_id, False, "too late", "eve", NOW + MINUTE)

    kept = [one for one in decisions(warehouse, NOW) if one.action_id == proposed.action_id]
    assert [(one.decision, one.decided_by) for one in kept] == [
        ("proposed", "appfleet"), ("approved", "ona"), ("acted", "appfleet")]  # fmt: skip
    inputs = json.loads(kept[2].inputs)
    assert inputs["alert"]["sentence"] == "a <fails>" and inputs["approved_by"] == "ona"
    assert inputs["playbook"]["when"]["apps"] == ["a"] and json.loads(kept[2].event) == event
    console = Console(record=True, width=300)
    commands.print_playbooks(console, settings, NOW + MINUTE)
    commands.print_history(console, settings, NOW, proposed.action_id)
    commands.print_plan(console, settings, NOW + MINUTE)
    shown = console.export_text()
    assert "sheds <b>load" in shown and "shed it" in shown and "takes 1 of 1 open alerts" in shown

    # the mark goes with its alert
    assert made(place, "a").count(("acted", "appfleet")) == 3
    publish(place, firing("a", state=RESOLVED, resolved_at=NOW))
    tell(warehouse, settings, NOW + 3 * MINUTE)
    assert made(place, "a")[-1] == ("ended", "appfleet")


def test_nothing_is_sent_of_an_alert_that_ended_and_a_target_that_fails_is_said(
    place: Place, receives: Receiver, books: Callable[..., None]
) -> None:
    settings, warehouse = place
    books(playbook("b"), playbook("c", "webhook"))
    receives.behaves["gate"] = "fails"
    publish(place, firing("b"), firing("c"))
    [sentence] = tell(warehouse, settings, NOW).unreached
    assert sentence == (
        "playbook webhook-c could not webhook c: playbooks.yaml/gate answered 500; it is tried again from 2026-03-01 12:01 UTC on"
    )
    [proposed] = [one for one in decisions(warehouse, NOW) if one.subject == "b"]
    over = {"state": RESOLVED, "resolved_at": NOW}
    publish(place, firing("b", **over), firing("c", **over))
    # approved when its alert had ended already, which no pass saw: withdrawn, and what failed is not tried again
    said = commands.answer(settings, proposed.action_id, True, "go", "ona", NOW + 5 * MINUTE)
    assert said.endswith("throttle of b is withdrawn")
    receives.behaves["gate"] = "takes"
    assert tell(warehouse, settings, NOW + 9 * MINUTE).sent == 0
    assert len(receives.came["gate"]) == 1
    [send] = [
        one
        for one in sends(warehouse, NOW)
        if one.target == "playbooks.yaml/gate" and one.state == "given_up"
    ]
    assert send.attempt == 1 and made(place, "b")[-1] == ("withdrawn", "appfleet")
    assert told_of(warehouse, load_routing(settings), current_alerts(warehouse), NOW).unreached == ()


@pytest.mark.parametrize(
    ("behaves", "address", "more", "why"),
    [
        ("hangs", "", {"seconds": 1}, "gave no whole answer within 1 seconds"),
        ("redirects", "", {}, "answered with a redirect (302), which is not followed"),
        ("takes", "", {"inward": False}, "lies in a private network"),
        pytest.param("takes", "http://169.254.169.254/x", {}, "has an address that is no receiver's", marks=pytest.mark.slow),
        pytest.param("takes", "mailto://u:hunter2@example.com", {}, "has an address that takes no events", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_receiver_of_events_is_guarded_as_those_of_words_are(
    place: Place, receives: Receiver, books: Callable[..., None], behaves: str, address: str, more: dict[str, Any], why: str
) -> None:  # fmt: skip
    settings, warehouse = place
    app = f"guard-{len(why)}"
    books(playbook(app, "webhook"), address=address, **more)
    receives.behaves["gate"] = behaves
    publish(place, firing(app))
    told = tell(warehouse, settings, NOW)
    assert told.sent == 0 and len(told.unreached) == 1 and f"playbooks.yaml/gate {why}" in told.unreached[0]
    assert "inside" not in receives.came and "hunter2" not in str(told)


def test_a_kill_while_an_event_is_sent_sends_it_again_under_its_id_and_then_never(
    place: Place, receives: Receiver, books: Callable[..., None]
) -> None:
    settings, warehouse = place
    books(playbook("k", "webhook"), seconds=30)
    receives.behaves["gate"] = "hangs"
    publish(place, firing("k"))
    killed = subprocess.Popen(
        [sys.executable, "-c", TELL, str(settings.root), NOW.isoformat()],
        env={**os.environ, "PYTHONPATH": python_path()},
        cwd=ROOT,
    )
    assert receives.arrived.wait(60), "nothing was sent"
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    receives.behaves["gate"] = "takes"
    receives.let_go.set()
    assert tell(warehouse, settings, NOW + MINUTE).sent == 1
    assert tell(warehouse, settings, NOW + timedelta(hours=2)).sent == 0
    [line] = [one for one in decisions(warehouse, NOW) if one.subject == "k"]
    assert receives.keys("gate") == [line.action_id] * 2

    # killed between the decision and its message: the message is made of the decision
    warehouse.insert("remediation_decisions", warehouse.frame_of(
        "SELECT * REPLACE ('x1' AS decision_id, 'y1' AS action_id) FROM remediation_decisions WHERE subject = 'k'"))  # fmt: skip
    assert tell(warehouse, settings, NOW + 3 * MINUTE).sent == 1
    assert tell(warehouse, settings, NOW + 4 * MINUTE).sent == 0
    assert receives.keys("gate")[2:] == ["y1"]


def test_a_mistake_in_the_file_stops_playbooks_alone_and_doctor_names_it(
    place: Place, receives: Receiver, books: Callable[..., None]
) -> None:
    settings, warehouse = place
    books(playbook("m", "webhook", cool_down="0m"))
    publish(place, firing("m"))
    [refused] = tell(warehouse, settings, NOW).refused
    assert refused.startswith("playbooks.yaml, line ") and "playbooks[0].cool_down is '0m'" in refused
    look = Look(warehouse, settings, NOW)
    [finding] = doctor_looks(look)
    assert finding.is_failure and "cool_down" in finding.sentence and "gate" not in receives.came
    books(playbook("m", "disable"))
    assert [one.sentence for one in doctor_looks(look)] == []
    (settings.root / "playbooks.yaml").unlink()
    assert tell(warehouse, settings, NOW).refused == ()
