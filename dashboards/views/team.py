"""Team: this week against last, where the month will end, budgets, what moved, idle and silent apps, health."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards import charts, formats
from dashboards.ahead import budget_table, forecast_metrics, forecast_table
from dashboards.bill import (
    BILL_LINES,
    CurrencyBill,
    bills_of,
    charges_metric,
    compared_days,
    lines_table,
    usage_metric,
)
from dashboards.frame import app_table, by_currency, chosen_team, open_page
from dashboards.open_days import say_open_days
from dashboards.queries import TeamReads
from dashboards.silent import silent_of, silent_table
from dashboards.worth import SHOWN, team_section
from models.causes import POLICY
from models.comparison import Comparison, month_so_far, week_so_far

MOVERS = 8
OF_TEAM = (
    *("team/forecasts", "team/budgets", "team/weeks", "team/idle", "team/health"),
    *("worth_shown/apps", "worth_shown/credits", "dashboards/silent"),
)
"""What is asked of a team whatever its bill is."""


def so_far(reads: TeamReads, both: tuple[Comparison, Comparison]) -> list[list[CurrencyBill]]:
    """Draws week and month so far, each against the same days before, and the lines of both; returns their bills."""
    windows = [bills_of(reads, days) for days in both]
    for currency in sorted({bill.currency for bills in windows for bill in bills}):
        own = [bill for bills in windows for bill in bills if bill.currency == currency]
        places = st.columns(3)
        for place, bill in zip(places, own, strict=False):
            usage_metric(place, bill)
        charges_metric(places[-1], own[-1])
    if any(windows):
        with st.expander("Lines of the bill: usage, tax, credits, purchases, corrections"):
            lines_table(windows)
    return windows


def where_it_ends(reads: TeamReads) -> None:
    """Where the month will end, and the budgets of the team and its apps."""
    forecasts = reads.frame("team/forecasts", app_id="")
    budgets = reads.frame("team/budgets", app_id="")
    if forecasts.is_empty() and budgets.is_empty():
        return
    st.header("Where the month ends", anchor=False)
    if forecasts["name"].n_unique() > 1:
        forecast_table(forecasts)
    else:
        forecast_metrics(forecasts)
    st.subheader("Budgets", anchor=False)
    if budgets.is_empty():
        st.caption(
            "None: a line of `budgets.yaml` in the workspace gives the team or one of its apps a budget."
        )
    else:
        budget_table(budgets)


def largest_movers(reads: TeamReads) -> None:
    """The largest changes of the week so far, each with its cause in one sentence."""
    found = reads.frame("team/causes", row_limit=POLICY.movers)
    for one in found.iter_rows(named=True):
        st.markdown(f"**{formats.as_text(one['app_id'])}**: {formats.as_text(one['sentence'])}")


def movers(reads: TeamReads, changed: pl.DataFrame, bills: list[CurrencyBill], days: Comparison) -> None:
    """The apps whose usage changed most, and the service behind it, per currency that has the days before."""
    st.header("What moved", anchor=False)
    st.caption(
        f"Usage of {days.words} against the {days.before_words}, the largest changes first: "
        f"at most {MOVERS} up and {MOVERS} down in each currency."
    )
    for bill in bills:
        if not bill.is_comparable:
            st.caption(f"{bill.currency}: {bill.change}.")
    changed = changed.filter(
        pl.col("billing_currency").is_in([bill.currency for bill in bills if bill.is_comparable])
    )
    if changed.is_empty():
        st.caption("Nothing moved.")
    else:
        largest_movers(reads)
    for currency, part in by_currency(changed):
        rows = part.sort(pl.col("change").abs(), descending=True, maintain_order=True)
        figures = {
            "Change": "change",
            days.words: "billed",
            formats.sentence_case(days.before_words): "billed_before",
            "Of it this service": "service_change",
        }
        app_table(
            rows.select(
                "app_id",
                pl.lit(currency).alias("Currency"),
                pl.col("change").alias("Change"),
                pl.col("service_name").alias("Service that moved most"),
                *(pl.col(column).alias(label) for label, column in figures.items() if column != "change"),
            ),
            f"moved-{currency}",
            f"Apps whose usage moved most in {currency}, with the service that moved most",
            {label: st.column_config.NumberColumn(format="accounting") for label in figures},
        )


def weeks(reads: TeamReads) -> None:
    """Usage per ISO week; the other charges of a week stand in its tooltip."""
    frame = reads.frame("team/weeks")
    if frame.is_empty():
        return
    st.header("Usage per week", anchor=False)
    groups = by_currency(frame)
    for place, (column, (currency, part)) in enumerate(zip(st.columns(len(groups)), groups, strict=True)):
        chart = charts.weekly_bars(
            part.select(
                "iso_week",
                "days",
                value=pl.col("usage_cost").cast(pl.Float64),
                shown=pl.Series(charts.exact_words(part["usage_cost"], part["billing_currency"])),
                other=pl.Series(charts.exact_words(part["other_cost"], part["billing_currency"])),
                is_complete=pl.col("days") == 7,
            ),
            currency,
            charts.currency_colour(place),
        )
        column.altair_chart(chart, width="stretch", alt=f"Usage cost per ISO week in {currency}")
    st.caption(
        "ISO weeks, UTC, usage alone: tax, purchases, credits and corrections stand in the tooltip. Lighter bars are weeks without all seven days."
    )


def idle_and_health(reads: TeamReads) -> None:
    """Apps that cost and do nothing, and how many objectives are well."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.header("Idle apps", anchor=False)
        idle = reads.frame("team/idle")
        if idle.is_empty():
            st.caption("None: every app that costs something served requests in the last 30 days.")
        else:
            app_table(
                idle.select(
                    "app_id",
                    Team="team",
                    Currency="billing_currency",
                    **{
                        "Cost, 30 days": pl.col("billed"),
                        "Last signal (UTC)": pl.col("last_seen").dt.strftime("%Y-%m-%d %H:%M"),
                    },
                ),
                "idle",
                "Idle apps with their cost of the last 30 days",
                {"Cost, 30 days": st.column_config.NumberColumn(format="accounting")},
            )
    with right:
        st.header("Health of objectives", anchor=False)
        health = reads.frame("team/health")
        if health.is_empty():
            st.caption("No objective yet: no app of the team sends request spans.")
        else:
            st.markdown(
                "  \n".join(
                    f"**{formats.count(objectives)}** {formats.STATES[state]}: {formats.STATE_MEANINGS[state]}"
                    for state, objectives in health.rows()
                )
            )
            st.page_link("views/oncall.py", label="Worst first on the On-call page")


