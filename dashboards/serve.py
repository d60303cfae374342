"""Serves the pages: ``python -m dashboards.serve --workspace DIR --port 8501``.

One place decides address, port and what Streamlit may say. Who looks comes from the workspace's settings (``dashboards.access``);
starting, watching and ending this process belongs to the caller.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from dashboards.access import ONLY_LOOPBACK, is_loopback
from sql.workspace import WORKSPACE_VARIABLE, named_workspace

LOOPBACK = "127.0.0.1"
PORT = 8501


def command(port: int = PORT, address: str = LOOPBACK) -> list[str]:
    """Arguments that serve the pages with this interpreter; run them from where ``dashboards`` can be imported."""
    options = {
        "server.address": address,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "runner.magicEnabled": "false",  # else a constant's docstring is printed on the page
    }
    return [
        *(sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("app.py"))),
        *(f"--{name}={value}" for name, value in options.items()),
    ]


def main() -> None:
    """Becomes the Streamlit server; ends with 2 where the address is not of this machine alone."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--address", default=LOOPBACK)
    given = parser.parse_args()
    if not is_loopback(given.address):
        parser.error(ONLY_LOOPBACK)
    root = str(Path(__file__).resolve().parents[1])
    beside = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        WORKSPACE_VARIABLE: str(named_workspace(given.workspace)),
        "PYTHONPATH": os.pathsep.join([root, *([beside] if beside else [])]),
    }
    os.execve(sys.executable, command(given.port, given.address), environment)


if __name__ == "__main__":
    main()
