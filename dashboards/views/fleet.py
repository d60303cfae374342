"""Fleet: every app, who owns it, what it costs, whether it works, and what needs somebody's attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.ahead import budget_table, forecast_metrics
from dashboards.bill import (
    BILL_LINES,
    CurrencyBill,
    bills_of,
    charges_metric,
    compared_days,
    lines_table,
    usage_metric,
)
from dashboards.frame import Page, app_table, open_page
from dashboards.links import asked_choice, asked_choices, asked_text
from dashboards.open_days import say_open_days
from dashboards.reporting import usage_in_reporting_currency
from models.comparison import Comparison, four_weeks
from models.policy import states

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

ORDERS = {
    "cost": "By cost, as a share of its currency",
    "change": "By growth of usage, as a share of its currency",
    "worst": "Worst health first",
    "requests": "By requests",
    "errors": "By errors",
    "name": "By name",
}
FILTERS = {
    **{state: formats.STATES[state] for state in ("page", "ticket", "silent", "too_few")},
    **{flag: formats.FLAGS[flag] for flag in ("breached", "anomaly", "idle", "no_owner", "unregistered")},
    "no_data": formats.STATES["no_data"],
}


def headline(page: Page) -> None:
    """The counts that say whether the fleet is well."""
    counts = page.reads.frame("fleet/counts").row(0, named=True)
    idle = page.reads.frame("fleet/idle_cost")
    idle_cost = ", ".join(
        formats.money(row["billed"], row["billing_currency"]) for row in idle.iter_rows(named=True)
    )
    told = (
        (
            "Apps",
            counts["apps"],
            f"{formats.count(counts['unregistered'])} unregistered",
            "Every app the registry, a bill or telemetry knows.",
        ),
        (
            "Paging now",
            counts["pages"],
            f"{formats.count(counts['tickets'])} with a ticket, {formats.count(counts['silent'])} silent",
            "Objectives that burn their error budget fast enough to page, and those slow enough for a ticket.",
        ),
        (
            "Objectives breached",
            counts["breached"],
            f"of {formats.count(counts['objectives'])} with data",
            "Objectives whose error budget of the window is spent, by more than one or two bad events.",
        ),
        (
            "Open cost anomalies",
            counts["open_anomalies"],
            "in the last three days",
            "Days whose cost is beyond what their past lets expect.",
        ),
        (
            "Idle apps",
            counts["idle"],
            idle_cost or "no cost",
            "They cost this much in the last 30 days, were seen before, and served no request in them.",
        ),
    )
    for column, (label, value, small, meaning) in zip(st.columns(len(told)), told, strict=True):
        column.metric(
            label,
            formats.count(value),
            small,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=meaning,
        )


def bill_headline(bills: list[CurrencyBill]) -> None:
    """Usage, all charges and what nobody owns, a row per currency, and the lines of the bill."""
    for bill in bills:
        usage, charges, nobody = st.columns(3)
        usage_metric(usage, bill)
        charges_metric(charges, bill)
        nobody.metric(
            f"Unallocated in {bill.currency}, {bill.days.words}",
            formats.money(bill.unallocated, bill.currency),
            f"{formats.share(bill.unallocated, bill.billed)} of all charges",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"{formats.UNALLOCATED} Exactly {formats.exact(bill.unallocated)}.",
        )
    if bills:
        with st.expander("Lines of the bill: usage, tax, credits, purchases, corrections"):
            lines_table([bills])


def where_it_ends(page: Page) -> None:
    """Where the month of the whole fleet will end, and its budgets; of the teams one sees, the Team page says it."""
    forecasts = page.reads.frame("fleet/forecasts")
    budgets = page.reads.frame("fleet/budgets")
    if forecasts.height:
        forecast_metrics(forecasts)
    if budgets.height:
        budget_table(budgets)


def chosen_rows(page: Page, days: Comparison) -> tuple[pl.DataFrame, str]:
    """The rows the controls ask for, and their order in words."""
    search, order = st.columns([3, 2], vertical_alignment="bottom")
    text = asked_text(search, "Search", "search", "app, title, team or lifecycle")
    by = asked_choice(order, "Order", "order", ORDERS, "order")
    only = asked_choices(st.container(), "Only", "only", FILTERS, "filter")
    frame = page.reads.frame(
        "fleet/apps",
        first_day=days.first,
        last_day=days.last,
        before_first_day=days.before_first,
        before_last_day=days.before_last,
        search=text,
        only=only,
        order_by=by,
        states=tuple(one.name for one in states()),
    )
    return frame, ORDERS[by].lower()


def table_of(frame: pl.DataFrame, bills: list[CurrencyBill]) -> pl.DataFrame:
    """The table as shown: a column of cost and one of change of usage per currency, everything else as words."""
    money = {}
    for bill in bills:
        currency = bill.currency
        cost, now, before = (
            [held.get(currency) if held else None for held in frame[name]]
            for name in ("cost", "usage_cost", "usage_cost_before")
        )
        money[f"cost {currency}"] = pl.Series(cost, dtype=pl.Decimal(38, 18))
        money[f"change {currency}"] = pl.Series(
            [
                formats.change_percent(one, other) if bill.is_comparable else None
                for one, other in zip(now, before, strict=True)
            ],
            dtype=pl.Float64,
        )
    return frame.select(
        "app_id",
        pl.concat_list(pl.col("state").replace(formats.STATES)).alias("state"),
        pl.col("flags").list.eval(pl.element().replace_strict(formats.FLAGS, default=pl.element())),
        "team",
        *(column.alias(name) for name, column in money.items()),
        "requests",
        "errors",
        "app_name",
        "lifecycle",
    )


def columns_of(currencies: list[str], days: Comparison) -> dict[str, ColumnConfig]:
    """How the columns of the table are named, aligned and explained."""
    config: dict[str, ColumnConfig] = {
        "app_name": st.column_config.TextColumn("Title"),
        "team": st.column_config.TextColumn("Team", help=formats.UNASSIGNED),
        "lifecycle": st.column_config.TextColumn("Lifecycle"),
        "state": st.column_config.MultiselectColumn(
            "Health",
            options=list(formats.STATES.values()),
            color=list(formats.STATE_COLOURS.values()),
            help="The worst of the app's objectives in production.",
        ),
        "flags": st.column_config.MultiselectColumn(
            "Needs attention",
            options=list(formats.FLAGS.values()),
            color=["violet", "blue", "gray", "red", "orange"],
        ),
        "requests": st.column_config.NumberColumn(
            f"Requests, {days.words}", format="localized", help="Requests in the days of the cost shown."
        ),
        "errors": st.column_config.NumberColumn(
            f"Errors, {days.words}", format="localized", help="Bad requests in the same days."
        ),
    }
    for currency in currencies:
        config[f"cost {currency}"] = st.column_config.NumberColumn(
            f"{currency}, {days.words}",
            format="accounting",
            help="All charges of the days; the download has every digit.",
        )
        config[f"change {currency}"] = st.column_config.NumberColumn(
            f"{currency} usage change",
            format="%+.1f %%",
            help=f"Usage against the {days.before_words}; empty where there was none.",
        )
    return config


page = open_page(
    "Fleet", "Every app: who owns it, what it costs, whether it works, and what needs attention."
)
say_open_days(page)
days = four_weeks(page.day)
page.reads.ahead(
    (BILL_LINES, "fleet/counts", "fleet/idle_cost", "fleet/forecasts", "fleet/budgets"), **compared_days(days)
)
bills = bills_of(page.reads, days)
headline(page)
bill_headline(bills)
usage_in_reporting_currency(page, days)
where_it_ends(page)
currencies = [bill.currency for bill in bills]
st.header("Apps", anchor=False)
rows, order_words = chosen_rows(page, days)
if rows.is_empty():
    st.info("No app matches. Clear the search or the filters to see all of yours.")
else:
    app_table(
        table_of(rows, bills),
        "apps",
        "Apps with team, health, cost of four weeks per currency, requests and errors",
        columns_of(currencies, days),
    )
    st.caption(f"{formats.plural(rows.height, 'app')}, {order_words}.")
