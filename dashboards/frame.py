"""What every page shares: its head with how far the data goes, its reads, and the words where there is nothing.

The answer of a page is drawn by the page; statements and charts have their own modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.access import looker
from dashboards.downloads import offer_file
from dashboards.links import asked_choice
from dashboards.queries import TeamReads, reads_of
from models import age
from models.people import Viewer
from models.policy import watermark_policy
from models.statement_csv import csv_bytes
from sql.damage import losses, marks
from sql.workspace import named_workspace

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.elements.lib.column_types import ColumnConfig

EMPTY = (
    "Nothing is published yet. Name your bills and telemetry in `appfleet.yaml`, then run `appfleet run`; "
    "or make a fleet to look at with `appfleet simulate`."
)
_SHORT = 16
"""Rows of a table that is shown whole."""
_APP_WIDTH = 112
"""Pixels of the column that opens an app: on a phone three more columns stand beside it."""
APP_ID = "App id"
"""Name of the last column of a table of apps: the id as text."""
OF_TEAM = "team "
"""How the label of a line begins that is of a team."""
_PLAIN = "\u2060"
"""Takes no room; before an id it keeps Streamlit from reading the id as an icon or as a list of actions."""
_OF_NO_APP = "\u2063"
"""Takes no room either; before the label of a line of no app. No label of an app begins with it: ``_PLAIN`` stands before it."""
_MEANT_AS_MARKUP = r"^\s*(:|\[|[^\x00-\x7F])"


@dataclass(frozen=True)
class Page:
    """What a page starts from: who looks, what may be read, and how far the data goes."""

    viewer: Viewer
    reads: TeamReads
    cost_day: date | None
    telemetry_end: datetime | None
    clock: datetime

    @property
    def is_history(self) -> bool:
        """Telemetry is older than the policy allows: what burns is that of its moment, not of now."""
        return bool(self.telemetry_end) and bool(
            list(
                age.warnings(
                    cost_day=None,
                    telemetry_end=self.telemetry_end,
                    clock=self.clock,
                    policy=watermark_policy(),
                )
            )
        )

    @property
    def day(self) -> date:
        """The newest day with cost; without cost the last day of telemetry."""
        return self.cost_day or self.telemetry_day or date(1970, 1, 1)

    @property
    def telemetry_day(self) -> date | None:
        """The day of the last telemetry counted: at midnight, the day that ended."""
        return (self.telemetry_end - timedelta(microseconds=1)).date() if self.telemetry_end else None


def open_page(title: str, question: str) -> Page:
    """Draws the head of a page and returns what it reads from; stops where nobody is signed in or nothing is published."""
    st.title(title, anchor=False)
    found = looker(named_workspace())
    reads = reads_of(found.workspace, found.viewer, found.check)
    as_of = reads.of_anybody("dashboards/as_of")
    if as_of.is_empty():
        st.caption(question)
        st.info(EMPTY)
        st.stop()
    if found.identity.claims is not None:
        reads = _known_teams_of(reads)
    row = as_of.row(0, named=True)
    page = Page(
        reads.viewer,
        reads,
        row["cost_day"],
        row["telemetry_end"],
        datetime.now(UTC),
    )
    st.caption(f"{question}  \n{_as_of(page, row['published_at'])}")
    _say_what_is_doubtful(page, row["note"])
    return page


def _known_teams_of(reads: TeamReads) -> TeamReads:
    """The reads of teams that exist: what people.yaml writes wrong is nobody's team; stops where none is left."""
    known = reads.narrowed(tuple(reads.frame("dashboards/known_teams")["team"]))
    if not known.teams:
        st.info(
            "No team you were given is known here yet: ask who runs these pages, whom `appfleet doctor` tells which."
        )
        st.stop()
    return known


def _say_what_is_doubtful(page: Page, note: str) -> None:
    """A banner for figures some of whose rows are lost or that are beyond the set age, and what cannot be known."""
    for sentence in marks(losses(page.reads.of_anybody("damage/lost_rows"))):
        st.error(sentence)
    for step in page.reads.of_anybody("damage/failed_steps")["step"]:
        st.error(
            f"The last pass failed at {step}: what is made from it is from before. `appfleet doctor` says why."
        )
    for sentence in age.warnings(
        cost_day=page.cost_day,
        telemetry_end=page.telemetry_end,
        clock=page.clock,
        policy=watermark_policy(),
    ):
        st.warning(sentence)
    if note:
        st.text(f"Telemetry: {note}.")


def _as_of(page: Page, published_at: datetime) -> str:
    cost = "No cost yet"
    if page.cost_day:
        cost = f"Cost to {formats.day(page.cost_day)} ({_ago(age.cost_age(page.cost_day, page.clock))})"
    telemetry = "no telemetry yet"
    if page.telemetry_end:
        passed = age.telemetry_age(page.telemetry_end, page.clock)
        telemetry = f"telemetry to {formats.moment(page.telemetry_end)} ({_ago(passed)})"
    return (
        f"{cost} · {telemetry} · published {formats.moment(published_at)} · seen as {formats.as_text(page.viewer.name)}, "
        f"{formats.plural(len(page.viewer.teams), 'team')}"
    )


def _ago(passed: timedelta) -> str:
    words = age.in_words(passed)
    return words if words == "now" else f"{words} ago"


