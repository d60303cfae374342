"""Who looks, and from where: the viewer's teams, the workspace, and the refusal of any address but loopback.

There is no sign-in yet, so nobody is trusted by default: no teams, nothing shown. Reading rows does not belong here.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path

TEAMS_VARIABLE = "APPFLEET_VIEWER_TEAMS"
NAME_VARIABLE = "APPFLEET_VIEWER_NAME"
WORKSPACE_VARIABLE = "APPFLEET_WORKSPACE"

UNASSIGNED = "unassigned"
"""Team of apps and cost nobody owns. Who has it (finance, the platform team) also sees whole bills."""

ONLY_LOOPBACK = (
    "These pages have no sign-in yet, so they answer only on this machine: start them with `appfleet up`, "
    "or set server.address to 127.0.0.1."
)
NOBODY = (
    f"Nobody is signed in, so there is nothing to show. Start the pages with `appfleet up`, which takes the viewer "
    f"from appfleet.yaml, or set {TEAMS_VARIABLE} to a comma separated list of teams."
)


@dataclass(frozen=True)
class Viewer:
    """The person who looks, and the teams whose rows this person may see."""

    name: str
    teams: tuple[str, ...]

    @property
    def sees_whole_bills(self) -> bool:
        """Whether the viewer has the rows nobody owns, hence whole bills and deliveries."""
        return UNASSIGNED in self.teams


def current_viewer() -> Viewer | None:
    """The viewer of the environment, or None: then nothing may be shown."""
    listed = os.environ.get(TEAMS_VARIABLE, "").split(",")
    teams = tuple(sorted({team.strip() for team in listed if team.strip()}))
    return Viewer(os.environ.get(NAME_VARIABLE, "").strip() or "local viewer", teams) if teams else None


def workspace() -> Path:
    """The workspace: the argument after ``--``, else the environment, else the current directory."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    return Path(arguments[0] if arguments else os.environ.get(WORKSPACE_VARIABLE, "."))


def is_loopback(address: str | None) -> bool:
    """Whether a server bound to ``address`` is reached from this machine only; unset binds every interface."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False
