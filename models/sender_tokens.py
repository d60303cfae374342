"""Tokens of senders: what one looks like, what is kept of it, and whom it may send for at a moment.

Pure: random digits and the clock are arguments. Where tokens are kept, and what is done with a request that shows one,
belongs to ``pipelines.ingest.intake``.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, AwareDatetime, ConfigDict
from pydantic.dataclasses import dataclass

from models.errors import ConfigurationError

PREFIX = "appfleet_"
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 8, 43, 6
"""Digits of base 62: the public id of a key, 256 random bits, and the CRC-32 of all before it."""

LENGTH = len(PREFIX) + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

State = Literal["valid", "expired", "revoked"]

_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_PERIOD = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")


def token_name(value: str) -> str:
    """The name of a token, as people use it.

    Raises:
        ValueError: it holds anything but letters, digits, ``-``, ``_`` and ``.``.
    """
    if not _NAME.fullmatch(value):
        raise ValueError("may hold letters, digits, `-`, `_` and `.` only, 100 of them at most")
    return value


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class TokenKey:
    """One secret of a token: its public id and its hash, never itself; None: it does not expire, was not revoked."""

    id: str
    sha256: Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    made_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    def state(self, moment: datetime) -> State:
        """Whether it opens anything at a moment."""
        if self.revoked_at is not None and self.revoked_at <= moment:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= moment else "valid"


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class SenderToken:
    """A token by name: the apps and teams it may send for, and its secrets, of which a rotation leaves two for a while."""

    name: Annotated[str, AfterValidator(token_name)]
    apps: tuple[str, ...]
    teams: tuple[str, ...]
    keys: tuple[TokenKey, ...]

    @property
    def pinned_app(self) -> str:
        """The app everything sent with it is of; empty where it names several, or a team."""
        return self.apps[0] if len(self.apps) == 1 and not self.teams else ""

    def state(self, moment: datetime) -> State:
        """That of its best key."""
        states: list[State] = [key.state(moment) for key in self.keys]
        return "valid" if "valid" in states else states[-1] if states else "revoked"

    def revoked(self, moment: datetime) -> SenderToken:
        """The token as nothing opens with it any more."""
        return replace(
            self, keys=tuple(replace(key, revoked_at=key.revoked_at or moment) for key in self.keys)
        )

    def next_end(self, moment: datetime) -> datetime | None:
        """When a key made now ends, which is to live as long as the newest one was made for."""
        newest = self.keys[-1]
        return moment + (newest.expires_at - newest.made_at) if newest.expires_at else None

    def rotated(self, key: TokenKey, overlap: timedelta) -> SenderToken:
        """The token with a new key; those before it are good for ``overlap`` after the new one was made, not longer."""
        end = key.made_at + overlap
        older = (
            replace(one, expires_at=min(one.expires_at or end, end))
            if one.state(key.made_at) == "valid"
            else one
            for one in self.keys
        )
        return replace(self, keys=(*older, key))


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class _File:
    """What is kept of tokens, in one file."""

    version: Literal[1] = 1
    tokens: tuple[SenderToken, ...] = ()


def tokens_of(text: str, file: str) -> tuple[SenderToken, ...]:
    """Tokens of the text of their file, which sentences call ``file``.

    Raises:
        ConfigurationError: it is not what this version writes.
    """
    try:
        return pydantic.TypeAdapter(_File).validate_json(text).tokens
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(one) for one in first["loc"])
        raise ConfigurationError(
            f"{file} is not a file of tokens of this version ({where or 'the whole'}: {first['msg']}): restore it, or move "
            "it away and make the tokens again"
        ) from None


def text_of(tokens: Iterable[SenderToken]) -> str:
    """The text ``tokens_of`` reads."""

    def plain(value: Any) -> str:
        return str(value.isoformat())

    return json.dumps(asdict(_File(tokens=tuple(tokens))), indent=1, default=plain) + "\n"


def token_text(digits: str) -> str:
    """A token of random digits of base 62, ``ID_LENGTH + SECRET_LENGTH`` of them."""
    assert len(digits) == ID_LENGTH + SECRET_LENGTH
    return PREFIX + digits + _checksum(PREFIX + digits)


def is_token(text: str) -> bool:
    """Whether text can be a token: of its form, and its checksum agrees. A slip of one letter is none."""
    return bool(_FORM.fullmatch(text)) and _checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def key_id(token: str) -> str:
    """The public part of a token, by which its key is found."""
    return token[len(PREFIX) : len(PREFIX) + ID_LENGTH]


def digest(token: str) -> str:
    """What is kept of a token in its place: its 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def period(text: str) -> timedelta:
    """A span of time as ``12h``, ``90d`` or ``2w``.

    Raises:
        ValueError: it is none; the sentence completes ``<option> ...``.
    """
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise ValueError(f"is {text!r}; it must be a span of time such as 12h, 90d or 2w")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
