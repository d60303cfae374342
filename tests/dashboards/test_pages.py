"""Every page, empty and full; the figures on it are counted here in plain Python from the rows of the fleet."""

from __future__ import annotations

import itertools
import re
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from math import isnan
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.access import NOBODY, ONLY_LOOPBACK
from dashboards.queries import TeamReads
from models.people import Viewer
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import ALL_TEAMS, COST_DAY, UNALLOCATED, Fleet, Row

PAGES = ("fleet", "one_app", "team", "oncall", "anomalies", "finance", "coverage")
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
    assert "Act now" not in [heading.value for heading in (*app.header, *app.subheader)]


@pytest.mark.parametrize(
    "query", [*({"page": page} for page in PAGES), {"page": "one_app", "app": UNALLOCATED}]
)
def test_headings_go_down_one_level_at_a_time(run: Run, full_workspace: Path, query: dict[str, str]) -> None:
    """Who hears a page goes through it by its headings; in a browser axe says the same."""
    app = run(full_workspace, query["page"], **{key: value for key, value in query.items() if key != "page"})
    levels = [int(one.tag[1]) for one in app.main if one.type in ("title", "header", "subheader")]
    assert levels[0] == 1 and len(levels) == len([*app.title, *app.header, *app.subheader])
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), levels


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


def usage_of(rows: list[Row]) -> list[Row]:
    """Of cost rows, those that are compared."""
    return [row for row in rows if row["charge_category"] == "Usage" and not row["charge_class"]]


def within(rows: list[Row], first: date, last: date) -> list[Row]:
    """Rows of some days."""
    return [row for row in rows if first <= row["usage_date"] <= last]


FOUR_WEEKS = (COST_DAY - timedelta(days=27), COST_DAY)
FOUR_WEEKS_BEFORE = (COST_DAY - timedelta(days=55), COST_DAY - timedelta(days=28))


def changed(now: list[Row], before: list[Row]) -> str:
    """Relative change of usage, as a page writes it."""
    one, other = added(usage_of(now)), added(usage_of(before))
    return f"{float((one - other) / other):+.1%}"


