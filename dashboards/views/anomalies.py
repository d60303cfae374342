"""Anomalies: every episode in which an app's cost left what its past lets expect, and the service that moved most.

What an anomaly is, and what it cost, is decided by ``models.anomaly``; currencies stand beside each other, never added.
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
                help="The service whose cost moved most, against as many mean days of the 28 before.",
            ),
            "Moved": st.column_config.NumberColumn("It moved by", format="accounting"),
            "Expected": st.column_config.NumberColumn(format="accounting"),
            "Actual": st.column_config.NumberColumn(format="accounting"),
        },
    )


page = open_page(
    "Anomalies", "Where cost left what its own past lets expect: how much, since when, by which service."
)
say_open_days(page)
team, state, search = st.columns([1, 1, 2], vertical_alignment="bottom")
reads = chosen_team(page, team)
chosen = asked_choice(state, "State", "state", {"": "All", **STATES}, "state", as_segments=True)
text = asked_text(search, "Search", "search", "app, service, team or kind").strip()
known = reads.frame("dashboards/anomalies").with_columns(pl.col("kind").replace(KINDS))
if known.is_empty():
    st.info("None: every app's cost was within what its past lets expect.")
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
