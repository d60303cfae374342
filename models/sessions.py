"""When a sign-in is over: its id and its beginning from the claims of the provider, its end from the clock.

A cookie lives for thirty days and can be copied; what it says of its own life is not asked. Which sessions were ended by
their people is kept by who serves the pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from models.errors import NotAdmitted
from models.people import access_policy

ISSUED_AT = "iat"


class SessionOver(NotAdmitted):
    """One sentence, for the person who looks, on why they have to sign in again."""


@dataclass(frozen=True)
class SignInSession:
    """One sign-in of one person: every copy of its cookie has the same id, the next sign-in another."""

    id: str
    began_at: datetime


def session_of(claims: Mapping[str, Any]) -> SignInSession:
    """The sign-in these claims are of.

    Raises:
        SessionOver: the provider did not say when it was.
    """
    issued = claims.get(ISSUED_AT)
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not 0 < issued < 2**40:
        raise SessionOver(
            "Your provider does not say when you signed in, so nobody can say until when: sign in again."
        )
    return SignInSession(session_id(claims), datetime.fromtimestamp(issued, UTC))


def session_id(claims: Mapping[str, Any]) -> str:
    """A digest of everything the provider said at a sign-in, the time of it and its nonce among it."""
    text = json.dumps(dict(claims), sort_keys=True, ensure_ascii=False, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def check_age(session: SignInSession, now: datetime, length: timedelta) -> None:
    """Does nothing while a session of this length lasts.

    Raises:
        SessionOver: it is over, or begins further ahead of the clock than the policy allows.
    """
    if session.began_at > now + access_policy().clock_slack:
        raise SessionOver(
            "Your sign-in is dated ahead of this machine's clock, so one of the two clocks is wrong: ask who runs these pages."
        )
    if now >= session.began_at + length:
        minutes = round(length / timedelta(minutes=1))
        raise SessionOver(f"You signed in more than {minutes} minutes ago: sign in again.")
