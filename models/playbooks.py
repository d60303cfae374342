"""Playbooks: what is to be done about an alert, as ``playbooks.yaml`` says it, read and checked.

Takes a composed YAML document and gives typed data; a condition is a closed list of keys, and no text in it is ever run.
When a playbook acts is ``models.remediation``; what is sent where is ``pipelines.actions``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from models.alert_routes import AlertTarget, target_of
from models.alerts import FIRING, Alert, AlertingPolicy
from models.focus import currencies
from models.policy import duration
from models.yaml_reader import Document, YamlReader, is_empty

FILE_NAME = "playbooks.yaml"
"""Where a workspace says what is done about its alerts."""

FLAG, WEBHOOK = "flag", "webhook"
NOTHING, EVENT = "nothing", "event"
"""What an action sends, beside a webhook."""

_KEYS = {"targets", "approve_above", "at_most", "playbooks"}
_PLAYBOOK_KEYS = {"name", "when", "do", "risk", "cool_down", "dry_run"}
_NAMED = ("kinds", "severities", "states", "teams", "apps", "environments", "criticalities", "objectives")
_WHEN_KEYS = {*_NAMED, "age", "above", "cost_above"}
_LENGTH = re.compile(r"[1-9][0-9]{0,5}[mhd]")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


@dataclass(frozen=True)
class ActionKind:
    """One action: its least risk, what it sends, and its numbers with the least and the most each may be."""

    risk: str
    sends: str
    needs: tuple[str, ...] = ()
    numbers: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Bounds(NamedTuple):
    """Actions that may begin in one pass, and that may be sent in 24 hours without a person."""

    in_pass: int
    in_day: int


@dataclass(frozen=True)
class PlaybookPolicy:
    """The policy of ``policy/playbooks.yaml``."""

    risks: tuple[str, ...]
    approve_above: str
    actions: Mapping[str, ActionKind]
    note: int
    event_type: str
    at_most: Bounds
    most: Bounds
    cool_down: timedelta
    least_cool_down: timedelta
    waits: timedelta
    give_up: timedelta
    app_kinds: frozenset[str]
    states: tuple[str, ...]
    figures: tuple[str, ...]

    def rank(self, risk: str) -> int:
        """0 for no risk."""
        return self.risks.index(risk)


@cache
def playbook_policy() -> PlaybookPolicy:
    """The policy of ``policy/playbooks.yaml``."""
    text = (resources.files("models") / "policy" / "playbooks.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    actions = {
        name: ActionKind(
            one["risk"],
            one["sends"],
            tuple(one.get("needs", ())),
            {number: (least, most) for number, (least, most) in one.get("numbers", {}).items()},
        )
        for name, one in data.pop("actions").items()
    }
    for name in ("cool_down", "least_cool_down", "waits", "give_up"):
        data[name] = duration(data[name])
    for name in ("at_most", "most"):
        data[name] = Bounds(data[name]["pass"], data[name]["day"])
    return PlaybookPolicy(
        risks=tuple(data.pop("risks")),
        actions=MappingProxyType(actions),
        app_kinds=frozenset(data.pop("app_kinds")),
        states=tuple(data.pop("states")),
        figures=tuple(data.pop("figures")),
        **data,
    )


@dataclass(frozen=True)
class Facts:
    """What is known beside an alert: how critical its app is, figures of its objective by name, and its cost."""

    criticality: str = ""
    figures: Mapping[str, float | int | None] = field(default_factory=dict)
    currency: str = ""
    cost: Decimal | None = None


@dataclass(frozen=True)
class When:
    """What a playbook asks of an alert; a set that is empty asks nothing. Apps may be patterns with ``*``.

    Attributes:
        age: how long the alert fired at least, by the clock.
        above: figure -> the number it has to be above. A figure nobody knows is above nothing.
        cost_above: currency -> the cost it has to be above; a cost in another currency is not.
    """

    kinds: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset({FIRING})
    teams: frozenset[str] = frozenset()
    apps: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    criticalities: frozenset[str] = frozenset()
    objectives: frozenset[str] = frozenset()
    age: timedelta = timedelta(0)
    above: Mapping[str, Decimal] = field(default_factory=dict)
    cost_above: Mapping[str, Decimal] = field(default_factory=dict)

    def differs(self, alert: Alert, facts: Facts, now: datetime) -> str:
        """Why an alert is none of these, in words; empty where it is one."""
        own = {
            "kinds": alert.kind,
            "severities": alert.severity,
            "states": alert.state,
            "teams": alert.team,
            "environments": alert.environment,
            "criticalities": facts.criticality,
            "objectives": alert.alert_key.rpartition("/")[2] if alert.kind == "slo" else "",
        }
        for key, value in own.items():
            if getattr(self, key) and value not in getattr(self, key):
                return f"{key} has no {value!r}"
        if self.apps and not any(fnmatch.fnmatchcase(alert.subject, one) for one in self.apps):
            return f"apps has no {alert.subject!r}"
        if self.age and (alert.fired_at is None or now - alert.fired_at < self.age):
            return f"it fires for less than {in_words(self.age)}"
        for name, number in self.above.items():
            figure = facts.figures.get(name)
            if figure is None or math.isnan(figure):
                return f"{name} is not known"
            if not figure > number:
                return f"{name} is {figure:.6g}, not above {number}"
        if self.cost_above:
            bound = self.cost_above.get(facts.currency)
            if facts.cost is None or bound is None or not facts.cost > bound:
                return "its cost is not known, or not above the number of its currency"
        return ""


@dataclass(frozen=True)
class Playbook:
    """One playbook. ``version`` changes with anything it says; ``needs_approval`` is by its risk and the file's bound."""

    name: str
    when: When
    action: str
    target: str
    parameters: Mapping[str, int | str]
    risk: str
    needs_approval: bool
    cool_down: timedelta
    is_dry_run: bool
    version: str
    where: str


