"""Alerts: what is wrong now, as alerts that begin, hold, freeze and end, each under one key, and which of them belong together.

Takes what was found at a moment and the alerts of the moment before; the moment is an argument. Finding out what is wrong
belongs to ``pipelines.compute.alerts``, who is told to ``models.alert_routes``, sending to ``pipelines.actions``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl
import yaml

from models.policy import duration
from models.schemas import SCHEMAS
from models.text import visible

PENDING, FIRING, FROZEN, RESOLVED = "pending", "firing", "frozen", "resolved"
STATES = (FIRING, FROZEN, PENDING, RESOLVED)
"""States of an alert in the order people read them."""
UNHEARD = "unheard"
"""Kind of the one alert while no app at all is heard."""
RETIRED, DEPRECATED, GIVEN_UP = "retired", "deprecated", "given up"
"""Ends of an alert that are no mending: its app is gone, is to go, or nobody could say anything for too long."""


@dataclass(frozen=True)
class Kind:
    """How alerts of one kind fire and end, and what people read for it."""

    word: str
    fire_after: timedelta
    resolve_after: timedelta
    together: timedelta | None = None


@dataclass(frozen=True)
class Sending:
    """Bounds of what is sent."""

    seconds: float
    most_seconds: float
    pass_seconds: float
    messages: int
    at_once: int
    retries: tuple[timedelta, ...]
    give_up: timedelta
    lines: int


@dataclass(frozen=True)
class AlertingPolicy:
    """The policy of ``alerting.yaml``."""

    kinds: Mapping[str, Kind]
    severities: tuple[str, ...]
    objectives: Mapping[str, str]
    unknown: frozenset[str]
    silent: str
    unheard: str
    anomalies: Mapping[str, str]
    budgets: Mapping[str, str]
    held: str
    stale: str
    frozen_for: timedelta
    kept_for: timedelta
    sending: Sending
    longest_silence: timedelta

    def rank(self, severity: str) -> int:
        """0 for the worst severity."""
        return self.severities.index(severity)


@cache
def alert_policy() -> AlertingPolicy:
    """The policy of ``alerting.yaml`` beside this module."""
    data: dict[str, Any] = yaml.safe_load(
        (resources.files("models") / "policy" / "alerting.yaml").read_text("utf-8")
    )
    sending = data.pop("sending")
    kinds = {
        name: Kind(one.pop("word"), **{key: duration(length) for key, length in one.items()})
        for name, one in data.pop("kinds").items()
    }
    for name in ("frozen_for", "kept_for", "longest_silence"):
        data[name] = duration(data[name])
    return AlertingPolicy(
        kinds=MappingProxyType(kinds),
        severities=tuple(data.pop("severities")),
        unknown=frozenset(data.pop("unknown")),
        sending=Sending(
            **{
                **sending,
                "retries": tuple(duration(one) for one in sending["retries"]),
                "give_up": duration(sending["give_up"]),
            }
        ),
        **data,
    )


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong at a moment, or of which nobody can say now (``is_known`` false).

    ``key`` is the same for the same trouble at every moment. ``subject`` is the app, budget or source; ``team`` its owner,
    empty for what belongs to whole bills or to all telemetry. ``cause`` names what several have in common, where that is
    known; ``since`` is when it began by the data.
    """

    key: str
    kind: str
    subject: str
    team: str
    severity: str
    since: datetime
    sentence: str
    environment: str = ""
    cause: str = ""
    is_known: bool = True
    ending: str = ""
    """Why an alert of it ends now other than by being over (``RETIRED``, ``DEPRECATED``); empty: it is wrong, or not known."""
    by_routes: bool = True
    targets: tuple[str, ...] = ()
    tells_end: bool = True
    """Who is told by policies of objectives beside or in place of the routes, and whether they are told of the end."""


@dataclass(frozen=True)
class Alert:
    """One alert (columns of ``core_alerts``). ``episode`` is the second since 1970 it fired in, 0 before: a key that is forgotten
    and fires again is told again, as no number of it comes twice.
    """

    alert_key: str
    kind: str
    subject: str
    environment: str
    team: str
    severity: str
    state: str
    cause: str
    sentence: str
    since: datetime
    pending_at: datetime
    fired_at: datetime | None = None
    clear_at: datetime | None = None
    frozen_at: datetime | None = None
    resolved_at: datetime | None = None
    episode: int = 0
    ending: str = ""
    by_routes: bool = True
    targets: tuple[str, ...] = ()
    tells_end: bool = True

    @property
    def end_word(self) -> str:
        """What people read where it ended: that it is resolved, or why it ended otherwise."""
        return self.ending or RESOLVED

    @property
    def is_open(self) -> bool:
        """Whether it was told, or is to be, and did not end."""
        return self.fired_at is not None and self.resolved_at is None


