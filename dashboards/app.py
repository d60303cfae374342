"""The dashboards of appfleet: their pages, and the door before them.

Run it with ``appfleet up``. What a page shows lives in ``views/`` (a folder named pages would be served by Streamlit itself, past the door); here is only the frame around them.
"""

from __future__ import annotations

import streamlit as st

from dashboards import access, door
from dashboards.access import ONLY_LOOPBACK, AccessChanged, Looker
from dashboards.formats import as_text
from models.errors import AppfleetError, NotAdmitted
from models.loopback import is_loopback
from models.people import SEE_ACCESS_LOG, SEE_STATEMENTS
from sql.workspace import named_workspace

PAGES = (
    ("home", "Fleet", "views/fleet.py", ""),
    ("fleet", "Fleet", "views/fleet.py", ""),
    ("app", "App", "views/one_app.py", ""),
    ("team", "Team", "views/team.py", ""),
    ("oncall", "On-call", "views/oncall.py", ""),
    ("anomalies", "Anomalies", "views/anomalies.py", ""),
    ("finance", "Finance", "views/finance.py", SEE_STATEMENTS),
    ("access", "Access", "views/access_log.py", SEE_ACCESS_LOG),
)
"""Address, title, file, and the right without which a page is not there."""
NOT_THEIRS = "This page needs a right that you do not have: ask who runs these pages."


def run_page(found: Looker | None) -> None:
    """Draws the page the address asks for, as far as somebody may see it; of nobody it draws nothing."""
    rights = {path: right for path, _, _, right in PAGES}
    pages = [
        st.Page(
            file,
            title=title,
            url_path=path,
            default=path == "home",
            visibility="hidden" if path == "fleet" or not _is_theirs(found, right) else "visible",
        )
        for path, title, file, right in PAGES
    ]
    chosen = st.navigation(pages, position="top" if found else "hidden")
    st.set_page_config(page_title=f"{chosen.title if found else 'Sign in'} · appfleet", layout="wide")
    if found is None:
        return
    door.watch(found)
    if found.identity != access.Identity():
        door.draw_head(found)
    path = chosen.url_path or "home"
    try:
        if _is_theirs(found, rights[path]):
            chosen.run()
        else:
            st.title(chosen.title, anchor=False)
            st.warning(NOT_THEIRS)
    finally:
        door.record_page(found, "fleet" if path == "home" else path)


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
    except AccessChanged:
        st.rerun()
    except AppfleetError as error:
        st.error(as_text(str(error)))
