"""The rules of ``rules.yaml``: which cost is shared, among which apps, by what, and from when to when.

Takes composed YAML nodes; reading files and splitting amounts do not belong here (``models.shared_costs``). Shares, tiers and
minimums are exact fractions of what is written, never by way of a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import yaml

from models.errors import ConfigurationError
from models.identity import UNALLOCATED
from models.ownership import ALWAYS
from models.policy import shared_cost_policy
from models.registry import CRITICALITIES, OPEN_END, normalised_app_id
from models.yaml_reader import Document, YamlReader, is_empty

SELECTABLE: Mapping[str, str] = {
    "source": "source_name",
    "provider": "provider",
    "service": "service_name",
    "account": "account",
    "project": "project",
    "region": "region",
    "environment": "environment",
    "category": "charge_category",
    "class": "charge_class",
    "frequency": "charge_frequency",
    "commitment": "commitment",
    "description": "description",
}
"""Key below ``take`` -> column of a pool that its patterns are matched with."""

TARGETED: Mapping[str, str] = {
    "apps": "app_id",
    "teams": "team",
    "systems": "system",
    "lifecycles": "lifecycle",
    "criticalities": "criticality",
}
"""Key below ``to`` -> column of an app that its patterns are matched with."""

NOTHING = "none"
"""Pattern of a column that says nothing."""

EVEN, FIXED, DIRECT_COST, KEEP = "even", "fixed", "direct_cost", "keep"
IDLE = "idle"
"""Basis of capacity that nobody used."""

REFUSE = "refuse"
FALLBACKS = (EVEN, DIRECT_COST, KEEP, REFUSE)
OVERS = ("charge_period", "day", "month")

_KEYS = {
    "name",
    "take",
    "to",
    "split",
    "shares",
    "fallback",
    "minimum",
    "tiers",
    "capacity",
    "over",
    "from",
    "until",
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_VERSION_LENGTH = 64


class Tier(NamedTuple):
    """A tier of a quantity: up to ``end`` (None: all above) of an hour, day or month, each unit weighs ``rate``."""

    end: Fraction | None
    rate: Fraction


@dataclass(frozen=True)
class Rule:
    """One shared cost rule: takes charges of ``take_apps`` that fit ``take``, gives them to the apps that fit ``to``."""

    name: str
    split: str
    where: str
    take_apps: tuple[str, ...] = (UNALLOCATED,)
    take: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    take_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    to_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    shares: Mapping[str, Fraction] = field(default_factory=dict)
    fallback: str = ""
    minimum: Fraction = Fraction(0)
    tiers: tuple[Tier, ...] = ()
    capacity: Fraction | None = None
    over: str = "charge_period"
    first: date = ALWAYS
    last: date = OPEN_END

    def holds_on(self, day: date) -> bool:
        """Whether the rule is in force on a day."""
        return self.first <= day <= self.last

    def fits(self, app: Mapping[str, Any]) -> bool:
        """Whether an app (``app_id``, the columns of ``TARGETED`` and ``tags``, a list of ``key=value``) is charged; apps it takes
        from never are."""
        app_id = app["app_id"]
        if app_id in self.take_apps or app_id == UNALLOCATED or self.split == KEEP:
            return False
        if self.split == FIXED:
            return app_id in self.shares
        if any(fnmatchcase(app_id, pattern) for pattern in self.without):
            return False
        if not all(_fits(app[TARGETED[key]], patterns) for key, patterns in self.to.items()):
            return False
        if not self.to_tags:
            return True
        tags = dict(one.partition("=")[::2] for one in app["tags"])
        return all(_fits(tags.get(key, ""), patterns) for key, patterns in self.to_tags.items())

    def takes(self, charge: Mapping[str, str], tags: Mapping[str, str]) -> bool:
        """Whether a charge (``app_id`` and the columns of ``SELECTABLE``) is taken; ``tags`` by lower-case key."""
        return (
            charge["app_id"] in self.take_apps
            and all(_fits(charge[SELECTABLE[key]], patterns) for key, patterns in self.take.items())
            and all(_fits(tags.get(key, ""), patterns) for key, patterns in self.take_tags.items())
        )


@dataclass(frozen=True)
class Rules:
    """The rules of a workspace in their order, and the edition they are named by on what they split."""

    version: str = ""
    lines: tuple[Rule, ...] = ()

    def in_month(self, first: date, last: date) -> Rules:
        """Those that hold on some day from ``first`` to ``last``."""
        return Rules(
            self.version, tuple(one for one in self.lines if one.first <= last and first <= one.last)
        )

    @property
    def apps(self) -> tuple[str, ...]:
        """Apps some rule takes from."""
        return tuple(sorted({app for one in self.lines for app in one.take_apps}))

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """Tag keys some rule looks at, lower case."""
        return tuple(sorted({key for one in self.lines for key in one.take_tags}))

    @property
    def measures(self) -> tuple[str, ...]:
        """What is to be measured by telemetry."""
        return tuple(sorted({one.split for one in self.lines} & set(measures())))

    def uses(self, column: str) -> bool:
        """Whether some rule looks at a column of a charge."""
        return any(SELECTABLE[key] == column for one in self.lines for key in one.take)


def _fits(value: str, patterns: Sequence[str]) -> bool:
    """Whether a value is one of the patterns; case does not matter."""
    text = value.strip().lower()
    return any(fnmatchcase(text, one) if one != NOTHING else not text for one in patterns)


@cache
def measures() -> tuple[str, ...]:
    """What telemetry can measure, by name."""
    return tuple(shared_cost_policy().units)


def kinds() -> tuple[str, ...]:
    """What a rule may split by."""
    return (EVEN, FIXED, DIRECT_COST, *measures(), KEEP)


def is_measured(split: str) -> bool:
    """Whether weights are read from data, so that there may be none."""
    return split == DIRECT_COST or split in measures()


def shared_rules(document: Document) -> Rules:
    """The rules of a ``rules.yaml``.

    Raises:
        ConfigurationError: a key, name, number or day that cannot be one, a rule without what it needs, weights none of
            which is above zero, two rules of one name on one day, or rules that give to each other in a circle or against
            their order; names file, line and key.
    """
    if is_empty(document.node):
        return Rules()
    reader = YamlReader(document.file)
    fields = reader.mapping(document.node, "", {"version", "rules"})
    if "version" not in fields:
        reader.fail(document.node, "version", "is missing: name the edition of these rules, such as 2026-10")
    version = reader.source_text(fields["version"], "version").strip()
    if not version or len(version) > _VERSION_LENGTH or not version.isprintable():
        reader.fail(
            fields["version"], "version", f"must be text of at most {_VERSION_LENGTH} printable characters"
        )
    nodes = reader.sequence(fields.get("rules"), "rules")
    lines = [_rule(reader, node, f"rules[{index}]") for index, node in enumerate(nodes)]
    for place, later in enumerate(lines):
        for before in lines[:place]:
            if before.name == later.name and _meet(before, later):
                raise ConfigurationError(
                    f"{later.where}: the rule {later.name} holds twice on one day, by {before.where} too; "
                    "give it another name, or end that one before"
                )
    refuse_circles(lines, _surely_gives)
    return Rules(version, tuple(lines))


def refuse_circles(lines: Sequence[Rule], gives: Callable[[Rule, str], bool]) -> None:
    """Refuses rules that give, one after the other, to an app the first of them takes from, and any that gives to an app
    which a rule before it takes from: what it gives would stay there.

    Args:
        gives: whether a rule charges an app.

    Raises:
        ConfigurationError: names the rules.
    """
    feeds = {
        place: [
            other
            for other, taker in enumerate(lines)
            if _meet(one, taker) and any(gives(one, app) for app in taker.take_apps)
        ]
        for place, one in enumerate(lines)
    }
    for giver, taker in ((one, other) for one, others in feeds.items() for other in others if other < one):
        way = _way(feeds, taker, giver)
        if way:
            circle = " -> ".join(lines[place].name for place in (*way, taker))
            raise ConfigurationError(
                f"{lines[taker].where}: the rules give to each other in a circle: {circle}; "
                "name the apps they take from under `to: except:` of one of them"
            )
        raise ConfigurationError(
            f"{lines[giver].where}: the rule {lines[giver].name} gives to what the rule {lines[taker].name} "
            f"before it takes from; write {lines[giver].name} first"
        )


def _surely_gives(rule: Rule, app: str) -> bool:
    """Whether a rule charges an app whatever the registry says of it."""
    return not rule.to_tags and not set(rule.to) - {"apps"} and rule.fits({"app_id": app})


def _meet(one: Rule, other: Rule) -> bool:
    return one.first <= other.last and other.first <= one.last


def _way(feeds: Mapping[int, Sequence[int]], start: int, end: int) -> list[int]:
    """Places by which what ``start`` gives reaches ``end``, both named; empty where it does not."""
    came_from = {start: start}
    waiting = [start]
    for place in waiting:
        for other in feeds[place]:
            if other not in came_from:
                came_from[other] = place
                waiting.append(other)
    if end not in came_from:
        return []
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def _rule(reader: YamlReader, node: yaml.Node, key: str) -> Rule:
    fields = reader.mapping(node, key, _KEYS)
    for needed in ("name", "split"):
        if needed not in fields:
            reader.fail(node, f"{key}.{needed}", "is missing")
    name = reader.text(fields["name"], f"{key}.name")
    if not _NAME.fullmatch(name):
        reader.fail(
            fields["name"], f"{key}.name", f"is {name!r}; use small letters, digits, `.`, `_` and `-`"
        )
    split = reader.text(fields["split"], f"{key}.split")
    if split not in kinds():
        reader.fail(fields["split"], f"{key}.split", f"is {split!r}; it can be {', '.join(kinds())}")
    _refuse_unused(reader, fields, key, split)
    if "capacity" in fields and not {"tiers", "minimum"}.isdisjoint(fields):
        reader.fail(
            fields["capacity"], f"{key}.capacity", "cannot be told beside tiers or a minimum; leave one out"
        )
    take = _mapping(reader, fields, "take", key, {"app", "tags", *SELECTABLE})
    to = _mapping(reader, fields, "to", key, {"except", "tags", *TARGETED})
    apps = _apps(reader, take.get("app"), f"{key}.take.app") or (UNALLOCATED,)
    for app in apps:
        if any(sign in app for sign in "*?["):
            reader.fail(
                take["app"], f"{key}.take.app", f"is {app!r}; name each app a rule takes from by its id"
            )
    _refuse_unknown_criticality(reader, to.get("criticalities"), f"{key}.to.criticalities")
    first = _day(reader, fields["from"], f"{key}.from") if "from" in fields else ALWAYS
    last = _day(reader, fields["until"], f"{key}.until") if "until" in fields else OPEN_END
    if last < first:
        reader.fail(fields["until"], f"{key}.until", f"is {last}, before the rule begins")
    return Rule(
        name=name,
        split=split,
        where=reader.where(node),
        take_apps=apps,
        take={one: _patterns(reader, take[one], f"{key}.take.{one}") for one in SELECTABLE if one in take},
        take_tags=_tag_patterns(reader, take.get("tags"), f"{key}.take.tags"),
        to={one: _patterns(reader, to[one], f"{key}.to.{one}") for one in TARGETED if one in to},
        to_tags=_tag_patterns(reader, to.get("tags"), f"{key}.to.tags"),
        without=_patterns(reader, to["except"], f"{key}.to.except") if "except" in to else (),
        shares=_shares(reader, node, fields, key, split),
        fallback=_fallback(reader, node, fields, key, split),
        minimum=_minimum(reader, fields, key),
        tiers=_tiers(reader, fields, key),
        capacity=_capacity(reader, fields, key),
        over=_over(reader, fields, key),
        first=first,
        last=last,
    )


_ONLY: Mapping[str, Callable[[str], bool]] = {
    "shares": lambda split: split == FIXED,
    "to": lambda split: split not in (FIXED, KEEP),
    "fallback": is_measured,
    "tiers": is_measured,
    "over": is_measured,
    "capacity": lambda split: split in measures(),
    "minimum": lambda split: split != KEEP,
}
"""Key of a rule -> whether a way to split has a use for it."""


def _refuse_unused(reader: YamlReader, fields: Mapping[str, yaml.Node], key: str, split: str) -> None:
    for name, has_use in _ONLY.items():
        if name in fields and not has_use(split):
            reader.fail(fields[name], f"{key}.{name}", f"has no use where split is {split}; leave it out")


def _mapping(
    reader: YamlReader, fields: Mapping[str, yaml.Node], name: str, key: str, known: set[str]
) -> dict[str, yaml.Node]:
    return reader.mapping(fields[name], f"{key}.{name}", known) if name in fields else {}


def _patterns(reader: YamlReader, node: yaml.Node, key: str) -> tuple[str, ...]:
    """A text or a list of texts, as they are compared."""
    nodes = [node] if isinstance(node, yaml.ScalarNode) else reader.sequence(node, key)
    found = tuple(reader.source_text(one, key).strip().lower() for one in nodes)
    if not found or not all(found):
        reader.fail(node, key, "names nothing; write a text or a list of texts, or leave the key out")
    return found


def _tag_patterns(reader: YamlReader, node: yaml.Node | None, key: str) -> dict[str, tuple[str, ...]]:
    """Patterns of the values of tags, by tag key in lower case."""
    if node is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name, value in reader.mapping(node, key).items():
        tag = name.strip().lower()
        if not tag or tag in found:
            reader.fail(value, f"{key}.{name}", "names a tag twice, or none; case does not matter")
        found[tag] = _patterns(reader, value, f"{key}.{name}")
    if not found:
        reader.fail(node, key, "names no tag; write `tag: value`, or leave the key out")
    return found


def _refuse_unknown_criticality(reader: YamlReader, node: yaml.Node | None, key: str) -> None:
    """Refuses what no app can be: a slip would charge nobody, or refuse the month."""
    if node is None:
        return
    for name in _patterns(reader, node, key):
        if name not in (*CRITICALITIES, NOTHING):
            reader.fail(node, key, f"is {name!r}; it can be {', '.join((*CRITICALITIES, NOTHING))}")


def _apps(reader: YamlReader, node: yaml.Node | None, key: str) -> tuple[str, ...]:
    if node is None:
        return ()
    return tuple(sorted({normalised_app_id(one) for one in _patterns(reader, node, key)}))


def _shares(
    reader: YamlReader, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str, split: str
) -> dict[str, Fraction]:
    if split != FIXED:
        return {}
    given = reader.mapping(fields["shares"], f"{key}.shares") if "shares" in fields else {}
    shares: dict[str, Fraction] = {}
    for name, value in given.items():
        app = normalised_app_id(name)
        if app in shares:
            reader.fail(value, f"{key}.shares.{name}", "names an app twice; remove one of them")
        shares[app] = _number(reader, value, f"{key}.shares.{name}")
    if not any(shares.values()):
        reader.fail(
            fields.get("shares", node),
            f"{key}.shares",
            "has no share above zero, so nobody can be charged; give each app its part",
        )
    return dict(sorted(shares.items()))


def _fallback(
    reader: YamlReader, node: yaml.Node, fields: Mapping[str, yaml.Node], key: str, split: str
) -> str:
    if not is_measured(split):
        return ""
    known = [one for one in FALLBACKS if one != split]
    if "fallback" not in fields:
        reader.fail(
            node,
            f"{key}.fallback",
            f"is missing: say what holds where there is no {split}: {', '.join(known)}",
        )
    fallback = reader.text(fields["fallback"], f"{key}.fallback")
    if fallback not in known:
        reader.fail(fields["fallback"], f"{key}.fallback", f"is {fallback!r}; it can be {', '.join(known)}")
    return fallback


def _minimum(reader: YamlReader, fields: Mapping[str, yaml.Node], key: str) -> Fraction:
    if "minimum" not in fields:
        return Fraction(0)
    share = _number(reader, fields["minimum"], f"{key}.minimum")
    if share >= 1:
        reader.fail(fields["minimum"], f"{key}.minimum", "must be a share below 1, such as 0.001")
    return share


def _tiers(reader: YamlReader, fields: Mapping[str, yaml.Node], key: str) -> tuple[Tier, ...]:
    nodes = reader.sequence(fields.get("tiers"), f"{key}.tiers")
    tiers: list[Tier] = []
    for index, node in enumerate(nodes):
        name = f"{key}.tiers[{index}]"
        given = reader.mapping(node, name, {"up_to", "rate"})
        if "rate" not in given:
            reader.fail(node, f"{name}.rate", "is missing")
        is_last = index == len(nodes) - 1
        if ("up_to" in given) == is_last:
            reader.fail(node, f"{name}.up_to", "must be given in every tier but the last, which has no end")
        end = _number(reader, given["up_to"], f"{name}.up_to") if not is_last else None
        before = tiers[-1].end if tiers else Fraction(0)
        if end is not None and before is not None and end <= before:
            reader.fail(given["up_to"], f"{name}.up_to", "must be above that of the tier before")
        tiers.append(Tier(end, _number(reader, given["rate"], f"{name}.rate")))
    if tiers and not any(one.rate for one in tiers):
        reader.fail(fields["tiers"], f"{key}.tiers", "have no rate above zero, so nobody can be charged")
    return tuple(tiers)


def _capacity(reader: YamlReader, fields: Mapping[str, yaml.Node], key: str) -> Fraction | None:
    if "capacity" not in fields:
        return None
    capacity = _number(reader, fields["capacity"], f"{key}.capacity")
    if not capacity:
        reader.fail(fields["capacity"], f"{key}.capacity", "must be above zero: what can be used in an hour")
    return capacity


def _over(reader: YamlReader, fields: Mapping[str, yaml.Node], key: str) -> str:
    if "over" not in fields:
        return "charge_period"
    over = reader.text(fields["over"], f"{key}.over")
    if over not in OVERS:
        reader.fail(fields["over"], f"{key}.over", f"is {over!r}; it can be {', '.join(OVERS)}")
    return over


def _number(reader: YamlReader, node: yaml.Node, key: str) -> Fraction:
    """A number of zero and more, as it is written."""
    text = reader.source_text(node, key).strip()
    if not _NUMBER.fullmatch(text):
        reader.fail(node, key, f"is {text!r}; it must be a number in digits, such as 12.5")
    number = Fraction(Decimal(text))
    if number < 0:
        reader.fail(node, key, f"is {text}, below zero; nobody can be charged a negative part")
    return number


def _day(reader: YamlReader, node: yaml.Node, key: str) -> date:
    text = reader.source_text(node, key).strip()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = OPEN_END
    if not ALWAYS <= day < OPEN_END:
        reader.fail(node, key, f"is {text!r}; it must be a day as 2026-01-31")
    return day


def unknown_names(rules: Rules, apps: Sequence[Mapping[str, Any]], teams: Collection[str]) -> list[str]:
    """Sentences on apps, teams and systems that rules name without a pattern and that nobody knows.

    Args:
        apps: as ``Rule.fits`` takes them: of the registry and of the bill.
        teams: known beside those of apps, in any case.
    """
    known = {
        "apps": {UNALLOCATED, *(app["app_id"] for app in apps)},
        "teams": {*map(str.lower, teams), *(app["team"].lower() for app in apps)},
        "systems": {app["system"].lower() for app in apps},
    }
    sentences = []
    for rule in rules.lines:
        named = [
            *(("take.app", "apps", one) for one in rule.take_apps),
            *(("shares", "apps", one) for one in rule.shares),
            *(("to.except", "apps", one) for one in rule.without),
            *((f"to.{kind}", kind, one) for kind in known for one in rule.to.get(kind, ())),
        ]
        sentences += [
            f"{rule.where}: the rule {rule.name} names the {kind[:-1]} {name} under {key}, which neither the registry nor the "
            "bill knows"
            for key, kind, name in named
            if name != NOTHING and not any(sign in name for sign in "*?[") and name not in known[kind]
        ]
    return sentences


def idle_rules(
    rules: Rules, apps: Sequence[Mapping[str, Any]], given: Collection[tuple[str, str]], is_applied: bool
) -> list[str]:
    """Sentences on rules that no app fits, or that took nothing.

    Args:
        apps: as ``Rule.fits`` takes them.
        given: names of rules, each with the edition it was of, that gave or kept something in a published month.
        is_applied: whether published months follow these rules; else nothing is said of what they took.
    """
    sentences = []
    for rule in rules.lines:
        if rule.split != KEEP and not any(rule.fits(app) for app in apps):
            sentences.append(f"{rule.where}: the rule {rule.name} fits no app, so it can charge nobody")
        elif is_applied and (rule.name, rules.version) not in given:
            sentences.append(
                f"{rule.where}: the rule {rule.name} takes nothing of any published month: no charge fits what is below `take`, "
                "or a rule before it takes them all"
            )
    return sentences


def names_of(lines: Iterable[Rule]) -> str:
    """Names of rules for people."""
    return ", ".join(one.name for one in lines)