def advance(
    alerts: Iterable[Alert], conditions: Iterable[Trouble], now: datetime, policy: AlertingPolicy
) -> list[Alert]:
    """The alerts of this moment, by key.

    What is wrong is pending until it held for ``fire_after`` of its kind, then fires; it is resolved once nothing of it was
    seen for ``resolve_after``. While nobody can say, it is frozen: it neither fires nor ends. A firing alert takes a worse
    severity, never a milder one, until it is resolved. What fires again after that is a new episode of the same key.

    The order of conditions and how often one is given change nothing, and neither does asking again at the same moment.

    Args:
        alerts: those of the moment before.
        conditions: everything that is wrong at ``now``, or not known.
        now: an aware datetime.
        policy: of ``alert_policy()``.
    """
    before = {one.alert_key: one for one in alerts}
    found = merged(conditions, policy)
    after = []
    for key in sorted({*before, *found}):
        one = _advanced(before.get(key), found.get(key), now, policy)
        if one is not None:
            after.append(one)
    return after


def merged(conditions: Iterable[Trouble], policy: AlertingPolicy) -> dict[str, Trouble]:
    """One condition per key: what is known before what is not, then the worst severity, then what began first."""

    def worst_first(one: Trouble) -> tuple[Any, ...]:
        return (
            one.key,
            not one.is_known,
            policy.rank(one.severity),
            one.since,
            one.sentence,
            one.cause,
            one.team,
        )

    ordered = sorted(conditions, key=worst_first)
    return {key: next(same) for key, same in groupby(ordered, key=lambda one: one.key)}


def _advanced(
    alert: Alert | None, found: Trouble | None, now: datetime, policy: AlertingPolicy
) -> Alert | None:
    if (
        alert is not None
        and alert.state == RESOLVED
        and (found is None or found.ending or not found.is_known)
    ):
        is_shown = alert.resolved_at is not None and now - alert.resolved_at < policy.kept_for
        return alert if is_shown else None
    if found is None:
        return _cleared(alert, now, policy) if alert else None
    if found.ending:
        return _ended(alert, found, now)
    if not found.is_known:
        return _frozen(alert, now, policy) if alert else None
    return _held(alert, found, now, policy)


def _held(alert: Alert | None, found: Trouble, now: datetime, policy: AlertingPolicy) -> Alert:
    """The alert of something that is wrong now."""
    is_new = alert is None or alert.state == RESOLVED
    if alert is None or is_new:
        alert = Alert(
            **_of(found),
            severity=found.severity,
            state=PENDING,
            since=found.since,
            pending_at=now,
        )
    else:
        worse = min(alert.severity, found.severity, key=policy.rank) if alert.fired_at else found.severity
        alert = replace(alert, **_of(found), severity=worse, since=min(alert.since, found.since))
    fires = alert.fired_at is not None or now - alert.pending_at >= policy.kinds[alert.kind].fire_after
    if not fires:
        return replace(alert, state=PENDING, frozen_at=None)
    first = alert.fired_at is None
    return replace(
        alert,
        state=FIRING,
        fired_at=now if first else alert.fired_at,
        episode=int(now.timestamp()) if first else alert.episode,
        clear_at=None,
        frozen_at=None,
    )


def _of(found: Trouble) -> dict[str, Any]:
    return {
        "alert_key": found.key,
        "kind": found.kind,
        "subject": found.subject,
        "environment": found.environment,
        "team": found.team,
        "cause": found.cause,
        "sentence": found.sentence,
        "by_routes": found.by_routes,
        "targets": found.targets,
        "tells_end": found.tells_end,
    }


def _frozen(alert: Alert, now: datetime, policy: AlertingPolicy) -> Alert | None:
    """An alert of which nobody can say now; given up once that lasted as long as the policy allows."""
    since = alert.frozen_at or now
    if now - since < policy.frozen_for:
        return replace(alert, state=FROZEN, frozen_at=since)
    if not alert.fired_at:
        return None
    return replace(alert, state=RESOLVED, resolved_at=now, frozen_at=None, ending=GIVEN_UP)


def _ended(alert: Alert | None, found: Trouble, now: datetime) -> Alert | None:
    """An alert that ends though nothing was mended; one that never fired is forgotten."""
    if alert is None or alert.fired_at is None:
        return None
    return replace(
        alert,
        state=RESOLVED,
        resolved_at=now,
        frozen_at=None,
        clear_at=None,
        ending=found.ending,
        sentence=found.sentence,
    )


