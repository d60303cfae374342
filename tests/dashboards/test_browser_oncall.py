"""On-call and Anomalies in a real browser: what a phone shows, a minute that passes, the way to an app and back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.browsing import WAIT_MS, in_table, settled, table_of

pytestmark = pytest.mark.browser

FIRING = "Objectives that page or need a ticket"
EPISODES = "Cost anomalies"
SILENT = "Apps whose requests stopped"


def refreshed(page: Page) -> str:
    """What the page says about when it was last refreshed."""
    return page.get_by_text(re.compile("^Refreshed ")).inner_text()


def heads_in_sight(page: Page, label: str) -> list[str]:
    """Heads of the columns of a table that are in sight: whole, as another one begins after them."""
    table = table_of(page, label)
    box = table.get_by_test_id("data-grid-canvas").first.bounding_box()
    assert box and page.viewport_size and box["x"] + box["width"] <= page.viewport_size["width"]
    return table.locator("th").all_text_contents()[:-1]


def test_on_a_phone_what_matters_is_in_sight_and_a_tap_opens_an_app(phone: Page, address: str) -> None:
    phone.goto(f"{address}/anomalies")
    settled(phone)
    assert heads_in_sight(phone, EPISODES)[:4] == ["App", "State", "Impact", "Currency"]
    phone.goto(f"{address}/oncall")
    settled(phone)
    assert heads_in_sight(phone, FIRING)[:4] == ["App", "State", "Since (UTC)", "Budget"]
    # Where nothing is wrong it is so since no moment: a column without a value is not drawn.
    assert heads_in_sight(phone, "Objectives without an alert")[:3] == ["App", "State", "Budget"]
    assert heads_in_sight(phone, SILENT)[:3] == ["App", "Silent since (UTC)", "Requests since"]
    phone.touchscreen.tap(*in_table(phone, SILENT, 1))
    expect(phone.get_by_role("heading", name="Customs forms")).to_be_visible()
    assert phone.url == f"{address}/app?app=customs-forms"
    assert len(phone.context.pages) == 1


def test_a_minute_later_the_page_has_refreshed_and_keeps_what_was_chosen(view: Page, address: str) -> None:
    view.clock.install()
    view.goto(f"{address}/oncall?team=payments&search=card")
    expect(table_of(view, FIRING).get_by_test_id("glide-cell-0-0")).to_have_text("card-vault")
    settled(view)
    place = view.get_by_test_id("stMain")
    place.evaluate("one => { one.scrollTop = 130; }")
    assert place.evaluate("one => one.scrollTop") == 130
    before = refreshed(view)
    view.clock.run_for(1_100)  # the server's own clock counts whole seconds
    view.clock.fast_forward(60_000)
    expect(view.get_by_text(before)).to_have_count(0)
    settled(view)
    assert refreshed(view) > before
    assert place.evaluate("one => one.scrollTop") == 130
    assert "team=payments" in view.url and "search=card" in view.url
    expect(view.get_by_label("Search", exact=True)).to_have_value("card")
    expect(table_of(view, FIRING).get_by_test_id("glide-cell-0-0")).to_have_text("card-vault")


@pytest.mark.slow
def test_an_app_opens_in_the_same_tab_and_back_from_it_the_filters_are_still_chosen(
    view: Page, address: str
) -> None:
    view.goto(f"{address}/oncall?team=payments&search=card")
    view.mouse.click(*in_table(view, FIRING, 1))
    expect(view.get_by_role("heading", name="Card vault")).to_be_visible()
    assert view.url.startswith(f"{address}/app?") and "app=card-vault" in view.url
    view.go_back()
    expect(view.get_by_role("heading", name="On-call", exact=True)).to_be_visible()
    expect(table_of(view, FIRING).get_by_test_id("glide-cell-0-0")).to_have_text("card-vault")
    assert "team=payments" in view.url and len(view.context.pages) == 1


def by_tab(page: Page, kind: str, name: str) -> None:
    """Presses Tab until an element of a kind with this name is in focus, as somebody without a mouse does."""
    wanted = "([kind, name]) => document.activeElement.matches(kind) && [document.activeElement.ariaLabel, document.activeElement.innerText].includes(name)"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(wanted, [kind, name]):
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_an_app_opens_by_keyboard_alone(view: Page, address: str) -> None:
    """The first column of a table is drawn on a canvas, and no key presses its buttons: the App page finds every app."""
    view.goto(f"{address}/fleet")
    settled(view)
    by_tab(view, "a", "App")
    view.keyboard.press("Enter")
    expect(view.get_by_role("heading", name="App", exact=True)).to_be_visible(timeout=WAIT_MS)
    settled(view)
    by_tab(view, "input", "App")
    view.keyboard.type("card-v")
    view.keyboard.press("Enter")
    expect(view.get_by_role("heading", name="Card vault")).to_be_visible(timeout=WAIT_MS)
    assert view.url == f"{address}/app?app=card-vault"


@pytest.mark.slow  # test_oncall and test_anomalies ask the same of the pages without a browser
def test_a_wrong_team_in_the_address_is_told(view: Page, address: str) -> None:
    for page in ("oncall", "anomalies"):
        view.goto(f"{address}/{page}?team=nobody-of-ours")
        expect(view.get_by_text("There is no team “nobody-of-ours”, or it is not yours.")).to_be_visible()
        expect(view.get_by_test_id("stDataFrame")).to_have_count(0)
