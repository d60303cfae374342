"""The way in for when the provider of identities is down: one local admin, whose hashed secret stands in the environment.

``python -m dashboards.break_glass`` makes a secret. It opens pages in one tab for as long as any sign-in lasts, leaves no cookie, and each use is in the access log. What an
admin may see is the role's business.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import sys
import threading
import time
from collections import deque

from models.errors import ConfigurationError, NotAdmitted
from models.people import Viewer, access_policy
from models.settings import BREAK_GLASS_SECRET

NAME = "break-glass admin"
_KIND = "scrypt"
_COST = {"n": 2**14, "r": 8, "p": 1}
"""Of RFC 7914; with these OWASP's Password Storage Cheat Sheet asks for p = 5, and a secret of 256 bits needs none."""
_wrong: deque[float] = deque()
_lock = threading.Lock()


def new_secret() -> tuple[str, str]:
    """A random secret for people to keep, and what to set ``APPFLEET_BREAK_GLASS`` to."""
    secret = secrets.token_urlsafe(32)
    return secret, hashed(secret)


def hashed(secret: str) -> str:
    """What the environment holds of a secret."""
    salt = secrets.token_bytes(16)
    return "$".join((_KIND, _text(salt), _text(_digest(secret, salt))))


def is_set_up() -> bool:
    """Whether there is a break-glass admin.

    Raises:
        ConfigurationError: the environment holds something else than what ``hashed`` gives.
    """
    return _kept() is not None


def check_secret(secret: str) -> None:
    """Does nothing for the right secret.

    Raises:
        NotAdmitted: it is wrong, there is no such admin, or too many were wrong within a minute.
    """
    now = time.monotonic()
    with _lock:
        while _wrong and now - _wrong[0] > 60:
            _wrong.popleft()
        if len(_wrong) >= access_policy().wrong_per_minute:
            raise NotAdmitted("Too many wrong secrets: nobody is let in this way for a minute.")
        _wrong.append(now)  # taken back where it is right: guesses at the same time count too
    kept = _kept()
    if kept is None or not hmac.compare_digest(_digest(secret, kept[0]), kept[1]):
        raise NotAdmitted("This is not the secret.")
    with _lock:
        _wrong.remove(now)


def admin() -> Viewer:
    """Who looks with the secret.

    Raises:
        NotAdmitted: there is no break-glass admin any more.
    """
    if not is_set_up():
        raise NotAdmitted("There is no break-glass admin any more.")
    return Viewer(NAME, rights=access_policy().roles["admin"])


def _kept() -> tuple[bytes, bytes] | None:
    """Salt and digest of the secret, or None where there is none."""
    text = os.environ.get(BREAK_GLASS_SECRET, "")
    if not text:
        return None
    try:
        kind, salt, digest = text.split("$")
        kept = (base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True))
    except ValueError:
        kind, kept = "", (b"", b"")
    if kind != _KIND or not all(kept):
        raise ConfigurationError(
            f"{BREAK_GLASS_SECRET} is not what `python -m dashboards.break_glass` prints: set it to that line, in quotes, or leave it out"
        )
    return kept


def _digest(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode("utf-8", "backslashreplace"), salt=salt, dklen=32, **_COST)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def main() -> None:
    """Prints a new secret, and the line that lets its holder in."""
    secret, line = new_secret()
    sys.stdout.write(
        f"The secret, for a safe place, shown this once:\n  {secret}\n"
        f"For the environment of who serves the pages:\n  export {BREAK_GLASS_SECRET}='{line}'\n"
    )


if __name__ == "__main__":
    main()
