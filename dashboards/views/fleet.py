"""Fleet: every app, who owns it, what it costs, whether it works, and what needs somebody's attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.frame import Page, app_column, linked, open_page, shown_of, table_height

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

ORDERS = {
    "cost": "by cost",
    "change": "by growth in cost",
    "requests": "by requests",
    "errors": "by errors",
    "name": "by name",
}
FILTERS = {
    **{state: formats.STATES[state] for state in ("page", "ticket", "silent", "too_few")},
    "breached": "Budget spent",
    "anomaly": "Cost anomaly",
    "idle": "Idle",
    "unregistered": "Unregistered",
    "no_data": formats.STATES["no_data"],
}


def headline(page: Page, totals: pl.DataFrame) -> None:
    """The figures that say whether the fleet is well."""
    counts = page.reads.frame("fleet/counts").row(0, named=True)
    idle = page.reads.frame("fleet/idle_cost")
    idle_cost = ", ".join(
        formats.money(row["billed"], row["billing_currency"]) for row in idle.iter_rows(named=True)
    )
    columns = st.columns(5)
    columns[0].metric(
        "Apps",
        formats.count(counts["apps"]),
        f"{formats.count(counts['unregistered'])} unregistered",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="Every app the registry, a bill or telemetry knows.",
    )
    columns[1].metric(
        "Paging now",
        formats.count(counts["pages"]),
        f"{formats.count(counts['tickets'])} with a ticket, {formats.count(counts['silent'])} silent",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="Objectives that burn their error budget fast enough to page, and those slow enough for a ticket.",
    )
    columns[2].metric(
        "Objectives breached",
        formats.count(counts["breached"]),
        f"of {formats.count(counts['objectives'])} with data",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="Objectives whose error budget of the window is spent, by more than one or two bad events.",
    )
    columns[3].metric(
        "Open cost anomalies",
        formats.count(counts["open_anomalies"]),
        "in the last three days",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    columns[4].metric(
        "Idle apps",
        formats.count(counts["idle"]),
        idle_cost or "no cost",
        delta_color="off",
        delta_arrow="off",
        border=True,
        help="They cost this much in the last 30 days, were seen before, and served no request in them.",
    )
    money_columns = st.columns(max(4, 2 * totals.height))
    for place, row in enumerate(totals.iter_rows(named=True)):
        currency = row["billing_currency"]
        money_columns[2 * place].metric(
            f"Billed in {currency}, 30 days",
            formats.money(row["billed"], currency),
            f"{formats.change(row['billed'], row['billed_before'])} vs 30 days before",
            delta_color="inverse" if row["billed_before"] else "off",
            border=True,
            help=f"Exactly {formats.exact(row['billed'])}, for {formats.plural(row['billed_apps'], 'app')}. "
            "Currencies are never added.",
        )
        money_columns[2 * place + 1].metric(
            f"Unallocated in {currency}",
            formats.money(row["unallocated"], currency),
            f"{formats.share(row['unallocated'], row['billed'])} of what is billed",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"Cost no rule could give to an app, exactly {formats.exact(row['unallocated'])}.",
        )


def chosen_rows(page: Page, currencies: list[str]) -> tuple[pl.DataFrame, str]:
    """The rows the controls ask for, and their order in words."""
    search, order, currency = st.columns([4, 2, 1], vertical_alignment="bottom")
    text = search.text_input(
        "Search",
        key="search",
        bind="query-params",
        type="search",
        placeholder="app, title, team or lifecycle",
    )
    only = st.pills(
        "Only",
        list(FILTERS),
        selection_mode="multi",
        format_func=FILTERS.__getitem__,
        key="only",
        bind="query-params",
    )
    by = order.selectbox(
        "Order",
        list(ORDERS),
        format_func=lambda name: ORDERS[name].capitalize(),
        key="order",
        bind="query-params",
    )
    of = currency.selectbox("in", currencies or [""], key="currency", disabled=len(currencies) < 2)
    frame = page.reads.frame(
        "fleet/apps",
        cost_day=page.day,
        search=text or "",
        only=tuple(only or ()),
        order_by=by or "cost",
        order_currency=of or "",
        row_limit=formats.ROWS_SHOWN,
    )
    words = ORDERS[by or "cost"]
    return frame, f"{words} in {of}" if by in ("cost", "change") and of else words


def table_of(frame: pl.DataFrame, currencies: list[str]) -> pl.DataFrame:
    """The table as shown: a column of cost and one of change per currency, everything else as words."""
    money = {}
    for currency in currencies:
        now = [cost.get(currency) if cost else None for cost in frame["cost"]]
        before = [cost.get(currency) if cost else None for cost in frame["cost_before"]]
        money[f"cost {currency}"] = pl.Series(
            [None if value is None else round(value, 2) for value in now], dtype=pl.Decimal(38, 2)
        )
        money[f"change {currency}"] = pl.Series(
            [formats.change_percent(one, other) for one, other in zip(now, before, strict=True)],
            dtype=pl.Float64,
        )
    return linked(frame).select(
        "app",
        pl.col("app_name"),
        "team",
        "lifecycle",
        pl.concat_list(pl.col("state").replace(formats.STATES)).alias("state"),
        pl.col("flags").list.eval(pl.element().replace_strict(formats.FLAGS, default=pl.element())),
        *(column.alias(name) for name, column in money.items()),
        "requests",
        "errors",
    )


def columns_of(currencies: list[str]) -> dict[str, ColumnConfig]:
    """How the columns of the table are named, aligned and explained."""
    config: dict[str, ColumnConfig] = {
        "app": app_column(),
        "app_name": st.column_config.TextColumn("Title"),
        "team": st.column_config.TextColumn("Team"),
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
            color=["violet", "gray", "red", "orange"],
        ),
        "requests": st.column_config.NumberColumn("Requests", format="localized", help="Last 30 days."),
        "errors": st.column_config.NumberColumn(
            "Errors", format="localized", help="Bad requests, last 30 days."
        ),
    }
    for currency in currencies:
        config[f"cost {currency}"] = st.column_config.NumberColumn(
            f"{currency}, 30 days", format="accounting", help="Billed in the 30 days to the newest cost day."
        )
        config[f"change {currency}"] = st.column_config.NumberColumn(
            f"{currency} change",
            format="%+.1f %%",
            help="Against the 30 days before; empty where there was none.",
        )
    return config


page = open_page(
    "Fleet", "Every app: who owns it, what it costs, whether it works, and what needs attention."
)
totals = page.reads.frame("fleet/totals", cost_day=page.day)
headline(page, totals)
currencies = totals["billing_currency"].to_list()
st.subheader("Apps", anchor=False)
rows, order_words = chosen_rows(page, currencies)
if rows.is_empty():
    st.info("No app matches. Clear the search or the filters to see all of yours.")
else:
    st.dataframe(
        table_of(rows, currencies),
        column_config=columns_of(currencies),
        hide_index=True,
        height=table_height(rows.height),
        placeholder="",
        alt="Apps with team, health, cost of the last 30 days per currency, requests and errors",
    )
    shown_of(rows.height, rows["matching"][0], "app", order_words, has_search=True)
