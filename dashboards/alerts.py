"""Alerts on the On-call page: what is wrong now in the one order, who was told, who works on it, and what people may do.

Acknowledging and silencing is done by the command line, in a process of its own, as the person who asked; who may is checked
here, at the moment of asking.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards import access, formats
from dashboards.audit import log_of
from dashboards.formats import as_text
from dashboards.frame import OF_TEAM, app_table
from dashboards.queries import TeamReads
from models.alert_routes import SILENCE, Act, standing
from models.alerts import alert_policy, alerts_of, in_order
from models.errors import NotAdmitted
from models.people import ACT_ON_ALERTS
from models.text import visible

APP_KINDS = ("slo", "silent", "cost")
"""Kinds whose subject is an app."""
HOURS = (1, 4, 12, 24, 72, 168)
"""Lengths of a silence the page offers; the command takes any up to the policy's longest."""
_SECONDS = 60


def alerts_of_teams(reads: TeamReads, now: datetime) -> pl.DataFrame:
    """Alerts that did not end, in the order of ``models.alerts.in_order``, with ``told_at``, ``is_unreached`` and ``handled``."""
    frame = reads.frame("oncall/alerts")
    acts: dict[str, list[Act]] = {}
    for row in reads.frame("oncall/alert_acts").iter_rows(named=True):
        alert_key, own_team = row.pop("of_alert"), row.pop("of_team")
        acts.setdefault(alert_key, []).append(Act(**{**row, "team": own_team}))
    ordered = in_order(alerts_of(frame), alert_policy())
    places = {one.alert_key: place for place, one in enumerate(ordered)}
    words = {one.alert_key: _handled(standing(one, acts.get(one.alert_key, ()), now)) for one in ordered}
    key = pl.col("alert_key")
    return frame.with_columns(
        pl.col("is_unreached").cast(pl.Boolean),
        place=key.replace_strict(places, return_dtype=pl.UInt32),
        handled=key.replace_strict(words, return_dtype=pl.String),
    ).sort("place")


def _handled(act: Act | None) -> str:
    if act is None:
        return ""
    if act.act == SILENCE and act.ends_at is not None:
        return f"Silenced by {act.acted_by} until {act.ends_at:%m-%d %H:%M}: {act.reason}"
    return f"Acknowledged by {act.acted_by}: {act.reason}"


def alerts_table(frame: pl.DataFrame) -> None:
    """Alerts with what is wrong and who knows of it; a banner where nobody could be reached."""
    lost = frame.filter("is_unreached").height
    if lost:
        st.error(
            f"Nobody could be reached about {formats.plural(lost, 'alert')} below: `appfleet doctor` says why."
        )
    told = (
        pl.when("is_unreached")
        .then(pl.lit("nobody reached"))
        .otherwise(pl.col("told_at").dt.strftime("%m-%d %H:%M"))
    )
    scope = pl.when(pl.col("kind") == "budget").then(pl.col("alert_key").str.split("/").list.get(1))
    is_of_app = pl.col("kind").is_in(APP_KINDS) | (scope == "app").fill_null(value=False)
    app_table(
        frame.select(
            pl.when(is_of_app).then("subject").otherwise(pl.lit("")).alias("app_id"),
            Severity=pl.col("severity").str.to_titlecase(),
            Alert=pl.col("state").str.to_titlecase(),
            Since="since",
            What="sentence",
            Handled="handled",
            Told=told.fill_null(""),
            Team="team",
            Cause="cause",
            Key="alert_key",
        ),
        "alerts",
        "Alerts that did not end, those that fire first, the worst first",
        {
            "Severity": st.column_config.TextColumn(width=76),
            "Alert": st.column_config.TextColumn(
                width=76, help="Pending: not long enough yet. Frozen: nobody can say now."
            ),
            "Since": st.column_config.DatetimeColumn(
                "Since (UTC)", format="MM-DD HH:mm", timezone="UTC", width=88
            ),
            "Told": st.column_config.TextColumn("Told (UTC)", help="When a message about it arrived."),
        },
        frame.select(
            pl.when(scope == "team").then(OF_TEAM + pl.col("subject")).otherwise("subject").alias("other")
        )["other"],
    )


def offer_acts(frame: pl.DataFrame, reads: TeamReads) -> None:
    """The form that acknowledges or silences an alert, for who has the right."""
    if not reads.viewer.has(ACT_ON_ALERTS) or frame.is_empty():
        return
    with st.expander("Acknowledge or silence"):
        key = st.selectbox("Alert", frame["alert_key"].to_list(), format_func=visible, key="act_on")
        reason = st.text_input("Reason", key="act_reason", max_chars=400)
        length = st.selectbox("Silence for", HOURS, format_func=lambda hours: formats.plural(hours, "hour"))
        place = st.container(horizontal=True)
        asked = None
        if place.button(
            "Acknowledge", help="Somebody works on it: it is told again only if it becomes worse or ends."
        ):
            asked = ["ack", key]
        if place.button("Silence", help="Nobody is told of it until then; it stays on this page."):
            asked = ["silence", key, f"--until={length}h"]
        if asked:
            done, said = act(reads, key, [*asked, f"--reason={reason}"])
            if done:
                st.rerun()
            st.error(as_text(said))


def act(reads: TeamReads, key: str, asked: list[str]) -> tuple[bool, str]:
    """Does what whoever looks asked about an alert of theirs; whether it is done, and what the command said.

    Raises:
        NotAdmitted: who looks has not the right, or may not see this alert, or not any more.
    """
    looker = access.looking()
    looker.check()
    if not looker.viewer.has(ACT_ON_ALERTS):
        raise NotAdmitted(f"This needs the right {ACT_ON_ALERTS}, which you do not have.")
    if key not in reads.frame("oncall/alerts")["alert_key"]:
        raise NotAdmitted("There is no such alert among those you may see.")
    log_of(looker.workspace).record(
        looker.entry("page", page="On-call", parameters={"alert": key, "asked": asked[0]})
    )
    return run_alerts(looker.workspace, asked, looker.viewer.name)


def run_alerts(workspace: Path, asked: list[str], by: str) -> tuple[bool, str]:
    """Runs `appfleet alerts`; whether it ended well, and its last words."""
    return run_command(workspace, ["alerts", *asked], by)


def run_command(workspace: Path, words: list[str], by: str) -> tuple[bool, str]:
    """Runs a command in the name of a person; whether it ended well, and its last words."""
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pipelines.commands.cli",
                *words,
                f"--by={by}",
                f"--workspace={workspace}",
            ],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, "It takes longer than this page waits: look at it again later."
    said = (done.stderr if done.returncode else done.stdout).strip()
    return done.returncode == 0, said.splitlines()[0] if said else "Nothing was said."
