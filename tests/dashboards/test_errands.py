"""What five readers come for, from their first page to their answer, in a real browser: on a desk and on a phone, light and
dark, with 24 apps and with 4,200 (each on one screen, the rest among the slow tests). What they must find is counted from the fleet's rows.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import streamlit as st
import yaml
from playwright.sync_api import Browser, Page, expect
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards.queries import reads_of
from dashboards.statement import statement_file
from sql.opening import open_warehouse
from sql.workspace import WORKSPACE_VARIABLE
from tests.billing.conftest import ROW
from tests.cli.conftest import csv_text
from tests.conftest import Migrated, free_ports
from tests.dashboards.browsing import DESKTOP, PHONE, WAIT_MS, in_table, settled, table_of
from tests.dashboards.conftest import APP, served
from tests.dashboards.fleet import COST_DAY, EVERYTHING, NOBODY, Fleet, billed, publish_fleet
from tests.dashboards.test_pages import added, cents, usage_of, within

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
COPIES = 175
MINUTES_TO_FIGURES = 5
SCREENS = {
    "desk-light": {**DESKTOP, "color_scheme": "light"},
    "desk-dark": {**DESKTOP, "color_scheme": "dark"},
    "phone-light": {**PHONE, "accept_downloads": True, "color_scheme": "light"},
    "phone-dark": {**PHONE, "accept_downloads": True, "color_scheme": "dark"},
}


@dataclass(frozen=True)
class Served:
    """Pages of a fleet, the workspace they are of, and how often each app is there."""

    address: str
    workspace: Path
    copies: int


@pytest.fixture(scope="module")
def small(address: str, full_workspace: Path) -> Served:
    return Served(address, full_workspace, 1)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated, fleet: Fleet) -> Iterator[Served]:
    root = migrated(tmp_path_factory.mktemp("large"))
    with open_warehouse(root) as warehouse:
        publish_fleet(warehouse, fleet, COPIES)
        with served(root) as place:
            yield Served(place, root, COPIES)


def by_default_on(usual: str) -> pytest.MarkDecorator:
    """An errand with 24 apps on one of the screens; on the others, and with 4,200, among the slow tests."""
    return pytest.mark.parametrize(
        "reader",
        [
            pytest.param(
                (size, screen),
                id=f"{size}-{screen}",
                marks=() if (size, screen) == ("small", usual) else pytest.mark.slow,
            )
            for size in ("small", "large")
            for screen in SCREENS
        ],
        indirect=True,
    )


@pytest.fixture
def reader(request: pytest.FixtureRequest, browser: Browser) -> Iterator[tuple[Page, Served]]:
    """A fresh tab on one of the screens, and the pages of one of the fleets."""
    size, screen = request.param
    pages: Served = request.getfixturevalue(size)
    context = browser.new_context(**SCREENS[screen])
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page, pages
    assert len(context.pages) == 1, "a page opened another tab"
    context.close()
    assert not errors


def cells(page: Page, label: str, rows: int, columns: int) -> list[list[str]]:
    """The first cells of a table, as an assistive technology reads them."""
    table = table_of(page, label)
    return [
        [table.get_by_test_id(f"glide-cell-{column}-{row}").inner_text() for column in range(columns)]
        for row in range(rows)
    ]


def opened(page: Page, address: str, title: str) -> None:
    """Goes to an address and waits until its page is drawn whole."""
    page.goto(address)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=WAIT_MS)
    settled(page)
    expect(page).to_have_title(f"{title} · appfleet")


def touch(page: Page, place: tuple[float, float]) -> None:
    """A tap where there is a finger, a click where there is none."""
    if page.evaluate("navigator.maxTouchPoints > 0"):
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)


def numbered(app_id: str, copies: int) -> list[str]:
    """An app and its copies."""
    return [app_id, *(f"{app_id}-{number}" for number in range(1, copies))]


@by_default_on("desk-light")
def test_a_lead_finds_this_weeks_change_and_its_three_reasons(
    reader: tuple[Page, Served], fleet: Fleet
) -> None:
    page, pages = reader
    opened(page, f"{pages.address}/team?team=logistics", "Team")
    monday, week = COST_DAY - timedelta(days=COST_DAY.weekday()), timedelta(days=7)
    moves = []
    for currency in ("EUR", "USD"):
        own = usage_of(fleet.costs(team="logistics", billing_currency=currency))
        now, before = within(own, monday, COST_DAY), within(own, monday - week, COST_DAY - week)
        change = f"{float((added(now) - added(before)) / added(before)):+.1%} vs same days last week"
        metric = page.get_by_test_id("stMetric").filter(has_text=f"Usage in {currency}, Mon to Wed")
        expect(metric).to_contain_text(change)
        expect(metric).to_contain_text(f"{currency} {cents(added(now) * pages.copies):,}")
        for app in {row["app_id"] for row in own}:
            parts = [added([row for row in some if row["app_id"] == app]) for some in (now, before)]
            moves += [(currency, copy, parts[0] - parts[1]) for copy in numbered(app, pages.copies)]
    euros = sorted((move for move in moves if move[0] == "EUR"), key=lambda one: (-abs(one[2]), one[1]))[:3]
    told = cells(
        page, "Apps whose usage moved most in EUR", len(euros[:2] if pages.copies == 1 else euros), 4
    )
    for (_, app, change_cost), (shown_app, _, shown_change, service) in zip(euros, told, strict=False):
        assert shown_app == app
        assert abs(Decimal(shown_change.replace(",", "")) - change_cost) < Decimal("0.0001")
        assert service.startswith("Azure")


@by_default_on("desk-dark")
def test_finance_downloads_a_month_and_ties_it(reader: tuple[Page, Served], fleet: Fleet) -> None:
    page, pages = reader
    opened(page, f"{pages.address}/finance?month=2026-02", "Finance")
    expect(page.get_by_text("Yes: attributed equals published in all 4 sums")).to_be_visible()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download the statement (CSV)").click()
    written = started.value.path().read_bytes()
    if pages.copies == 1:  # copies of an app have its line's number, so their order is not settled
        assert written == statement_file(reads_of(pages.workspace, EVERYTHING), date(2026, 2, 1))
    text = written.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert started.value.suggested_filename == "chargeback-2026-02.csv"
    for currency in ("EUR", "USD"):
        own = [line for line in lines if line["billing_currency"] == currency]
        bill = fleet.costs(billing_currency=currency, billing_period=date(2026, 2, 1))
        total = billed(bill, "billed_cost", pages.copies)
        assert sum(Decimal(line["billed_cost"]) for line in own) == total
        charged = sum(Decimal(line["amount"]) for line in own)
        metric = page.get_by_test_id("stMetric").filter(has_text=f"Charged in {currency}, 2026-02")
        expect(metric).to_contain_text(f"{currency} {charged:,}")


@by_default_on("phone-dark")
def test_an_engineer_goes_to_the_worst_app_of_the_team(reader: tuple[Page, Served], fleet: Fleet) -> None:
    page, pages = reader
    opened(page, f"{pages.address}/oncall?team=payments", "On-call")
    [worst] = [row["app_id"] for row in fleet.rows("mart_slo_status", team="payments", state="page")]
    [[first]] = cells(page, "Objectives that page or need a ticket", 1, 1)
    assert first == worst
    touch(page, in_table(page, "Objectives that page or need a ticket", 1))
    expect(page.get_by_role("heading", name="Checkout", exact=True)).to_be_visible()
    expect(page.get_by_text("Health: Page")).to_be_visible()
    assert page.url.startswith(f"{pages.address}/app?") and f"app={worst}" in page.url


@by_default_on("phone-light")
def test_a_platform_engineer_lists_apps_without_owner_by_cost(
    reader: tuple[Page, Served], fleet: Fleet
) -> None:
    page, pages = reader
    opened(page, f"{pages.address}/fleet", "Fleet")
    page.get_by_role("button", name="No owner").click()
    nobodys = [row["app_id"] for row in fleet.rows("mart_app_inventory", team=NOBODY)]
    expect(page.get_by_text(f"{len(nobodys) * pages.copies} apps, by cost")).to_be_visible(timeout=WAIT_MS)
    settled(page)
    assert "only=no_owner" in page.url
    costly = [app for app in nobodys if added(fleet.costs(app_id=app))]
    want = sorted(copy for app in costly for copy in numbered(app, pages.copies))
    table = table_of(page, "Apps with team")
    expect(table.get_by_test_id("glide-cell-0-0")).to_have_text(want[0])  # the table of before is gone
    got = cells(page, "Apps with team", min(len(want), 5), 1)
    assert [row[0] for row in got] == want[:5]


COSTS = [Decimal("12.345"), Decimal("0.0001"), Decimal("-2.5"), Decimal("7.75")]
"""What a newcomer's bill holds."""
APPFLEET = str(Path(sys.executable).with_name("appfleet"))


