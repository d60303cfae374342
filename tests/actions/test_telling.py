"""Messages about alerts on their way to real receivers of this machine: each once, over kills, and past receivers that hang,
fail, redirect or lie where nothing may be sent. What is due is counted by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
import yaml
from aiosmtpd.controller import Controller

from models.alert_routes import ACK, Act
from models.alerts import FIRING, RESOLVED, Alert, alerts_frame
from models.errors import ConfigurationError
from models.settings import Settings
from pipelines.actions import notify
from pipelines.actions.notify import tell
from pipelines.compute.publishing import publish_frames
from sql.alerts import sends, write_act
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.actions.receivers import Receiver, receiver
from tests.conftest import ROOT, Migrated, free_ports, python_path

SECRET = "hunter2-is-no-secret-of-ours"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> Iterator[tuple[Settings, Warehouse]]:
    root = migrated(tmp_path_factory.mktemp("telling"))
    settings = Settings(root=root, catalog=root, teams=root)
    with open_warehouse(root) as warehouse:
        yield settings, warehouse


@pytest.fixture
def receives() -> Iterator[Receiver]:
    with receiver() as seen:
        yield seen


@pytest.fixture
def targets(place: tuple[Settings, Warehouse], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes alerts.yaml: every target gets all alerts; addresses are in the environment."""

    def write(addresses: dict[str, str], **more: Any) -> None:
        for name, address in addresses.items():
            monkeypatch.setenv(name.upper(), address)
        routes = {
            "targets": {
                name: {"url": {"env": name.upper()}, "seconds": 10, **more.get(name, {"inward": True})}
                for name in addresses
            },
            "routes": [{"targets": list(addresses)}],
        }
        (place[0].root / "alerts.yaml").write_text(yaml.safe_dump(routes), encoding="utf-8")

    return write


def firing(key: str, **changes: Any) -> Alert:
    one = Alert(
        key,
        "slo",
        key.split("/")[1],
        "",
        "payments",
        "page",
        FIRING,
        "",
        f"{key} fails",
        NOW,
        NOW,
        NOW,
        episode=1,
    )
    return replace(one, **changes)


def publish(place: tuple[Settings, Warehouse], *alerts: Alert) -> None:
    settings, warehouse = place
    publish_frames(warehouse, settings, "alerts", {"core_alerts": alerts_frame(alerts)}, str(alerts), None)


def test_each_thing_is_told_once_by_web_and_by_mail(
    place: tuple[Settings, Warehouse], receives: Receiver, targets: Callable[..., None]
) -> None:
    settings, warehouse = place
    mailbox = Mailbox()
    [port] = free_ports(1)
    mails = Controller(mailbox, hostname="127.0.0.1", port=port)
    mails.start()
    try:
        targets(
            {
                "hook": f"json://u:{SECRET}@127.0.0.1:{receives.port}/hook",
                "mail": f"mailto://127.0.0.1:{port}?from=appfleet@example.com&to=ona@example.com",
            }
        )
        publish(place, firing("slo/a/", sentence="<b>bad</b> \x1b[2J"), firing("slo/b/", episode=2))
        assert tell(warehouse, settings, NOW).sent == 2
        assert tell(warehouse, settings, NOW + timedelta(hours=9)) == notify.Telling()
        assert len(receives.came["hook"]) == len(mailbox.mails) == 1, (
            "two alerts of one team that began at once are one message"
        )
        key, body = receives.came["hook"][0]
        assert "2 alerts of team payments" in body["title"] and "\\x1b[2J" in body["message"]
        assert key in body["message"] and key != ""
        [mail] = mailbox.mails
        assert "slo/b/ fails" in mail.get_body(("plain", "html")).get_content()

        targets({"hook": f"json://u:{SECRET}@127.0.0.1:{receives.port}/hook"})
        # a worse one is told again, an acknowledged one only when it ends
        publish(place, firing("slo/c/", severity="ticket"))
        tell(warehouse, settings, NOW)
        publish(place, firing("slo/c/", severity="page"))
        tell(warehouse, settings, NOW)
        write_act(
            warehouse, Act("x", ACK, "ada", NOW, "mine", alert_key="slo/d/", episode=1, severity="page")
        )
        publish(place, firing("slo/c/"), firing("slo/d/"))
        assert tell(warehouse, settings, NOW).sent == 0
        over = {"state": RESOLVED, "resolved_at": NOW}
        publish(place, firing("slo/c/", **over), firing("slo/d/", **over))
        assert tell(warehouse, settings, NOW).sent == 1
        titles = [body["title"] for _, body in receives.came["hook"]]
        assert titles[1:] == [
            "[Ticket] Objective: c",
            "[Page] Objective: c",
            "[Resolved] Objective: c",
        ]
    finally:
        mails.stop()
    kept = warehouse.frame_of("SELECT * FROM alert_sends").write_ndjson()
    assert SECRET not in kept and "127.0.0.1" not in kept
    assert not [
        path
        for path in settings.root.rglob("*")
        if path.is_file()
        and path.suffix in (".log", ".json", ".yaml")
        and SECRET in path.read_text(errors="replace")
    ]


BAD = {
    "hang": "gave no whole answer within 1 seconds",
    "redirect": "answered with a redirect (302), which is not followed",
    "inward": "lies in a private network",
    "unset": "cannot be sent to: variable UNSET of the environment is not set",
    "drip": "gave no whole answer within 1 seconds",
    "meta": "has an address that is no receiver's",
    "unknown": "has an address that apprise does not know",
}
"""AlertTarget -> what is said of it."""


