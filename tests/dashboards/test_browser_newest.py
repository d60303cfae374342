"""A fault planted in the running demo, as a person meets it: on the On-call page and in a mailbox within two minutes, route and
version first, once, and resolved after its end. Everything is real: `up`, OTLP, SMTP, Chromium.

The code that runs is a copy in which three lengths of policy are shorter, so that the end need not be waited for for an hour:
how long a state and a page of the newest minutes hold, and how long an alert stays after. Nothing that decides when one begins
is changed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, expect

from tests.conftest import ROOT, SmallFleet, free_ports
from tests.dashboards.browsing import DESKTOP, table_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(2400)]

WITHIN = timedelta(minutes=2)
ENDS_WITHIN = timedelta(minutes=20)
PLAYED_MINUTES = 24
SHORTER = {
    "models/policy/burn_windows.yaml": ("hold: 1h", "hold: 5m"),
    "models/policy/newest_minutes.yaml": ("hold: 15m", "hold: 3m"),
    "models/policy/alerting.yaml": (
        "fire_after: 0m,  resolve_after: 10m, together",
        "fire_after: 0m,  resolve_after: 1m, together",
    ),
    "pipelines/simulate/profile.yaml": ("incident_seconds: 840", "incident_seconds: 200"),
}
PLANTED = re.compile(
    r"from (?P<begins>[\d:]+) to (?P<ends>[\d:]+) UTC version (?P<version>\S+) of (?P<app>\S+) fails on (?P<route>.+)"
)
NEWEST = "Objectives that page by the newest minutes"


@dataclass(frozen=True)
class Planted:
    """What was planted, as the command said it."""

    app_id: str
    route: str
    version: str
    begins: datetime
    ends: datetime


class Mails:
    """What a mail server took, and when."""

    def __init__(self) -> None:
        self.came: list[tuple[datetime, str, str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=default)
        self.came.append((datetime.now(UTC), mail["Subject"], mail.get_body(("plain", "html")).get_content()))
        return "250 OK"

    def about(self, app_id: str, word: str) -> list[tuple[datetime, str]]:
        """Mails of an app whose title begins with a word."""
        return [
            (at, body)
            for at, subject, body in self.came
            if subject.startswith(f"[{word}]") and app_id in subject + body
        ]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy."""
    place = tmp_path_factory.mktemp("code")
    for name in ("models", "sql", "pipelines", "dashboards", "otel"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("workspace.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, place / name)
    for name, (old, new) in SHORTER.items():
        text = (place / name).read_text()
        assert old in text
        (place / name).write_text(text.replace(old, new))
    return place


@contextmanager
def running(code: Path, workspace: Path, log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.commands.cli", *arguments],
            cwd=code,
            env={
                **os.environ,
                "PYTHONPATH": str(code),
                "APPFLEET_WORKSPACE": str(workspace),
            },
            stdout=output,
            stderr=output,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def until(answer: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := answer():
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def planted_by(log: Path) -> Planted | None:
    found = PLANTED.search(log.read_text())
    if found is None:
        return None
    begins, ends = (
        datetime.combine(datetime.now(UTC).date(), clock.fromisoformat(found[name]), UTC)
        for name in ("begins", "ends")
    )
    return Planted(found["app"], found["route"].strip(), found["version"], begins, ends)


def test_a_planted_fault_is_on_the_page_and_in_the_mailbox_within_two_minutes_and_resolved_after_it(
    small_fleet: SmallFleet, code: Path, tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = SmallFleet.copy(small_fleet.passed, tmp_path / "workspace")
    names = ("dashboards", "dagster", "warehouse", "otlp_grpc", "otlp_http")
    *ports, mail_port = free_ports(len(names) + 1)
    with (workspace / "appfleet.yaml").open("a") as settings:
        settings.write("\n" + yaml.safe_dump({"ports": dict(zip(names, ports, strict=True))}))
    routes = {
        "targets": {"mail": {"url": {"env": "NIGHT_MAIL"}, "seconds": 20, "inward": True}},
        "routes": [{"severities": ["page"], "targets": ["mail"]}],
    }
    (workspace / "alerts.yaml").write_text(yaml.safe_dump(routes))
    monkeypatch.setenv(
        "NIGHT_MAIL", f"mailto://127.0.0.1:{mail_port}?from=appfleet@example.com&to=ona@example.com"
    )
    mails = Mails()
    server = Controller(mails, hostname="127.0.0.1", port=mail_port)
    server.start()
    up_log, live_log = tmp_path / "up.log", tmp_path / "live.log"
    try:
        with running(code, workspace, up_log, "up") as up:
            until(lambda: b"Ctrl-C ends" in up_log.read_bytes() or up.poll() is not None, 240, "up")
            assert up.poll() is None, up_log.read_text()
            page = browser.new_context(**DESKTOP).new_page()
            page.goto(f"http://127.0.0.1:{ports[0]}/oncall")
            expect(page.get_by_role("heading", name="On-call")).to_be_visible(timeout=90_000)
            played = (
                "simulate",
                str(workspace),
                "--live",
                "--minutes",
                str(PLAYED_MINUTES),
            )
            with running(code, workspace, live_log, *played):
                planted = until(lambda: planted_by(live_log), 60, "the incident's name")
                expect(page.get_by_label(NEWEST)).to_have_count(0)
                label = page.get_by_test_id("stDataFrame").filter(has=page.get_by_label(NEWEST))
                label.first.wait_for(state="attached", timeout=300_000)
                seen_at = datetime.now(UTC)
                cells = table_of(page, NEWEST)
                shown = [cells.get_by_test_id(f"glide-cell-{column}-0").inner_text() for column in range(5)]
                heads = cells.locator("th").all_text_contents()
                paged = until(lambda: mails.about(planted.app_id, "Page"), 240, "the mail")
                print(
                    f"on the page after {(seen_at - planted.begins).total_seconds():.0f} s, in the mailbox after "
                    f"{(paged[0][0] - planted.begins).total_seconds():.0f} s"
                )
                assert heads[:5] == ["App", "State", "Since (UTC)", "Route", "Version"]
                assert [shown[0], *shown[3:]] == [planted.app_id, planted.route, planted.version]
                first = next(line for line in paged[0][1].splitlines() if line.startswith("Page since"))
                named = first.partition(" UTC: ")[2]
                assert named.startswith(f"{planted.route}, version {planted.version}: {planted.app_id}")
                assert planted.begins < seen_at <= planted.begins + WITHIN
                assert planted.begins < paged[0][0] <= planted.begins + WITHIN

                left = (planted.ends + ENDS_WITHIN - datetime.now(UTC)).total_seconds()
                over = until(lambda: mails.about(planted.app_id, "Resolved"), left, "the mail of its end")
                print(f"resolved {(over[0][0] - planted.ends).total_seconds():.0f} s after its end")
                assert over[0][0] > planted.ends
                assert len(mails.about(planted.app_id, "Page")) == 1, "told once, whoever saw it"
                expect(page.get_by_label(NEWEST)).to_have_count(0, timeout=90_000)
    finally:
        server.stop()