@pytest.fixture
def up(tmp_path: Path) -> list[str]:
    """The last command of the README, those before it run as they stand there with a bill that a newcomer has."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## Your own bill\n\n```sh\n(.*?)```", readme, re.DOTALL)
    activate, init, run, up = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert activate == ["source", ".venv/bin/activate"]
    bill = tmp_path / "focus.csv"
    bill.write_text(_focus(COSTS), encoding="utf-8")
    init[init.index("path/to/bill.csv")] = bill.name
    for command in (init, run):
        assert command[0] == "appfleet"
        subprocess.run([APPFLEET, *command[1:]], cwd=tmp_path, check=True, timeout=MINUTES_TO_FIGURES * 60)
    return up


def test_a_newcomer_reaches_figures_by_the_readme_alone(
    tmp_path: Path, up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `up` would show of the workspace it names; that it shows it is among the slow tests, and in test_up."""
    assert up == ["appfleet", "up", "-w", "acme"]
    config.set_option("server.address", "127.0.0.1")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / up[-1]))
    with open_warehouse(tmp_path / up[-1]):
        app = AppTest.from_file(str(APP), default_timeout=60).run()
        st.cache_resource.clear()
    [total] = [one.value for one in app.metric if one.label.startswith("All charges in CHF")]
    assert total == f"CHF {cents(sum(COSTS, Decimal(0))):,}"


