"""What playbooks do about alerts, on the pages: what waits for a person on On-call, and the marks of an app.

Approving and declining is done by the command line, in a process of its own, as the person who asked; who may is checked
here, at the moment of asking.
"""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboards import access, formats
from dashboards.alerts import APP_KINDS, run_command
from dashboards.audit import log_of
from dashboards.formats import as_text
from dashboards.frame import app_table
from dashboards.queries import TeamReads
from models.errors import NotAdmitted
from models.people import APPROVE_ACTIONS
from models.remediation import Decision, Remediation, in_reading_order, remediations

WORDS = {
    "dry_run": "Dry run",
    "proposed": "Waits for a person",
    "approved": "Approved, to be sent",
    "acted": "To be sent",
    "held_back": "Held back",
    "declined": "Declined",
    "withdrawn": "Withdrawn",
    "ended": "Ended",
    "due": "To be sent",
    "claimed": "Being sent",
    "sent": "Sent",
    "failed": "Not taken yet",
    "given_up": "Given up",
}
"""State of an action, or of what was sent by it -> what people read."""


def actions_of_teams(reads: TeamReads) -> list[tuple[Remediation, str]]:
    """Actions about alerts that did not end, those that wait first, each with its state in words."""
    lines, states = [], {}
    for row in reads.frame("oncall/remediations").iter_rows(named=True):
        states[row["action_id"]] = row.pop("send_state")
        lines.append(Decision(**row))
    return [
        (one, _state(one, states[one.last.action_id]))
        for one in in_reading_order(remediations(lines).values())
    ]


def _state(one: Remediation, send: str) -> str:
    if one.is_mark:
        return "Marked"
    return WORDS[send if send and one.state == "acted" else one.state]


def actions_section(reads: TeamReads, alerts: pl.DataFrame) -> None:
    """What playbooks do about the alerts shown, with the form for who may decide."""
    shown = set(alerts["alert_key"])
    found = [(one, word) for one, word in actions_of_teams(reads) if one.last.alert_key in shown]
    if not found:
        return
    st.header("Playbooks", anchor=False)
    waiting = {one.last.action_id: one for one, _ in found if one.waits}
    if waiting:
        wait = "waits" if len(waiting) == 1 else "wait"
        st.warning(f"{formats.plural(len(waiting), 'action')} below {wait} for a person.")
    app_table(
        pl.DataFrame(
            {
                "app_id": [one.last.subject if one.last.kind in APP_KINDS else "" for one, _ in found],
                "State": [word for _, word in found],
                "Does": [one.last.action.replace("_", " ") for one, _ in found],
                "Why": [_why(one) for one, _ in found],
                "Playbook": [one.last.playbook for one, _ in found],
                "Risk": [one.last.risk for one, _ in found],
                "Decided": [one.last.decided_at for one, _ in found],
                "Team": [one.last.team for one, _ in found],
                "Alert": [one.last.alert_key for one, _ in found],
                "Action": [one.last.action_id for one, _ in found],
            }
        ),
        "actions",
        "What playbooks do about these alerts, what waits for a person first",
        {"Decided": st.column_config.DatetimeColumn("Decided (UTC)", format="MM-DD HH:mm", timezone="UTC")},
    )
    marks = {one.last.action_id: one for one, _ in found if one.is_mark}
    _offer_answers(reads, {**waiting, **marks})


def _why(one: Remediation) -> str:
    if one.answer is not None:
        return f"{one.answer.decision} by {one.answer.decided_by}: {one.answer.reason}"
    return one.last.event if one.is_mark else one.last.reason


def _offer_answers(reads: TeamReads, answerable: dict[str, Remediation]) -> None:
    """The form that approves or declines, for who has the right."""
    if not reads.viewer.has(APPROVE_ACTIONS) or not answerable:
        return
    with st.expander("Approve or decline"):
        names = {
            key: f"{one.last.action} of {one.last.subject} by {one.last.playbook}, {key[:8]}"
            for key, one in answerable.items()
        }
        key = st.selectbox("Action", list(names), format_func=names.__getitem__, key="answer_to")
        reason = st.text_input("Reason", key="answer_reason", max_chars=400)
        place = st.container(horizontal=True)
        asked = ""
        if place.button("Approve", help="It is sent at once.", disabled=not answerable[key].waits):
            asked = "approve"
        if place.button("Decline", help="Nothing is sent; a mark is taken off."):
            asked = "decline"
        if asked:
            done, said = answer(reads, key, asked, reason)
            if done:
                st.rerun()
            st.error(as_text(said))


def answer(reads: TeamReads, key: str, asked: str, reason: str) -> tuple[bool, str]:
    """Does what whoever looks asked about an action on an alert of theirs; whether it is done, and what the command said.

    Raises:
        NotAdmitted: who looks has not the right, or may not see this action, or not any more.
    """
    looker = access.looking()
    looker.check()
    if not looker.viewer.has(APPROVE_ACTIONS):
        raise NotAdmitted(f"This needs the right {APPROVE_ACTIONS}, which you do not have.")
    if key not in {one.last.action_id for one, _ in actions_of_teams(reads)}:
        raise NotAdmitted("There is no such action among those you may see.")
    log_of(looker.workspace).record(
        looker.entry("page", page="On-call", parameters={"action": key, "asked": asked})
    )
    return run_command(looker.workspace, ["playbooks", asked, key, f"--reason={reason}"], looker.viewer.name)


def marks_of_app(reads: TeamReads, app_id: str) -> None:
    """The marks of an app, as text."""
    for row in reads.frame("app/marks", app_id=app_id).iter_rows(named=True):
        st.warning(
            as_text(
                f"Marked by playbook {row['playbook']} since {row['marked_at']:%Y-%m-%d %H:%M} UTC: {row['note']}"
            )
        )