@dataclass(frozen=True)
class Playbooks:
    """The whole of a ``playbooks.yaml``."""

    targets: Mapping[str, AlertTarget] = field(default_factory=dict)
    at_most: Bounds = Bounds(0, 0)
    playbooks: tuple[Playbook, ...] = ()


def in_words(length: timedelta) -> str:
    """A length as playbooks write it: ``90m``, ``2h`` or ``1d``."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds // 60}m"


def playbooks_of(document: Document, policy: PlaybookPolicy, alerting: AlertingPolicy) -> Playbooks:
    """Targets and playbooks of a ``playbooks.yaml``.

    Raises:
        ConfigurationError: a key, action, figure, kind or state that does not exist, a target nobody defines or nothing uses, a
            number out of its bounds, a cool-down of nothing, a condition that names nothing; names file, line and key.
    """
    if is_empty(document.node):
        return Playbooks()
    reader = YamlReader(document.file)
    parts = reader.mapping(document.node, "", _KEYS)
    given = reader.items(parts["targets"], "targets") if "targets" in parts else {}
    targets = {name: target_of(reader, name, node, alerting) for name, (_, node) in given.items()}
    above = _one_of(reader, parts, "approve_above", "approve_above", policy.risks, policy.approve_above)
    found: dict[str, Playbook] = {}
    for index, node in enumerate(reader.sequence(parts.get("playbooks"), "playbooks")):
        one = _playbook(reader, node, f"playbooks[{index}]", targets, above, policy, alerting)
        if one.name in found:
            reader.fail(node, f"playbooks[{index}].name", f"is {one.name!r}, as another one's is")
        found[one.name] = one
    used = {one.target for one in found.values()}
    for name, (name_node, _) in given.items():
        if name not in used:
            reader.fail(name_node, f"targets.{name}", "is in no playbook, so nothing is ever sent to it")
    bounds = _bounds(reader, parts.get("at_most"), policy)
    return Playbooks(targets, bounds, tuple(found.values()))


def _playbook(
    reader: YamlReader,
    node: yaml.Node,
    key: str,
    targets: Collection[str],
    above: str,
    policy: PlaybookPolicy,
    alerting: AlertingPolicy,
) -> Playbook:
    fields = reader.mapping(node, key, _PLAYBOOK_KEYS)
    for needed in ("name", "when", "do"):
        if needed not in fields:
            reader.fail(node, f"{key}.{needed}", "is missing")
    name = reader.text(fields["name"], f"{key}.name")
    if not _NAME.fullmatch(name):
        reader.fail(
            fields["name"], f"{key}.name", "must be of lower case letters, digits, - and _, 60 at most"
        )
    action, target, parameters = _action(reader, fields["do"], f"{key}.do", targets, policy)
    when = _when(reader, fields["when"], f"{key}.when", action, policy, alerting)
    least = policy.actions[action].risk
    risk = _one_of(reader, fields, "risk", f"{key}.risk", policy.risks, least)
    if policy.rank(risk) < policy.rank(least):
        reader.fail(fields["risk"], f"{key}.risk", f"is {risk!r}; that of {action} is {least} at least")
    cool_down = _length(reader, fields.get("cool_down"), f"{key}.cool_down", policy.cool_down)
    if cool_down < policy.least_cool_down:
        reader.fail(
            fields["cool_down"],
            f"{key}.cool_down",
            f"is shorter than {in_words(policy.least_cool_down)}: the playbook would act on an app again and again",
        )
    is_dry_run = _one_of(reader, fields, "dry_run", f"{key}.dry_run", ("true", "false"), "true") == "true"
    needs = policy.rank(risk) > policy.rank(above)
    said = {
        "name": name,
        "when": plain(when),
        "action": [action, target, dict(sorted(parameters.items()))],
        "risk": [risk, needs],
        "cool_down": in_words(cool_down),
        "dry_run": is_dry_run,
    }
    version = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]
    return Playbook(
        name,
        when,
        action,
        target,
        parameters,
        risk,
        needs,
        cool_down,
        is_dry_run,
        version,
        reader.where(node),
    )


def plain(when: When) -> dict[str, Any]:
    """A condition as JSON holds it: what it asks, in one order."""
    asked: dict[str, Any] = {key: sorted(getattr(when, key)) for key in _NAMED if getattr(when, key)}
    asked["age"] = in_words(when.age)
    for key in ("above", "cost_above"):
        asked[key] = {name: str(number) for name, number in sorted(getattr(when, key).items())}
    return asked


def _action(
    reader: YamlReader, node: yaml.Node, key: str, targets: Collection[str], policy: PlaybookPolicy
) -> tuple[str, str, dict[str, int | str]]:
    """Action, target (empty for a flag) and parameters."""
    fields = reader.mapping(node, key)
    if "action" not in fields:
        reader.fail(node, f"{key}.action", "is missing")
    action = _one_of(reader, fields, "action", f"{key}.action", policy.actions, "")
    kind = policy.actions[action]
    own = {"note"} if action == FLAG else {"target", *kind.numbers}
    reader.mapping(node, key, {"action", *own})
    parameters: dict[str, int | str] = {}
    if action == FLAG:
        if "note" not in fields:
            reader.fail(node, f"{key}.note", "is missing: a mark says what it is about")
        note = reader.text(fields["note"], f"{key}.note")
        if len(note) > policy.note:
            reader.fail(
                fields["note"], f"{key}.note", f"is longer than the {policy.note} characters of a mark"
            )
        return action, "", {"note": note}
    for needed in ("target", *kind.needs):
        if needed not in fields:
            reader.fail(node, f"{key}.{needed}", f"is missing: {action} needs it")
    target = _one_of(reader, fields, "target", f"{key}.target", targets, "")
    for name, bounds in kind.numbers.items():
        if name in fields:
            parameters[name] = _whole(reader, fields[name], f"{key}.{name}", *bounds)
    return action, target, parameters


def _when(
    reader: YamlReader,
    node: yaml.Node,
    key: str,
    action: str,
    policy: PlaybookPolicy,
    alerting: AlertingPolicy,
) -> When:
    fields = reader.mapping(node, key, _WHEN_KEYS)
    if not fields:
        reader.fail(node, key, "names nothing: the playbook would act on every alert")
    kinds = [kind for kind in alerting.kinds if action == WEBHOOK or kind in policy.app_kinds]
    known: dict[str, Collection[str]] = {
        "kinds": kinds,
        "severities": alerting.severities,
        "states": policy.states,
    }
    named = {name: _names(reader, fields, key, name, known.get(name)) for name in _NAMED}
    named["kinds"] = named["kinds"] or frozenset(kinds)
    named["states"] = named["states"] or frozenset({FIRING})
    known_currencies = currencies()
    return When(
        **named,
        age=_length(reader, fields.get("age"), f"{key}.age", timedelta(0)),
        above=_numbers(reader, fields.get("above"), f"{key}.above", policy.figures),
        cost_above=_numbers(reader, fields.get("cost_above"), f"{key}.cost_above", known_currencies),
    )


def _names(
    reader: YamlReader,
    fields: Mapping[str, yaml.Node],
    key: str,
    part: str,
    known: Collection[str] | None,
) -> frozenset[str]:
    found = set()
    nodes = reader.sequence(fields.get(part), f"{key}.{part}")
    if part in fields and not nodes:
        reader.fail(fields[part], f"{key}.{part}", "is empty: name something, or leave it out")
    for index, node in enumerate(nodes):
        name = reader.text(node, f"{key}.{part}[{index}]")
        if known is not None and name not in known:
            reader.fail(node, f"{key}.{part}[{index}]", f"is {name!r}; it can be {', '.join(known)}")
        found.add(name)
    return frozenset(found)


def _numbers(
    reader: YamlReader, node: yaml.Node | None, key: str, known: Collection[str]
) -> dict[str, Decimal]:
    if node is None:
        return {}
    found = {}
    for name, (name_node, value) in reader.items(node, key).items():
        if name not in known:
            example = ", ".join(list(known)[:7])
            reader.fail(name_node, f"{key}.{name}", f"is no figure known here; known are {example}")
        text = reader.source_text(value, f"{key}.{name}").strip()
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            reader.fail(value, f"{key}.{name}", f"is {text!r}; it must be a number")
        found[name] = number
    return found


def _one_of(
    reader: YamlReader,
    fields: Mapping[str, yaml.Node],
    part: str,
    key: str,
    known: Collection[str],
    usual: str,
) -> str:
    """A word of a closed list; ``usual`` where nothing is written."""
    if part not in fields:
        return usual
    word = reader.source_text(fields[part], key).strip()
    if word not in known:
        reader.fail(fields[part], key, f"is {word!r}; it can be {', '.join(known) or 'nothing yet'}")
    return word


def _length(reader: YamlReader, node: yaml.Node | None, key: str, usual: timedelta) -> timedelta:
    if node is None:
        return usual
    text = reader.source_text(node, key).strip()
    if not _LENGTH.fullmatch(text):
        reader.fail(node, key, f"is {text!r}; it must be a length such as 15m, 2h or 1d, and not nothing")
    return duration(text)


def _whole(reader: YamlReader, node: yaml.Node, key: str, least: int, most: int) -> int:
    text = reader.source_text(node, key).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and least <= int(text) <= most):
        reader.fail(node, key, f"is {text!r}; it must be a whole number from {least} to {most}")
    return int(text)


def _bounds(reader: YamlReader, node: yaml.Node | None, policy: PlaybookPolicy) -> Bounds:
    if node is None:
        return policy.at_most
    fields = reader.mapping(node, "at_most", {"pass", "day"})
    in_pass, in_day = (
        _whole(reader, fields[name], f"at_most.{name}", 1, most) if name in fields else usual
        for name, most, usual in zip(("pass", "day"), policy.most, policy.at_most, strict=True)
    )
    return Bounds(in_pass, in_day)
