"""The dashboards of appfleet: their pages, served on this machine only.

Run it with ``appfleet up``. What a page shows lives in ``views/`` (a folder named pages would be served by Streamlit itself, past the check below); here is only the frame around them.
"""

from __future__ import annotations

import streamlit as st

from dashboards.access import ONLY_LOOPBACK
from dashboards.formats import as_text
from models.errors import AppfleetError
from models.loopback import is_loopback

if not is_loopback(st.get_option("server.address")):
    st.error(ONLY_LOOPBACK)
    st.stop()

chosen = st.navigation(
    [
        st.Page("views/fleet.py", title="Fleet", url_path="home", default=True),
        st.Page("views/fleet.py", title="Fleet", url_path="fleet", visibility="hidden"),
        st.Page("views/one_app.py", title="App", url_path="app"),
        st.Page("views/team.py", title="Team", url_path="team"),
        st.Page("views/oncall.py", title="On-call", url_path="oncall"),
        st.Page("views/anomalies.py", title="Anomalies", url_path="anomalies"),
        st.Page("views/finance.py", title="Finance", url_path="finance"),
    ],
    position="top",
)
st.set_page_config(page_title=f"{chosen.title} · appfleet", layout="wide")
try:
    chosen.run()
except AppfleetError as error:
    st.error(as_text(str(error)))
