"""Who sends: a request's bearer token, the apps it may speak for, and how much of it is taken now.

Runs on the intake's event loop; the file of tokens is read again when it changes. What a token lets in of a request is
decided in ``claims``; nothing here reads a request, and no secret leaves this module.
"""

from __future__ import annotations

import hmac
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from models.errors import ConfigurationError
from models.sender_tokens import SenderToken, TokenKey, digest, is_token, key_id
from models.settings import SenderLimits
from pipelines.ingest.intake.catalogue import Described
from pipelines.ingest.intake.claims import Permit
from pipelines.ingest.intake.limits import busy, limited, unauthenticated
from pipelines.ingest.intake.policy import intake_policy
from pipelines.ingest.intake.token_file import Signature, TokenFile

_log = logging.getLogger(__name__)

NOBODY = ""
"""Name under which requests are counted that showed no token, or none that is known."""
_NO_DIGEST = "0" * 64

Describing = Callable[[], Described]
"""What the catalogue says now."""


@dataclass
class Use:
    """What came with a token on a day: requests taken, their bytes (unpacked), records left out or set aside, requests over
    its limits, requests refused because it was expired, revoked or unknown, and when the last of all came."""

    requests: int = 0
    bytes: int = 0
    rejected_records: int = 0
    limited: int = 0
    refused: int = 0
    last_at: float = 0.0


class Bucket:
    """Refills at a rate up to a burst; times in seconds of a clock that only goes forward."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def wait(self, amount: float) -> float:
        """Takes an amount and returns 0, or takes nothing and returns the seconds until there is enough."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second)
        self._at = now
        if amount <= self._level:
            self._level -= amount
            return 0.0
        return (amount - self._level) / self._per_second


def complete(limits: SenderLimits) -> SenderLimits:
    """The limits with the policy's numbers where they say nothing; a burst holds one largest request."""
    of_policy = intake_policy().sender
    names = ("requests_per_second", "requests_burst", "bytes_per_second", "bytes_burst", "request_bytes")
    whole = replace(
        of_policy, **{name: value for name in names if (value := getattr(limits, name)) is not None}
    )
    return replace(whole, bytes_burst=max(whole.bytes_burst or 0, whole.request_bytes or 0))


class Bearer:
    """Whoever shows a token: what it may send for, and how much now."""

    def __init__(
        self, permit: Permit, gate: Gate, buckets: tuple[Bucket, Bucket], request_bytes: int
    ) -> None:
        self.permit = permit
        self.request_bytes = request_bytes
        self._gate = gate
        self._requests, self._bytes = buckets

    def ask(self) -> None:
        """Counts a request against the rate.

        Raises:
            Refused: there were too many.
        """
        self._spend(self._requests, 1, "requests")

    def bring(self, size: int) -> None:
        """Counts the bytes of a request, unpacked, against the rate.

        Raises:
            Refused: there were too many.
        """
        self._spend(self._bytes, size, "bytes")

    def took(self, size: int, rejected: int) -> None:
        """Counts a request that was taken."""
        use = self._gate.use(self.permit.token)
        use.requests += 1
        use.bytes += size
        use.rejected_records += rejected

    def _spend(self, bucket: Bucket, amount: int, what: str) -> None:
        seconds = bucket.wait(amount)
        if seconds:
            self._gate.use(self.permit.token).limited += 1
            raise limited(
                f"token {self.permit.token} sends more {what} than it may", max(1, math.ceil(seconds))
            )


@dataclass
class _Known:
    """A token of the file with what stays while it is there."""

    token: SenderToken
    buckets: tuple[Bucket, Bucket]


@dataclass(frozen=True)
class GateOptions:
    """How a gate is set: ``is_exposed`` where others than this machine's users can reach the intake."""

    is_exposed: bool = False
    limits: SenderLimits = field(default_factory=SenderLimits)


