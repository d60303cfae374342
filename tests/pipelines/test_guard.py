"""Who may ask Dagster's webserver, request by request; a real browser and a foreign page are in ``test_up``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipelines.orchestration.guard import Guard

HOST = "127.0.0.1:3000"
JSON = {"content-type": "application/json"}
OWN = {"host": HOST, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
LINK = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def asked(
    method: str = "GET",
    path: str = "/",
    headers: dict[str, str] | None = None,
    query: bytes = b"",
    kind: str = "http",
    more: tuple[tuple[bytes, bytes], ...] = (),
    url: str | None = None,
) -> tuple[bool, int | None]:
    """Whether the application behind the guard was reached, and the status or close code of a refusal."""
    reached: list[bool] = []
    sent: list[dict[str, Any]] = []

    async def application(*_: Any) -> None:
        reached.append(True)

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    given = {"host": HOST} | (headers or {})
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode()) for name, value in given.items()] + list(more),
    }
    asyncio.run(Guard(application, url)(scope, receive, send))
    codes = [message.get("status", message.get("code")) for message in sent]
    return bool(reached), codes[0] if codes else None


PASSED, REFUSED = (True, None), (False, 403)


def test_its_own_pages_and_programs_without_a_browser_pass() -> None:
    assert asked("POST", "/graphql", OWN | JSON) == PASSED
    assert asked("POST", "/graphql", JSON) == PASSED
    assert asked("POST", "/graphql", {"content-type": "application/json; charset=utf-8"}) == PASSED
    assert (
        asked("POST", "/graphql", JSON | {"host": "localhost:3000", "origin": "http://localhost:3000"})
        == PASSED
    )
    assert asked("GET", "/") == PASSED
    assert asked("GET", "/server_info", {"sec-fetch-site": "none"}) == PASSED
    assert asked("GET", "/graphql") == PASSED
    assert asked(kind="websocket", path="/graphql", headers=OWN) == PASSED
    assert asked(kind="websocket", path="/graphql") == PASSED
    assert asked("GET", "/runs/1", LINK) == PASSED


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:3000"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3001"},
        {"origin": "http://localhost:3000"},
        {"origin": "https://127.0.0.1:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_foreign_host_origin_or_site_is_refused(kind: str, headers: dict[str, str]) -> None:
    refused = (False, 1008) if kind == "websocket" else REFUSED
    assert asked("POST", "/graphql", JSON | headers, kind=kind) == refused


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql",
     "text/plain; application/json", "text/plain, application/json", "application/jsonp"],
)  # fmt: skip
def test_what_a_form_can_send_is_refused(content_type: str) -> None:
    assert asked("POST", "/graphql", {"content-type": content_type}) == REFUSED
    assert asked("POST", "/report_asset_materialization/costs", {"content-type": content_type}) == REFUSED


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/prefix/graphql"])
@pytest.mark.parametrize("query", [b"query=mutation", b"q%75ery=mutation", b"a=1&query=x"])
def test_nothing_runs_by_get(path: str, query: bytes) -> None:
    assert asked("GET", path, query=query) == REFUSED
    assert asked("HEAD", path, query=query) == REFUSED
    assert asked("GET", path, LINK, query=query) == REFUSED


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post"])
def test_other_methods_are_refused(method: str) -> None:
    assert asked(method, "/graphql", JSON) == REFUSED


def test_an_image_a_frame_or_a_script_of_another_page_is_refused() -> None:
    for destination in ("image", "iframe", "script", "embed"):
        assert asked("GET", "/", LINK | {"sec-fetch-dest": destination}) == REFUSED
    assert asked("POST", "/graphql", LINK | JSON) == REFUSED
    assert asked(kind="websocket", headers=LINK) == (False, 1008)


@pytest.mark.parametrize("name", ["host", "origin", "content-type", "sec-fetch-site"])
def test_a_header_that_comes_twice_equals_nothing(name: str) -> None:
    twice = ((name.encode(), (OWN | JSON)[name].encode()),)
    assert asked("POST", "/graphql", OWN | JSON, more=twice) == REFUSED


def test_what_is_no_request_passes() -> None:
    """The lifespan of the application."""
    assert asked(kind="lifespan") == PASSED


URL = "https://dagster.example"
PROXIED = {"host": "dagster.example", "origin": URL, "sec-fetch-site": "same-origin"}


def test_the_pages_of_the_proxy_before_it_pass_and_no_others() -> None:
    assert asked("POST", "/graphql", PROXIED | JSON, url=URL) == PASSED
    assert asked(kind="websocket", path="/graphql", headers=PROXIED, url=URL) == PASSED
    assert asked("POST", "/graphql", OWN | JSON, url=URL) == PASSED, "this machine's own stay"
    for wrong in (
        {"host": "dagster.example:8443"},
        {"host": "dagster.example.evil.example"},
        {"origin": "http://dagster.example"},
        {"origin": "https://pages.example"},
        {"origin": f"http://{HOST}"},
        {"host": HOST},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert asked("POST", "/graphql", PROXIED | JSON | wrong, url=URL) == REFUSED, wrong
        assert asked(kind="websocket", headers=PROXIED | wrong, url=URL) == (False, 1008), wrong
    assert asked("POST", "/graphql", PROXIED | JSON) == REFUSED, "nowhere where no proxy is named"
    assert asked("GET", "/graphql", PROXIED, query=b"query=mutation", url=URL) == REFUSED


def test_a_proxy_on_another_port_is_named_with_it() -> None:
    address = {"host": "dagster.example:8443", "origin": "https://dagster.example:8443"}
    assert asked("POST", "/graphql", PROXIED | JSON | address, url="https://dagster.example:8443") == PASSED
    assert asked("POST", "/graphql", PROXIED | JSON, url="https://dagster.example:8443") == REFUSED
