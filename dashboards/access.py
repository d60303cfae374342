"""Who looks, and what of them is asked again before every read: the viewer of the settings on this machine, or whoever
signed in, as the files say now.

Nobody is trusted by default: no grant, nothing shown. Reading rows does not belong here, nor does drawing the door
(``dashboards.door``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboards import break_glass, sessions
from models.errors import ConfigurationError, NotAdmitted
from models.grants import NothingGranted, People, granted, parse_people, person_of
from models.people import Viewer, access_policy
from models.sessions import SessionOver, check_age, session_id, session_of
from models.settings import FILE_NAME, Settings
from sql.access_log import AccessEntry
from sql.workspace import people_text, settings_of, settings_text

ONLY_LOOPBACK = (
    "These pages have no sign-in, so they answer only on this machine: start them with `appfleet up`, "
    f"set server.address to 127.0.0.1, or set up `sign_in` in {FILE_NAME}."
)
NOBODY = (
    f"The viewer has no team, so there is nothing to show: list teams under `viewer.teams` in {FILE_NAME}, "
    "or `see_all_teams` under `viewer.rights`."
)
CHANGED = "What you may see has changed: open the page again."
RESTART = f"Sign-in was added to or taken from {FILE_NAME} since these pages were started: whoever runs them has to start them again."
UNREADABLE = "Who may see what cannot be read at the moment: whoever runs these pages finds why with `appfleet doctor`."
BREAK_GLASS = "break-glass"
_LOOKER = "who looks"
_started_with_sign_in: bool | None = None


class NotSignedIn(NotAdmitted):
    """Nobody is signed in, and somebody has to be."""


class AccessChanged(NotAdmitted):
    """What a page was drawn with is not what its viewer may see now."""


@dataclass(frozen=True)
class Identity:
    """Who somebody is, as far as they proved it: by the claims of a sign-in, by the break-glass secret, or by sitting here."""

    claims: Mapping[str, Any] | None = field(default=None, hash=False)
    broke_glass_at: datetime | None = None
    session: str = ""

    @property
    def subject(self) -> str:
        """The provider's own name of the person, empty without a provider."""
        value = (self.claims or {}).get("sub", "")
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Looker:
    """Somebody who is let in, and what they may see."""

    workspace: Path
    identity: Identity
    viewer: Viewer

    def check(self) -> None:
        """Does nothing while this person may still see the same.

        Raises:
            NotAdmitted: their sign-in is over, or they have other teams or rights now.
            ConfigurationError: the settings are wrong.
        """
        if _viewer(_settings(self.workspace), self.identity) != self.viewer:
            raise AccessChanged(CHANGED)

    def entry(self, event: str, **values: Any) -> AccessEntry:
        """A line of the access log about this person."""
        return entry_of(self.identity, self.viewer, event, **values)

    @property
    def session_end(self) -> datetime | None:
        """When this sign-in is over by itself, or None on this machine."""
        sign_in = _settings(self.workspace).sign_in
        began_at = self.identity.broke_glass_at
        if self.identity.claims is not None:
            began_at = session_of(self.identity.claims).began_at
        return began_at + timedelta(minutes=sign_in.session_minutes) if sign_in and began_at else None


def started(with_sign_in: bool) -> None:
    """Says how this process serves pages: one that was started without sign-in never becomes one that needs it, or back."""
    global _started_with_sign_in
    _started_with_sign_in = with_sign_in


def looker(workspace: Path) -> Looker:
    """Who looks at the page that runs now.

    Raises:
        NotAdmitted: they may not, in a sentence for themselves.
        ConfigurationError: there are no settings, or they are wrong.
    """
    settings = _settings(workspace)
    identity = current_identity(settings)
    found = Looker(workspace, identity, _viewer(settings, identity))
    st.session_state[_LOOKER] = found
    return found


def looking() -> Looker:
    """Who the page that runs now is drawn for."""
    found = st.session_state[_LOOKER]
    assert isinstance(found, Looker)
    return found


def has_sign_in(workspace: Path) -> bool:
    """Whether people sign in to the pages of a workspace."""
    return _settings(workspace).sign_in is not None


def current_identity(settings: Settings) -> Identity:
    """Who is at the other end of the page that runs now, let in or not.

    Raises:
        NotSignedIn: nobody is, where somebody has to be.
    """
    if settings.sign_in is None:
        return Identity()
    broken = st.session_state.get(BREAK_GLASS)
    if isinstance(broken, Identity):
        return broken
    claims = {key: value for key, value in st.user.to_dict().items() if key != "tokens"}
    if claims.pop("is_logged_in", False) is not True:
        raise NotSignedIn("Sign in to see what your teams' apps cost and do.")
    return Identity(claims, session=session_id(claims))


def identity_now(workspace: Path) -> Identity | None:
    """Who is at the other end of the page that runs now, let in or not; None for nobody."""
    try:
        return current_identity(_settings(workspace))
    except NotSignedIn:
        return None


def entry_of(identity: Identity, viewer: Viewer | None, event: str, **values: Any) -> AccessEntry:
    """A line of the access log about somebody, let in or not."""
    name = viewer.name if viewer else person_of(identity.claims or {})
    return AccessEntry(
        event,
        person=name,
        subject=identity.subject,
        session=identity.session[:16],
        teams=viewer.teams if viewer else (),
        rights=viewer.rights if viewer else (),
        **values,
    )


def current_viewer(workspace: Path) -> Viewer | None:
    """The viewer of this machine as the settings of a workspace say now, or None: then nothing may be shown.

    Raises:
        ConfigurationError: there are no settings, or they are wrong.
    """
    viewer = _settings(workspace).viewer
    viewer = replace(viewer, rights=(*viewer.rights, *access_policy().at_this_machine))
    return viewer if viewer.sees_rows else None


def _viewer(settings: Settings, identity: Identity) -> Viewer:
    """What somebody may see now."""
    sign_in = settings.sign_in
    if _started_with_sign_in not in (None, sign_in is not None):
        raise NotAdmitted(RESTART)
    if sign_in is None:
        if identity != Identity():
            raise AccessChanged(CHANGED)
        viewer = current_viewer(settings.root)
        if viewer is None:
            raise NothingGranted(NOBODY)
        return viewer
    length = timedelta(minutes=sign_in.session_minutes)
    if identity.broke_glass_at:
        if _now() >= identity.broke_glass_at + length:
            raise SessionOver("The break-glass sign-in is over.")
        return break_glass.admin()
    if identity.claims is None:
        raise NotSignedIn("Sign in to see what your teams' apps cost and do.")
    check_age(session_of(identity.claims), _now(), length)
    if sessions.is_ended(settings.root, identity.session):
        raise SessionOver("You signed out: sign in again.")
    try:
        people = _people(people_text(settings))
    except ConfigurationError:
        raise NotAdmitted(UNREADABLE) from None
    return granted(people, identity.claims)


def _settings(workspace: Path) -> Settings:
    return _parsed_settings(workspace, settings_text(workspace))


@lru_cache(maxsize=16)
def _parsed_settings(workspace: Path, text: str) -> Settings:
    return settings_of(workspace, text)


@lru_cache(maxsize=16)
def _people(text: str) -> People:
    return parse_people(text, "people.yaml")


def _now() -> datetime:
    return datetime.now(UTC)
