"""Charges pulled over https from a provider that hands them out: each month that is asked for is an object, or one
of each of its invoices.

A reply is kept in the state folder and is what the object holds until the provider is asked again, so that a source is read
twice without being asked twice. A reply that is not whole replaces nothing. The token is sent to the address of the source
alone, and is in no sentence; nothing here knows what a reply means.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol, cast

from models.billing_apis import BillingApi, Range, apis, is_due, ranges, target_of
from models.errors import ConfigurationError, InputRefused, ObjectRefused
from models.retries import PullRetries, retry_policy
from pipelines.ingest.sources.disk import DiskStore
from pipelines.ingest.sources.endpoints import check_endpoint
from pipelines.ingest.sources.https_reports import ReportsOfMonths
from pipelines.ingest.sources.https_requests import Asker, BillingRequest, Passes
from pipelines.ingest.sources.objects import Location, SourceObject, SpooledObject
from pipelines.ingest.sources.spool import SpoolLimits
from sql.state import state_folder

_LOG = logging.getLogger(__name__)
_NOTHING = (b"", b"[]")
"""What a reply without any charge holds, blanks aside."""


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
        names = {_range_name(one.name) for one in wanted}
        return [item for item in self._disk.objects() if _range_name(item.name) in names]

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
            except Passes as found:
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

    def _keep(self, asked: Range, replies: Mapping[str, Path]) -> None:
        """What was answered counts now for its range, and nothing else that was there of it."""
        for name, reply in replies.items():
            target = self._replies / name
            with reply.open("rb") as file:
                is_empty = file.read(1024).strip() in _NOTHING and reply.stat().st_size < 1024
            if is_empty:
                target.unlink(missing_ok=True)
                reply.unlink()
            elif target.exists() and _digest(target) == _digest(reply):
                reply.unlink()
            else:
                reply.replace(target)
        for path in self._replies.iterdir():
            if _range_name(path.name) == _range_name(asked.name) and path.name not in replies:
                path.unlink()

    def _answered(self, asked: Range) -> dict[str, Path]:
        """Whole replies to the request for a range, unpacked, by the names of their objects, beside the replies that count.

        Raises:
            Passes: there is none, and there may be one later.
            InputRefused: the provider does not answer this.
        """
        one = self._provider
        asker = Asker(one.source, one.api.title, one.variable, self._retries, self._now)
        if one.api.reports:
            of_months = ReportsOfMonths(asker, one.api, one.location, one.parameters, one.token, self._sleep)
            return of_months.fetched(asked, self._coming)
        address, query = target_of(one.api, one.location, one.parameters, asked)
        headers = {"Authorization": f"Bearer {one.token}", "Accept": one.api.accept}
        request = BillingRequest(address, query, headers, secret=one.token)
        target = self._coming / asked.name
        return {asked.name: asker.answered(asked.name, request, asker.into(asked.name, target))}

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


def _range_name(name: str) -> str:
    """What objects of one range have in common: their name up to the first point."""
    return name.partition(".")[0]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
