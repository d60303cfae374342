"""People in a real browser, signed in at a real provider, on the pages as the command serves them: each sees what is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import free_ports
from tests.dashboards.browsing import DESKTOP, settled
from tests.dashboards.conftest import served_as_it_is
from tests.dashboards.people import identity_provider, sign_in, write_people, write_sign_in

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(people_workspace: Path) -> Iterator[str]:
    """Address of pages that ask for a sign-in."""
    with identity_provider() as provider:
        [port] = free_ports(1)
        write_people(people_workspace)
        write_sign_in(people_workspace, provider, port)
        with served_as_it_is(people_workspace, port) as address:
            yield address


def test_a_lead_signs_in_and_sees_only_their_team(pages: str, browser: Browser) -> None:
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    sign_in(page, pages, "lee")
    print(page.get_by_test_id("stMain").inner_text()[:800], context.cookies())
    page.screenshot(path="/tmp/people-try/lee.png")
    page.goto(f"{pages}/finance")
    settled(page)
    page.screenshot(path="/tmp/people-try/finance.png", full_page=True)
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the statement").click()
    print(started.value.suggested_filename, started.value.path().read_text()[:200], started.value.url)
    context.close()
