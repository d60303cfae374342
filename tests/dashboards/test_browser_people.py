"""People in a real browser, signed in at a real provider, on the pages as the command serves them: each sees what is theirs."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from sql.access_log import waiting
from sql.workspace import load_settings
from tests.conftest import free_ports
from tests.dashboards.browsing import DESKTOP, WAIT_MS, serious_findings, settled, table_of
from tests.dashboards.conftest import served_as_it_is
from tests.dashboards.fleet import Fleet
from tests.dashboards.people import (
    PERSONS,
    expect_door,
    identity_provider,
    sign_in,
    write_people,
    write_sign_in,
)

pytestmark = pytest.mark.browser

Somebody = Callable[[], BrowserContext]


@pytest.fixture(scope="module")
def pages(people_workspace: Path) -> Iterator[str]:
    """Address of pages that ask for a sign-in."""
    with identity_provider() as provider:
        [port] = free_ports(1)
        write_people(people_workspace)
        write_sign_in(people_workspace, provider, port)
        with served_as_it_is(people_workspace, port) as address:
            yield address


@pytest.fixture
def somebody(browser: Browser) -> Iterator[Somebody]:
    """Makes a browser of somebody's own."""
    with ExitStack() as stack:

        def make() -> BrowserContext:
            context = browser.new_context(**DESKTOP)
            stack.callback(context.close)
            context.set_default_timeout(WAIT_MS)
            return context

        yield make


def entries(workspace: Path, event: str, *awaited: str) -> list[str]:
    """Persons of the entries of an event, once the log has any and those of all who are awaited."""
    until = time.monotonic() + WAIT_MS / 1000
    while True:
        found = waiting(workspace)
        persons = list(found.filter(found["event"] == event)["person"])
        if persons and set(awaited) <= set(persons) or time.monotonic() > until:
            return persons
        time.sleep(0.1)


def test_a_lead_signs_in_and_sees_only_their_team(
    pages: str, somebody: Somebody, people_workspace: Path, fleet: Fleet, tmp_path: Path
) -> None:
    lead = somebody()
    page = lead.new_page()
    page.goto(pages)
    expect_door(page, "Sign in to see")
    assert not serious_findings(page)
    page.screenshot(path=tmp_path / "door.png")
    sign_in(page, pages, "lee")
    expect(page.get_by_text("Lee Lead, signed in until")).to_be_visible()
    own = {row["app_id"] for row in fleet.rows("mart_app_inventory", team="payments")}
    apps = table_of(page, "Apps with team")
    expect(page.get_by_text(f"{len(own)} apps, by cost")).to_be_visible()
    shown = {apps.get_by_test_id(f"glide-cell-0-{line}").inner_text() for line in range(len(own))}
    assert shown == own
    for name in ("Access", "Sign in"):
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
    page.screenshot(path=tmp_path / "lead.png")
    page.goto(f"{pages}/access")
    expect(page.get_by_text("needs a right that you do not have")).to_be_visible()
    page.goto(f"{pages}/team?team=logistics")
    expect(page.get_by_text("or it is not yours")).to_be_visible()
    expect(page.get_by_text("route-planner")).to_have_count(0)
    cookies = {cookie["name"]: cookie for cookie in lead.cookies()}
    for name in ("_streamlit_user", "_streamlit_user_tokens"):
        assert cookies[name]["httpOnly"]
        assert cookies[name]["expires"] <= time.time() + 3600 + 5
    assert "Lee Lead" in entries(people_workspace, "sign_in", "Lee Lead")


