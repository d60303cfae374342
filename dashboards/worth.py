"""Reliability in money as pages show it: of one app, and what stands out of many. What it is worth is decided by
``models.reliability_cost_windows``; a figure that is not known is shown as such, never as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl
import streamlit as st

from dashboards import charts, formats
from dashboards.charts import Panel
from dashboards.frame import app_table, by_currency
from dashboards.queries import TeamReads
from models.reliability_cost_windows import in_words

NOT_KNOWN = "not known"
SHOWN = 8
"""Dearest failures of each currency in a list."""

WHY_NOT = {
    "telemetry_open": "telemetry is not whole yet",
    "telemetry_missing": "no telemetry of any app",
    "no_telemetry": "no telemetry of the app",
    "silent": "the app is silent",
    "cost_open": "the bill is not whole yet",
}
"""State of a day that is not known -> why."""

VERDICTS = {"over_reliable": "More reliable than promised, and dear", "failing": "Cheap, and failing", "": ""}


def app_section(reads: TeamReads, app_id: str, first: date, last: date) -> None:
    """Cost of good and failed requests of one app, its budget in money, the price of a nine, and its telemetry."""
    found = list(reads.frame("worth_shown/apps", app_id=app_id, row_limit=0).iter_rows(named=True))
    if not found:
        return
    st.subheader("Reliability in money", anchor=False)
    for row in found:
        if row["billing_currency"]:
            _figures(row)
    _over_time(reads, app_id, first, last)
    _what_is_not_known(reads, found[0])
    for row in found:
        if row["sentence"]:
            st.markdown(formats.as_text(row["sentence"]))
        if row["billing_currency"]:
            st.caption(formats.as_text(f"One more nine: {price_words(row)}"))
    st.caption(formats.as_text(telemetry_words(found[0])))
    _credits(reads, app_id)


def team_section(reads: TeamReads) -> None:
    """What stands out: verdicts, dear failures and telemetry over a cap."""
    st.header("Reliability in money", anchor=False)
    found = reads.frame("worth_shown/apps", app_id="", row_limit=SHOWN)
    if found.is_empty():
        st.caption(
            "Nothing stands out: no failure with a known cost, no verdict, and no telemetry over its cap."
        )
    else:
        rows = list(found.iter_rows(named=True))
        app_table(
            pl.DataFrame(
                {
                    "app_id": found["app_id"],
                    "Currency": found["billing_currency"],
                    "Cost of failures": found["failed_cost"],
                    "Error budget": found["budget_cost"],
                    "Budget used": [
                        None if row["burnt_share"] is None else row["burnt_share"] * 100 for row in rows
                    ],
                    "Per 1,000 good requests": [_per_thousand(row) for row in rows],
                    "Stands out": [VERDICTS[row["verdict"]] for row in rows],
                    "Telemetry": found["proposal"],
                }
            ),
            "worth",
            "Apps whose failures cost most, or whose reliability or telemetry stands out",
            {
                "Cost of failures": st.column_config.NumberColumn(format="accounting"),
                "Error budget": st.column_config.NumberColumn(
                    format="accounting", help="Cost of days with requests times the share that may fail."
                ),
                "Budget used": st.column_config.NumberColumn(format="%.0f %%"),
            },
        )
        st.caption(
            f"{formats.day(rows[0]['first_day'])} to {formats.day(rows[0]['last_day'])}, of the days everything is known of; "
            "empty is not known."
        )
    _credits(reads, "")


def _figures(row: Mapping[str, Any]) -> None:
    currency = row["billing_currency"]
    told = (
        (
            f"1,000 good requests, {currency}",
            _per_thousand(row),
            f"place {row['cohort_place']:,} of {row['cohort_apps']:,} from the cheapest"
            if row["cohort_place"]
            else NOT_KNOWN,
        ),
        (
            f"Failures cost, {currency}",
            _money(row["failed_cost"]),
            f"{formats.count(row['failed'])} of {formats.count(row['requests'])} requests",
        ),
        (f"Retries cost, {currency}", _money(row["retry_cost"]), "of calls that say they repeat one"),
        (
            f"Error budget, {currency}",
            _money(row["budget_cost"]),
            NOT_KNOWN if row["burnt_share"] is None else f"{row['burnt_share']:.0%} of it is used",
        ),
    )
    for column, (label, value, small) in zip(st.columns(len(told)), told, strict=True):
        column.metric(label, value, small, delta_color="off", delta_arrow="off", border=True)


def _per_thousand(row: Mapping[str, Any]) -> str:
    price = row["cost_per_good_request"]
    return NOT_KNOWN if price is None else in_words(price * 1000)


def _money(amount: Any) -> str:
    return NOT_KNOWN if amount is None else in_words(amount)


def _over_time(reads: TeamReads, app_id: str, first: date, last: date) -> None:
    """Cost of a good request and of failures per day; days that are not known are gaps."""
    days = reads.frame("worth_shown/days", app_id=app_id, first_day=first, last_day=last)
    panels = []
    for title, column in (
        ("Cost per good request", "cost_per_good_request"),
        ("Cost of failures", "failed_cost"),
    ):
        for place, (currency, part) in enumerate(by_currency(days.filter(pl.col(column).is_not_null()))):
            words = charts.exact_words(part[column], part["billing_currency"])
            panels.append(
                Panel(
                    f"{title}, {currency}",
                    charts.panel_frame(part, column, words),
                    charts.currency_colour(place),
                )
            )
    nothing = pl.DataFrame(schema={"start_date": pl.Date(), "after": pl.Date(), "words": pl.String()})
    if panels:
        begin = max(first, charts.first_day(panels))
        for panel, chart in zip(panels, charts.stacked_panels(panels, begin, last, nothing), strict=True):
            st.altair_chart(chart, width="stretch", alt=f"{panel.title} of {app_id} per day")


def _what_is_not_known(reads: TeamReads, row: Mapping[str, Any]) -> None:
    window = {"first_day": row["first_day"], "last_day": row["last_day"]}
    why = reads.frame("worth_shown/not_known", app_id=row["app_id"], **window)
    told = [f"{formats.plural(days, 'day')} as {WHY_NOT[state]}" for state, days in why.iter_rows()]
    st.caption(
        f"{formats.day(row['first_day'])} to {formats.day(row['last_day'])}: {formats.plural(row['days_known'], 'day')} known, "
        f"{row['days_not_known']:,} not known" + (f", of them {', '.join(told)}." if told else ".")
    )


def price_words(row: Mapping[str, Any]) -> str:
    """What one more nine cost, with what that rests on."""
    if row["price_of_a_nine"] is None:
        return str(row["price_inputs"])
    return f"about {row['billing_currency']} {in_words(row['price_of_a_nine'])} per window. {formats.sentence_case(row['price_inputs'])}"


def telemetry_words(row: Mapping[str, Any]) -> str:
    """What the telemetry of an app takes, and what is proposed."""
    share = NOT_KNOWN if row["telemetry_share"] is None else f"{row['telemetry_share']:.1%}"
    told = (
        f"Telemetry: {row['telemetry_bytes']:,} bytes before compression, {share} of all apps; {row['spans']:,} spans, "
        f"{row['log_records']:,} log records, {row['metric_points']:,} points of {row['series']:,} series."
    )
    return f"{told} Proposal: {row['proposal']}" if row["proposal"] else told


def _credits(reads: TeamReads, app_id: str) -> None:
    found = reads.frame("worth_shown/credits", app_id=app_id)
    if found.is_empty():
        return
    st.caption(
        "Credits computed for failures of shared apps; a statement holds those that finance accepts (Finance page)."
    )
    st.dataframe(
        found.select(
            pl.col("month").dt.strftime("%Y-%m").alias("Month"),
            pl.col("from_app_id").alias("Shared app"),
            pl.col("from_team").alias("Would pay"),
            pl.col("app_id").alias("App hurt"),
            pl.col("team").alias("Would be credited"),
            pl.col("hurt_requests").alias("Requests hurt"),
            pl.col("billing_currency").alias("Currency"),
            pl.col("credit").alias("Credit"),
        ),
        column_config={"Credit": st.column_config.NumberColumn(format="accounting")},
        hide_index=True,
        placeholder="",
        alt="Proposed credits for failures of shared apps",
    )
