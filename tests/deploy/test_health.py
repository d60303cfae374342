"""``/healthz`` and ``/readyz``: what is missing in a word, at a bounded cost, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.errors import AppfleetError, ConfigurationError, MigrationError, WarehouseError
from sql.health import warehouse_missing
from sql.local_warehouse.ownership import Place
from sql.local_warehouse.process import open_warehouse
from sql.probe import PATIENCE_SECONDS, REMEMBERED_SECONDS, Health, HealthServer, Probe
from sql.workspace import load_settings
from tests.conftest import Migrated, free_ports

SECRET = "planted-Pa55word"


def fetched(url: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (WarehouseError(f"https://u:{SECRET}@host is away"), "warehouse"),
        (MigrationError(f"{SECRET} older"), "schema"),
        (ConfigurationError(f"{SECRET} key"), "settings"),
        (RuntimeError(SECRET), "unknown"),
    ],
)
def test_what_is_missing_is_a_word_and_no_sentence(error: Exception, word: str) -> None:
    def missing() -> list[str]:
        raise error

    probe = Probe(missing)
    assert probe.answer("/readyz") == (503, f"missing: {word}\n".encode())
    assert probe.answer("/healthz") == (200, b"ok\n"), "it lives all the same"
    assert probe.answer("/") is None


def test_ready_again_when_what_was_missing_is_there() -> None:
    now, words = [100.0], ["history", "code"]
    probe = Probe(lambda: tuple(words), clock=lambda: now[0])
    assert probe.answer("/readyz") == (503, b"missing: history, code\n")
    words.clear()
    assert probe.answer("/readyz") == (503, b"missing: history, code\n"), "an answer holds for a moment"
    now[0] += REMEMBERED_SECONDS
    assert probe.answer("/readyz") == (200, b"ready\n")


def test_whoever_asks_without_end_costs_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    held = threading.Event()

    def missing() -> list[str]:
        looks.append(1)
        held.wait(30)
        return []

    monkeypatch.setattr("sql.probe.PATIENCE_SECONDS", 0.3)
    probe = Probe(missing)
    answers: list[Any] = []
    asking = [threading.Thread(target=lambda: answers.append(probe.answer("/readyz"))) for _ in range(20)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert looks == [1]
    assert answers == [(503, b"missing: slow\n")] * 20, "a look that hangs is said, not waited for"
    held.set()
    time.sleep(0.2)
    assert probe.answer("/readyz") == (200, b"ready\n")
    assert PATIENCE_SECONDS < 10


def asgi(app: Any, **scope: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {}

    asyncio.run(app({"type": "http", "method": "GET", "path": "/", "headers": []} | scope, receive, send))
    return sent


def test_the_two_paths_stand_before_the_application_and_nothing_else_does() -> None:
    reached: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])

    app = Health(application, lambda: ["history"])
    for path in ("/", "/graphql", "/healthz/", "/readyz/x", "/x/healthz"):
        asgi(app, path=path)
    asgi(app, path="/readyz", method="POST")
    asgi(app, path="/readyz", type="websocket")
    assert reached == ["/", "/graphql", "/healthz/", "/readyz/x", "/x/healthz", "/readyz", "/readyz"]
    start, body = asgi(app, path="/readyz", headers=[(b"host", b"10.1.2.3:3000")])
    assert (start["status"], body["body"]) == (503, b"missing: history\n")
    assert (b"cache-control", b"no-store") in start["headers"]
    assert asgi(app, path="/readyz", method="HEAD")[1]["body"] == b""


def test_a_service_without_http_has_the_paths_on_a_port_of_their_own() -> None:
    words = ["heartbeat"]
    port = HealthServer(lambda: words, "127.0.0.1", 0).start()
    assert fetched(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
    assert fetched(f"http://127.0.0.1:{port}/readyz") == (503, "missing: heartbeat\n")
    assert fetched(f"http://127.0.0.1:{port}/")[0] == 404
    with pytest.raises(ConfigurationError, match=f"port {port} for health is taken"):
        HealthServer(lambda: words, "127.0.0.1", port).start()


def test_the_warehouse_tells_its_own_health_and_is_not_started_by_who_asks(
    tmp_path: Path, migrated: Migrated
) -> None:
    workspace = migrated(tmp_path / "workspace")
    (workspace / "teams.yaml").write_text("")
    (workspace / "catalog").mkdir()
    (workspace / "appfleet.yaml").write_text("warehouse: embedded\n")
    assert warehouse_missing(workspace) == ["warehouse"]
    assert Place(workspace).owner() is None, "nobody started one"
    with open_warehouse(workspace):
        owner = Place(workspace).owner()
        assert owner
        assert fetched(f"http://127.0.0.1:{owner.port}/healthz") == (200, "ok\n")
        assert fetched(f"http://127.0.0.1:{owner.port}/readyz") == (200, "ready\n")
        assert fetched(f"http://127.0.0.1:{owner.port}/readyz", host="evil.example")[0] == 403
        assert warehouse_missing(workspace) == []
    (workspace / "appfleet.yaml").write_text("warehose: x\n")
    assert warehouse_missing(workspace) == ["settings"]


def test_a_server_that_is_away_is_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "teams.yaml").write_text("")
    (tmp_path / "appfleet.yaml").write_text("warehouse: {url: 'http://127.0.0.1:1'}\n")
    monkeypatch.delenv("APPFLEET_WAREHOUSE_READER_USER", raising=False)
    assert warehouse_missing(tmp_path) == ["settings"]
    for part in ("USER", "PASSWORD"):
        monkeypatch.setenv(f"APPFLEET_WAREHOUSE_READER_{part}", SECRET)
    assert warehouse_missing(tmp_path) == ["warehouse"]


def test_an_error_of_ours_is_no_word_of_its_own() -> None:
    """Whatever the tree grows, what is told stays one of these words."""
    from sql.probe import word_of

    def kinds(kind: type[AppfleetError]) -> list[type[AppfleetError]]:
        return [kind, *(below for one in kind.__subclasses__() for below in kinds(one))]

    for kind in kinds(AppfleetError):
        error = kind.__new__(kind)
        assert word_of(error) in ("schema", "settings", "warehouse")


@pytest.fixture
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sql.probe.REMEMBERED_SECONDS", 0.0)


@pytest.mark.usefixtures("looked_at_each_time")
def test_the_pages_answer_before_streamlit_does(tmp_path: Path) -> None:
    """Whatever Host asks, as a cluster asks by address; the application is the one that is served."""
    from dashboards import access
    from dashboards.serve import application

    (tmp_path / "teams.yaml").write_text("")
    (tmp_path / "appfleet.yaml").write_text("warehouse: embedded\n")
    try:
        pages = TestClient(application(load_settings(tmp_path), {}), base_url="http://10.1.2.3:8501")
        assert (pages.get("/healthz").status_code, pages.get("/healthz").text) == (200, "ok\n")
        assert (pages.get("/readyz").status_code, pages.get("/readyz").text) == (503, "missing: warehouse\n")
        assert Place(tmp_path).owner() is None
    finally:
        access._started_with_sign_in = None


@pytest.mark.usefixtures("looked_at_each_time")
@pytest.mark.parametrize("part", ["webserver", "daemon", "code_server"])
def test_each_part_of_dagster_says_what_it_misses(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module that is run, with what Dagster does in it left out: its paths answer beside it."""
    import dagster as dg

    module = importlib.import_module(f"pipelines.orchestration.{part}")
    [health, code] = free_ports(2)
    asked: list[list[tuple[int, str]]] = []

    def serve(get: Callable[[str], tuple[int, str]]) -> None:
        first = [get("/healthz"), get("/readyz")]
        with socket.create_server(("127.0.0.1", code)):
            asked.extend([first, [get("/healthz"), get("/readyz")]])

    def served(*_: Any, **__: Any) -> None:
        serve(lambda path: fetched(f"http://127.0.0.1:{health}{path}"))

    def guarded(app: Any, **_: Any) -> None:
        client = TestClient(app, base_url="http://10.1.2.3:3000")
        serve(lambda path: ((answer := client.get(path)).status_code, answer.text))

    words = ["--listen", "127.0.0.1", "--health-port", str(health)]
    if part == "webserver":
        words = []
        monkeypatch.setattr("uvicorn.run", guarded)
        monkeypatch.setattr(module, "dagster_webserver", lambda: module.uvicorn.run(None))
        (tmp_path / "appfleet.yaml").write_text("warehouse: embedded\n")
        monkeypatch.setenv("APPFLEET_WORKSPACE", str(tmp_path))
    elif part == "daemon":
        monkeypatch.setattr(module, "entry_points", lambda **_: (SimpleNamespace(load=lambda: served),))
    else:
        monkeypatch.setattr(module, "fail_lost_runs", lambda *_: None)
        monkeypatch.setattr(module.runpy, "run_module", served)
    monkeypatch.setattr(module, "begin_log", lambda: None)
    where = ["--port", str(code)] if part == "code_server" else ["--code", f"127.0.0.1:{code}"]
    monkeypatch.setattr(sys, "argv", [part, *where, *words])
    with dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setattr(dg.DagsterInstance, "get", lambda: instance)
        monkeypatch.setattr(instance, "get_required_daemon_types", lambda: ["SCHEDULER"])
        with suppress(SystemExit):
            module.main()
    # A daemon that never beat is at no work, whoever else is there.
    first, then = (
        ("code, heartbeat", (503, "missing: heartbeat\n")) if part == "daemon" else ("code", (200, "ready\n"))
    )
    assert asked == [[(200, "ok\n"), (503, f"missing: {first}\n")], [(200, "ok\n"), then]]
