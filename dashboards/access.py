"""Who looks, and from where: the viewer of the workspace's settings, and the refusal of any address but loopback.

There is no sign-in yet, so nobody is trusted by default: no teams, nothing shown. Reading rows does not belong here.
"""

from __future__ import annotations

from pathlib import Path

from models.people import Viewer
from models.settings import FILE_NAME
from sql.workspace import load_settings

ONLY_LOOPBACK = (
    "These pages have no sign-in yet, so they answer only on this machine: start them with `appfleet up`, "
    "or set server.address to 127.0.0.1."
)
NOBODY = (
    f"The viewer has no team, so there is nothing to show: list teams under `viewer.teams` in {FILE_NAME}, "
    "or `see_all_teams` under `viewer.rights`."
)


def current_viewer(workspace: Path) -> Viewer | None:
    """The viewer of a workspace as its settings say now, or None: then nothing may be shown.

    Raises:
        ConfigurationError: there are no settings, or they are wrong.
    """
    viewer = load_settings(workspace).viewer
    return viewer if viewer.sees_rows else None
