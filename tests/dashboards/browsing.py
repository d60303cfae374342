"""What browser tests share: places in a table, and what axe says. Nothing here knows a page's figures."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

WAIT_MS = 30_000
ROW = 35
"""Pixels of a table's head and of each of its lines."""

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "accept_downloads": True}

_SERIOUS = ("serious", "critical")
_SERIOUS_TO_US = ("heading-order",)
"""Rules that axe calls moderate: who hears a page goes through it by its headings."""


def settled(page: Page) -> None:
    """Waits until the page has run and everything on it is drawn."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(
        timeout=WAIT_MS
    )
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MS)
    expect(page.get_by_role("heading").first).to_be_visible(timeout=WAIT_MS)


def table_of(page: Page, label: str) -> Locator:
    """The table with this name or part of it, drawn and in sight."""
    table = page.get_by_test_id("stDataFrame").filter(has=page.get_by_label(label))
    expect(table.get_by_test_id("glide-cell-0-0")).to_be_attached(timeout=WAIT_MS)
    table.get_by_test_id("data-grid-canvas").first.scroll_into_view_if_needed()
    return table


def in_table(page: Page, label: str, line: int, across: int = 30) -> tuple[float, float]:
    """A place in a line of a table, 1 for the first, so many pixels from its left edge."""
    box = table_of(page, label).get_by_test_id("data-grid-canvas").first.bounding_box()
    assert box
    return box["x"] + across, box["y"] + (line + 0.5) * ROW


def serious_findings(page: Page) -> list[str]:
    """What axe finds on a page as it stands and calls serious or critical, and headings out of order: rule, place and what
    is wrong with it."""
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in _SERIOUS or violation["id"] in _SERIOUS_TO_US
        for node in violation["nodes"]
    ]
