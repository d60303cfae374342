"""What stands between appfleet and a server in tests: passes every request on, and answers as another server would.

It stands for servers this machine cannot have: an older one (its version is another one in every answer) and one that
gives its users fewer rights (what asks for more is refused by ClickHouse's own code and sentence).
"""

from __future__ import annotations

import base64
import http.client
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_plus, urlsplit

_LEFT = frozenset({"connection", "transfer-encoding", "content-length", "date", "server", "expect"})
ACCESS_DENIED, READONLY = 497, 164

Refusal = tuple[int, str]
"""Code and sentence of ClickHouse's own."""
Refusing = Callable[[str, str], Refusal | None]
"""What is refused, by user and by a request's address and body; None where it is not."""


def lets_all(user: str, asked: str) -> Refusal | None:
    """Refuses nothing."""
    return None


def without(user: str, pattern: str, right: str) -> Refusing:
    """A server on which a user has no right to statements in which ``pattern`` is found, comments taken out."""

    def refused(asking: str, asked: str) -> Refusal | None:
        bare = re.sub(r"--[^\n]*", "", asked)
        if asking != user or not re.search(pattern, bare, re.IGNORECASE):
            return None
        sentence = (
            f"{user}: Not enough privileges. To execute this query, it's necessary to have the grant {right}"
        )
        return ACCESS_DENIED, f"{sentence}. (ACCESS_DENIED)"

    return refused


def readonly(user: str) -> Refusing:
    """A server on which a user has ``readonly = 1``: its statements may come with no setting."""

    def refused(asking: str, asked: str) -> Refusal | None:
        if asking != user or "session_timezone=" not in asked:
            return None
        return READONLY, "Cannot modify 'session_timezone' setting in readonly mode. (READONLY)"

    return refused


@contextmanager
def standing_between(
    url: str, refusing: Refusing = lets_all, instead: Mapping[bytes, bytes] | None = None
) -> Iterator[str]:
    """Address of a server that is the one at ``url`` but for what it refuses and for bytes it says ``instead``."""
    target = urlsplit(url).netloc
    words = dict(instead or {})
    assert all(len(before) == len(after) for before, after in words.items()), "answers keep their lengths"

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self._body()
            user = self.headers.get("X-ClickHouse-User", "") or _basic_user(self.headers)
            refused = refusing(user, unquote_plus(self.path) + "\n" + body.decode("utf-8", "replace"))
            if refused:
                code, sentence = refused
                text = f"Code: {code}. DB::Exception: {sentence} (version 26.9.2.1)\n".encode()
                self._say(403, {"X-ClickHouse-Exception-Code": str(code)}, text)
                return
            there = http.client.HTTPConnection(target, timeout=600)
            headers = {
                key: value for key, value in self.headers.items() if key.lower() not in _LEFT | {"host"}
            }
            there.request(self.command, self.path, body, {**headers, "Host": target})
            answer = there.getresponse()
            content = answer.read()
            for before, after in words.items():
                content = content.replace(before, after)
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _LEFT}
            there.close()
            self._say(answer.status, kept, content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts: list[bytes] = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _say(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _basic_user(headers: Any) -> str:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return base64.b64decode(value).decode().partition(":")[0] if scheme.lower() == "basic" else ""
