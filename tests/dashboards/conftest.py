"""A workspace with a published fleet, one with nothing, and pages run without a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards import access
from models.people import Viewer
from sql.local_warehouse import open_warehouse
from sql.workspace import WORKSPACE_VARIABLE
from tests.conftest import Migrated
from tests.dashboards.fleet import EVERYTHING, Fleet, build, publish_fleet, write_settings

APP = Path(access.__file__).with_name("app.py")
Run = Callable[..., AppTest]


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
def empty_workspace(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    """A workspace whose warehouse runs and has nothing."""
    root = migrated(tmp_path_factory.mktemp("empty"))
    with open_warehouse(root):
        yield root
        st.cache_resource.clear()


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
