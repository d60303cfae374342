"""Silent apps as every page shows them: one read, one table. Which app is silent is decided by ``models.silence``."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.frame import app_table
from dashboards.queries import TeamReads


def silent_of(reads: TeamReads) -> pl.DataFrame:
    """The silent apps of these teams, those that fell silent together first, then the longest silent."""
    return reads.frame("dashboards/silent")


def silent_table(frame: pl.DataFrame) -> None:
    """Apps whose requests stopped; many at once are said to be one finding."""
    together = frame.filter(pl.col("apps_together") > 0)
    if together.height:
        st.warning(
            f"{together['apps_together'][0]} apps fell silent within a day: one cause, such as a collector that stopped "
            "or a holiday."
        )
    app_table(
        frame.select(
            "app_id",
            pl.col("silent_since").alias("Silent since"),
            pl.col("received").alias("Requests since"),
            pl.col("expected").round(0).cast(pl.Int64).alias("Expected"),
            pl.col("requests_per_day").round(1).alias("Requests a day before"),
            pl.when(pl.col("wait_hours") > 0).then("wait_hours").alias("Waited for"),
            pl.col("environment").alias("Environment"),
            pl.col("team").alias("Team"),
            pl.col("apps_together").alias("Apps together"),
        ),
        "silent",
        "Apps whose requests stopped against their own rhythm",
        {
            "Silent since": st.column_config.DatetimeColumn(
                "Silent since (UTC)", format="MM-DD HH:mm", timezone="UTC", width=120
            ),
            "Waited for": st.column_config.NumberColumn(
                format="%g h",
                help="Hours without a request after which its own traffic before says that this is no chance; empty: the days it "
                "missed say so, or far too few came.",
            ),
        },
    )
    st.caption(formats.plural(frame.height, "silent app") + ", the longest silent first")