@pytest.mark.slow
def test_a_file_is_of_who_clicked_and_its_link_of_nobody_else(
    pages: str, somebody: Somebody, people_workspace: Path
) -> None:
    lead, stranger = somebody(), somebody()
    page = lead.new_page()
    sign_in(page, pages, "lee")
    page.goto(f"{pages}/finance?month=2026-02")
    link = page.get_by_role("link", name="Download the statement (CSV)")
    with page.expect_download() as started:
        link.click()
    written = started.value.path().read_text(encoding="utf-8-sig")
    assert {line["team"] for line in csv.DictReader(io.StringIO(written))} == {"payments"}
    assert started.value.suggested_filename == "chargeback-2026-02.csv"
    copied = started.value.url
    assert lead.request.get(copied).ok
    assert stranger.request.get(copied).status == 403
    sign_in(stranger.new_page(), pages, "vic")
    refused = stranger.request.get(copied)
    assert refused.status == 403 and "payments" not in refused.text()
    assert stranger.request.get(f"{pages}/media/{copied.rsplit('/', 1)[1]}.csv").status == 404
    thief = somebody()
    thief.add_cookies(lead.cookies())  # everything a browser has: this is the lead
    assert thief.request.get(copied).ok
    look = thief.new_page()
    look.goto(f"{pages}/team")
    expect(look.get_by_text("Lee Lead, signed in until")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/oauth2/end_session**")
    assert thief.request.get(copied).status == 403
    look.goto(f"{pages}/team")
    expect_door(look, "You signed out: sign in again.")
    assert entries(people_workspace, "file_refused")
    assert {"Lee Lead"} == set(entries(people_workspace, "file", "Lee Lead"))


@pytest.mark.slow
def test_who_is_granted_nothing_and_who_is_refused_see_a_sentence(
    pages: str, somebody: Somebody, people_workspace: Path
) -> None:
    for person, sentence in (("tex", "as text and not as a list of names"), ("noa", "grants you nothing")):
        page = somebody().new_page()
        sign_in(page, pages, person)
        expect_door(page, sentence)
    page = somebody().new_page()
    page.goto(pages)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"{pages}/**")
    expect_door(page, "Sign in to see")
    refused = {"Tex Text", "Noa Nobody", ""}
    assert refused <= set(entries(people_workspace, "refused", *refused))


@pytest.mark.slow
def test_a_page_is_gone_within_a_minute_of_a_change(
    pages: str, somebody: Somebody, people_workspace: Path
) -> None:
    """Nobody touches the browser meanwhile."""
    page = somebody().new_page()
    sign_in(page, pages, "vic")
    expect(page.get_by_text("Vic Viewer, signed in until")).to_be_visible()
    write_people(people_workspace, [])
    try:
        expect(page.get_by_text("grants you nothing")).to_be_visible(timeout=60_000)
        expect_door(page, "grants you nothing")
    finally:
        write_people(people_workspace)
    page.reload()
    expect(page.get_by_text("Vic Viewer, signed in until")).to_be_visible()


@pytest.mark.slow
def test_what_the_provider_says_of_a_person_counts_from_the_next_sign_in(
    pages: str, somebody: Somebody, people_workspace: Path, fleet: Fleet
) -> None:
    """Claims are those of the sign-in: who changes groups keeps what they had until they sign in again."""
    settings = load_settings(people_workspace).sign_in
    assert settings is not None
    issuer = settings.provider.removesuffix("/.well-known/openid-configuration")

    def say(claims: Mapping[str, Any]) -> None:
        asked = Request(f"{issuer}/users/vic", json.dumps(claims).encode(), method="PUT")
        asked.add_header("Content-Type", "application/json")
        with urlopen(asked, timeout=30) as answer:
            assert answer.status == 204

    def expect_apps_of(team: str) -> None:
        expect(page.get_by_text("Vic Viewer, signed in until")).to_be_visible()
        own = {row["app_id"] for row in fleet.rows("mart_app_inventory", team=team)}
        expect(page.get_by_text(f"{len(own)} apps, by cost")).to_be_visible()
        apps = table_of(page, "Apps with team")
        assert {apps.get_by_test_id(f"glide-cell-0-{line}").inner_text() for line in range(len(own))} == own

    page = somebody().new_page()
    sign_in(page, pages, "vic")
    expect_apps_of("logistics")
    try:
        say({**PERSONS["vic"], "groups": ["payments-leads"]})
        page.reload()
        settled(page)
        expect_apps_of("logistics")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/oauth2/end_session**")
        sign_in(page, pages, "vic")
        expect_apps_of("payments")
    finally:
        say(PERSONS["vic"])


@pytest.mark.slow
def test_a_strange_team_name_is_a_name(pages: str, somebody: Somebody, fleet: Fleet) -> None:
    page = somebody().new_page()
    sign_in(page, pages, "sue")
    expect(page.get_by_text("Sue <b>Strange</b>, signed in until")).to_be_visible()
    own = fleet.rows("mart_app_inventory", team="people")
    expect(page.get_by_text(f"{len(own)} apps, by cost")).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stMain").locator(":is(p, h1, h2, h3) b")).to_have_count(0)
