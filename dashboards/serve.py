"""Serves the pages: ``python -m dashboards.serve --workspace DIR --port 8501``.

One place decides address, port, what Streamlit may say, and where its secrets come from: they go from the environment into
this process's memory and nowhere else. Who looks is ``dashboards.access``; starting, watching and ending this process belongs
to the caller.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware

from dashboards import access, break_glass
from dashboards.access import ONLY_LOOPBACK
from dashboards.downloads import routes
from dashboards.front import CALLBACK, Front
from models.errors import AppfleetError, ConfigurationError
from models.grants import parse_people
from models.loopback import is_loopback
from models.settings import CLIENT_SECRET, COOKIE_SECRET, Settings, SignIn, check_sign_in_secrets
from models.text import visible
from sql.health import warehouse_missing
from sql.logs import start_log
from sql.probe import Health
from sql.workspace import WORKSPACE_VARIABLE, load_settings, named_workspace, people_text

LOOPBACK = "127.0.0.1"
PORT = 8501
_STREAMLIT_COOKIE_SECRET = "STREAMLIT_SERVER_COOKIE_SECRET"
_THIS_MACHINE = ["127.0.0.1", "localhost", "::1"]


def options(port: int = PORT, address: str = LOOPBACK, sign_in: SignIn | None = None) -> dict[str, Any]:
    """What Streamlit is told, over whatever its files and the environment say."""
    hosts = [*_THIS_MACHINE, *([str(urlsplit(sign_in.redirect).hostname)] if sign_in else [])]
    return {
        "server.address": address,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.allowedHosts": hosts,
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "server.trustedUserHeaders": {},  # nobody is who a header says
        "secrets.files": [],
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "runner.magicEnabled": False,  # else a constant's docstring is printed on the page
    }


def sign_in_secrets(sign_in: SignIn | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """What Streamlit's sign-in is set up with, for its memory.

    Raises:
        ConfigurationError: a secret is missing from the environment, or too short.
    """
    if sign_in is None:
        return {}
    check_sign_in_secrets(environment)
    return {
        "auth": {
            "redirect_uri": sign_in.redirect + CALLBACK,
            "cookie_secret": environment[COOKIE_SECRET],
            "client_id": sign_in.client_id,
            "client_secret": environment[CLIENT_SECRET],
            "server_metadata_url": sign_in.provider,
            "client_kwargs": {"scope": sign_in.scope},
        }
    }


def application(settings: Settings, environment: Mapping[str, str]) -> st.App:
    """The pages of a workspace as a web application.

    Raises:
        ConfigurationError: sign-in is set up and a secret or the list of people is missing or wrong.
    """
    sign_in = settings.sign_in
    secrets = sign_in_secrets(sign_in, environment)
    if sign_in:
        parse_people(people_text(settings), str(settings.people))
        break_glass.is_set_up()
    access.started(with_sign_in=sign_in is not None)
    return st.App(
        Path(__file__).with_name("app.py"),
        secrets=secrets or None,
        routes=routes(),
        middleware=[
            Middleware(Health, missing=lambda: warehouse_missing(settings.root)),
            Middleware(Front, workspace=settings.root, sign_in=sign_in),
        ],
    )


def main() -> None:
    """Serves until it is ended; ends with 2 where the address is not of this machine alone and nobody has to sign in."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--address", help="default: `sign_in.listen` of the settings, else 127.0.0.1")
    given = parser.parse_args()
    start_log("%(levelname)s %(name)s: %(message)s")
    workspace = named_workspace(given.workspace)
    try:
        settings = load_settings(workspace)
        sign_in = settings.sign_in
        address = given.address or (sign_in.listen if sign_in else LOOPBACK)
        if sign_in is None and not is_loopback(address):
            raise ConfigurationError(ONLY_LOOPBACK)
        app = application(settings, os.environ)
    except AppfleetError as error:
        sys.stderr.write(f"appfleet: {visible(str(error))}\n")
        sys.exit(error.exit_code)
    os.environ[WORKSPACE_VARIABLE] = str(workspace)
    if sign_in:  # what Streamlit signs the way to the provider with, beside its cookies
        os.environ[_STREAMLIT_COOKIE_SECRET] = os.environ[COOKIE_SECRET]
    app.run(config=options(given.port, address, sign_in))


if __name__ == "__main__":
    main()