@pytest.mark.slow
def test_a_newcomer_sees_figures_in_a_browser(tmp_path: Path, up: list[str], browser: Browser) -> None:
    """The pages, the intake and the scheduler as `up` starts them."""
    settings = tmp_path / "acme" / "appfleet.yaml"
    names = ("dashboards", "dagster", "warehouse", "otlp_grpc", "otlp_http")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    settings.write_text(f"{settings.read_text()}\nports: {yaml.safe_dump(ports, default_flow_style=True)}")
    services = subprocess.Popen([APPFLEET, *up[1:]], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert services.stdout
        assert any("Ctrl-C ends" in line for line in services.stdout), "the pages did not start"
        page = browser.new_page()
        opened(page, f"http://127.0.0.1:{ports['dashboards']}/", "Fleet")
        total = page.get_by_test_id("stMetric").filter(has_text="All charges in CHF")
        expect(total).to_contain_text(f"CHF {cents(sum(COSTS, Decimal(0))):,}", timeout=WAIT_MS)
        page.close()
    finally:
        services.send_signal(signal.SIGINT)
        services.wait(60)


def _focus(costs: list[Decimal]) -> str:
    """A FOCUS bill of yesterday with these costs."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    month = day.replace(day=1)
    following = (month + timedelta(days=32)).replace(day=1)
    fixed = ROW | {
        "BillingCurrency": "CHF",
        "BillingPeriodStart": f"{month}T00:00:00Z",
        "BillingPeriodEnd": f"{following}T00:00:00Z",
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{day + timedelta(days=1)}T00:00:00Z",
    }
    rows = [
        {
            **fixed,
            "BilledCost": str(cost),
            "EffectiveCost": str(cost),
            "Tags": f'{{"app_id": "app-{number}"}}',
        }
        for number, cost in enumerate(costs)
    ]
    return csv_text([*rows[0]], rows)
