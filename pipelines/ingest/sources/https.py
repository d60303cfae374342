"""Charges pulled over https from a provider that hands them out: each month that is asked for is an object.

A reply is kept in the state folder and is what the object holds until the provider is asked again, so that a source is read
twice without being asked twice. A reply that is not whole replaces nothing. The token is sent to the address of the source
alone, and is in no sentence; nothing here knows what a reply means.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol, cast
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

from models.billing_apis import BillingApi, Range, apis, is_due, ranges, target_of
from models.errors import ConfigurationError, InputRefused, ObjectRefused
from models.retries import PullRetries, retry_policy
from models.text import visible
from pipelines.ingest.sources.disk import DiskStore
from pipelines.ingest.sources.endpoints import check_endpoint
from pipelines.ingest.sources.objects import Location, SourceObject, SpooledObject
from pipelines.ingest.sources.spool import CHUNK_BYTES, SpoolLimits, spool
from sql.state import state_folder

_LOG = logging.getLogger(__name__)
_NOTHING = (b"", b"[]")
"""What a reply without any charge holds, blanks aside."""
_REDIRECTS = range(300, 400)
_NO_CONTENT = 204


class PulledSource(Location, Protocol):
    """The part of a source's settings that says whom to ask, for what, and with which token."""

    @property
    def api(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...
    @property
    def parameters(self) -> Mapping[str, str]: ...
    @property
    def since(self) -> str | None: ...


class _Passes(Exception):
    """What may be better the next time; with the seconds the provider asks to wait."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.reason, self.after = reason, after
        super().__init__(reason)


@dataclass(frozen=True)
class _Provider:
    """Whom to ask: the source's name and address, its row of the table, its parameters, and the token."""

    source: str
    location: str
    api: BillingApi
    parameters: Mapping[str, str]
    token: str
    variable: str
    since: date | None


class HttpsStore:
    """The months a provider is asked for, as they were answered last."""

    def __init__(
        self,
        provider: _Provider,
        folder: Path,
        retries: PullRetries | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._provider, self._retries = provider, retries or retry_policy().pull
        self._replies, self._coming = folder / "replies", folder / "coming"
        self._pulled_path = folder / "pulled.json"
        self._now, self._sleep = now, sleep
        for one in (self._replies, self._coming):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)

    @classmethod
    def at(cls, source: Location, root: Path) -> HttpsStore:
        """The store of a source whose location is the address of a provider.

        Raises:
            ConfigurationError: no token in the environment, or an address that may not be asked.
        """
        given = cast(PulledSource, source)
        provider = _Provider(
            source=source.name,
            location=source.location,
            api=apis()[given.api or ""],
            parameters=given.parameters,
            token=_token(source.name, given.token or ""),
            variable=given.token or "",
            since=date.fromisoformat(f"{given.since}-01") if given.since else None,
        )
        check_endpoint(source.name, source.location, "location")
        asked = json.dumps([source.location, given.api, sorted(given.parameters.items())])
        folder = hashlib.sha256(asked.encode()).hexdigest()[:16]
        return cls(provider, state_folder(root, "pulled", source.name, folder))

    def objects(self) -> list[SourceObject]:
        """The months that hold charges; those are asked for first whose reply is old.

        Raises:
            InputRefused: the provider cannot be asked, or its reply is not whole; what it said before stays.
        """
        now = self._now()
        wanted = ranges(self._provider.api, self._provider.since, now, self._provider.parameters)
        pulled = self._pulled()
        for one in wanted:
            said = pulled.get(one.name)
            if is_due(one, datetime.fromisoformat(said) if said else None, now):
                self._pull(one)
                pulled[one.name] = now.isoformat()
                self._remember(pulled)
        names = {one.name for one in wanted}
        return [item for item in self._disk.objects() if item.name in names]

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Copies the reply that was listed."""
        return self._disk.fetch(item, target, limits, may_grow)

    def identity(self, item: SourceObject) -> str:
        """Address, parameters and month."""
        one = self._provider
        return f"{one.location} {json.dumps(sorted(one.parameters.items()))} {item.name}"

    def name_of(self, reference: str, manifest: str) -> str:
        """A provider has no manifests."""
        raise ObjectRefused(manifest, f"it names {reference}, and what is pulled has no manifest")

    @property
    def _disk(self) -> DiskStore:
        return DiskStore(self._replies)

    def _pulled(self) -> dict[str, str]:
        """When each range was answered last."""
        try:
            found = json.loads(self._pulled_path.read_text(encoding="utf-8"))
            return {str(name): str(moment) for name, moment in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _remember(self, pulled: Mapping[str, str]) -> None:
        draft = self._pulled_path.with_suffix(".new")
        draft.write_text(json.dumps(pulled), encoding="utf-8")
        draft.replace(self._pulled_path)

    def _pull(self, asked: Range) -> None:
        """Asks for a range, again and again while what is wrong may pass, and keeps the reply where it says something else."""
        wait = self._retries.first_wait_seconds
        for attempt in range(self._retries.attempts_more + 1):
            try:
                self._keep(asked, self._answered(asked))
                return
            except _Passes as found:
                after = wait if found.after is None else found.after
                if after > self._retries.longest_wait_seconds:
                    raise self._refused(
                        asked, f"{found.reason} and asks to wait {after:.0f} s: run again later"
                    ) from None
                if attempt == self._retries.attempts_more:
                    raise self._refused(
                        asked, f"{found.reason}, {attempt + 1} times: run again later"
                    ) from None
                _LOG.info("%s %s: %s, waiting %.1f s", self._provider.source, asked.name, found.reason, after)
                self._sleep(after)
                wait = min(2 * wait, self._retries.longest_wait_seconds)

    def _keep(self, asked: Range, reply: Path) -> None:
        target = self._replies / asked.name
        with reply.open("rb") as file:
            is_empty = file.read(1024).strip() in _NOTHING and reply.stat().st_size < 1024
        if is_empty:
            target.unlink(missing_ok=True)
            reply.unlink()
        elif target.exists() and _digest(target) == _digest(reply):
            reply.unlink()
        else:
            reply.replace(target)

    def _answered(self, asked: Range) -> Path:
        """A whole reply to the request for a range, unpacked, beside the replies that count.

        Raises:
            _Passes: there is none, and there may be one later.
            InputRefused: the provider does not answer this.
        """
        address, query = target_of(
            self._provider.api, self._provider.location, self._provider.parameters, asked
        )
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 443
        path = f"{parts.path or '/'}?{urlencode(query)}" if query else parts.path or "/"
        # The very address that was checked is asked, so that a name cannot lead elsewhere a moment later.
        addresses = check_endpoint(self._provider.source, address, "location")
        if not addresses:
            raise _Passes(f"{host} is not known")
        ends = time.monotonic() + self._retries.reply_seconds
        with urllib3.HTTPSConnectionPool(
            str(addresses[0]),
            port,
            ssl_context=ssl.create_default_context(),
            server_hostname=host,
            assert_hostname=host,
            timeout=urllib3.Timeout(connect=self._retries.connect_seconds, read=self._retries.read_seconds),
            retries=False,
        ) as pool:
            try:
                reply = pool.urlopen(
                    "GET",
                    path,
                    headers={
                        "Host": host if parts.port is None else f"{host}:{port}",
                        "Authorization": f"Bearer {self._provider.token}",
                        "Accept": self._provider.api.accept,
                        "Accept-Encoding": "gzip",
                        "User-Agent": "appfleet",
                    },
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                )
                try:
                    return self._whole(asked, host, reply, ends)
                finally:
                    reply.close()
            except SSLError:
                raise self._refused(
                    asked, f"the certificate of {host} does not hold: nothing was sent"
                ) from None
            except ReadTimeoutError:
                raise _Passes(f"it says nothing for {self._retries.read_seconds:g} s") from None
            except (ConnectTimeoutError, NewConnectionError):
                raise _Passes("it cannot be reached") from None
            except ProtocolError:
                raise _Passes("its reply is cut") from None
            except HTTPError as error:
                raise _Passes(f"it cannot be asked ({type(error).__name__})") from None

    def _whole(self, asked: Range, host: str, reply: urllib3.BaseHTTPResponse, ends: float) -> Path:
        status, variable = reply.status, self._provider.variable
        target = self._coming / asked.name
        if status in self._retries.statuses:
            raise _Passes(
                f"it answers {status}", _asked_to_wait(reply.headers.get("Retry-After"), self._now())
            )
        if status in _REDIRECTS:
            to = urlsplit(reply.headers.get("Location") or "").hostname or host
            to = "a place of another name" if self._provider.token.lower() in to else to
            raise self._refused(
                asked,
                f"it sends elsewhere, to {visible(to)[:100]}, where the token may not go: correct the location",
            )
        if status in (401, 403):
            raise self._refused(
                asked, f"it does not take the token of {variable} ({status}): give one that may read billing"
            )
        if status == _NO_CONTENT:
            target.write_bytes(b"")
            return target
        if status != 200:
            raise self._refused(asked, f"it answers {status}: check location, api and parameters")
        packing = (reply.headers.get("Content-Encoding") or "identity").lower()
        if packing not in ("identity", "gzip"):
            raise self._refused(
                asked, f"its reply is packed as {visible(packing)[:40]}, which was not asked for"
            )
        if not reply.chunked and reply.headers.get("Content-Length") is None and packing != "gzip":
            raise self._refused(asked, "its reply does not say where it ends, so it may be cut")
        spool(asked.name, self._chunks(asked, reply, ends), target, SpoolLimits())
        return target

    def _chunks(self, asked: Range, reply: urllib3.BaseHTTPResponse, ends: float) -> Iterator[bytes]:
        for chunk in reply.stream(CHUNK_BYTES, decode_content=False):
            if time.monotonic() > ends:
                raise self._refused(asked, f"its reply takes longer than {self._retries.reply_seconds:.0f} s")
            yield chunk

    def _refused(self, asked: Range, reason: str) -> InputRefused:
        return InputRefused(
            f"source {self._provider.source}, {asked.name} of {self._provider.api.title}: {reason}"
        )


def _token(source: str, variable: str) -> str:
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ConfigurationError(
            f"source {source}: {variable} is not set: the token comes from the environment, never from a file"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(f"source {source}: {variable} holds what no token is made of: set it anew")
    return token


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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