def _cleared(alert: Alert, now: datetime, policy: AlertingPolicy) -> Alert | None:
    """An alert of which nothing is seen any more; one that never fired is forgotten."""
    if alert.fired_at is None:
        return None
    since = alert.clear_at or now
    if now - since < policy.kinds[alert.kind].resolve_after:
        return replace(alert, state=FIRING, clear_at=since, frozen_at=None)
    return replace(alert, state=RESOLVED, clear_at=since, resolved_at=now, frozen_at=None)


def in_order(alerts: Iterable[Alert], policy: AlertingPolicy) -> list[Alert]:
    """Alerts in the one order of every page and command: by state, severity, the first begun first, then by key; resolved
    ones the last resolved first."""

    def place(one: Alert) -> tuple[Any, ...]:
        moment = one.since.timestamp()
        if one.resolved_at is not None:
            moment = -one.resolved_at.timestamp()
        return (STATES.index(one.state), policy.rank(one.severity), moment, one.alert_key)

    return sorted(alerts, key=place)


_DEPENDENCY = "failing dependency "


def dependency_cause(peer: str) -> str:
    """Cause of alerts of apps that call what fails, whoever owns them."""
    return f"{_DEPENDENCY}{peer}"


def is_dependency_cause(cause: str) -> bool:
    """Whether a cause is a dependency that fails, which is no matter of one owner."""
    return cause.startswith(_DEPENDENCY)


class Group(NamedTuple):
    """Alerts that have one likely cause, in their order; ``cause`` says what they share.

    They are of one owner and kind, but for those of a failing dependency: ``teams`` then has several.
    """

    team: str
    kind: str
    cause: str
    alerts: tuple[Alert, ...]

    @property
    def teams(self) -> tuple[str, ...]:
        """Owners of its alerts, sorted."""
        return tuple(sorted({one.team for one in self.alerts}))

    @property
    def owner(self) -> str:
        """Whose alerts these are, in words."""
        if len(self.teams) > 1:
            return f"{len(self.teams)} teams"
        return f"team {visible(self.team)}" if self.team else "the platform"


def grouped(alerts: Sequence[Alert], policy: AlertingPolicy) -> list[Group]:
    """Alerts by owner and likely cause, the group of the worst first.

    One cause have alerts of an owner that name the same one, and those of every owner whose apps call one failing dependency;
    else those of one kind and environment that began within ``together`` of their kind of another of them, in a chain.
    """
    groups: list[Group] = []

    def bucket(one: Alert) -> tuple[str, ...]:
        if is_dependency_cause(one.cause):
            return ("", "", one.cause, "")
        return (one.team, one.kind, one.cause, "" if one.cause else one.environment)

    for (team, kind, cause, _), members in groupby(
        sorted(alerts, key=lambda one: (*bucket(one), one.since, one.alert_key)), key=bucket
    ):
        if cause:
            ordered = in_order(members, policy)
            groups.append(Group(ordered[0].team, kind or ordered[0].kind, cause, tuple(ordered)))
            continue
        for chain in _chains(list(members), policy.kinds[kind].together):
            words = f"{len(chain)} began together" if len(chain) > 1 else ""
            groups.append(Group(team, kind, words, tuple(in_order(chain, policy))))
    places = {one.alert_key: place for place, one in enumerate(in_order(alerts, policy))}
    return sorted(groups, key=lambda group: places[group.alerts[0].alert_key])


def _chains(members: Sequence[Alert], gap: timedelta | None) -> list[list[Alert]]:
    """Alerts in the order they began, parted where more than ``gap`` lies between one and the next; without a gap each alone."""
    chains: list[list[Alert]] = []
    for one in members:
        if gap is not None and chains and one.since - chains[-1][-1].since <= gap:
            chains[-1].append(one)
        else:
            chains.append([one])
    return chains


def alerts_frame(alerts: Sequence[Alert]) -> pl.DataFrame:
    """Alerts as columns of ``core_alerts``."""
    schema = SCHEMAS["core_alerts"]
    rows = [{**vars(one), "targets": list(one.targets)} for one in alerts]
    return pl.DataFrame({name: [row[name] for row in rows] for name in schema.names()}, schema=schema)


def alerts_of(frame: pl.DataFrame) -> list[Alert]:
    """Rows of ``core_alerts``."""
    names = {one.name for one in fields(Alert)}
    return [
        _alert({name: value for name, value in row.items() if name in names})
        for row in frame.iter_rows(named=True)
    ]


def _alert(row: dict[str, Any]) -> Alert:
    return Alert(**{**row, "targets": tuple(row.get("targets", ()))})
