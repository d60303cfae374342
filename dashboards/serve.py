"""Serves the pages: ``python -m dashboards.serve --workspace DIR --port 8501``.

One place decides address, port and what Streamlit may say. Who looks comes from the workspace's settings (``dashboards.access``);
starting, watching and ending this process belongs to the caller.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from dashboards.access import ONLY_LOOPBACK
from models.loopback import is_loopback
from sql.health import warehouse_missing
from sql.logs import start_log
from sql.probe import Health
from sql.workspace import WORKSPACE_VARIABLE, named_workspace

LOOPBACK = "127.0.0.1"
PORT = 8501


def options(port: int = PORT, address: str = LOOPBACK) -> dict[str, Any]:
    """What Streamlit is told, over whatever its files and the environment say."""
    return {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "runner.magicEnabled": False,  # else a constant's docstring is printed on the page
    }


def application(workspace: Path) -> st.App:
    """The pages of a workspace as a web application, with the paths of its health before all else."""
    health = Middleware(Health, missing=lambda: warehouse_missing(workspace))
    return st.App(Path(__file__).with_name("app.py"), middleware=[health])


def main() -> None:
    """Serves until it is ended; ends with 2 where the address is not of this machine alone."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--address", default=LOOPBACK)
    given = parser.parse_args()
    if not is_loopback(given.address):
        parser.error(ONLY_LOOPBACK)
    start_log("%(levelname)s %(name)s: %(message)s")
    workspace = named_workspace(given.workspace)
    os.environ[WORKSPACE_VARIABLE] = str(workspace)
    application(workspace).run(config=options(given.port, given.address))


if __name__ == "__main__":
    main()