@pytest.mark.parametrize("how_many", [4, pytest.param(len(BAD), marks=pytest.mark.slow)])
def test_a_receiver_that_hangs_fails_redirects_or_lies_inward_harms_nobody(
    place: tuple[Settings, Warehouse], receives: Receiver, targets: Callable[..., None], how_many: int
) -> None:
    settings, warehouse = place
    bad = dict(list(BAD.items())[:how_many]) | {"fail": "answered 500"}
    receives.behaves |= {"hang": "hangs", "drip": "drips", "fail": "fails", "redirect": "redirects"}
    at = f"json://u:{SECRET}@127.0.0.1:{receives.port}"
    addresses = {name: f"{at}/{name}" for name in (*bad, "takes")}
    addresses |= {"meta": "json://169.254.169.254/x", "unknown": f"carrier-pigeon://{SECRET}", "unset": ""}
    targets(
        {name: addresses[name] for name in (*bad, "takes")},
        inward={},
        **{name: {"inward": True, "seconds": 1} for name in ("hang", "drip")},
    )
    publish(place, firing(f"slo/e{how_many}/"))
    begun = time.monotonic()
    told = tell(warehouse, settings, NOW)
    assert time.monotonic() - begun < 40, "one receiver held up the pass"
    assert told.sent == 1 and receives.keys("takes")
    assert "inside" not in receives.came and "inward" not in receives.came
    assert told.unreached == (), "the alert reached somebody"
    said = "\n".join(told.notes)
    for name, sentence in bad.items():
        assert f"target {name} {sentence}" in said
    assert SECRET not in said and SECRET not in warehouse.frame_of("SELECT * FROM alert_sends").write_ndjson()

    # what failed is tried again after its wait, under its key
    [key] = receives.keys("fail")
    receives.behaves["fail"] = "takes"
    assert tell(warehouse, settings, NOW + timedelta(seconds=59)).sent == 0
    targets({"fail": addresses["fail"]})
    assert tell(warehouse, settings, NOW + timedelta(seconds=60)).sent == 1
    assert receives.keys("fail") == [key, key]


@pytest.mark.slow  # seven processes; that nobody was reached is held by a pass too
def test_it_is_said_when_nobody_could_be_reached_and_given_up_after_a_day(
    place: tuple[Settings, Warehouse], receives: Receiver, targets: Callable[..., None]
) -> None:
    settings, warehouse = place
    receives.behaves["deaf"] = "fails"
    targets({"deaf": f"json://127.0.0.1:{receives.port}/deaf"})
    publish(place, firing("slo/f/"))
    [sentence] = tell(warehouse, settings, NOW).unreached
    assert sentence == "nobody could be reached about alert slo/f/: deaf answered 500"
    attempts = 1
    for minutes in (1, 6, 21, 81, 141):  # waits of 1, 5, 15 and then 60 minutes
        tell(warehouse, settings, NOW + timedelta(minutes=minutes, seconds=-1))
        assert len(receives.came["deaf"]) == attempts
        tell(warehouse, settings, NOW + timedelta(minutes=minutes))
        attempts += 1
        assert len(receives.came["deaf"]) == attempts
    assert tell(warehouse, settings, NOW + timedelta(days=1)).unreached, "given up, and still nobody knows"
    assert len(receives.came["deaf"]) == attempts


TELL = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from models.settings import Settings
from pipelines.actions.notify import tell
from sql.opening import open_warehouse
root = Path(sys.argv[1])
with open_warehouse(root) as warehouse:
    tell(warehouse, Settings(root=root, catalog=root, teams=root), datetime.fromisoformat(sys.argv[2]))
"""


def test_a_kill_between_claim_and_answer_sends_again_under_the_same_key_and_then_never(
    place: tuple[Settings, Warehouse], receives: Receiver, targets: Callable[..., None]
) -> None:
    settings, warehouse = place
    receives.behaves["slow"] = "hangs"
    targets({"slow": f"json://127.0.0.1:{receives.port}/slow"}, slow={"inward": True, "seconds": 30})
    publish(place, firing("slo/g/"))
    killed = subprocess.Popen(
        [sys.executable, "-c", TELL, str(settings.root), NOW.isoformat()],
        env={**os.environ, "PYTHONPATH": python_path()},
        cwd=ROOT,
    )
    assert receives.arrived.wait(60), "nothing was sent"
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(10) == -signal.SIGKILL
    [one] = [one for one in sends(warehouse, NOW) if one.target == "slow"]
    assert (one.state, one.attempt) == ("claimed", 1), "the kill did not land between claim and answer"
    receives.behaves["slow"] = "takes"
    receives.let_go.set()
    assert tell(warehouse, settings, NOW).sent == 1
    assert tell(warehouse, settings, NOW + timedelta(days=2)).sent == 0
    assert receives.keys("slow") == [one.message_id] * 2


def test_a_mistake_in_the_routes_names_its_line_and_never_the_address(
    place: tuple[Settings, Warehouse],
) -> None:
    settings, warehouse = place
    (settings.root / "alerts.yaml").write_text(f"targets:\n  hook:\n    url: json://u:{SECRET}@example.com\n")
    with pytest.raises(
        ConfigurationError, match=r"alerts\.yaml, line 3: targets\.hook\.url must say where"
    ) as error:
        tell(warehouse, settings, NOW)
    assert SECRET not in str(error.value)
