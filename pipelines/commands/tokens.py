"""`appfleet tokens`: makes, lists, rotates and revokes the tokens senders show to the intake.

A token is written to stdout once, alone, and to nothing else; what is kept of it is the business of
``models.sender_tokens``, and where is ``pipelines.ingest.intake.token_file``'s.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from models.errors import AppfleetError, ConfigurationError
from models.registry import normalised_app_id
from models.sender_tokens import (
    DIGITS,
    ID_LENGTH,
    SECRET_LENGTH,
    SenderToken,
    TokenKey,
    digest,
    key_id,
    period,
    token_name,
    token_text,
)
from models.settings import Settings
from pipelines.ingest.intake.catalogue import Described, described
from pipelines.ingest.intake.gate import NOBODY
from pipelines.ingest.intake.policy import retired_lifecycle
from pipelines.ingest.intake.token_file import token_file
from pipelines.ingest.registry import Registry, load_registry
from sql.opening import open_warehouse

USE_DAYS = 7
"""What came with tokens is shown for so many days, today among them."""


def make(
    settings: Settings, name: str, apps: Sequence[str], teams: Sequence[str], expires_in: str | None
) -> None:
    """Makes a token and shows it, once.

    Raises:
        ConfigurationError: the name is taken, or an app or team is not to be sent for.
    """
    _checked("NAME", token_name, name)
    if not apps and not teams:
        raise ConfigurationError(
            "appfleet tokens make: name the apps it may send for with --app, or teams with --team"
        )
    registry = load_registry(settings)
    token, key = _new_key(_ends(expires_in))
    made = SenderToken(name, _apps(registry, apps), _teams(registry, teams), (key,))

    def add(tokens: tuple[SenderToken, ...]) -> tuple[SenderToken, ...]:
        if any(one.name == name for one in tokens):
            raise ConfigurationError(
                f"token {name} exists: `appfleet tokens rotate {name}` gives it a new secret, or choose another name"
            )
        return (*tokens, made)

    file = token_file(settings)
    file.change(add)
    _show(token, f"token {name} sends for {_scope(made)}{_until(key)}; kept as its hash in {file.path}")


def rotate(settings: Settings, name: str, overlap: str, expires_in: str | None) -> None:
    """Gives a token a new secret and shows it, once; those before are good for ``overlap`` longer. It lives as long as the one
    before it was made for, if nothing else is said.

    Raises:
        ConfigurationError: there is no such token, or it is revoked.
    """
    span = timedelta(0) if overlap == "0" else _checked("--overlap", period, overlap)
    named_life = _ends(expires_in)
    token, fresh = _new_key(named_life)

    def replaced(old: SenderToken) -> SenderToken:
        if old.state(fresh.made_at) == "revoked":
            raise ConfigurationError(f"token {name} is revoked: make another one with `appfleet tokens make`")
        return old.rotated(
            fresh if named_life else replace(fresh, expires_at=old.next_end(fresh.made_at)), span
        )

    key = _change(settings, name, replaced).keys[-1]
    when = f"until {key.made_at + span:%Y-%m-%d %H:%M} UTC at most" if span else "no longer"
    _show(token, f"token {name} has a new secret{_until(key)}; those before are good {when}")


def revoke(settings: Settings, name: str) -> None:
    """Ends a token, from the second on in which intakes look at their file.

    Raises:
        ConfigurationError: there is no such token.
    """
    _change(settings, name, lambda old: old.revoked(datetime.now(UTC)))
    typer.echo(f"token {name} is revoked: every intake that reads this file refuses it within seconds")


def print_tokens(console: Console, settings: Settings, clock: datetime) -> None:
    """Every token, whom it sends for, its keys, and what came with it lately."""
    file = token_file(settings)
    tokens = file.read()
    if not tokens:
        console.print(
            f"There is no token in {file.path}: the intake takes telemetry of this machine only, from anybody."
        )
        return
    uses, problem = _uses(settings, clock)
    apps, unknown = _described(settings)
    table = Table(
        "token", "sends for", "key", "made", "ends", "state", f"requests, {USE_DAYS} days", "bytes", "left out",
        "over its limits", "refused", "last (UTC)", title=f"Tokens of {file.path}",
    )  # fmt: skip
    for token in tokens:
        use = uses.get(token.name, {})
        for place, key in enumerate(token.keys):
            first = place == 0
            table.add_row(
                token.name if first else "",
                _scope(token, apps) if first else "",
                key.id,
                f"{key.made_at.astimezone(UTC):%Y-%m-%d}",
                f"{key.expires_at.astimezone(UTC):%Y-%m-%d %H:%M}" if key.expires_at else "never",
                key.state(clock),
                *(_counts(use) if first else [""] * 6),
            )
    console.print(table)
    if problem:
        console.print(f"What came with them is not known: {problem}")
    if unknown:
        console.print(f"Which of their apps are gone is not known: {unknown}")
    nobody = uses.get(NOBODY)
    if nobody:
        console.print(
            f"{nobody['refused']:,} request(s) of the last {USE_DAYS} days showed no token that is known."
        )


def _uses(settings: Settings, clock: datetime) -> tuple[dict[str, dict[str, Any]], str]:
    """What came with each token lately, or why that cannot be known."""
    first = clock.astimezone(UTC).date() - timedelta(days=USE_DAYS - 1)
    try:
        with open_warehouse(settings.root, role="reader") as warehouse:
            frame = warehouse.frame("queries/doctor/token_uses", first_day=first)
    except AppfleetError as error:
        return {}, str(error)
    return {row["token"]: row for row in frame.iter_rows(named=True)}, ""


def _described(settings: Settings) -> tuple[Described, str]:
    """What the catalogue says of the apps, or why that cannot be known."""
    try:
        return described(settings), ""
    except ConfigurationError as error:
        return Described(), str(error)


def _counts(use: dict[str, Any]) -> list[str]:
    names = ("requests", "bytes", "rejected_records", "limited", "refused")
    last = f"{use['last_at']:%Y-%m-%d %H:%M}" if use else ""
    return [*(f"{use.get(name, 0):,}" for name in names), last]


def _new_key(expires_in: timedelta | None) -> tuple[str, TokenKey]:
    token = token_text("".join(secrets.choice(DIGITS) for _ in range(ID_LENGTH + SECRET_LENGTH)))
    now = datetime.now(UTC)
    return token, TokenKey(key_id(token), digest(token), now, now + expires_in if expires_in else None)


def _change(settings: Settings, name: str, change: Callable[[SenderToken], SenderToken]) -> SenderToken:
    file = token_file(settings)

    def changed(tokens: tuple[SenderToken, ...]) -> tuple[SenderToken, ...]:
        names = [one.name for one in tokens]
        if name not in names:
            raise ConfigurationError(f"there is no token {name} in {file.path}{_meant(name, names)}")
        return tuple(change(one) if one.name == name else one for one in tokens)

    return next(one for one in file.change(changed) if one.name == name)


def _apps(registry: Registry, named: Iterable[str]) -> tuple[str, ...]:
    lifecycles = dict(registry.apps.select("app_id", "lifecycle").iter_rows())
    found: dict[str, None] = {}
    for text in named:
        app = normalised_app_id(text)
        if app not in lifecycles:
            raise ConfigurationError(
                f"--app: the catalogue describes no app {app!r}{_meant(app, lifecycles)}; describe it first, so that it has "
                "an owner"
            )
        if retired_lifecycle(lifecycles[app]):
            raise ConfigurationError(
                f"--app: app {app} is {lifecycles[app]} by the catalogue, so no token is made for it; change its "
                "spec.lifecycle if it runs again"
            )
        found[app] = None
    return tuple(found)


def _teams(registry: Registry, named: Iterable[str]) -> tuple[str, ...]:
    known = {one.casefold(): one for one in (*registry.apps["team"].unique(), *registry.teams["team"])}
    found: dict[str, None] = {}
    for text in named:
        team = known.get(text.strip().casefold())
        if team is None:
            raise ConfigurationError(
                f"--team: neither teams.yaml nor the catalogue names a team {text.strip()!r}{_meant(text, known.values())}"
            )
        found[team] = None
    return tuple(found)


def _meant(text: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(text, sorted(known), 1)
    return f"; did you mean {close[0]}" if close else ""


def _ends(expires_in: str | None) -> timedelta | None:
    return None if expires_in is None else _checked("--expires-in", period, expires_in)


def _checked(option: str, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise ConfigurationError(f"{option} {error}") from None


def _scope(token: SenderToken, known: Described | None = None) -> str:
    """Whom a token sends for; behind an app that is gone what the catalogue calls it, behind a team its apps that are."""
    known = known or Described()
    apps = [f"{app} ({known.retired[app]})" if app in known.retired else app for app in token.apps]
    return ", ".join([*apps, *(f"team {team}{_gone_of(team, known)}" for team in token.teams)])


def _gone_of(team: str, known: Described) -> str:
    gone = sorted(known.apps_of_team.get(team.casefold(), frozenset()) & known.retired.keys())
    return f" (without {', '.join(f'{app}: {known.retired[app]}' for app in gone)})" if gone else ""


def _until(key: TokenKey) -> str:
    return f" until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else ""


def _show(token: str, sentence: str) -> None:
    typer.echo(f"{sentence}. It is shown this once:", err=True)
    typer.echo(token)