def silent_apps(reads: TeamReads) -> None:
    """Apps whose requests stopped against their own rhythm."""
    st.header("Silent apps", anchor=False)
    silent = silent_of(reads)
    if silent.is_empty():
        st.caption("None: no app stopped sending requests against its own rhythm.")
    else:
        silent_table(silent)


page = open_page("Team", "This week against last, what moved, and what to clean up.")
say_open_days(page)
reads = chosen_team(page, st.container(width=320))
week, month = week_so_far(page.day), month_so_far(page.day)
for days in (week, month):
    reads.ahead((BILL_LINES,), **compared_days(days))
reads.ahead(("team/movers",), **compared_days(week), row_limit=MOVERS)
reads.ahead(("team/causes",), row_limit=POLICY.movers)
reads.ahead(OF_TEAM, app_id="", row_limit=SHOWN)
of_week, of_month = so_far(reads, (week, month))
if of_week or of_month:
    where_it_ends(reads)
    movers(
        reads,
        reads.frame(
            "team/movers",
            first_day=week.first,
            last_day=week.last,
            before_first_day=week.before_first,
            before_last_day=week.before_last,
            row_limit=MOVERS,
        ),
        of_week,
        week,
    )
    weeks(reads)
else:
    st.info("No cost of this team in this month or the one before.")
idle_and_health(reads)
team_section(reads)
silent_apps(reads)
