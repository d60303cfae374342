"""What docs/deploying.md has a stranger type on one machine, typed: they sign in and see their own team, and no other."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import free_ports
from tests.dashboards.browsing import DESKTOP, WAIT_MS, table_of
from tests.dashboards.people import sign_in

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 150.0

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def typed(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a stranger whose pages answer, and the address of the pages."""
    text = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"## Try it on one machine.*?```sh\n(.*?)```", text, re.DOTALL)
    server, provider, pages, *others = free_ports(10)
    for written, free in (("9123", server), ("9400", provider), ("8501", pages)):
        assert written in script
        script = script.replace(written, str(free))
    names = ("dagster", "warehouse", "otlp_grpc", "otlp_http", "dagster_code", "dagster_code_health")
    ports = ", ".join(
        f"{name}: {port}" for name, port in zip((*names, "dagster_daemon_health"), others, strict=True)
    )
    own = f"printf 'ports: {{dashboards: {pages}, {ports}}}\\n' >> demo/appfleet.yaml\n"  # others may run on this machine
    script = script.replace("appfleet migrate", f"{own}appfleet migrate", 1)
    bin_folder = Path(sys.executable).parent
    with (tmp_path / "said.log").open("wb") as log:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{pages}"
    try:
        deadline = time.monotonic() + SECONDS
        while not answers(f"{address}/readyz"):
            said = (tmp_path / "said.log").read_text(errors="replace")
            assert shell.poll() is None and time.monotonic() < deadline, said[-3000:]
            time.sleep(0.5)
        yield tmp_path, address
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        try:
            shell.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def test_a_stranger_deploys_on_one_machine_and_a_lead_sees_only_their_team(
    typed: tuple[Path, str], browser: Browser
) -> None:
    folder, address = typed
    secret = (folder / "server" / ".appfleet" / "credentials" / "reader").read_text().strip()
    assert secret and secret not in (folder / "said.log").read_text(errors="replace")
    assert not (folder / "demo" / ".appfleet" / "warehouse").exists(), "the rows are on the server"
    page = browser.new_context(**DESKTOP).new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    sign_in(page, address, "lee")
    expect(page.get_by_text("Lee Lead, signed in until")).to_be_visible()
    catalogue = (folder / "demo" / "catalog").rglob("*.yaml")
    owners = dict(
        pair
        for path in catalogue
        for pair in re.findall(
            r"name: (\S+)\n(?:(?!---).*\n)*?\s+owner: (?:group:)?(?:default/)?(\S+)", path.read_text()
        )
    )
    own = {app for app, team in owners.items() if team == "atlas"}
    assert own and len(own) < len(owners)
    apps = table_of(page, "Apps with team")
    expect(page.get_by_text(f"{len(own)} apps, by cost")).to_be_visible()
    shown = {apps.get_by_test_id(f"glide-cell-0-{line}").inner_text() for line in range(len(own))}
    assert shown == own
    page.screenshot(path=folder / "lead.png")
