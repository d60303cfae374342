"""The dashboards of appfleet: their pages, and the door before them.

Run it with ``appfleet up``. What a page shows lives in ``views/`` (a folder named pages would be served by Streamlit itself, past the door); here is only the frame around them.
"""

from __future__ import annotations

import streamlit as st

from dashboards import access, door
from dashboards.access import ONLY_LOOPBACK, Looker
from dashboards.formats import as_text
from dashboards.menu import HOME, MENU
from models.errors import AppfleetError, NotAdmitted
from models.loopback import is_loopback
from sql.workspace import named_workspace

NOT_THEIRS = "This page needs a right that you do not have: ask who runs these pages."


def run_page(found: Looker | None) -> None:
    """Draws the page the address asks for, as far as somebody may see it; of nobody it draws nothing."""
    pages = [
        st.Page(
            f"views/{page.view}.py",
            title=page.title,
            url_path=page.path,
            default=page.path == HOME,
            visibility="visible" if page.path != "fleet" and _is_theirs(found, page.right) else "hidden",
        )
        for page in MENU
    ]
    chosen = st.navigation(pages, position="top" if found else "hidden")
    st.set_page_config(page_title=f"{chosen.title if found else 'Sign in'} · appfleet", layout="wide")
    if found is None:
        return
    door.watch(found)
    if found.identity != access.Identity():
        door.draw_head(found)
    page = next(one for one in MENU if one.path == (chosen.url_path or HOME))
    try:
        if _is_theirs(found, page.right):
            chosen.run()
        else:
            st.title(chosen.title, anchor=False)
            st.warning(NOT_THEIRS)
    finally:
        door.record_page(found, page.title)


def _is_theirs(found: Looker | None, right: str) -> bool:
    return not right or (found is not None and found.viewer.has(right))


workspace = named_workspace()
try:
    if not access.has_sign_in(workspace) and not is_loopback(st.get_option("server.address")):
        st.error(ONLY_LOOPBACK)
        st.stop()
    found = access.looker(workspace)
except NotAdmitted as why:
    run_page(None)
    door.draw_door(workspace, why)
except AppfleetError as error:
    st.error(as_text(str(error)))
else:
    try:
        run_page(found)
    except AppfleetError as error:
        door.tell(found, error)
