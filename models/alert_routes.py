"""Who is told of an alert, when, and what: routes of ``alerts.yaml``, silences and acknowledgements, and the messages due.

Takes composed YAML nodes, alerts and what was told before, and gives messages; no address of a receiver is known here, only
the name of a target and where its address is kept. Sending is ``pipelines.actions``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import yaml

from models.alerts import PENDING, RESOLVED, Alert, AlertingPolicy, Group, grouped, is_dependency_cause
from models.errors import ConfigurationError
from models.text import visible
from models.yaml_reader import Document, YamlReader, is_empty

FILE_NAME = "alerts.yaml"
"""Where a workspace says who is told."""

FIRED, ENDED = "fired", "resolved"
ACK, SILENCE, UNSILENCE = "ack", "silence", "unsilence"
_TARGET_KEYS = {"url", "seconds", "inward"}
_ROUTE_KEYS = {"teams", "severities", "kinds", "targets", "quiet"}
_QUIET_KEYS = {"from", "until", "zone"}


@dataclass(frozen=True)
class AlertTarget:
    """A receiver by its name, and where its address is kept: a variable of the environment, or a file.

    ``seconds`` is how long one message may take; ``inward`` whether it may lie in a private network.
    """

    name: str
    variable: str
    file: str
    seconds: float
    inward: bool
    where: str


@dataclass(frozen=True)
class Quiet:
    """Hours of the day in a time zone in which nothing is sent; what fires then is told when they end."""

    begins: time
    ends: time
    zone: str

    def holds(self, now: datetime) -> bool:
        """Whether a moment is within the hours; they may go over midnight."""
        here = now.astimezone(ZoneInfo(self.zone)).time()
        if self.begins <= self.ends:
            return self.begins <= here < self.ends
        return here >= self.begins or here < self.ends


@dataclass(frozen=True)
class Route:
    """Whose alerts, of which severity and kind, go to which targets; nothing named is all."""

    targets: tuple[str, ...]
    teams: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    quiet: Quiet | None = None

    def takes(self, alert: Alert) -> bool:
        """Whether an alert goes this way."""
        return all(
            not wanted or value in wanted
            for wanted, value in (
                (self.teams, alert.team),
                (self.severities, alert.severity),
                (self.kinds, alert.kind),
            )
        )


@dataclass(frozen=True)
class Routing:
    """The whole of an ``alerts.yaml``."""

    targets: Mapping[str, AlertTarget] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()

    def targets_of(self, alert: Alert) -> dict[str, list[Route]]:
        """Target -> the routes that lead an alert there.

        A policy of an objective may name who is told, in place of the routes or beside them: a target it names is reached by
        every route that has it, whose quiet hours go for it. Where none has any of them now the routes decide, so that no alert is lost.
        """
        named = {
            name: [route for route in self.routes if name in route.targets]
            for name in alert.targets
            if name in self.targets
        }
        found: dict[str, list[Route]] = {}
        for route in self.routes:
            if route.takes(alert) and (alert.by_routes or not named):
                for name in route.targets:
                    found.setdefault(name, []).append(route)
        return {**found, **named}


def routing_of(document: Document, policy: AlertingPolicy) -> Routing:
    """Targets and routes of an ``alerts.yaml``.

    Raises:
        ConfigurationError: an unknown or missing key, an address in the file itself, a target nobody defines, a severity, kind,
            time or time zone that does not exist; names file, line and key.
    """
    if is_empty(document.node):
        return Routing()
    reader = YamlReader(document.file)
    parts = reader.mapping(document.node, "", {"targets", "routes"})
    given = reader.items(parts["targets"], "targets") if "targets" in parts else {}
    targets = {name: target_of(reader, name, node, policy) for name, (_, node) in given.items()}
    routes = tuple(
        _route(reader, node, f"routes[{index}]", targets, policy)
        for index, node in enumerate(reader.sequence(parts.get("routes"), "routes"))
    )
    used = {name for route in routes for name in route.targets}
    for name, (name_node, _) in given.items():
        if name not in used:
            reader.fail(name_node, f"targets.{name}", "is in no route, so nothing is ever sent to it")
    return Routing(targets, routes)


def target_of(reader: YamlReader, name: str, node: yaml.Node, policy: AlertingPolicy) -> AlertTarget:
    """A target of a file of routes or playbooks, by its place and bounds.

    Raises:
        ConfigurationError: an unknown or missing key, or an address in the file itself; names file, line and key.
    """
    key = f"targets.{name}"
    fields = reader.mapping(node, key, _TARGET_KEYS)
    if "url" not in fields:
        reader.fail(node, f"{key}.url", "is missing")
    if isinstance(fields["url"], yaml.ScalarNode):  # its value is not repeated: it may be the secret
        reader.fail(
            fields["url"],
            f"{key}.url",
            "must say where the address is kept, {env: NAME} or {file: PATH}: an address holds a secret and belongs in neither "
            "this file nor a log",
        )
    url = reader.mapping(fields["url"], f"{key}.url", {"env", "file"})
    if len(url) != 1:
        reader.fail(fields["url"], f"{key}.url", "must name one of env or file")
    [(kind, value)] = url.items()
    place = reader.text(value, f"{key}.url.{kind}")
    if "://" in place:
        reader.fail(value, f"{key}.url.{kind}", "must be a name, not an address")
    seconds = _seconds(reader, fields.get("seconds"), f"{key}.seconds", policy)
    inward = reader.source_text(fields["inward"], f"{key}.inward") if "inward" in fields else "false"
    if inward not in ("true", "false"):
        reader.fail(fields["inward"], f"{key}.inward", "must be true or false")
    return AlertTarget(
        name,
        place if kind == "env" else "",
        place if kind == "file" else "",
        seconds,
        inward == "true",
        reader.where(node),
    )


def _seconds(reader: YamlReader, node: yaml.Node | None, key: str, policy: AlertingPolicy) -> float:
    if node is None or is_empty(node):
        return policy.sending.seconds
    text = reader.source_text(node, key).strip()
    most = policy.sending.most_seconds
    if not text.isdecimal() or not 1 <= int(text) <= most:
        reader.fail(node, key, f"is {text!r}; it must be whole seconds from 1 to {most:.0f}")
    return float(text)


def _route(
    reader: YamlReader, node: yaml.Node, key: str, targets: Collection[str], policy: AlertingPolicy
) -> Route:
    fields = reader.mapping(node, key, _ROUTE_KEYS)
    names = _names(reader, fields, key, "targets", targets)
    if not names:
        reader.fail(node, f"{key}.targets", "is missing: nobody would be told")
    return Route(
        tuple(dict.fromkeys(names)),
        frozenset(_names(reader, fields, key, "teams")),
        frozenset(_names(reader, fields, key, "severities", policy.severities)),
        frozenset(_names(reader, fields, key, "kinds", policy.kinds)),
        _quiet(reader, fields["quiet"], f"{key}.quiet") if "quiet" in fields else None,
    )


def _names(
    reader: YamlReader,
    fields: Mapping[str, yaml.Node],
    key: str,
    part: str,
    known: Collection[str] | None = None,
) -> list[str]:
    found = []
    for index, node in enumerate(reader.sequence(fields.get(part), f"{key}.{part}")):
        name = reader.text(node, f"{key}.{part}[{index}]")
        if known is not None and name not in known:
            reader.fail(
                node, f"{key}.{part}[{index}]", f"is {name!r}; it can be {', '.join(known) or 'nothing yet'}"
            )
        found.append(name)
    return found


def _quiet(reader: YamlReader, node: yaml.Node, key: str) -> Quiet:
    fields = reader.mapping(node, key, _QUIET_KEYS)
    for needed in ("from", "until", "zone"):
        if needed not in fields:
            reader.fail(node, f"{key}.{needed}", "is missing")
    zone = reader.text(fields["zone"], f"{key}.zone")
    if zone not in available_timezones():
        reader.fail(
            fields["zone"], f"{key}.zone", f"is {zone!r}, which is no time zone such as Europe/Berlin"
        )
    begins, ends = (_time(reader, fields[name], f"{key}.{name}") for name in ("from", "until"))
    if begins == ends:
        reader.fail(node, key, "begins when it ends: nothing would ever be sent")
    return Quiet(begins, ends, zone)


def _time(reader: YamlReader, node: yaml.Node, key: str) -> time:
    text = reader.source_text(node, key).strip()
    hours, colon, minutes = text.partition(":")
    try:
        if not (colon and len(minutes) == 2 and hours.isdecimal() and minutes.isdecimal()):
            raise ValueError(text)
        return time(int(hours), int(minutes))
    except ValueError:
        reader.fail(node, key, f'is {text!r}; it must be a time of the day in quotes, such as "22:30"')


@dataclass(frozen=True)
class Act:
    """What a person did about alerts (columns of ``alert_acts``).

    An acknowledgement is of one episode of one key, at the severity it had: what becomes worse is told. A silence is of what matches everything it names until it ends; what
    ends it early is an act of its own, whose ``of_act`` names it.
    """

    act_id: str
    act: str
    acted_by: str
    acted_at: datetime
    reason: str
    alert_key: str = ""
    episode: int = 0
    severity: str = ""
    subject: str = ""
    team: str = ""
    kind: str = ""
    ends_at: datetime | None = None
    of_act: str = ""

    def matches(self, alert: Alert) -> bool:
        """Whether this is about an alert."""
        if self.act == ACK:
            return (self.alert_key, self.episode, self.severity) == (
                alert.alert_key,
                alert.episode,
                alert.severity,
            )
        return all(
            not wanted or wanted == value
            for wanted, value in (
                (self.alert_key, alert.alert_key),
                (self.subject, alert.subject),
                (self.team, alert.team),
                (self.kind, alert.kind),
            )
        )


def checked_silence(act: Act, policy: AlertingPolicy) -> Act:
    """A silence that may be kept.

    Raises:
        ConfigurationError: it has no end, ended already, lasts longer than the policy allows, gives no reason, or matches
            everything there is.
    """
    if act.ends_at is None:
        raise ConfigurationError("a silence needs an end: --until 2026-10-31T12:00Z, or --until 4h")
    if act.ends_at <= act.acted_at:
        raise ConfigurationError(f"a silence until {act.ends_at:%Y-%m-%d %H:%M} UTC has ended already")
    if act.ends_at - act.acted_at > policy.longest_silence:
        raise ConfigurationError(
            f"a silence may last {policy.longest_silence.days} days at most: change what raises the alert instead"
        )
    if not any((act.alert_key, act.subject, act.team, act.kind)):
        raise ConfigurationError("a silence of everything is refused: name a KEY, --app, --team or --kind")
    _check_reason(act)
    return act


def checked_ack(act: Act, alerts: Iterable[Alert]) -> Act:
    """An acknowledgement of the episode of an alert that is open now.

    Raises:
        ConfigurationError: there is no such alert, or it does not fire, or no reason is given.
    """
    _check_reason(act)
    for one in alerts:
        if one.alert_key == act.alert_key:
            if not one.is_open:
                raise ConfigurationError(
                    f"alert {visible(act.alert_key)} is {one.state}: there is nothing to acknowledge"
                )
            return Act(**{**act.__dict__, "episode": one.episode, "severity": one.severity})
    raise ConfigurationError(f"there is no alert {visible(act.alert_key)}: `appfleet alerts` lists them")


def _check_reason(act: Act) -> None:
    if not act.reason.strip():
        raise ConfigurationError("--reason is empty: say why, for whoever looks later")


def standing(alert: Alert, acts: Iterable[Act], now: datetime) -> Act | None:
    """What a person did that holds for an alert now: the silence that ends last, else the first acknowledgement."""
    acts = list(acts)
    ended = {one.of_act for one in acts if one.act == UNSILENCE}
    silences = [
        one
        for one in acts
        if one.act == SILENCE
        and one.ends_at is not None
        and one.acted_at <= now < one.ends_at
        and one.act_id not in ended
        and one.matches(alert)
    ]
    if silences:
        return max(silences, key=lambda one: (one.ends_at, one.act_id))
    acks = [one for one in acts if one.act == ACK and one.matches(alert)]
    return min(acks, key=lambda one: (one.acted_at, one.act_id), default=None) if alert.is_open else None


@dataclass(frozen=True)
class Message:
    """What one target is to be told. ``message_id`` is made of what it tells: the same is never told twice."""

    message_id: str
    target: str
    title: str
    body: str
    items: tuple[str, ...]


class ToldItem(NamedTuple):
    """One thing a target was told, or is about to be."""

    target: str
    item: str


def item_of(alert: Alert, event: str) -> str:
    """What is told once: an event of one episode of one key."""
    return f"{event} {alert.episode} {alert.alert_key}"


def _events(alert: Alert) -> str:
    return ENDED if alert.state == RESOLVED else f"{FIRED}/{alert.severity}"


def due_messages(
    alerts: Sequence[Alert],
    routing: Routing,
    told: Iterable[ToldItem],
    acts: Sequence[Act],
    now: datetime,
    policy: AlertingPolicy,
) -> list[Message]:
    """What has to be told now and was not: one message per target and group, the worst first.

    Of an alert each target is told once that it fires, once more where it became worse, and once that it ended, if it was
    told that it fired. Nothing is told of what is silenced or acknowledged, or in a route's quiet hours, while that lasts.

    Args:
        alerts: of this moment.
        routing: who is told.
        told: what was told before, or is on its way.
        acts: what people did.
        now: an aware datetime.
        policy: of ``alert_policy()``.
    """
    told = list(told)
    known = {(one.target, one.item) for one in told}
    aware = _who_knows(told)
    wanted: dict[str, list[Alert]] = {}
    for alert in alerts:
        if alert.state == PENDING or alert.fired_at is None:
            continue
        event = item_of(alert, _events(alert))
        if alert.state == RESOLVED:
            if not alert.tells_end:
                continue
            for target in aware.get(f"{alert.episode} {alert.alert_key}", ()):
                if target in routing.targets and (target, event) not in known:
                    wanted.setdefault(target, []).append(alert)
            continue
        if standing(alert, acts, now) is not None:
            continue
        for target, routes in routing.targets_of(alert).items():
            is_quiet = all(route.quiet is not None and route.quiet.holds(now) for route in routes)
            if not is_quiet and (target, event) not in known:
                wanted.setdefault(target, []).append(alert)
    return [
        message
        for target in sorted(wanted)
        for message in _messages(target, grouped(wanted[target], policy), policy)
    ]


def _who_knows(told: Iterable[ToldItem]) -> dict[str, list[str]]:
    """Episode and key -> the targets that were told that it fires, or are about to be."""
    aware: dict[str, set[str]] = {}
    for one in told:
        event, _, what = one.item.partition(" ")
        if event != ENDED:
            aware.setdefault(what, set()).add(one.target)
    return {what: sorted(targets) for what, targets in aware.items()}


def _messages(target: str, groups: Sequence[Group], policy: AlertingPolicy) -> list[Message]:
    """One message per group; of more groups than a target is sent messages in a pass, one of all of them."""
    if len(groups) > policy.sending.messages:
        return [_message(target, groups, policy)]
    return [_message(target, [group], policy) for group in groups]


def _message(target: str, groups: Sequence[Group], policy: AlertingPolicy) -> Message:
    alerts = [one for group in groups for one in group.alerts]
    items = tuple(sorted(item_of(one, _events(one)) for one in alerts))
    message_id = hashlib.sha256("\0".join((target, *items)).encode()).hexdigest()[:32]
    lines = []
    for group in groups:
        if len(groups) > 1 or group.cause:
            lines.append(f"{group.owner}{f': {visible(group.cause)}' if group.cause else ''}")
        lines += [_line(one) for one in group.alerts]
    shown = lines[: policy.sending.lines]
    if len(lines) > len(shown):
        shown.append(f"and more, {len(alerts):,} alerts in all: `appfleet oncall` lists them")
    shown += ["", f"Key of this message: {message_id}"]
    return Message(message_id, target, _title(groups, alerts, policy), "\n".join(shown), items)


def _title(groups: Sequence[Group], alerts: Sequence[Alert], policy: AlertingPolicy) -> str:
    worst = min(alerts, key=lambda one: (one.state == RESOLVED, policy.rank(one.severity)))
    ends = {one.end_word for one in alerts}
    ended = worst.end_word if len(ends) == 1 else "ended"
    word = (ended if worst.state == RESOLVED else worst.severity).capitalize()
    if len(alerts) == 1:
        place = f" in {visible(worst.environment)}" if worst.environment else ""
        return f"[{word}] {policy.kinds[worst.kind].word}: {visible(worst.subject)}{place}"
    owner = groups[0].owner if len(groups) == 1 else f"{len(groups)} groups"
    if len(groups) == 1 and is_dependency_cause(groups[0].cause):
        return f"[{word}] {len(alerts):,} alerts of {owner}: {visible(groups[0].cause)}"
    return f"[{word}] {len(alerts):,} alerts of {owner}: {visible(worst.subject)} and others"


def _line(alert: Alert) -> str:
    if alert.state == RESOLVED and alert.resolved_at is not None:
        return (
            f"{alert.end_word.capitalize()} {alert.resolved_at:%Y-%m-%d %H:%M} UTC: {visible(alert.sentence)}"
        )
    return f"{alert.severity.capitalize()} since {alert.since:%Y-%m-%d %H:%M} UTC: {visible(alert.sentence)}"


def retry_after(attempt: int, policy: AlertingPolicy) -> timedelta:
    """How long to wait after an attempt that failed, the first being 1."""
    waits = policy.sending.retries
    return waits[min(attempt, len(waits)) - 1]


def unrouted(alerts: Iterable[Alert], routing: Routing) -> list[Alert]:
    """Alerts that fire and no route takes."""
    return [one for one in alerts if one.is_open and not routing.targets_of(one)]
