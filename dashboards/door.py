"""What stands where somebody is not let in: one sentence on why, and the way in. Who is let in is ``dashboards.access``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import streamlit as st
from streamlit.errors import StreamlitAuthError

from dashboards import access, break_glass, sessions
from dashboards.access import Identity, Looker
from dashboards.audit import log_of
from dashboards.downloads import keep_offers
from dashboards.formats import as_text, moment
from models.errors import AppfleetError, NotAdmitted
from models.people import access_policy
from sql.access_log import AccessEntry

_SAID = "said in the access log"
NOT_SERVED = "Nobody can sign in to pages that were started this way: start them with `appfleet up`."


def draw_door(workspace: Path, why: NotAdmitted) -> None:
    """The page for somebody who is not let in; a sign-in that was refused is in the access log."""
    st.title("appfleet", anchor=False)
    if not access.has_sign_in(workspace):
        st.warning(str(why))
        return
    identity = access.identity_now(workspace)
    if identity is None:
        st.text(str(why))
    else:
        st.warning(as_text(str(why)))
        _record_once(
            workspace,
            f"refused {identity.session} {why}",
            access.entry_of(identity, None, "refused", reason=str(why)),
        )
    with st.container(horizontal=True):
        if st.button("Sign in" if identity is None else "Sign in again", type="primary"):
            st.session_state.pop(access.BREAK_GLASS, None)
            try:
                st.login()
            except StreamlitAuthError:
                st.error(NOT_SERVED)
        if identity is not None and st.button("Sign out"):
            sign_out(workspace, identity)
    if break_glass.is_set_up():
        _draw_break_glass(workspace)


def draw_head(found: Looker) -> None:
    """Above every page of somebody who signed in: who they are, until when, and the way out; a broken glass is said."""
    note_entry(found)
    end = found.session_end
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"{as_text(found.viewer.name)}, signed in until {moment(end)}", width="content")
        if st.button("Sign out", type="tertiary"):
            sign_out(found.workspace, found.identity)
    if found.identity.broke_glass_at:
        st.warning("Break-glass admin: every page and file is in the access log. Sign out when you are done.")


def note_entry(found: Looker) -> None:
    """Writes a sign-in into the access log, once."""
    if found.identity.claims is not None:
        sessions.note_holder(found.workspace, st.context.cookies.to_dict(), found.identity.session)
        _record_once(found.workspace, f"sign_in {found.identity.session}", found.entry("sign_in"))


def sign_out(workspace: Path, identity: Identity) -> None:
    """Ends a sign-in for every copy of its cookie."""
    log_of(workspace).record(access.entry_of(identity, None, "sign_out"))
    if identity.session:
        sessions.end(workspace, identity.session)
    if st.session_state.pop(access.BREAK_GLASS, None):
        st.rerun()
    st.logout()


def watch(found: Looker) -> None:
    """Looks again, by itself, whether the page may stand: one that may not is drawn anew, and so taken away."""

    @st.fragment(run_every=access_policy().look_seconds)
    def look_again() -> None:
        try:
            found.check()
        except AppfleetError:
            st.rerun()
        keep_offers()

    look_again()


def tell(found: Looker, error: AppfleetError) -> None:
    """Says what failed on a page; where its person may not see it any more, the page goes instead."""
    try:
        found.check()
    except AppfleetError:
        st.rerun()
    st.error(as_text(str(error)))


def _draw_break_glass(workspace: Path) -> None:
    with st.expander("Emergency access"), st.form("break glass", border=False):
        st.caption(
            "For when the provider of identities is down. Each use is in the access log and shown to admins."
        )
        secret = st.text_input("Secret", type="password", autocomplete="off")
        if st.form_submit_button("Enter") and secret:
            try:
                break_glass.check_secret(secret)
            except NotAdmitted as error:
                st.error(str(error))
                log_of(workspace).record(AccessEntry("refused", person=break_glass.NAME, reason=str(error)))
                return
            session = uuid4().hex
            st.session_state[access.BREAK_GLASS] = Identity(broke_glass_at=datetime.now(UTC), session=session)
            log_of(workspace).record(
                AccessEntry(
                    "break_glass",
                    person=break_glass.NAME,
                    session=session[:16],
                    rights=access_policy().roles["admin"],
                )
            )
            st.rerun()


def _record_once(workspace: Path, key: str, entry: AccessEntry) -> None:
    """Writes an entry into the access log unless this tab had it written."""
    said = st.session_state.setdefault(_SAID, set())
    if key not in said:
        said.add(key)
        log_of(workspace).record(entry)


def record_page(found: Looker, page: str) -> None:
    """Writes into the access log which page somebody sees and what its address asks for, where that is news to this tab."""
    asked = {str(key): str(value) for key, value in sorted(st.query_params.to_dict().items())}
    now = (page, tuple(asked.items()), found.viewer)
    if st.session_state.get("page seen") != now:
        st.session_state["page seen"] = now
        log_of(found.workspace).record(found.entry("page", page=page, parameters=asked))
