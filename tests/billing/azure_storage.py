"""A storage account for tests that speaks the few calls of Azure's Blob REST interface the store makes: list, read, properties.

It stands in where Azurite is not installed, and it can be what Azurite cannot: slow, cut, busy, changed meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

ACCOUNT = "devstoreaccount1"
KEY = base64.b64encode(b"a key of tests, known to all" * 2).decode()


@dataclass
class Blob:
    content: bytes
    version: int
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"0x{self.version:X}"'

    @property
    def md5(self) -> str:
        return base64.b64encode(hashlib.md5(self.content, usedforsecurity=False).digest()).decode()


class Account:
    """Containers and blobs, and what is to go wrong with a request: ``fault`` answers by itself and returns True."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.blobs: dict[tuple[str, str], Blob] = {}
        self.containers: set[str] = set()
        self.page = 2
        self.asked: list[str] = []
        self.fault: Callable[[_Answers], bool] = lambda _: False
        self._version = 0

    def put(self, container: str, name: str, content: bytes, metadata: dict[str, str] | None = None) -> None:
        self._version += 1
        self.containers.add(container)
        self.blobs[container, name] = Blob(content, self._version, metadata or {})


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    account: Account

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        account = self.account
        parts = urlsplit(self.path)
        query = {key: one[0] for key, one in parse_qs(parts.query, keep_blank_values=True).items()}
        account.asked.append(f"{self.command} {self.path}")
        if account.fault(self):
            return
        _, container, *rest = unquote(parts.path).lstrip("/").split("/", 2)
        blob = account.blobs.get((container, rest[0] if rest else ""))
        if (
            not self.headers.get("Authorization", "").startswith(f"SharedKey {ACCOUNT}:")
            and "sig" not in query
        ):
            self.refuse(403, "AuthenticationFailed")
        elif container not in account.containers:
            self.refuse(404, "ContainerNotFound")
        elif query.get("comp") == "list":
            self._list(container, query)
        elif blob is None:
            self.refuse(404, "BlobNotFound")
        elif self.headers.get("If-Match", blob.etag) not in (blob.etag, blob.etag.strip('"')):
            self.refuse(412, "ConditionNotMet")
        else:
            self._read(blob, with_body)

    def _list(self, container: str, query: dict[str, str]) -> None:
        prefix, after = query.get("prefix", ""), query.get("marker", "")
        names = sorted(
            name
            for held, name in self.account.blobs
            if held == container and name.startswith(prefix) and name > after
        )
        shown, left = names[: self.account.page], names[self.account.page :]
        entries = []
        for name in shown:
            blob = self.account.blobs[container, name]
            metadata = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
            entries.append(
                f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{_now()}</Last-Modified><Etag>{escape(blob.etag)}</Etag>"
                f"<Content-Length>{len(blob.content)}</Content-Length><Content-MD5>{blob.md5}</Content-MD5>"
                f"<BlobType>BlockBlob</BlobType></Properties><Metadata>{metadata}</Metadata></Blob>"
            )
        marker = escape(shown[-1]) if left else ""
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}"><Blobs>{"".join(entries)}</Blobs>'
            f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        self.send(200, body.encode(), {"Content-Type": "application/xml"})

    def _read(self, blob: Blob, with_body: bool) -> None:
        content, status = blob.content, 200
        headers = {"ETag": blob.etag, "Last-Modified": _now(), "x-ms-blob-type": "BlockBlob"}
        headers |= {f"x-ms-meta-{key}": value for key, value in blob.metadata.items()}
        asked = self.headers.get("x-ms-range") or self.headers.get("Range")
        if asked and with_body:
            first, last = asked.removeprefix("bytes=").split("-")
            start = int(first)
            if start >= len(content):
                self.refuse(416, "InvalidRange")
                return
            part = content[start : int(last) + 1 if last else None]
            headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
            content, status = part, 206
        self.send(status, content, headers, with_body)

    def refuse(self, status: int, code: str) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'
        self.send(status, body.encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"})

    def send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool = True) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), "x-ms-version": "2021-12-02", **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body and self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def _now() -> str:
    return format_datetime(datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC), usegmt=True)


@contextmanager
def account() -> Iterator[Account]:
    """An account on the loopback interface."""
    made = Account("")
    handler = type("Answers", (_Answers,), {"account": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/{ACCOUNT}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
