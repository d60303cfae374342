"""An alert and its evidence in a real browser: chosen on On-call, with its trace drawn, and the address opens it again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.browsing import settled, table_of
from tests.dashboards.fleet import FAILED_TRACE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADDRESS = "oncall?evidence=checkout%2Fprod%2Favailability&from=2026-03-11T23%3A51&to=2026-03-11T23%3A55"


def test_the_failing_route_version_and_trace_are_two_clicks_from_the_alert(view: Page, address: str) -> None:
    view.goto(f"{address}/oncall")
    settled(view)
    view.get_by_role("combobox", name="Evidence of").click()
    view.get_by_role("option", name="checkout · prod · availability").click()
    expect(table_of(view, "Values of bad and good requests")).to_be_visible()
    settled(view)
    assert "evidence=checkout%2Fprod%2Favailability" in view.url
    values = table_of(view, "Values of bad and good requests")
    expect(values.get_by_text("POST /pay")).to_be_attached()
    expect(table_of(view, "Bad requests of each route").get_by_text(FAILED_TRACE)).to_be_attached()
    expect(view.get_by_role("heading", name="Traces to look at")).to_be_visible()


def test_an_address_opens_the_same_range_again(view: Page, address: str) -> None:
    view.goto(f"{address}/{ADDRESS}")
    settled(view)
    expect(view.get_by_text("2 bad requests from")).to_be_visible()
    expect(view.get_by_label("From (UTC)")).to_have_value("2026-03-11T23:51")
