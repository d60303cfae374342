"""Access: who signed in or was refused, saw which page and took which file, the newest first; for admins.

What an entry holds is ``sql.access_log``; entries that wait for the next pass stand beside those that are loaded.
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.audit import log_of
from dashboards.downloads import offer_file
from dashboards.frame import holding, open_page, table_height
from dashboards.links import asked_choice, asked_text
from models.people import access_policy
from models.statement_csv import csv_bytes
from sql.access_log import waiting

KINDS = {
    "": "All",
    "page": "Pages",
    "file": "Files",
    "sign_in": "Sign-ins",
    "refused": "Refused",
    "break_glass": "Break-glass",
    "lost": "Lost",
}
EVENTS = {
    "sign_in": "Signed in",
    "sign_out": "Signed out",
    "refused": "Refused",
    "page": "Saw page",
    "file": "Took file",
    "file_refused": "Refused file",
    "break_glass": "Break-glass admin",
    "lost": "Lost entries",
}
OF_KIND = {kind: (kind,) for kind in KINDS} | {
    "": tuple(EVENTS),
    "refused": ("refused", "file_refused"),
    "sign_in": ("sign_in", "sign_out"),
}
MOST = 5_000


def entries(kind: str) -> pl.DataFrame:
    """The newest entries of a kind, loaded or waiting, each once."""
    loaded = page.reads.frame("access/newest", kinds=OF_KIND[kind], row_limit=MOST)
    fresh = waiting(page.reads.workspace).filter(pl.col("event").is_in(OF_KIND[kind]))
    return (
        pl.concat([fresh, loaded.cast(fresh.schema)])
        .unique("event_id", keep="first")
        .sort("at", "event_id", descending=[True, False])
        .head(MOST)
    )


def shown(found: pl.DataFrame) -> pl.DataFrame:
    """Entries as people read them."""
    asked = [
        ", ".join(f"{key}={value}" for key, value in one.items()) for one in found["parameters"].to_list()
    ]
    return found.select(
        pl.col("at").alias("At"),
        Event=pl.col("event").replace(EVENTS),
        Person="person",
        Page="page",
        File="file_name",
        Asked=pl.Series(asked, dtype=pl.String),
        Why="reason",
        Teams=pl.col("teams").list.join("; "),
        Rights=pl.col("rights").list.join("; "),
        Subject="subject",
        Session="session",
    )


page = open_page("Access", "Who signed in or was refused, saw which page and took which file.")
lost = log_of(page.reads.workspace).lost
if lost:
    st.error(
        f"{formats.plural(lost, 'entry', 'entries')} of the access log could not be written and are not in it: look whether "
        "there is room on the disk, and run `appfleet run`."
    )
kinds, search = st.columns([2, 1], vertical_alignment="bottom")
kind = asked_choice(kinds, "Kind", "kind", KINDS, "kind", as_segments=True)
text = asked_text(search, "Search", "search", "person, page, file or reason").strip()
table = holding(shown(entries(kind)), text, ("Person", "Page", "File", "Why", "Asked"))
if table.is_empty():
    st.info("No entry matches.")
else:
    st.dataframe(
        table,
        column_config={
            "At": st.column_config.DatetimeColumn("At (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
        },
        hide_index=True,
        placeholder="",
        height=table_height(table.height),
        alt="Entries of the access log, the newest first",
    )
    offer_file(
        f"Download {formats.plural(table.height, 'row')} (CSV)",
        "access-log",
        lambda: csv_bytes(table)[0],
        "access-log.csv",
        page="Access",
        parameters={"kind": kind, "search": text},
        kind="tertiary",
    )
st.caption(
    f"The newest {MOST:,} of the kind, with those that wait for the next pass. Entries are kept for "
    f"{access_policy().kept_days} days."
)
