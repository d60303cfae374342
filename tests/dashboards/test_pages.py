"""Every page, empty and full; the figures on it are counted here in plain Python from the rows of the fleet."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.access import NOBODY, ONLY_LOOPBACK
from models.people import Viewer
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import ALL_TEAMS, COST_DAY, UNALLOCATED, Fleet, Row

PAGES = ("fleet", "one_app", "team", "oncall", "finance")
MARCH = date(2026, 3, 1)


def added(rows: list[Row], column: str = "billed_cost") -> Decimal:
    """Exact sum."""
    return sum((row[column] for row in rows), Decimal(0))


def cents(value: Decimal) -> Decimal:
    """To two places, half to even."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def shown(currency: str, value: Decimal) -> str:
    """As a page writes money."""
    return f"{currency} {cents(value):,}"


def metric(app: AppTest, label: str) -> tuple[str, str]:
    """Value and small print of a metric."""
    [found] = [one for one in app.metric if one.label == label]
    return found.value, found.delta


def words(app: AppTest) -> str:
    """All text of a page, tables included."""
    texts = [
        one.value
        for kind in ("caption", "info", "warning", "error", "success", "markdown", "title", "header")
        for one in getattr(app, kind)
    ]
    texts += [f"{one.label} {one.value} {one.delta}" for one in app.metric]
    texts += [one.value.to_csv() for one in app.dataframe]
    texts += [str(option) for one in app.selectbox for option in one.options]
    return "\n".join(texts)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_without_data_says_what_to_do(run: Run, empty_workspace: Path, page: str) -> None:
    app = run(empty_workspace, page)
    assert not app.exception and not app.error
    assert not app.dataframe and not app.metric
    assert "appfleet run" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_data_draws(run: Run, full_workspace: Path, page: str) -> None:
    app = run(full_workspace, page)
    assert not app.exception and not app.error
    assert app.dataframe
    caption = app.caption[0].value
    assert re.search(
        r"Cost to 2026-03-11 \(\d+ days ago\) · telemetry to 2026-03-11 23:55 UTC \(\d+ days ago\)", caption
    )
    told = [warning.value for warning in app.warning]
    assert told[0].startswith("Telemetry ends ") and "on 2026-03-11 23:55 UTC" in told[0]
    assert told[1].startswith("Bills end ")
    assert "Act now" not in [heading.value for heading in app.subheader]


@pytest.mark.parametrize("page", PAGES)
def test_nobody_signed_in_sees_nothing(run: Run, full_workspace: Path, page: str) -> None:
    app = run(full_workspace, page, viewer=Viewer())
    assert [one.value for one in app.warning] == [NOBODY]
    assert not app.dataframe and not app.metric and not app.selectbox


@pytest.mark.parametrize("address", [None, "0.0.0.0", "::", "192.168.1.4"])
def test_another_address_than_loopback_is_refused(
    run: Run, full_workspace: Path, address: str | None
) -> None:
    app = run(full_workspace, "fleet", address=address)
    assert [one.value for one in app.error] == [ONLY_LOOPBACK]
    assert not app.title and not app.dataframe and not app.metric


@pytest.mark.parametrize("page", PAGES)
def test_another_teams_rows_never_appear(run: Run, full_workspace: Path, fleet: Fleet, page: str) -> None:
    text = words(run(full_workspace, page, viewer=Viewer(teams=("people",))))
    others = {row["app_id"] for row in fleet.tables["mart_app_inventory"] if row["team"] != "people"}
    others |= {team for team in ALL_TEAMS if team != "people"} | {UNALLOCATED, "aws-main/", "azure-eu/"}
    seen = {name for name in others if f"app={name}" in text or f",{name}," in text or f"\n{name}\n" in text}
    assert not seen


def test_fleet_headline(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "fleet")
    first = COST_DAY - timedelta(days=29)
    for currency in ("USD", "EUR"):
        rows = fleet.costs(billing_currency=currency)
        now = added([row for row in rows if row["usage_date"] >= first])
        before = added([row for row in rows if row["usage_date"] < first])
        nobody = added([row for row in rows if row["usage_date"] >= first and row["app_id"] == UNALLOCATED])
        change = f"{float((now - before) / before):+.1%} vs 30 days before"
        assert metric(app, f"Billed in {currency}, 30 days") == (shown(currency, now), change)
        assert metric(app, f"Unallocated in {currency}") == (
            shown(currency, nobody),
            f"{float(nobody / now):.1%} of what is billed",
        )
    inventory, status = fleet.tables["mart_app_inventory"], fleet.tables["mart_slo_status"]
    breached = [row for row in status if row["total"] and row["good"] / row["total"] < row["target"]]
    assert metric(app, "Apps") == (str(len(inventory)), "2 unregistered")
    assert metric(app, "Objectives breached") == (
        str(len(breached)),
        f"of {sum(row['total'] > 0 for row in status)} with data",
    )
    assert metric(app, "Open cost anomalies")[0] == "1"
    idle = {row["app_id"] for row in inventory if row["is_idle"]}
    cost = {
        currency: added(
            [
                row
                for row in fleet.costs(billing_currency=currency)
                if row["app_id"] in idle and row["usage_date"] >= first
            ]
        )
        for currency in ("EUR", "USD")
    }
    assert metric(app, "Idle apps") == ("2", ", ".join(shown(key, value) for key, value in cost.items()))


