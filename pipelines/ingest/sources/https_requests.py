"""One request over https to a provider of charges: to the very address that was looked at, its certificate checked, no
redirect followed, each answer told apart by whether a later one may be better. What is asked for is not known here.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from models.errors import InputRefused
from models.retries import PullRetries
from models.text import visible
from pipelines.ingest.sources.endpoints import check_endpoint
from pipelines.ingest.sources.spool import CHUNK_BYTES, SpoolLimits, spool

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
"""It would tell addresses, and one that a provider gives may hold a right."""

_REDIRECTS = range(300, 400)
_NO_CONTENT = 204
_JSON_BYTES = 1 << 24
"""The largest answer that is read as one JSON value."""

T = TypeVar("T")
Reading = Callable[[urllib3.BaseHTTPResponse, float], T]
"""Reads a reply of status 200, 201 or 204, until a moment of the monotonic clock."""


class Passes(Exception):
    """What may be better the next time; with the seconds the provider asks to wait."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.reason, self.after = reason, after
        super().__init__(reason)


@dataclass(frozen=True)
class BillingRequest:
    """What is asked: an address with its query, or whole as ``address``; ``secret`` is in no sentence."""

    address: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | None = None
    secret: str = ""


@dataclass(frozen=True)
class Asker:
    """Asks for one source: its name, the provider's title, and the variable that holds the token."""

    source: str
    title: str
    variable: str
    retries: PullRetries
    now: Callable[[], datetime]

    def answered(self, what: str, request: BillingRequest, read: Reading[T]) -> T:
        """What is read of a reply.

        Raises:
            Passes: there is none, and there may be one later.
            InputRefused: the provider does not answer this.
        """
        parts = urlsplit(request.address)
        host, port = parts.hostname or "", parts.port or 443
        query = "&".join(filter(None, (parts.query, urlencode(request.query))))
        path = f"{parts.path or '/'}?{query}" if query else parts.path or "/"
        # The very address that was checked is asked, so that a name cannot lead elsewhere a moment later.
        addresses = check_endpoint(self.source, f"https://{parts.netloc}", "location")
        if not addresses:
            raise Passes(f"{host} is not known")
        ends = time.monotonic() + self.retries.reply_seconds
        with urllib3.HTTPSConnectionPool(
            str(addresses[0]),
            port,
            ssl_context=ssl.create_default_context(),
            server_hostname=host,
            assert_hostname=host,
            timeout=urllib3.Timeout(connect=self.retries.connect_seconds, read=self.retries.read_seconds),
            retries=False,
        ) as pool:
            try:
                reply = pool.urlopen(
                    request.method,
                    path,
                    body=request.body,
                    headers={
                        "Host": host if parts.port is None else f"{host}:{port}",
                        "Accept-Encoding": "gzip",
                        "User-Agent": "appfleet",
                        **request.headers,
                    },
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                )
                try:
                    self._check(what, host, request, reply)
                    return read(reply, ends)
                finally:
                    reply.close()
            except SSLError:
                raise self.refused(
                    what, f"the certificate of {host} does not hold: nothing was sent"
                ) from None
            except ReadTimeoutError:
                raise Passes(f"it says nothing for {self.retries.read_seconds:g} s") from None
            except (ConnectTimeoutError, NewConnectionError):
                raise Passes("it cannot be reached") from None
            except ProtocolError:
                raise Passes("its reply is cut") from None
            except HTTPError as error:
                raise Passes(f"it cannot be asked ({type(error).__name__})") from None

    def into(self, what: str, target: Path) -> Reading[Path]:
        """Reads a whole reply into a file, unpacked."""

        def read(reply: urllib3.BaseHTTPResponse, ends: float) -> Path:
            if reply.status == _NO_CONTENT:
                target.write_bytes(b"")
                return target
            if (
                not reply.chunked
                and reply.headers.get("Content-Length") is None
                and _packing(reply) != "gzip"
            ):
                raise self.refused(what, "its reply does not say where it ends, so it may be cut")
            spool(what, self._chunks(what, reply, ends), target, SpoolLimits())
            return target

        return read

    def json(self, what: str) -> Reading[Any]:
        """Reads a whole reply as one JSON value, which touches no disk."""

        def read(reply: urllib3.BaseHTTPResponse, ends: float) -> Any:
            text = b""
            for chunk in reply.stream(CHUNK_BYTES, decode_content=True):
                text += chunk
                if len(text) > _JSON_BYTES or time.monotonic() > ends:
                    raise self.refused(what, "it answers more than is read at once")
            try:
                return json.loads(text)
            except ValueError:
                raise self.refused(what, "it answers what is no JSON: check location and api") from None

        return read

    def refused(self, what: str, reason: str) -> InputRefused:
        """The error of a request that nothing helps."""
        return InputRefused(f"source {self.source}, {what} of {self.title}: {reason}")

    def _check(self, what: str, host: str, request: BillingRequest, reply: urllib3.BaseHTTPResponse) -> None:
        status = reply.status
        if status in self.retries.statuses:
            raise Passes(f"it answers {status}", _asked_to_wait(reply.headers.get("Retry-After"), self.now()))
        if status in _REDIRECTS:
            to = urlsplit(reply.headers.get("Location") or "").hostname or host
            to = "a place of another name" if request.secret and request.secret.lower() in to else to
            raise self.refused(
                what,
                f"it sends elsewhere, to {visible(to)[:100]}, where the token may not go: correct the location",
            )
        if status in (401, 403) and request.secret:
            raise self.refused(
                what,
                f"it does not take the token of {self.variable} ({status}): give one that may read billing",
            )
        if status not in (200, 201, _NO_CONTENT):
            raise self.refused(what, f"it answers {status}: check location, api and parameters")
        if _packing(reply) not in ("identity", "gzip"):
            raise self.refused(
                what, f"its reply is packed as {visible(_packing(reply))[:40]}, which was not asked for"
            )

    def _chunks(self, what: str, reply: urllib3.BaseHTTPResponse, ends: float) -> Iterator[bytes]:
        for chunk in reply.stream(CHUNK_BYTES, decode_content=False):
            if time.monotonic() > ends:
                raise self.refused(what, f"its reply takes longer than {self.retries.reply_seconds:.0f} s")
            yield chunk


def _packing(reply: urllib3.BaseHTTPResponse) -> str:
    return (reply.headers.get("Content-Encoding") or "identity").lower()


def _asked_to_wait(text: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After says, which is a number of them or a date; None where it says neither."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - now).total_seconds())
