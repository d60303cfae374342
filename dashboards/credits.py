"""Credits for failures of shared apps on the Finance page: what is proposed, what was decided, and the form to decide.

Deciding is done by the command line, in a process of its own, as the person who asked; who may is checked here, at the
moment of asking. What is proposed is ``models.credit_proposals``.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import streamlit as st

from dashboards import access, formats
from dashboards.alerts import run_command
from dashboards.audit import log_of
from dashboards.formats import as_text
from dashboards.queries import TeamReads
from models.credit_proposals import DECLINED, OPEN, WAITING, CreditDecision, Proposal, proposals
from models.errors import NotAdmitted
from models.people import CLOSE_MONTHS, SEE_ALL_TEAMS
from models.reliability_costs import worth_policy
from models.statement_csv import plain
from sql.credits import decisions_of

STATES = {OPEN: "Grows until its month is whole", WAITING: "Waits for a person", DECLINED: "Declined"}


def found(reads: TeamReads) -> tuple[list[Proposal], list[CreditDecision]]:
    """What is proposed to the viewer's teams now, and what was decided for them."""
    decided = decisions_of(reads.frame("finance/credit_decisions"))
    computed = reads.frame("finance/credits")
    if computed.is_empty():
        return [], decided
    rows = computed.drop("known_to")
    return proposals(rows, decided, computed["known_to"][0], worth_policy()), decided


def credits_section(reads: TeamReads) -> None:
    """Proposals and decisions; the form that decides for who may close months and sees every team."""
    proposed, decided = found(reads)
    if not proposed and not decided:
        return
    st.header("Credits for failures of shared apps", anchor=False)
    st.caption(
        "What failures of an app that several teams call cost the apps they hurt. An accepted proposal is lines of a statement that "
        "is open, which sum to nothing: the shared app's team pays."
    )
    if proposed:
        _proposals(proposed)
    if _may_decide(reads):
        _offer(reads, [one for one in proposed if one.state != OPEN])
    if decided:
        _decisions(decided)


def _may_decide(reads: TeamReads) -> bool:
    """Whether the viewer has the right, and sees the whole of what is decided on."""
    return reads.viewer.has(CLOSE_MONTHS) and reads.viewer.has(SEE_ALL_TEAMS)


def _proposals(proposed: Sequence[Proposal]) -> None:
    pairs = [(one, line) for one in proposed for line in one.lines]
    st.dataframe(
        pl.DataFrame(
            {
                "Month": [f"{one.month:%Y-%m}" for one, _ in pairs],
                "Shared app": [one.from_app_id for one, _ in pairs],
                "Would pay": [one.from_team for one, _ in pairs],
                "App hurt": [line.app_id for _, line in pairs],
                "Would be credited": [line.team for _, line in pairs],
                "Requests hurt": [line.hurt_requests for _, line in pairs],
                "Failed calls": [line.failed_calls for _, line in pairs],
                "From": [line.first_day for _, line in pairs],
                "To": [line.last_day for _, line in pairs],
                "Currency": [one.billing_currency for one, _ in pairs],
                "Credit": [plain(line.credit) for _, line in pairs],
                "State": [STATES[one.state] for one, _ in pairs],
            }
        ),
        column_config={"Credit": st.column_config.TextColumn(alignment="right")},
        hide_index=True,
        placeholder="",
        alt="Proposed credits for failures of shared apps",
    )


def _decisions(decided: Sequence[CreditDecision]) -> None:
    newest = sorted(decided, key=lambda one: one.decided_at, reverse=True)
    st.dataframe(
        pl.DataFrame(
            {
                "Credit": [one.credit_id for one in newest],
                "Decision": [one.decision for one in newest],
                "By": [one.decided_by for one in newest],
                "When": [one.decided_at for one in newest],
                "Why": [one.reason for one in newest],
                "Currency": [one.proposal.billing_currency for one in newest],
                "To these apps": [", ".join(line.app_id for line in one.proposal.lines) for one in newest],
                "Credited": [plain(one.proposal.total) for one in newest],
            }
        ),
        column_config={
            "Credited": st.column_config.TextColumn(alignment="right"),
            "When": st.column_config.DatetimeColumn("When (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
        },
        hide_index=True,
        placeholder="",
        alt="Credits that were accepted, declined or taken back",
    )


def _offer(reads: TeamReads, decidable: Sequence[Proposal]) -> None:
    """The form that accepts or declines."""
    if not decidable:
        return
    with st.expander("Accept or decline"):
        names = {
            one.name: f"{one.name}: {one.from_team} pays {one.billing_currency} {plain(one.total)} to "
            f"{formats.plural(len(one.lines), 'app')}"
            for one in decidable
        }
        name = st.selectbox("Proposal", list(names), format_func=names.__getitem__, key="credit_name")
        reason = st.text_input("Reason", key="credit_reason", max_chars=400)
        place = st.container(horizontal=True)
        asked = ""
        if place.button("Accept", help="It becomes lines of a statement that is open."):
            asked = "accept"
        if place.button("Decline", help="It comes back if its figures change."):
            asked = "decline"
        if asked:
            with st.spinner("Deciding"):
                done, said = decide(reads, name, asked, reason)
            if done:
                st.rerun()
            st.error(as_text(said))


def decide(reads: TeamReads, name: str, asked: str, reason: str) -> tuple[bool, str]:
    """Decides on a proposal as whoever looks; whether it is done, and what the command said.

    Raises:
        NotAdmitted: who looks has not the right, does not see all of it, or not any more.
    """
    looker = access.looking()
    looker.check()
    for right in (CLOSE_MONTHS, SEE_ALL_TEAMS):
        if not looker.viewer.has(right):
            raise NotAdmitted(f"This needs the right {right}, which you do not have.")
    if name not in {one.name for one in found(reads)[0]}:
        raise NotAdmitted("There is no such proposal among those you may see.")
    log_of(looker.workspace).record(
        looker.entry("page", page="Finance", parameters={"credit": name, "asked": asked})
    )
    words = ["credits", asked, name, f"--reason={reason}", "--wait=60"]
    return run_command(looker.workspace, words, looker.viewer.name)
