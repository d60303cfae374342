"""Anomalies: every episode in which an app's cost left what its past lets expect, with its cause, and what those of an app
add up to in its team and services; and the charges that are in no trend.

What an anomaly is, and why it came, is decided by ``models.anomaly`` and ``models.causes``; currencies stand beside each
other, never added.
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.frame import app_table, by_currency, chosen_team, holding, open_page
from dashboards.links import asked_choice, asked_text
from dashboards.open_days import say_open_days
from models.money import exact_total

STATES = {"open": "Open", "ended": "Ended"}
SCOPES = {"team": "Team", "service": "Service of a team", "fleet": "Service of all teams"}
APART = {
    "correction": "Correction",
    "tax": "Tax",
    "credit": "Credit",
    "purchase": "Purchase",
    "adjustment": "Adjustment",
    "recurring": "Recurring charge",
    "one_time": "One-time charge",
}
KINDS = {"up": "Above expected", "ramp": "Growing", "zero": "Cost stopped"}
ORDER = "open first, then the newest, then the largest against what was expected"


def headline(episodes: pl.DataFrame) -> None:
    """What the open ones cost above and below what was expected, a figure for each currency."""
    place = st.container(horizontal=True)
    for currency, own in by_currency(episodes.filter(pl.col("state") == "open")):
        for word, part in (
            ("above", own.filter(pl.col("impact") > 0)),
            ("below", own.filter(pl.col("impact") < 0)),
        ):
            if part.height:
                total = exact_total(part["impact"])
                place.metric(
                    f"Open, {word} expected in {formats.as_text(currency)}",
                    formats.money(total, currency),
                    formats.plural(part.height, "anomaly", "anomalies"),
                    delta_color="off",
                    delta_arrow="off",
                    border=True,
                    width="content",
                    help=f"Exactly {formats.exact(total)}, effective cost of usage. Currencies are never added.",
                )


def episodes_table(frame: pl.DataFrame) -> None:
    """Every episode, with what it cost in its own currency."""
    against = [
        float(impact / expected) * 100 if expected else None
        for impact, expected in frame.select("impact", "expected_cost").iter_rows()
    ]
    app_table(
        frame.select(
            "app_id",
            State=pl.col("state").replace(STATES),
            Impact="impact",
            Currency="billing_currency",
            From="start_date",
            To="end_date",
            Against=pl.Series(against, dtype=pl.Float64),
            Kind="kind",
            Service="service_name",
            Moved=pl.when(pl.col("service_name") != "").then("service_change"),
            Version="version",
            Why="sentence",
            Team="team",
            Expected="expected_cost",
            Actual="actual_cost",
        ),
        "anomalies",
        f"Cost anomalies, {ORDER}",
        {
            "State": st.column_config.TextColumn(width=66),
            "Impact": st.column_config.NumberColumn(
                format="accounting", width=100, help="Actual minus expected, over the days of the anomaly."
            ),
            "Currency": st.column_config.TextColumn(width=74),
            "From": st.column_config.DateColumn("From (UTC)"),
            "To": st.column_config.DateColumn("To (UTC)"),
            "Against": st.column_config.NumberColumn(
                "Against expected", format="%+.0f %%", help="Impact as a share of what was expected."
            ),
            "Service": st.column_config.TextColumn(
                "Service that moved",
                help="The service that moved most in the direction of the anomaly, against its share of what was expected.",
            ),
            "Moved": st.column_config.NumberColumn("It moved by", format="accounting"),
            "Version": st.column_config.TextColumn(
                help="The version that came when it began, where telemetry knows of one."
            ),
            "Why": st.column_config.TextColumn(width="large"),
            "Expected": st.column_config.NumberColumn(format="accounting"),
            "Actual": st.column_config.NumberColumn(format="accounting"),
        },
    )


def rollups_table(frame: pl.DataFrame) -> None:
    """What the anomalies of apps add up to in teams and services."""
    st.header("By team and service", anchor=False)
    if frame.is_empty():
        st.caption("None: no team's or service's anomalies add up to much of what it costs.")
        return
    app_table(
        frame.select(
            pl.col("top_app").alias("app_id"),
            Of=pl.col("scope").replace_strict(SCOPES),
            Team="team",
            Service="service_name",
            State=pl.col("state").replace(STATES),
            Impact="impact",
            Currency="billing_currency",
            Against=pl.col("share") * 100,
            From="start_date",
            To="end_date",
            Apps="apps",
            Most=pl.when(pl.col("top_app") != "").then("top_impact"),
        ),
        "rollups",
        f"Anomalies by team and service, {ORDER}",
        {
            "Impact": st.column_config.NumberColumn(
                format="accounting",
                help="The sum over the anomalies of its apps, above and below expected apart.",
            ),
            "Against": st.column_config.NumberColumn(
                "Against all it costs",
                format="%+.0f %%",
                help="Impact as a share of what the whole team or service would have cost.",
            ),
            "From": st.column_config.DateColumn("From (UTC)"),
            "To": st.column_config.DateColumn("To (UTC)"),
            "Apps": st.column_config.NumberColumn(
                help="Apps with an anomaly. None: the sum shows what no single app does."
            ),
            "Most": st.column_config.NumberColumn("The app with the most", format="accounting"),
        },
    )


def apart_table(frame: pl.DataFrame) -> None:
    """Charges that are no usage of a day and are judged by no trend, each kind told apart."""
    st.header("Charges in no trend", anchor=False)
    if frame.is_empty():
        st.caption("None this month or the one before: everything billed is usage.")
        return
    days = frame.row(0, named=True)
    app_table(
        frame.select(
            "app_id",
            Kind=pl.col("kind").replace_strict(APART),
            Currency="billing_currency",
            Billed="billed",
            Before="billed_before",
            Change=pl.col("billed") - pl.col("billed_before"),
            Team="team",
        ),
        "apart",
        "Charges in no trend by kind, this month and the month before",
        {
            name: st.column_config.NumberColumn(label, format="accounting")
            for name, label in (
                ("Billed", f"{formats.day(days['first_day'])} to {formats.day(days['last_day'])}"),
                ("Before", f"Month before, to {formats.day(days['before_last_day'])}"),
                ("Change", "Change"),
            )
        },
    )
    st.caption(
        "Tax, credits, purchases and charges that come once or again and again are no anomaly: they stand here."
    )


page = open_page(
    "Anomalies", "Where cost left what its own past lets expect: how much, since when, by which service."
)
say_open_days(page)
team, state, search = st.columns([1, 1, 2], vertical_alignment="bottom")
reads = chosen_team(page, team)
chosen = asked_choice(state, "State", "state", {"": "All", **STATES}, "state", as_segments=True)
text = asked_text(search, "Search", "search", "app, service, team or kind").strip()
reads.ahead(("dashboards/anomalies", "dashboards/rollups", "dashboards/apart"))
known = reads.frame("dashboards/anomalies").with_columns(pl.col("kind").replace(KINDS))
rollups, apart = reads.frame("dashboards/rollups"), reads.frame("dashboards/apart")
if known.is_empty():
    st.info("None: every app's cost was within what its past lets expect.")
    apart_table(apart)
    st.stop()
found = holding(
    known.filter(pl.col("state") == chosen) if chosen else known,
    text,
    ("app_id", "service_name", "team", "kind"),
)
headline(found)
if found.is_empty():
    st.info("No anomaly matches. Clear the search or the filters to see all of yours.")
else:
    episodes_table(found)
    st.caption(
        f"{formats.plural(found.height, 'anomaly', 'anomalies')}, {ORDER}. Effective cost of usage; UTC days."
    )
rollups_table(rollups.filter(pl.col("state") == chosen) if chosen else rollups)
apart_table(apart)
