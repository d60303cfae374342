"""``pytest --warehouse-url URL``: every workspace of a test has its rows in a database of its own on a ClickHouse server.

``local`` stands for one that this machine plays: a second engine of another folder and other credentials, which reads no
file. Of another one the users come from the environment. What is about the embedded warehouse itself is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from models.settings import ServerWarehouse
from sql import opening, transfer
from sql.forms import Form
from sql.local_warehouse import process
from sql.local_warehouse.process import WarehouseProcess
from sql.warehouse import Warehouse

LOCAL = "local"
EMBEDDED_ALONE = (
    "tests/sql/test_local_warehouse.py",
    "tests/sql/test_ownership.py",
    "tests/sql/test_renewal.py",
    "tests/sql/test_migrations.py",
    "tests/sql/test_state.py",
    "tests/sql/test_guard.py",
    "tests/cli/",
    "tests/intake/",
    "tests/bench/",
    "tests/mutants/",
    "tests/server/",
    "tests/billing/test_kills.py",
    "tests/pipelines/test_pass.py",
    "tests/pipelines/test_up.py",
    "tests/pipelines/test_workers.py",
)
"""Tests of the embedded warehouse, and those that run commands as processes: they are not asked of a server here."""
PROCESSES = re.compile(r"kill|process|command|browser|dagster")
"""Names of further tests that do."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption(
        "--warehouse-url", default="", help="a ClickHouse server, or `local` for one played here"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is not about a server."""
    if not config.getoption("--warehouse-url"):
        return
    root = config.rootpath
    chosen, left = [], []
    for item in items:
        place = item.path.relative_to(root).as_posix()
        (left if place.startswith(EMBEDDED_ALONE) or PROCESSES.search(item.name) else chosen).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=left)


def _moved(workspace: Path, server: ServerWarehouse) -> None:
    """Copies what the embedded warehouse of a workspace holds to the server."""
    with process.open_warehouse(workspace) as here, opening.connected(workspace, server) as there:
        for _ in transfer.copied(here, there):
            pass


@pytest.fixture(scope="session", autouse=True)
def _rows_elsewhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sends the rows of every workspace without settings of its own to the server of the option."""
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
    made: set[str] = set()
    text_of = Form.text

    def server_of(workspace: Path) -> ServerWarehouse:
        name = "t_" + hashlib.sha256(str(workspace.resolve()).encode()).hexdigest()[:16]
        server = ServerWarehouse(url=url, database=name)
        if name not in made:
            made.add(name)
            opening.schema_applied(workspace, server)
            if (workspace / "truth.json").exists() and (workspace / ".appfleet" / "warehouse").is_dir():
                _moved(workspace, server)  # a fleet that was passed on before: `appfleet move`
        return server

    def text(self: Form, asked: str) -> str:
        """What tests ask by the embedded warehouse's name of the database of telemetry."""
        return text_of(self, re.sub(r"(?<![\w.}])otel\.(?=[a-z{])", "{{otel}}.", asked))

    insert_of = Warehouse.insert

    def insert(self: Warehouse, table: str, frame: pl.DataFrame) -> None:
        insert_of(self, self.form.text(table), frame)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "server_of", server_of)
        patch.setattr(Warehouse, "insert", insert)
        patch.setattr(Form, "text", text)
        yield
    if played:
        played.stop(at_once=True)
