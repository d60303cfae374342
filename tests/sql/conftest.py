"""A running local warehouse for the tests of sql/, shared where a test does not break it."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sql.local_warehouse.ownership import Place
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    """A workspace whose warehouse runs for the whole session."""
    return migrated(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def warehouse(workspace: Path) -> Iterator[Warehouse]:
    """The writer of that warehouse."""
    with open_warehouse(workspace) as opened:
        yield opened


@pytest.fixture(scope="session")
def reader(warehouse: Warehouse, workspace: Path) -> Iterator[Warehouse]:
    """A reader of that warehouse."""
    with open_warehouse(workspace, "reader") as opened:
        yield opened


@pytest.fixture(scope="session")
def ask(warehouse: Warehouse, workspace: Path) -> Ask:
    """Sends one bare HTTP request to that warehouse."""
    place = Place(workspace)

    def send(
        body: bytes | str = b"",
        role: str = "writer",
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        **url: str,
    ) -> Answer:
        owner = place.owner()
        assert owner
        secret = b64encode(f"{role}:{place.password(role)}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", owner.port, timeout=60)
        try:
            data = body.encode() if isinstance(body, str) else body
            sent = {"Authorization": f"Basic {secret}", **(headers or {})}
            connection.request(method, f"{path}?{urlencode(url)}", body=data or None, headers=sent)
            got = connection.getresponse()
            try:
                content = got.read()
            except http.client.IncompleteRead as cut:
                return Answer(-1, dict(got.headers), cut.partial)
            return Answer(got.status, dict(got.headers), content)
        finally:
            connection.close()

    return send
