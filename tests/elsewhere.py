"""``pytest --warehouse-url URL``: every workspace of a test has its rows in a database of its own on a ClickHouse server.

``local`` stands for one that this machine plays: a second engine of another folder and other credentials, which reads no
file. Of another one the users come from the environment. What is about the embedded warehouse itself is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest

from models.settings import ServerWarehouse
from sql import opening, transfer
from sql.forms import Form
from sql.local_warehouse import process
from sql.local_warehouse.process import WarehouseProcess
from sql.warehouse import Warehouse

LOCAL = "local"
URL = "TESTS_WAREHOUSE_URL"
"""Variable that processes of tests are told the server by."""
PATH = Path(__file__).parent / "redirected"
"""Folder whose ``sitecustomize`` redirects such a process."""

_OWNER = "it is about the process that owns the embedded warehouse"
_ENGINE = "it is about the engine's own folder or what the embedded form alone makes"
_SERVES_ITSELF = "it starts servers of its own"
EMBEDDED_ALONE: Mapping[str, str] = MappingProxyType(
    {
        "tests/sql/test_local_warehouse.py": _OWNER,
        "tests/sql/test_ownership.py": _OWNER,
        "tests/sql/test_renewal.py": _OWNER,
        "tests/sql/test_guard.py": _OWNER,
        "tests/cli/test_owner_and_reader.py": _OWNER,
        "tests/intake/test_process.py::test_what_the_warehouse_misses_while_it_is_killed": _OWNER,
        "tests/cli/test_damage.py": "it harms files of a copied folder; tests/server harms those of a server",
        "tests/billing/test_azure.py::test_rows_travel_by_their_names": "it lets the embedded one stand for a server",
        "tests/sql/test_migrations.py::test_a_kill_in_the_middle_is_resumed": _OWNER,
        "tests/deploy/test_health.py::test_the_warehouse_tells_its_own_health": _OWNER,
        "tests/deploy/test_health.py::test_the_pages_answer_before_streamlit_does": _OWNER,
        "tests/sql/test_state.py": _ENGINE,
        "tests/server/": _SERVES_ITSELF,
        "tests/bench/": _SERVES_ITSELF,
        "tests/mutants/": "it runs other tests",
    }
)
"""Where a test begins -> why it is not asked of a server."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption(
        "--warehouse-url", default="", help="a ClickHouse server, or `local` for one played here"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips what is not about a server, with its reason."""
    if not config.getoption("--warehouse-url"):
        return
    for item in items:
        name = item.nodeid
        for beginning, reason in EMBEDDED_ALONE.items():
            if name.startswith(beginning):
                item.add_marker(pytest.mark.skip(reason=f"of the embedded warehouse alone: {reason}"))


def _moved(workspace: Path, server: ServerWarehouse) -> None:
    """Copies what the embedded warehouse of a workspace holds to the server, once."""
    done = workspace / ".appfleet" / f"moved-{server.database}"
    if done.exists():
        return
    with process.open_warehouse(workspace) as here, opening.connected(workspace, server) as there:
        for _ in transfer.copied(here, there):
            pass
    done.touch()


def redirect() -> None:
    """From now on the rows of every workspace without settings of its own are sent to the server of the variable."""
    made: set[str] = set()
    server_in_settings, text_of, insert_of = opening.server_of, Form.text, Warehouse.insert

    def server_of(workspace: Path) -> ServerWarehouse:
        if found := server_in_settings(workspace):
            return found
        name = "t_" + hashlib.sha256(str(workspace.resolve()).encode()).hexdigest()[:16]
        server = ServerWarehouse(url=os.environ[URL], database=name)
        if name not in made:
            made.add(name)
            opening.schema_applied(workspace, server)
            if (workspace / "truth.json").exists() and (workspace / ".appfleet" / "warehouse").is_dir():
                _moved(workspace, server)  # a fleet that was passed on before: `appfleet move`
        return server

    def text(self: Form, asked: str) -> str:
        """What tests ask by the embedded warehouse's name of the database of telemetry."""
        return text_of(self, re.sub(r"(?<![\w.}])otel\.(?=[a-z{])", "{{otel}}.", asked))

    def insert(self: Warehouse, table: str, frame: pl.DataFrame) -> None:
        insert_of(self, self.form.text(table), frame)

    opening.server_of = server_of
    Form.text = text  # type: ignore[method-assign]
    Warehouse.insert = insert  # type: ignore[method-assign]


@pytest.fixture(scope="session", autouse=True)
def _rows_elsewhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sends rows to the server of the option, of this process and of those it starts."""
    url = request.config.getoption("--warehouse-url")
    if not url:
        yield
        return
    played = None
    if url == LOCAL:
        folder = Path(tempfile.mkdtemp(prefix="appfleet-server-"))
        played = WarehouseProcess(folder, limits=("--as-it-is", "--without-files", "--stay"))
        url = f"http://127.0.0.1:{played.start()}"
        for role in ("writer", "reader"):
            os.environ[f"APPFLEET_WAREHOUSE_{role.upper()}_USER"] = role
            os.environ[f"APPFLEET_WAREHOUSE_{role.upper()}_PASSWORD"] = played.place.password(role)
    os.environ[URL] = url
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PATH), os.environ.get("PYTHONPATH"))))
    redirect()
    yield
    if played:
        played.stop(at_once=True)
