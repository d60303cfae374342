"""On-call: which apps burn their error budget now, worst first, since when, and what is left."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.frame import app_table, open_page, shown_of
from dashboards.silent import silent_of, silent_table
from models.policy import request_slices, slo_defaults
from models.requests import ladder_ms

WINDOWS = ("5m", "1h", "6h", "1d", "3d")
SHOWN = {state: word for state, word in formats.STATES.items() if state != "no_data"}
ACT_NOW = ("page", "ticket")
SUSPECTS = 3
"""Versions and routes named for an objective that fires."""


def headline(health: dict[str, int]) -> None:
    """How many objectives are in which state."""
    for column, (state, word) in zip(st.columns(len(SHOWN)), SHOWN.items(), strict=True):
        column.metric(
            word, formats.count(health.get(state, 0)), border=True, help=formats.STATE_MEANINGS[state]
        )


def burning_table(frame: pl.DataFrame, key: str, label: str) -> None:
    """Objectives with their burn, budget and since when."""
    burns = {f"burn_rate_{window}": f"Burn {formats.WINDOWS[window]}" for window in WINDOWS}
    app_table(
        frame.select(
            "app_id",
            Environment="environment",
            Team="team",
            Objective=pl.col("objective").str.to_titlecase(),
            State=pl.col("state").replace(formats.STATES),
            Since=pl.col("since").dt.strftime("%Y-%m-%d %H:%M"),
            **{"Budget left": pl.col("budget_remaining") * 100},
            **{new: pl.col(old) for old, new in burns.items()},
            **{
                "Target": pl.col("target") * 100,
                "Measured": pl.col("sli") * 100,
                "Bad": pl.col("total") - pl.col("good"),
                "Events": pl.col("total"),
            },
        ),
        key,
        label,
        {
            "Since": st.column_config.TextColumn(
                "Since (UTC)", help="First bad slice of the windows that fired, or begin of the silence."
            ),
            **{
                name: st.column_config.NumberColumn(
                    format="%.1f x", help="1 x spends the budget exactly in its window."
                )
                for name in burns.values()
            },
            "Budget left": st.column_config.NumberColumn(
                format="%.1f %%",
                help="1 - (bad / total) / (1 - target), by occurrences; below zero is overspent.",
            ),
            "Target": st.column_config.NumberColumn(format="%g %%"),
            "Measured": st.column_config.NumberColumn(format="%.2f %%"),
            "Bad": st.column_config.NumberColumn(format="localized"),
            "Events": st.column_config.NumberColumn(format="localized"),
        },
    )


def suspects_table(frame: pl.DataFrame) -> None:
    """Versions and routes at fault, by their bad events since the burn began."""
    app_table(
        frame.select(
            "app_id",
            Environment="environment",
            Objective=pl.col("objective").str.to_titlecase(),
            Version="version",
            Route=pl.when(pl.col("route") == "").then(pl.lit("other routes")).otherwise("route"),
            Bad="bad",
            Events="total",
            Share=pl.col("bad") / pl.col("total") * 100,
        ),
        "suspects",
        "Versions and routes with the most bad events since each burn began",
        {
            "Bad": st.column_config.NumberColumn(format="localized"),
            "Events": st.column_config.NumberColumn(format="localized"),
            "Share": st.column_config.NumberColumn("Bad share", format="%.1f %%"),
        },
    )


page = open_page("On-call", "Which apps burn their error budget now, worst first.")
health = dict(page.reads.frame("team/health").rows())
burning = page.reads.frame("oncall/burning", row_limit=formats.ROWS_SHOWN)
without = page.reads.frame("oncall/without_indicator", row_limit=formats.ROWS_SHOWN)
headline(health)
firing = burning.filter(pl.col("state").is_in(ACT_NOW))
quiet = burning.filter(~pl.col("state").is_in((*ACT_NOW, "silent")))
st.subheader(
    f"As of {formats.moment(page.telemetry_end)}" if page.is_history and page.telemetry_end else "Act now",
    anchor=False,
)
if burning.is_empty():
    st.info(
        "No objective has data yet. Apps get one as soon as their SERVER or CONSUMER spans arrive: "
        "point a collector at `appfleet up`, or name files under `sources.telemetry` and run `appfleet run`."
    )
elif firing.is_empty():
    st.success("Nothing burns fast enough for a page or a ticket.")
else:
    burning_table(firing, "firing", "Objectives that page or need a ticket, the worst first")
    suspects = page.reads.frame(
        "oncall/suspects", bounds_ms=ladder_ms(request_slices(), slo_defaults()), row_limit=SUSPECTS
    )
    if suspects.height:
        st.caption("Versions and routes with the most bad events since each of them began to burn.")
        suspects_table(suspects)
silent = silent_of(page.reads)
if silent.height:
    st.subheader("Silent", anchor=False)
    st.caption(
        "Requests were due by the app's own rhythm, none or far too few came, and chance does not explain it."
    )
    silent_table(silent)
if quiet.height:
    st.subheader("No alert, the worst state first", anchor=False)
    burning_table(quiet, "quiet", "Objectives without an alert, the worst state first, then the least budget")
    shown_of(burning.height, burning["matching"][0], "objective", "the worst first")
if without.height:
    st.subheader("No indicator", anchor=False)
    st.caption(
        "These apps have no SERVER or CONSUMER span in the window, so nobody can say whether they work: "
        "jobs, idle apps and apps without telemetry."
    )
    app_table(
        without.select(
            "app_id",
            Title="app_name",
            Team="team",
            **{"Last signal (UTC)": pl.col("last_seen").dt.strftime("%Y-%m-%d %H:%M")},
        ),
        "without",
        "Apps without an indicator",
    )
    shown_of(without.height, without["matching"][0], "app", "the last seen first")
