"""A workspace with a published fleet, one with nothing, and pages run without a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Browser, Page
from streamlit import config
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboards import access
from models.people import Viewer
from sql.opening import open_warehouse
from sql.workspace import WORKSPACE_VARIABLE
from tests.conftest import Migrated, free_ports
from tests.dashboards.browsing import DESKTOP, PHONE, WAIT_MS
from tests.dashboards.fleet import EVERYTHING, Fleet, build, publish_fleet, write_settings
from tests.dashboards.people import ENVIRONMENT, STRANGE, renamed, write_people, write_sign_in

APP = Path(access.__file__).with_name("app.py")
Run = Callable[..., AppTest]
START_SECONDS = 60
SCANNED = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """The rows everything shown must come from."""
    return build()


@pytest.fixture(scope="session")
def full_workspace(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated, fleet: Fleet
) -> Iterator[Path]:
    """A workspace whose warehouse runs and has the fleet published."""
    root = migrated(tmp_path_factory.mktemp("full"))
    with open_warehouse(root) as warehouse:
        publish_fleet(warehouse, fleet)
        yield root
        st.cache_resource.clear()


@pytest.fixture(scope="session")
def people_workspace(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated, fleet: Fleet
) -> Iterator[Path]:
    """The same in a workspace of its own, whose settings ask for a sign-in; a team of it has a strange name."""
    root = migrated(tmp_path_factory.mktemp("people"))
    with open_warehouse(root) as warehouse:
        publish_fleet(warehouse, renamed(fleet, "people", STRANGE))
        write_people(root)
        write_sign_in(root)
        yield root
        st.cache_resource.clear()


@pytest.fixture(scope="session")
def empty_workspace(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    """A workspace whose warehouse runs and has nothing."""
    root = migrated(tmp_path_factory.mktemp("empty"))
    with open_warehouse(root):
        yield root
        st.cache_resource.clear()


@pytest.fixture(autouse=True)
def packages_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page run without a browser reads what every installed package says of components; here once, not per run."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", SCANNED)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a page for a viewer and returns what it shows."""

    def run_page(
        workspace: Path,
        page: str,
        viewer: Viewer = EVERYTHING,
        address: str | None = "127.0.0.1",
        **query: str,
    ) -> AppTest:
        config.set_option("server.address", address)
        monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace))
        write_settings(workspace, viewer)
        app = AppTest.from_file(str(APP), default_timeout=60)
        app.run()
        for key, value in query.items():
            app.query_params[key] = value
        if page != "fleet":
            app.switch_page(f"views/{page}.py")
        return app.run()

    return run_page


@pytest.fixture(scope="session")
def _server(full_workspace: Path) -> Iterator[str]:
    """Address of pages served by ``python -m dashboards.serve``."""
    with served(full_workspace) as place:
        yield place


@pytest.fixture(scope="module")
def address(_server: str, full_workspace: Path) -> str:
    """The same, seen by who sees everything, whoever looked before."""
    write_settings(full_workspace, EVERYTHING)
    return _server


@contextmanager
def served(workspace: Path, viewer: Viewer = EVERYTHING) -> Iterator[str]:
    """The pages of a workspace, served as the command does, while the context is open; their address."""
    [port] = free_ports(1)
    write_settings(workspace, viewer)
    with served_as_it_is(workspace, port) as place:
        yield place


@contextmanager
def served_as_it_is(workspace: Path, port: int) -> Iterator[str]:
    """The same, with the settings the workspace has, and the secrets of ``tests.dashboards.people``."""
    server = subprocess.Popen(
        [sys.executable, "-m", "dashboards.serve", "--workspace", str(workspace), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("the pages did not start")


@pytest.fixture
def view(browser: Browser) -> Iterator[Page]:
    """A fresh tab; an error on a page's console fails the test."""
    context = browser.new_context(**DESKTOP)
    # The table's own download asks where to save where the browser can; nobody is here to answer.
    context.add_init_script("delete window.showSaveFilePicker")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A fresh tab as wide as a phone, with touch."""
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    yield page
    context.close()