class Gate:
    """Lets requests in by their token. It is open, and asks nobody, on loopback as long as there never was a token."""

    def __init__(self, file: TokenFile, options: GateOptions, catalogue: Describing) -> None:
        self._file = file
        self._options = options
        self._limits = complete(options.limits)
        self._catalogue = catalogue
        self._described = Described()
        self._teams_read: frozenset[str] = frozenset()
        self.wants_catalogue = threading.Event()
        self._known: dict[str, _Known] = {}
        self._by_id: dict[str, tuple[_Known, TokenKey]] = {}
        self._signature: Signature | None = None
        self._looked = 0.0
        self._uses: dict[tuple[date, str], Use] = {}
        self._lock = threading.Lock()
        self.problem = ""
        self.is_open = not options.is_exposed

    def start(self) -> None:
        """Reads the tokens, and the catalogue where there is one.

        Raises:
            ConfigurationError: the file of tokens cannot be used, or ``teams.yaml`` where a token names a team.
        """
        self._read()
        try:
            self.look_at_catalogue()
        except ConfigurationError as error:
            if self._named_teams():
                raise
            _log.error("which apps are gone is not known: %s", error)

    def sender(self, authorization: str | None) -> Bearer | None:
        """Who sends, by the header ``Authorization``; None where nobody is asked.

        Raises:
            Refused: there is no valid token in it, or it has sent too often.
        """
        self._look()
        if self.is_open:
            return None
        found = self._found(authorization)
        if isinstance(found, str):
            self.use(found).refused += 1
            raise unauthenticated()
        sender = Bearer(self._permit(found.token), self, found.buckets, self._limits.request_bytes or 0)
        sender.ask()
        return sender

    def use(self, name: str) -> Use:
        """What came with a token today, to be counted on."""
        now = time.time()
        key = (datetime.fromtimestamp(now, UTC).date(), name)
        with self._lock:
            use = self._uses.setdefault(key, Use())
        use.last_at = now
        return use

    def uses(self) -> dict[tuple[date, str], Use]:
        """What came on each day with each token since the start, as it is now."""
        with self._lock:
            return {key: replace(use) for key, use in self._uses.items()}

    def forget(self, written: Mapping[tuple[date, str], Use], today: date) -> None:
        """Lets go of the days before today that are written down as they are."""
        with self._lock:
            for key, use in written.items():
                if key[0] < today and self._uses.get(key) == use:
                    del self._uses[key]

    def look_at_catalogue(self) -> None:
        """Reads again whose apps are and which are gone, where there is a token; may take seconds of a large catalogue.

        Raises:
            ConfigurationError: ``teams.yaml`` is wrong; what was known before stays.
        """
        named = self._named_teams()
        if self._known:
            self._described = self._catalogue()
        self._teams_read = named

    def _found(self, authorization: str | None) -> _Known | str:
        """The token that is shown and valid, or the name to count the request under. Takes as long for any token."""
        scheme, _, text = (authorization or "").strip().partition(" ")
        text = text.strip()
        known, key = self._by_id.get(key_id(text), (None, None))
        is_key = hmac.compare_digest(digest(text), key.sha256 if key else _NO_DIGEST)
        if known is None or key is None or not is_key or scheme.lower() != "bearer" or not is_token(text):
            return NOBODY
        return known if key.state(datetime.now(UTC)) == "valid" else known.token.name

    def _named_teams(self) -> frozenset[str]:
        return frozenset(team for known in list(self._known.values()) for team in known.token.teams)

    def _permit(self, token: SenderToken) -> Permit:
        if not self._teams_read.issuperset(token.teams):
            self.wants_catalogue.set()
            raise busy("the catalogue is being read for the apps of a team", 1)
        apps = set(token.apps)
        for team in token.teams:
            apps |= self._described.apps_of_team.get(team.casefold(), frozenset())
        gone = self._described.retired
        retired = {app: gone[app] for app in apps if app in gone}
        return Permit(token.name, frozenset(apps), token.pinned_app, retired)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < intake_policy().tokens_look_seconds:
            return
        self._looked = now
        if self._file.signature() == self._signature:
            return
        try:
            self._read()
        except ConfigurationError as error:
            # Those known before stay: half a copied file must not shut senders out.
            if str(error) != self.problem:
                _log.error("tokens are as they were: %s", error)
            self.problem = str(error)

    def _read(self) -> None:
        signature = self._file.signature()
        tokens = self._file.read()
        limits = self._limits
        known = {
            token.name: _Known(
                token,
                self._known[token.name].buckets
                if token.name in self._known
                else (
                    Bucket(limits.requests_per_second or 1, limits.requests_burst or 1),
                    Bucket(limits.bytes_per_second or 1, limits.bytes_burst or 1),
                ),
            )
            for token in tokens
        }
        self._known = known
        self._by_id = {key.id: (one, key) for one in known.values() for key in one.token.keys}
        self._signature = signature
        self._looked = time.monotonic()
        self.problem = ""
        self.wants_catalogue.set()
        # Once there was a token nobody is let in without, also after the last was taken out of the file.
        self.is_open = self.is_open and not tokens
