"""The pages in a real browser, served by the real command: they draw, they link, the file downloads."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboards.queries import reads_of
from dashboards.statement import statement_file
from tests.dashboards.browsing import DESKTOP, WAIT_MS, in_table, serious_findings, settled
from tests.dashboards.conftest import served
from tests.dashboards.fleet import EVERYTHING, HOSTILE, write_settings

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("path", "title", "figures"),
    [
        ("", "Fleet", ["Paging now", "Unallocated in EUR"]),
        ("app?app=checkout", "App", ["Checkout", "Objectives", "Cost by service"]),
        ("team", "Team", ["What moved", "Idle apps"]),
        ("oncall", "On-call", ["As of 20", "No indicator"]),
        ("anomalies", "Anomalies", ["Open, above expected in EUR", "2 anomalies, open first"]),
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
    settled(view)
    assert not serious_findings(view)


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


@pytest.mark.parametrize(
    "path",
    [
        "oncall",
        *(
            pytest.param(path, marks=pytest.mark.slow)
            for path in ("", "app?app=checkout", "team", "anomalies", "finance")
        ),
    ],
)
def test_axe_finds_nothing_serious_in_the_dark(browser: Browser, address: str, path: str) -> None:
    """In the light it looks at each page that is drawn above."""
    context = browser.new_context(**DESKTOP, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/{path}")
    settled(page)
    found = serious_findings(page)
    context.close()
    assert not found


def test_text_from_outside_is_shown_as_text(view: Page, full_workspace: Path) -> None:
    """Whoever may write a catalogue, tag a resource or be named plants no picture, link, icon, colour or formula."""
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    with served(full_workspace, replace(EVERYTHING, name=HOSTILE)) as place:
        for path in ("app?app=pallet-count", f"app?{urlencode({'app': HOSTILE[:80]})}"):
            view.goto(f"{place}/{path}")
            settled(view)
            main = view.get_by_test_id("stMain")
            told = " ".join(main.inner_text().replace("\u2060", "").split())
            assert (HOSTILE if "pallet" in path else HOSTILE[:80]) in told
            assert f"seen as {HOSTILE}," in told
            for planted in (
                "a[href*=evil]",
                "img",
                "[data-testid=stIconMaterial]:not(button *)",
                ".katex",
                "code",
            ):
                expect(main.locator(f":is(h1, h2, h3, p) {planted}")).to_have_count(0)
    write_settings(full_workspace, EVERYTHING)
    assert not [url for url in asked if "evil" in url.split("?")[0]]