def test_fleet_headline(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "fleet")
    others = {
        "USD": "tax 900.50, adjustments 2.75",
        "EUR": "purchases 1,200.00, credits -20.12 and 1 more",
    }
    for currency in ("USD", "EUR"):
        rows = fleet.costs(billing_currency=currency)
        now, before = within(rows, *FOUR_WEEKS), within(rows, *FOUR_WEEKS_BEFORE)
        nobody = added([row for row in now if row["app_id"] == UNALLOCATED])
        assert metric(app, f"Usage in {currency}, 4 weeks") == (
            shown(currency, added(usage_of(now))),
            f"{changed(now, before)} vs 4 weeks before",
        )
        assert metric(app, f"All charges in {currency}, 4 weeks") == (
            shown(currency, added(now)),
            others[currency],
        )
        assert metric(app, f"Unallocated in {currency}, 4 weeks") == (
            shown(currency, nobody),
            f"{float(nobody / added(now)):.1%} of all charges",
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
    first = COST_DAY - timedelta(days=29)  # idle is a matter of 30 days
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


def test_the_lines_of_the_bill_add_up_to_it(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    [lines, _] = [one.value for one in run(full_workspace, "fleet").dataframe]
    told = {
        (row["Currency"], row["Line"]): (row["4 weeks"], row["4 weeks before"]) for _, row in lines.iterrows()
    }
    for currency in ("EUR", "USD"):
        rows = fleet.costs(billing_currency=currency)
        windows = [within(rows, *FOUR_WEEKS), within(rows, *FOUR_WEEKS_BEFORE)]
        want = {"Usage": [added(usage_of(some)) for some in windows]}
        want[f"Total {currency}"] = [added(some) for some in windows]
        for line, category in (
            ("Tax", "Tax"),
            ("Purchases", "Purchase"),
            ("Credits", "Credit"),
            ("Adjustments", "Adjustment"),
        ):
            want[line] = [
                added([row for row in some if row["charge_category"] == category]) for some in windows
            ]
        want["Corrections of past charges"] = [
            added([row for row in some if row["charge_class"]]) for some in windows
        ]
        for line, amounts in want.items():
            if any(amounts):
                assert [Decimal(text.replace(",", "")) for text in told.pop((currency, line))] == amounts
    assert not told


def test_fleet_lists_every_app_once_with_exact_figures(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    table = run(full_workspace, "fleet").dataframe[-1]
    frame = table.value.set_index("app")
    assert sorted(frame.index) == sorted(row["app_id"] for row in fleet.tables["mart_app_inventory"])
    for row in fleet.tables["mart_app_inventory"]:
        line = frame.loc[row["app_id"]]
        seen = within(fleet.rows("core_app_telemetry_daily", app_id=row["app_id"]), *FOUR_WEEKS)
        assert line["requests"] == sum(one["requests"] for one in seen)
        assert line["errors"] == sum(one["errors"] for one in seen)
        for currency in ("EUR", "USD"):
            own = fleet.costs(app_id=row["app_id"], billing_currency=currency)
            now, before = within(own, *FOUR_WEEKS), within(own, *FOUR_WEEKS_BEFORE)
            assert line[f"cost {currency}"] == (added(now) if own else None)
            one, other = added(usage_of(now)), added(usage_of(before))
            change = pytest.approx(float((one - other) / other * 100)) if other else None
            assert line[f"change {currency}"] == change or (
                change is None and isnan(line[f"change {currency}"])
            )
    assert list(frame.loc["checkout", "flags"]) == ["Budget spent"]
    assert list(frame.loc["depot-map", "flags"]) == ["Cost anomaly"]
    assert list(frame.loc["legacy-sync", "flags"]) == ["Unregistered", "No owner"]


def test_fleet_search_filter_and_order(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "fleet")
    app.text_input[0].set_value("PEOPLE").run()
    assert len(app.dataframe[-1].value) == 4
    app.text_input[0].set_value("").run()
    app.get("button_group")[0].set_value(["idle", "page"]).run()
    assert set(app.dataframe[-1].value["app"]) == {
        "checkout",
        "payout-sheet",
        "survey-mart",
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
    line = (
        f"**billed {cost['EUR']} (with purchases 1,200.00) · billed {cost['USD']} (with tax 900.50) · "
        f"{requests:,} requests · {errors:,} errors**"
    )
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
    left = app.dataframe[1].value.set_index("Objective")
    assert list(left["Budget counted by"]) == ["occurrences", "timeslices"]
    assert (
        left.loc["latency", "Left"] == "51.4 min" and left.loc["latency", "Time spent"] == "35.0 of 86.4 min"
    )
    assert left.loc["availability", "Left"] == f"{row['total'] / 100 - bad:,.0f} events"
    assert "4 slices of its window are missing" in words(app)
    [spent] = [one.proto.spec for one in app.get("vega_lite_chart") if "Budget spent" in one.proto.spec]
    assert "latency in prod" in spent
    assert "Ada Moreno" in words(app) and "0101" in words(app)


def test_app_has_one_panel_per_currency_on_the_same_days(run: Run, full_workspace: Path) -> None:
    charts = run(full_workspace, "one_app", app="checkout").get("vega_lite_chart")
    specs = [chart.proto.spec for chart in charts]
    panels = [spec for spec in specs if '"usage_date"' in spec]
    # cost EUR and USD, requests, errors, latency, unit cost EUR and USD; below them what reliability costs, of its own days
    assert len(panels) == 7 + 2
    domain = '"domain": ["2026-01-11T00:00:00Z", "2026-03-12T00:00:00Z"]'
    assert all(domain in spec for spec in panels[:7])


def test_app_of_an_open_anomaly(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "one_app", app="depot-map")
    [episode] = fleet.rows("mart_cost_anomalies", app_id="depot-map")
    table = app.dataframe[-1].value
    assert list(table["Impact"]) == [episode["impact"]]
    assert list(table["State"]) == ["open"]


MARKUP = "![p](https://evil.example/p.png) :red[x] $x$"


@pytest.mark.parametrize("page", PAGES)
def test_no_text_from_outside_is_markup(
    run: Run, full_workspace: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Whatever a catalogue, a tag, a bill or a span says, in whichever column a page reads it."""
    read = TeamReads.frame
    outside = (
        "app_name",
        "lead",
        "cost_center",
        "system",
        "source",
        "evidence",
        "service_name",
        "lifecycle",
        "route",
    )

    def hostile(reads: TeamReads, name: str, /, **parameters: object) -> pl.DataFrame:
        found = read(reads, name, **parameters)
        planted = [
            pl.lit(MARKUP).alias(column)
            for column in outside
            if column in found.columns and found.schema[column] == pl.String
        ]
        return found.with_columns(planted)

    monkeypatch.setattr(TeamReads, "frame", hostile)
    app = run(full_workspace, page)
    assert not app.exception
    kinds = ("caption", "info", "warning", "error", "success", "markdown", "title", "header", "subheader")
    marked = [one.value for kind in kinds for one in getattr(app, kind)]
    marked += [text for one in app.metric for text in (one.label, one.value, one.delta, one.help)]
    assert [one for one in marked if one and ("![p]" in one or ":red[x]" in one or "$x$" in one)] == []
    if page == "one_app":
        assert any("evil" in one for one in marked), "it is there, as text"


@pytest.mark.parametrize(
    ("page", "query", "sentence"),
    [
        ("one_app", {"app": "checkout"}, "There is no app “checkout”, or it is not yours."),
        ("one_app", {"app": "desk-booking", "days": "31"}, "There is no window of days “31”"),
        ("team", {"team": "payments"}, "There is no team “payments”, or it is not yours."),
        ("finance", {"month": "2027-01"}, "There is no billing month “2027\\-01”"),
        ("fleet", {"only": "page,loud"}, "There is no filter “loud”"),
        ("fleet", {"order": "colour"}, "There is no order “colour”"),
    ],
)
def test_an_address_that_asks_for_what_is_not_there_is_told_so(
    run: Run, full_workspace: Path, page: str, query: dict[str, str], sentence: str
) -> None:
    """Another team's app reads as one that does not exist, and nothing else is shown in its place."""
    app = run(full_workspace, page, viewer=Viewer(teams=("people",)), **query)
    [error] = [one.value for one in app.error]
    assert error.startswith(sentence)
    assert "Checkout" not in words(app) and {one.value for one in app.header} <= {"Apps"}
    assert not [one for one in app.dataframe if "App id" in one.value]


def test_an_address_is_followed(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "one_app", app="checkout", days="30")
    assert app.header[0].value == "Checkout"
    assert any(one.value.startswith("2026-02-10 to 2026-03-11") for one in app.markdown)
    app = run(full_workspace, "finance", month="2026-02")
    assert any("2026-02" in one.label for one in app.metric)
    app = run(full_workspace, "fleet", only="page", order="name")
    assert list(app.dataframe[-1].value["app"]) == ["checkout"]


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
    ties = next(one.value for one in app.dataframe if {"Metric", "Attributed"} <= set(one.value))
    assert len(ties) == 4
    for _, line in ties.iterrows():
        column = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost"}[line["Metric"]]
        total = added(fleet.costs(source_name=line["Source"], billing_period=MARCH), column)
        assert Decimal(line["Published"].replace(",", "")) == total
        assert Decimal(line["Attributed"].replace(",", "")) == total
        assert line["Difference"] == "0"
    objects = next(one.value for one in app.dataframe if "Object" in one.value)
    assert list(objects["Object"]) == ["aws-main/2026-03.parquet", "azure-eu/2026-03.parquet"]


def test_finance_statement_adds_up_per_cost_centre(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    table = run(full_workspace, "finance").dataframe[0].value.set_index("Team")
    rows = fleet.costs(billing_currency="EUR", billing_period=MARCH)
    for team in {row["team"] for row in rows}:
        want = added([row for row in rows if row["team"] == team])
        assert table.loc[team, "Billed EUR"] == want
    assert table.loc["Total", "Billed EUR"] == added(rows)
    assert table.loc["Total", "Charged EUR"] == cents(added(rows))
    assert table.loc["payments", "Cost centre"] == "0101"


def test_finance_of_a_team_shows_no_whole_bill(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "finance", viewer=Viewer(teams=("people",)))
    assert not app.success
    assert any("A bill is of all teams" in one.value for one in app.caption)
    assert "parquet" not in words(app)


def test_team_compares_the_same_days_of_two_weeks(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=("logistics",)))
    monday, week = COST_DAY - timedelta(days=COST_DAY.weekday()), timedelta(days=7)
    own = fleet.costs(team="logistics", billing_currency="EUR")
    now, before = within(own, monday, COST_DAY), within(own, monday - week, COST_DAY - week)
    assert metric(app, "Usage in EUR, Mon to Wed") == (
        shown("EUR", added(usage_of(now))),
        f"{changed(now, before)} vs same days last week",
    )
    month, february = within(own, MARCH, COST_DAY), within(own, date(2026, 2, 1), date(2026, 2, 11))
    assert metric(app, "Usage in EUR, 1 to 11 March") == (
        shown("EUR", added(usage_of(month))),
        f"{changed(month, february)} vs 1 to 11 February",
    )
    assert metric(app, "All charges in EUR, 1 to 11 March") == (
        shown("EUR", added(month)),
        "credits -20.12, corrections of past charges -7.50",
    )


def test_team_says_what_moved_and_which_service(run: Run, full_workspace: Path, fleet: Fleet) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=("logistics",)))
    [moved] = [
        one.value
        for one in app.dataframe
        if "Service that moved most" in one.value and set(one.value["Currency"]) == {"EUR"}
    ]
    monday, week = COST_DAY - timedelta(days=COST_DAY.weekday()), timedelta(days=7)
    want = {}
    for name in ("depot-map", "courier-desk"):
        own = usage_of(fleet.costs(team="logistics", billing_currency="EUR", app_id=name))
        now, before = within(own, monday, COST_DAY), within(own, monday - week, COST_DAY - week)
        want[f"{name}"] = (added(now), added(before), added(now) - added(before))
    order = sorted(want, key=lambda name: -abs(want[name][2]))
    assert list(moved["app"]) == order and order[0] == "depot-map"
    for _, line in moved.iterrows():
        assert (line["Mon to Wed"], line["Same days last week"], line["Change"]) == want[line["app"]]
    assert moved["Service that moved most"][0] == "Azure Functions"


@pytest.mark.parametrize(
    ("team", "apps"),
    [("people", ["desk-booking"]), ("logistics", ["customs-forms"]), ("storefront", [])],
)
def test_a_team_sees_its_own_silent_apps(run: Run, full_workspace: Path, team: str, apps: list[str]) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=(team,)))
    tables = [one.value for one in app.dataframe if "Silent since" in one.value]
    assert [name for table in tables for name in table["app"]] == apps
    assert ("None: no app stopped sending requests" in words(app)) == (not apps)


def test_rows_that_are_lost_stand_beside_the_figures_of_every_page(
    run: Run, full_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = pl.DataFrame(
        {
            "scope": ["billing/aws", "costs"],
            "period": [MARCH, MARCH],
            "published": [10, 5],
            "held": [7, 0],
            "is_released": [1, 1],
        }
    )
    failed = pl.DataFrame({"step": ["billing"], "sentence": ["<b>not shown</b>"]})
    found = {"damage/lost_rows": lost, "damage/failed_steps": failed}
    of_anybody = TeamReads.of_anybody
    monkeypatch.setattr(
        TeamReads,
        "of_anybody",
        lambda reads, name: found[name] if name in found else of_anybody(reads, name),
    )
    for page in PAGES:
        said = [one.value for one in run(full_workspace, page).error]
        assert said[0].startswith("Not whole: aws 2026-03: 3 of 10 row(s) published are lost;"), page
        assert said[1].startswith("Not whole: costs 2026-03: 5 of 5 row(s) published are lost;"), page
        assert said[2].startswith("The last pass failed at billing: what is made from it is from before."), (
            page
        )