def test_fleet_lists_every_app_once_with_exact_cents(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    [table] = run(full_workspace, "fleet").dataframe
    frame = table.value.set_index("app")
    assert sorted(frame.index) == sorted(
        f"/app?app={row['app_id']}" for row in fleet.tables["mart_app_inventory"]
    )
    first = COST_DAY - timedelta(days=29)
    for row in fleet.tables["mart_app_inventory"]:
        line = frame.loc[f"/app?app={row['app_id']}"]
        assert line["requests"] == row["requests_30d"]
        for currency in ("EUR", "USD"):
            own = fleet.costs(app_id=row["app_id"], billing_currency=currency)
            want = cents(added([one for one in own if one["usage_date"] >= first])) if own else None
            assert line[f"cost {currency}"] == want
    assert list(frame.loc["/app?app=checkout", "flags"]) == ["Budget spent"]
    assert list(frame.loc["/app?app=depot-map", "flags"]) == ["Cost anomaly"]
    assert list(frame.loc["/app?app=legacy-sync", "flags"]) == ["Unregistered"]


def test_fleet_search_filter_and_order(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "fleet")
    app.text_input[0].set_value("PEOPLE").run()
    assert len(app.dataframe[0].value) == 4
    app.text_input[0].set_value("").run()
    app.get("button_group")[0].set_value(["idle", "page"]).run()
    assert set(app.dataframe[0].value["app"]) == {
        "/app?app=checkout",
        "/app?app=payout-sheet",
        "/app?app=survey-mart",
    }
    app.text_input[0].set_value("nothing of this name").run()
    assert "No app matches" in app.info[0].value


def test_app_shows_what_it_costs_does_and_promises(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "one_app", app="checkout")
    assert app.header[0].value == "Checkout"
    telemetry = fleet.rows("core_app_telemetry_daily", app_id="checkout")
    cost = {
        currency: shown(currency, added(fleet.costs(app_id="checkout", billing_currency=currency)))
        for currency in ("EUR", "USD")
    }
    requests, errors = (sum(row[name] for row in telemetry) for name in ("requests", "errors"))
    line = f"**billed {cost['EUR']} · billed {cost['USD']} · {requests:,} requests · {errors:,} errors**"
    assert any(one.value.endswith(line) for one in app.markdown)
    objectives = app.dataframe[0].value.set_index("Objective")
    assert list(objectives.index) == ["Availability", "Latency within 500 ms"]
    assert objectives.loc["Availability", "State"] == "Page"
    assert any(
        "Health checks count apart: 546,000, of which 0 went wrong" in one.value for one in app.caption
    )
    [row] = fleet.rows("mart_slo_status", app_id="checkout", objective="availability")
    bad = row["total"] - row["good"]
    assert objectives.loc["Availability", "Bad events"] == bad
    assert objectives.loc["Availability", "Budget left"] == pytest.approx(
        100 * (1 - bad / row["total"] / 0.01)
    )
    assert "Ada Moreno" in words(app) and "0101" in words(app)


def test_app_has_one_panel_per_currency_on_the_same_days(run: Run, full_workspace: Path) -> None:
    charts = run(full_workspace, "one_app", app="checkout").get("vega_lite_chart")
    specs = [chart.proto.spec for chart in charts]
    panels = [spec for spec in specs if '"usage_date"' in spec]
    assert len(panels) == 7  # cost EUR and USD, requests, errors, latency, unit cost EUR and USD
    domain = '"domain": ["2026-01-11T00:00:00Z", "2026-03-12T00:00:00Z"]'
    assert all(domain in spec for spec in panels)


def test_app_of_an_open_anomaly(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "one_app", app="depot-map")
    [episode] = fleet.rows("mart_cost_anomalies", app_id="depot-map")
    table = app.dataframe[-1].value
    assert list(table["Impact"]) == [cents(episode["impact"])]
    assert list(table["State"]) == ["open"]


def test_app_of_another_team_in_the_address_is_not_shown(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "one_app", viewer=Viewer(teams=("people",)), app="checkout")
    assert app.selectbox[0].value == "desk-booking"
    assert "Checkout" not in words(app)


def test_finance_ties_to_the_bill(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "finance")
    assert app.selectbox[0].options == ["2026-03", "2026-02", "2026-01"]
    for currency in ("EUR", "USD"):
        rows = fleet.costs(billing_currency=currency, billing_period=MARCH)
        total, nobody = added(rows), added([row for row in rows if row["app_id"] == UNALLOCATED])
        assert metric(app, f"Charged in {currency}, 2026-03") == (
            shown(currency, total),
            f"unallocated {shown(currency, nobody)} ({float(nobody / total):.1%})",
        )
    assert "Yes: attributed equals published in all 4 sums" in app.success[0].value
    ties = app.dataframe[2].value
    for _, line in ties.iterrows():
        column = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost"}[line["Metric"]]
        total = added(fleet.costs(source_name=line["Source"], billing_period=MARCH), column)
        assert Decimal(line["Published"].replace(",", "")) == total
        assert Decimal(line["Attributed"].replace(",", "")) == total
        assert line["Difference"] == "0.00"
    objects = next(one.value for one in app.dataframe if "Object" in one.value)
    assert list(objects["Object"]) == ["aws-main/2026-03.parquet", "azure-eu/2026-03.parquet"]


def test_finance_statement_adds_up_per_cost_centre(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    table = run(full_workspace, "finance").dataframe[0].value.set_index("Team")
    rows = fleet.costs(billing_currency="EUR", billing_period=MARCH)
    for team in {row["team"] for row in rows}:
        want = added([row for row in rows if row["team"] == team])
        assert Decimal(table.loc[team, "Billed EUR"].replace(",", "")) == want
    assert Decimal(table.loc["Total", "Billed EUR"].replace(",", "")) == added(rows)
    assert Decimal(table.loc["Total", "Charged EUR"].replace(",", "")) == cents(added(rows))
    assert table.loc["payments", "Cost centre"] == "0101"


def test_finance_of_a_team_shows_no_whole_bill(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "finance", viewer=Viewer(teams=("people",)))
    assert not app.success
    assert any("A bill is of all teams" in one.value for one in app.caption)
    assert "parquet" not in words(app)


def test_team_compares_the_same_days_of_two_weeks(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=("logistics",)))
    monday = COST_DAY - timedelta(days=COST_DAY.weekday())
    own = fleet.costs(team="logistics", billing_currency="EUR")
    now = added([row for row in own if row["usage_date"] >= monday])
    before = added(
        [
            row
            for row in own
            if monday - timedelta(days=7) <= row["usage_date"] <= COST_DAY - timedelta(days=7)
        ]
    )
    assert metric(app, "This week in EUR (Mon to Wed)") == (
        shown("EUR", now),
        f"{float((now - before) / before):+.1%} vs same days last week",
    )
    february = added([row for row in own if row["billing_period"] == date(2026, 2, 1)])
    assert metric(app, "Month so far in EUR") == (
        shown("EUR", added([row for row in own if row["billing_period"] == MARCH])),
        f"{shown('EUR', february)} all of last month",
    )
    assert app.dataframe[0].value["app"][0] == "/app?app=depot-map"


def test_oncall_puts_pages_before_tickets_and_no_indicator_apart(run: Run, full_workspace: Path) -> None:
    act, silent, rest, without = (one.value for one in run(full_workspace, "oncall").dataframe)
    assert list(act["app"]) == ["/app?app=checkout", "/app?app=card-vault"]
    assert list(act["State"]) == ["Page", "Ticket"]
    assert list(act["Since"]) == ["2026-03-11 18:55"] * 2
    assert list(rest["State"][:2]) == ["Budget spent", "OK"]
    assert rest["app"][0] == "/app?app=payslip-view"
    assert "/app?app=report-mailer" in set(without["app"])
    assert list(silent["app"]) == ["/app?app=customs-forms", "/app?app=desk-booking"]
    assert list(silent["Silent since (UTC)"]) == ["2026-03-10 17:55", "2026-03-11 16:55"]
    assert list(zip(silent["Requests since"], silent["Expected"], strict=True)) == [(0, 212), (3, 41)]
    assert list(silent["Requests a day before"]) == [169.9, 141.9]


@pytest.mark.parametrize(
    ("team", "apps"),
    [("people", ["desk-booking"]), ("logistics", ["customs-forms"]), ("storefront", [])],
)
def test_a_team_sees_its_own_silent_apps(run: Run, full_workspace: Path, team: str, apps: list[str]) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=(team,)))
    tables = [one.value for one in app.dataframe if "Silent since (UTC)" in one.value]
    assert [name for table in tables for name in table["app"]] == [f"/app?app={name}" for name in apps]
    assert ("None: no app stopped sending requests" in words(app)) == (not apps)
