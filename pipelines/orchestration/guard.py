"""Who may ask Dagster's webserver: this machine's own pages and programs, and no page of anybody else.

Dagster answers whoever reaches it, and a page of any site can make a browser on this machine send it requests: a form,
an image, a script, a WebSocket. This stands before it and knows nothing of it but that `/graphql` changes things.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from models.loopback import names_this_machine

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_READING = frozenset({"GET", "HEAD"})
_CHANGING = frozenset({"POST"})
_OF_OURSELVES = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site: a page of this server, or what a person typed (W3C Fetch Metadata)."""


class Guard:
    """An ASGI application before another one: what is not allowed is answered with 403 and the reason.

    ``url`` is the origin of a proxy before it, whose own pages are let in too.
    """

    def __init__(self, app: App, url: str | None = None) -> None:
        self._app = app
        self._url = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what is allowed."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = refusal(scope, self._url)
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


def refusal(scope: Scope, url: str | None = None) -> str | None:
    """Why a request is refused; None where it is not."""
    headers = _headers(scope)
    host = headers.get("host", "")
    own = f"http://{host.lower()}"
    if url is not None and host.lower() == url.partition("://")[2]:
        own = url
    elif not names_this_machine(host):
        return "Dagster answers to 127.0.0.1 and localhost only, and to the `dagster.url` of the settings"
    origin = headers.get("origin")
    if origin is not None and origin.lower() != own:
        return "pages of other sites may not ask Dagster"
    site = headers.get("sec-fetch-site", "none")
    if site not in _OF_OURSELVES and not _is_a_link(scope, headers):
        return "pages of other sites may not ask Dagster"
    if scope["type"] == "websocket":
        return None
    method = scope["method"]
    if method in _CHANGING:
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return "requests that may change something are JSON: send Content-Type: application/json"
        return None
    if method not in _READING:
        return f"{method} is not used here"
    if scope["path"].rstrip("/").endswith("/graphql") and scope.get("query_string"):
        return "a query is sent by POST"  # a mutation, too, would run by GET
    return None


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by name; one that comes twice is joined, and so equals nothing that is allowed."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _is_a_link(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a person followed a link from another page, our own dashboards among them, to a page to look at."""
    return (
        scope["type"] == "http"
        and scope["method"] in _READING
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )
