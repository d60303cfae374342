"""Team: this week against last, what moved, the month so far, idle apps, silent apps and health of a team's apps."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import streamlit as st

from dashboards import charts, formats
from dashboards.frame import Page, app_column, by_currency, linked, open_page
from dashboards.queries import TeamReads
from dashboards.silent import silent_of, silent_table

ALL = "All my teams"
MOVERS = 8


def chosen_reads(page: Page) -> TeamReads:
    """Reads of the chosen team, or of all of the viewer's."""
    teams = page.viewer.teams
    if len(teams) == 1:
        return page.reads
    team = st.selectbox("Team", [ALL, *teams], key="team", bind="query-params", width=280)
    return page.reads if team == ALL else page.reads.narrowed((team,))


def this_week(page: Page, so_far: pl.DataFrame) -> None:
    """Week and month so far, per currency."""
    day = page.day
    monday = day - timedelta(days=day.weekday())
    label = f"{monday:%a}" if monday == day else f"{monday:%a} to {day:%a}"
    columns = st.columns(max(4, 2 * so_far.height))
    for place, row in enumerate(so_far.iter_rows(named=True)):
        currency = row["billing_currency"]
        now, before = row["this_week"], row["last_week"]
        columns[2 * place].metric(
            f"This week in {currency} ({label})",
            formats.money(now, currency),
            f"{formats.change(now, before)} vs same days last week" if before or now else None,
            delta_color="inverse" if before else "off",
            border=True,
            help=f"Exactly {formats.exact(now)}; the same days of last week {formats.exact(before)}. ISO week, UTC.",
        )
        columns[2 * place + 1].metric(
            f"Month so far in {currency}",
            formats.money(row["month_so_far"], currency),
            f"{formats.money(row['month_before'], currency)} all of last month",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"Billing month of {formats.day(day)}, exactly {formats.exact(row['month_so_far'])}.",
        )


def movers(changed: pl.DataFrame) -> None:
    """The apps whose cost changed most, up and down, per currency."""
    st.subheader("What moved", anchor=False)
    st.caption("This week so far against the same days of last week.")
    for currency, part in by_currency(changed):
        up, down = st.columns(2)
        for column, words, rows in (
            (up, f"Up, {currency}", part.filter(pl.col("change") > 0).sort("change", descending=True)),
            (down, f"Down, {currency}", part.filter(pl.col("change") < 0).sort("change")),
        ):
            with column:
                st.markdown(f"**{words}**")
                if rows.is_empty():
                    st.caption("Nothing.")
                    continue
                st.dataframe(
                    linked(rows).select(
                        "app",
                        **{
                            "This week": pl.col("this_week").round(2).cast(pl.Decimal(38, 2)),
                            "Last week": pl.col("last_week").round(2).cast(pl.Decimal(38, 2)),
                            "Change": pl.col("change").round(2).cast(pl.Decimal(38, 2)),
                        },
                    ),
                    column_config={
                        "app": app_column(),
                        **{
                            name: st.column_config.NumberColumn(format="accounting")
                            for name in ("This week", "Last week", "Change")
                        },
                    },
                    hide_index=True,
                    placeholder="",
                    alt=f"Apps whose cost moved most: {words}",
                )


def weeks(reads: TeamReads) -> None:
    """Cost per ISO week."""
    frame = reads.frame("team/weeks")
    if frame.is_empty():
        return
    st.subheader("Cost per week", anchor=False)
    groups = by_currency(frame)
    for place, (column, (currency, part)) in enumerate(zip(st.columns(len(groups)), groups, strict=True)):
        chart = charts.weekly_bars(
            part.select(
                "iso_week",
                "days",
                value=pl.col("billed_cost").cast(pl.Float64),
                shown=pl.Series(charts.exact_words(part["billed_cost"], part["billing_currency"])),
                is_complete=pl.col("days") == 7,
            ),
            currency,
            charts.currency_colour(place),
        )
        column.altair_chart(chart, width="stretch", alt=f"Billed cost per ISO week in {currency}")
    st.caption("ISO weeks, UTC. Lighter bars are weeks without all seven days.")


def idle_and_health(reads: TeamReads) -> None:
    """Apps that cost and do nothing, and how many objectives are well."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Idle apps", anchor=False)
        idle = reads.frame("team/idle")
        if idle.is_empty():
            st.caption("None: every app that costs something served requests in the last 30 days.")
        else:
            st.dataframe(
                linked(idle).select(
                    "app",
                    Team="team",
                    Currency="billing_currency",
                    **{
                        "Cost, 30 days": pl.col("billed").round(2).cast(pl.Decimal(38, 2)),
                        "Last signal (UTC)": pl.col("last_seen").dt.strftime("%Y-%m-%d %H:%M"),
                    },
                ),
                column_config={
                    "app": app_column(),
                    "Cost, 30 days": st.column_config.NumberColumn(format="accounting"),
                },
                hide_index=True,
                placeholder="",
                alt="Idle apps with their cost of the last 30 days",
            )
    with right:
        st.subheader("Health of objectives", anchor=False)
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
    st.subheader("Silent apps", anchor=False)
    silent = silent_of(reads)
    if silent.is_empty():
        st.caption("None: no app stopped sending requests against its own rhythm.")
    else:
        silent_table(silent)


page = open_page("Team", "This week against last, what moved, and what to clean up.")
reads = chosen_reads(page)
so_far = reads.frame("team/so_far", cost_day=page.day)
if so_far.is_empty():
    st.info("No cost of this team in this month or the one before.")
else:
    this_week(page, so_far)
    movers(reads.frame("team/movers", cost_day=page.day, row_limit=MOVERS))
    weeks(reads)
idle_and_health(reads)
silent_apps(reads)