def app_table(
    frame: pl.DataFrame,
    key: str,
    label: str,
    columns: Mapping[str, ColumnConfig] | None = None,
    of_no_app: pl.Series | None = None,
) -> None:
    """Draws rows of apps whose first column opens the app's page, in the same tab, by a click or a tap on its id.

    Args:
        frame: a column ``app_id``, wherever it stands, and the other columns as they are shown; a line whose
            ``app_id`` is empty or null is of no app and opens nothing.
        key: a name of its own for each table of a page; it also keeps the table in place when its rows change.
        label: what the table shows, for who cannot see it.
        columns: how the other columns are named, aligned and explained.
        of_no_app: what stands in the first column of lines of no app, ``team NAME`` opening that team's page.

    A column that says nothing in any row is not drawn; the file to download has it. The id stands again as text in the last column: a table's own download leaves out what is a button.
    """
    open_clicked(key)
    shown = frame.select(
        app=app_labels(frame["app_id"], of_no_app),
        **{name: pl.col(name) for name in frame.columns if name != "app_id" and _says(frame[name])},
        **{APP_ID: pl.col("app_id")},
    )
    st.dataframe(
        shown,
        column_config={
            "app": st.column_config.ButtonColumn(
                "App",
                key=key,
                type="tertiary",
                alignment="left",
                pinned=True,
                width=_APP_WIDTH,
                help="Opens the app's page.",
            ),
            **(columns or {}),
        },
        hide_index=True,
        placeholder="",
        height=table_height(frame.height),
        alt=label,
    )
    _download(frame, key, columns or {})


def _download(frame: pl.DataFrame, key: str, columns: Mapping[str, ColumnConfig]) -> None:
    """A link to all rows of a table as CSV, every digit as text: a browser's own copy of a table has doubles.

    The file is made when it is asked for.
    """
    named = {name: str((columns.get(name) or {}).get("label") or name) for name in frame.columns}
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    offer_file(
        f"Download {formats.plural(frame.height, 'row')}, every digit (CSV)",
        key,
        lambda: csv_bytes(frame.with_columns(pl.col(lists).list.join("; ")).rename(named))[0],
        f"{key}.csv",
        parameters={str(name): str(value) for name, value in st.query_params.to_dict().items()},
        kind="tertiary",
    )


def _says(column: pl.Series) -> bool:
    """Whether a column has something to say in some row, or there is no row."""
    told = column.drop_nulls()
    if told.dtype == pl.String:
        told = told.filter(told != "")
    return not told.is_empty() or column.is_empty()


def app_labels(app_ids: pl.Series, of_no_app: pl.Series | None = None) -> pl.Series:
    """Ids as the labels of buttons: text, whatever it looks like; where a line is of no app what ``of_no_app`` says, or null."""
    label = pl.when(app_ids.str.contains(_MEANT_AS_MARKUP)).then(_PLAIN + app_ids).otherwise(app_ids)
    others = pl.lit(None, pl.String) if of_no_app is None else _OF_NO_APP + of_no_app
    return pl.select(pl.when(app_ids != "").then(label).otherwise(others).alias("app")).to_series()


def open_clicked(key: str) -> None:
    """Goes to the page of the app that was clicked in a table, if one was, by its id: the rows may have changed since.

    It opens in the same tab, and what the address asks for goes with it, so that one step back has it again. The
    browser's history gets two steps, of which the first still shows this page.
    """
    clicked = st.session_state.get(key)
    if not clicked:
        return
    label = clicked["label"]
    asked = st.query_params.to_dict()
    if not label.startswith(_OF_NO_APP):
        st.switch_page("views/one_app.py", query_params={**asked, "app": label.removeprefix(_PLAIN)})
    elif label.startswith(_OF_NO_APP + OF_TEAM):
        team = label.removeprefix(_OF_NO_APP + OF_TEAM)
        st.switch_page("views/team.py", query_params={**asked, "team": team})


def chosen_team(page: Page, place: DeltaGenerator) -> TeamReads:
    """Reads of the team the address or the control asks for, of all of the viewer's without one."""
    teams = page.viewer.teams
    options = {"": "All my teams"} if len(teams) > 1 else {}
    team = asked_choice(place, "Team", "team", options | {team: team for team in teams}, "team")
    return page.reads.narrowed((team,)) if team else page.reads


def holding(frame: pl.DataFrame, text: str, columns: Sequence[str]) -> pl.DataFrame:
    """The rows of which one of these columns holds a text, in any case; all of them for no text."""
    if not text:
        return frame
    return frame.filter(
        pl.any_horizontal(
            pl.col(name).str.to_lowercase().str.contains(text.lower(), literal=True) for name in columns
        )
    )


def days_back(end: date, days: int) -> date:
    """First day of a window of ``days`` that ends with ``end``."""
    return end - timedelta(days=days - 1)


def by_currency(frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The frame in parts of one currency each, by code: currencies are never added."""
    return [
        (currency, frame.filter(pl.col("billing_currency") == currency))
        for currency in frame["billing_currency"].unique().sort()
    ]


def table_height(rows: int) -> int | Literal["content"]:
    """Height of a table: all of a short one, a window of a long one."""
    return "content" if rows <= _SHORT else 600
