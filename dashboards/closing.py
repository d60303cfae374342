"""Closing a month from a page: the command line does it, in a process of its own, as the person who asked.

Pages read; what writes is the command, with its own connection, leases and checks, so that a page can do nothing the command
would refuse. Who may ask is checked here, at the moment of asking.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

from dashboards import access
from dashboards.audit import log_of
from models.errors import NotAdmitted
from models.people import CLOSE_MONTHS

_SECONDS = 600
_LEASE_SECONDS = 60


def close_month(period: date) -> tuple[bool, str]:
    """Closes a month as whoever looks; whether it is closed, and what the command said.

    Raises:
        NotAdmitted: who looks has not the right, or not any more.
    """
    looker = access.looking()
    looker.check()
    month = f"{period:%Y-%m}"
    if not looker.viewer.has(CLOSE_MONTHS):
        raise NotAdmitted(f"This needs the right {CLOSE_MONTHS}, which you do not have.")
    log_of(looker.workspace).record(
        looker.entry("page", page="Finance", parameters={"month": month, "asked": "close"})
    )
    return run_close(looker.workspace, month, looker.viewer.name)


def run_close(workspace: Path, month: str, by: str) -> tuple[bool, str]:
    """Runs `appfleet close`; whether it ended well, and its last words."""
    asked = [
        "close",
        f"--month={month}",
        f"--by={by}",
        f"--wait={_LEASE_SECONDS}",
        f"--workspace={workspace}",
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.commands.cli", *asked],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, "Closing takes longer than this page waits: look at it again later."
    said = (done.stderr if done.returncode else done.stdout).strip()
    return done.returncode == 0, said.splitlines()[0] if said else "Nothing was said."
