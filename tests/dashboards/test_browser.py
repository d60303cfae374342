"""The pages in a real browser, served by the real command: they draw, they link, the file downloads."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.queries import reads_of
from dashboards.statement import statement_file
from tests.dashboards.fleet import EVERYTHING, write_settings

pytestmark = pytest.mark.browser

WAIT_MS = 30_000
START_SECONDS = 60


@pytest.fixture(scope="module")
def address(full_workspace: Path) -> Iterator[str]:
    """Address of pages served by ``python -m dashboards.serve``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    write_settings(full_workspace, EVERYTHING)
    server = subprocess.Popen(
        [sys.executable, "-m", "dashboards.serve", "--workspace", str(full_workspace), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("the pages did not start")


@pytest.fixture
def view(browser: Browser) -> Iterator[Page]:
    """A fresh tab; an error on a page's console fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


@pytest.mark.parametrize(
    ("path", "title", "figures"),
    [
        ("", "Fleet", ["Paging now", "Unallocated in EUR"]),
        ("app?app=checkout", "App", ["Checkout", "Objectives", "Cost by service"]),
        ("team", "Team", ["What moved", "Idle apps"]),
        ("oncall", "On-call", ["As of 20", "No indicator"]),
        ("finance", "Finance", ["to the last digit", "Statement by cost centre"]),
    ],
)
def test_a_page_draws(view: Page, address: str, path: str, title: str, figures: list[str]) -> None:
    view.goto(f"{address}/{path}")
    expect(view.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=WAIT_MS)
    for figure in figures:
        expect(view.get_by_text(figure).first).to_be_visible(timeout=WAIT_MS)
    expect(view.get_by_test_id("stException")).to_have_count(0)
    first = view.get_by_test_id("stMainBlockContainer").inner_text().split("\n")[0]
    assert first == title, "nothing of the code is printed above the title"


def test_panels_of_an_app_share_one_time_axis(view: Page, address: str) -> None:
    view.goto(f"{address}/app?app=checkout")
    plots = "[data-testid=stVegaLiteChart] svg .mark-group.role-frame > g > path.background"
    view.wait_for_function(f"document.querySelectorAll('{plots}').length >= 7")
    places = view.eval_on_selector_all(
        plots,
        "all => all.slice(0, 7).map(one => one.getBoundingClientRect()).map(box => [box.left, box.width])",
    )
    assert len(places) == 7
    assert {tuple(round(value) for value in place) for place in places} == {
        tuple(round(value) for value in places[0])
    }


def test_the_statement_downloads_as_the_same_bytes(
    view: Page, address: str, full_workspace: Path, tmp_path: Path
) -> None:
    view.goto(f"{address}/finance")
    with view.expect_download() as started:
        view.get_by_role("button", name="Download the statement (CSV)").click()
    target = tmp_path / "statement.csv"
    started.value.save_as(target)
    assert started.value.suggested_filename == "chargeback-2026-03.csv"
    assert target.read_bytes() == statement_file(reads_of(full_workspace, EVERYTHING), date(2026, 3, 1))


def test_a_name_that_is_not_this_machine_is_refused(address: str) -> None:
    port = int(address.rsplit(":", 1)[1])
    handshake = (
        "GET /_stcore/stream HTTP/1.1\r\nHost: attacker.example\r\nOrigin: http://attacker.example\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(handshake.encode())
        answer = connection.recv(200).decode("latin-1")
    assert " 403 " in answer.splitlines()[0]


ROW = 35
"""Pixels of a table's head and of each of its lines."""


def in_table(view: Page, label: str, line: int, across: int = 30) -> tuple[float, float]:
    """A place in a line of a table, 1 for the first, so many pixels from its left edge; the table is in sight then."""
    table = view.get_by_test_id("stDataFrame").filter(has=view.get_by_label(label))
    canvas = table.get_by_test_id("data-grid-canvas").first
    canvas.scroll_into_view_if_needed()
    expect(table.get_by_test_id("glide-cell-0-0")).to_be_attached()
    box = canvas.bounding_box()
    assert box
    return box["x"] + across, box["y"] + (line + 0.5) * ROW


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A fresh tab as wide as a phone, with touch."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    yield page
    context.close()


def test_an_app_opens_in_the_same_tab_and_one_step_back_returns(view: Page, address: str) -> None:
    view.goto(f"{address}/oncall")
    view.mouse.click(*in_table(view, "Objectives that page", 2))
    expect(view.get_by_role("heading", name="Card vault")).to_be_visible()
    assert view.url == f"{address}/app?app=card-vault"
    assert len(view.context.pages) == 1
    view.go_back()
    expect(view.get_by_role("heading", name="On-call", exact=True)).to_be_visible()


def test_a_tap_opens_an_app_on_a_phone(phone: Page, address: str) -> None:
    phone.goto(f"{address}/oncall")
    phone.touchscreen.tap(*in_table(phone, "Apps whose requests stopped", 1))
    expect(phone.get_by_role("heading", name="Customs forms")).to_be_visible()
    assert phone.url == f"{address}/app?app=customs-forms"
    assert len(phone.context.pages) == 1
