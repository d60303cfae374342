"""The command line that serves the pages, for whoever supervises them.

One place decides port, address and what Streamlit may say; starting and ending the process belongs to the caller.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.access import NAME_VARIABLE, TEAMS_VARIABLE, WORKSPACE_VARIABLE, Viewer

LOOPBACK = "127.0.0.1"


def command(port: int, address: str = LOOPBACK) -> list[str]:
    """Arguments that serve the pages on ``address`` and ``port`` with this interpreter; run them with ``environment``."""
    options = {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "server.allowedHosts": f"{LOOPBACK},localhost,::1",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
    }
    app = str(Path(__file__).with_name("app.py"))
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        app,
        *(f"--{name}={value}" for name, value in options.items()),
    ]


def environment(workspace: Path, viewer: Viewer) -> dict[str, str]:
    """Variables the pages need beside those of the caller: where the data is and who looks."""
    return {
        WORKSPACE_VARIABLE: str(workspace.resolve()),
        NAME_VARIABLE: viewer.name,
        TEAMS_VARIABLE: ",".join(viewer.teams),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
