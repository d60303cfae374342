"""The pages in a real browser, served by the real command: they draw, axe finds nothing serious, what comes from outside
is text. Each is visited once for all that is asked of it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.browsing import WAIT_MS, in_table, serious_findings, settled
from tests.dashboards.fleet import EVERYTHING, HOSTILE, write_settings

pytestmark = pytest.mark.browser


Look = Callable[[Page], None]


def nothing_more(page: Page) -> None:
    """Of this page nothing but what is asked of every page."""


def panels_share_one_time_axis(page: Page) -> None:
    """Every panel of an app begins and ends at the same place across."""
    plots = "[data-testid=stVegaLiteChart] svg .mark-group.role-frame > g > path.background"
    page.wait_for_function(f"document.querySelectorAll('{plots}').length >= 7")
    places = page.eval_on_selector_all(
        plots,
        "all => all.slice(0, 7).map(one => one.getBoundingClientRect()).map(box => [box.left, box.width])",
    )
    assert len(places) == 7
    assert {tuple(round(value) for value in place) for place in places} == {
        tuple(round(value) for value in places[0])
    }


def an_anomaly_opens_its_app(page: Page) -> None:
    """The first line is the open one; its app opens in the same tab."""
    page.mouse.click(*in_table(page, "Cost anomalies", 1))
    expect(page.get_by_role("heading", name="Depot map")).to_be_visible()
    assert len(page.context.pages) == 1


def forms_are_open(page: Page) -> None:
    """What is folded at first: axe does not look into it."""
    folded = ("Acknowledge or silence", "Approve or decline")
    for name in folded:
        page.get_by_text(name, exact=True).click()
    for place in range(len(folded)):
        expect(page.get_by_label("Reason").nth(place)).to_be_visible()
    settled(page)
    assert not serious_findings(page)


PAGES: list[tuple[str, str, list[str], Look]] = [
    ("", "Fleet", ["Paging now", "Unallocated in EUR"], nothing_more),
    (
        "app?app=checkout",
        "App",
        [
            "Checkout",
            "Objectives",
            "Budget spent",
            "Cost by service",
            "Reliability in money",
            "Failures cost, USD",
        ],
        panels_share_one_time_axis,
    ),
    ("team", "Team", ["What moved", "Idle apps", "Budgets", "Proposed credits"], nothing_more),
    (
        "oncall",
        "On-call",
        ["As of 20", "By the newest minutes", "Playbooks", "Approve or decline", "No indicator"],
        forms_are_open,
    ),
    (
        "anomalies?state=open",
        "Anomalies",
        ["Open, above expected in EUR", "1 anomaly, open first"],
        an_anomaly_opens_its_app,
    ),
    ("finance", "Finance", ["to the last digit", "Statement by cost centre"], nothing_more),
    ("coverage", "Coverage", ["Tags, by money", "Who decided"], nothing_more),
]
SCHEMES = ("light", "dark")


@pytest.mark.parametrize(
    ("scheme", "path", "title", "figures", "more"),
    [
        pytest.param(scheme, *page, id=f"{page[1]}-{scheme}", marks=() if usual else pytest.mark.slow)
        for number, page in enumerate(PAGES)
        for scheme in SCHEMES
        # each page once, every other one in the dark; the rest takes as long again
        for usual in [scheme == SCHEMES[number % 2]]
    ],
)
def test_a_page_draws_and_axe_finds_nothing_serious(
    view: Page,
    address: str,
    scheme: Literal["light", "dark"],
    path: str,
    title: str,
    figures: list[str],
    more: Look,
) -> None:
    view.emulate_media(color_scheme=scheme)
    view.goto(f"{address}/{path}")
    expect(view.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=WAIT_MS)
    for figure in figures:
        expect(view.get_by_text(figure).first).to_be_visible(timeout=WAIT_MS)
    settled(view)
    expect(view).to_have_title(f"{title} · appfleet")
    expect(view.get_by_test_id("stException")).to_have_count(0)
    first = view.get_by_test_id("stMainBlockContainer").inner_text().split("\n")[0]
    assert first == title, "nothing of the code is printed above the title"
    assert not serious_findings(view)
    more(view)


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


def test_text_from_outside_is_shown_as_text(view: Page, address: str, full_workspace: Path) -> None:
    """Whoever may write a catalogue, tag a resource or be named plants no picture, link, icon, colour or formula."""
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    write_settings(full_workspace, replace(EVERYTHING, name=HOSTILE))
    try:
        for path in ("app?app=pallet-count", f"app?{urlencode({'app': HOSTILE[:80]})}"):
            view.goto(f"{address}/{path}")
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
    finally:
        write_settings(full_workspace, EVERYTHING)
    assert not [url for url in asked if "evil" in url.split("?")[0]]
