"""Sign-ins that their people ended, kept in the state folder until the last copy of their cookie is worthless.

A line for each, behind each other, so that a restart forgets none. When a sign-in is over by itself is
``models.sessions``.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from models.people import access_policy
from sql.state import state_folder

BROWSER_COOKIE = "appfleet_browser"
"""A cookie of ours, random, one a browser: it tells the browser a link was made for where nobody signed in."""
USER_COOKIE = "_streamlit_user"
"""Streamlit's cookie of a sign-in; a long one is cut, and its parts have a number behind this."""

_FILE = "ended"
_read: dict[Path, tuple[tuple[int, int, int], frozenset[str]]] = {}
_known_by_cookie: dict[str, tuple[Path, str]] = {}
_KNOWN = 10_000
_lock = threading.Lock()


def end(workspace: Path, session_id: str) -> None:
    """Refuses a sign-in from now on, and every copy of its cookie."""
    path = _path(workspace)
    with path.open("a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        lines = file.read().splitlines()
        kept = [line for line in lines if _is_remembered(line)]
        if len(kept) < len(lines):
            file.seek(0)
            file.truncate()
            file.writelines(f"{line}\n" for line in kept)
        file.write(f"{session_id} {datetime.now(UTC):%Y-%m-%dT%H:%M:%S}\n")
        file.flush()
        os.fsync(file.fileno())


def is_ended(workspace: Path, session_id: str) -> bool:
    """Whether a sign-in was ended by its person."""
    path = _path(workspace)
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    mark = (found.st_mtime_ns, found.st_size, found.st_ino)
    if path not in _read or _read[path][0] != mark:
        lines = path.read_text(encoding="ascii").splitlines()
        _read[path] = (mark, frozenset(line.partition(" ")[0] for line in lines))
    return session_id in _read[path][1]


def holder_of(cookies: Mapping[str, str]) -> str:
    """A digest of what tells one browser, and one sign-in in it, from every other: our cookie and Streamlit's."""
    own = sorted(
        (name, value)
        for name, value in cookies.items()
        if name == BROWSER_COOKIE or name.startswith(USER_COOKIE)
    )
    return sha256(repr(own).encode("utf-8", "backslashreplace")).hexdigest()


def note_holder(workspace: Path, cookies: Mapping[str, str], session_id: str) -> None:
    """Remembers which sign-in a browser shows, for ``end_by_cookies``."""
    with _lock:
        if len(_known_by_cookie) >= _KNOWN:
            _known_by_cookie.pop(next(iter(_known_by_cookie)))
        _known_by_cookie[holder_of(cookies)] = (workspace, session_id)


def end_by_cookies(cookies: Mapping[str, str]) -> None:
    """Ends the sign-in a browser shows, where a page was drawn for it."""
    with _lock:
        known = _known_by_cookie.pop(holder_of(cookies), None)
    if known:
        end(*known)


def _is_remembered(line: str) -> bool:
    try:
        ended_at = datetime.fromisoformat(line.partition(" ")[2]).replace(tzinfo=UTC)
    except ValueError:
        return True  # a line of a writer that was killed still refuses
    return datetime.now(UTC) - ended_at < access_policy().remembered


def _path(workspace: Path) -> Path:
    return state_folder(workspace, "sign-in") / _FILE
