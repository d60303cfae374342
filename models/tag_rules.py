"""Rules of a workspace on tags, as typed data: aliases of keys and values, virtual tags, and keys whose coverage is shown.

What ``attribution`` of ``appfleet.yaml`` may say, each mistake found with its key. How a rule is applied to the tags of a bill
does not belong here (``models.tags``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, field_validator
from pydantic.dataclasses import dataclass

from models.yaml_reader import Misplaced, Name

_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")

CONDITIONS: Mapping[str, str] = {
    "account": "billing_account_id",
    "project": "sub_account_id",
    "resource_group": "resource_group",
    "resource": "resource_name",
    "resource_id": "resource_id",
    "service": "service_name",
}
"""Key of a condition -> what of an identity its pattern is compared with."""

_SPACES = ("", " ", "-", "_", ".")


def plain(text: str) -> str:
    """A key or value as rules compare it: without surrounding blanks, lower case."""
    return text.strip().lower()


def _spaces(value: str) -> str:
    if value not in _SPACES:
        raise ValueError(f"is {value!r}; it can be a blank, -, _, . or nothing")
    return value


Spaces = Annotated[str, AfterValidator(_spaces)]


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class VirtualRule:
    """Gives ``value`` to what fits every condition: patterns as shells have them, compared without regard to case."""

    value: Name
    name: Name | None = None
    account: Name | None = None
    project: Name | None = None
    resource_group: Name | None = None
    resource: Name | None = None
    resource_id: Name | None = None
    service: Name | None = None
    tags: dict[Name, Name] = field(default_factory=dict)

    @property
    def patterns(self) -> dict[str, str]:
        """Column of an identity -> pattern it must fit."""
        given = {column: getattr(self, key) for key, column in CONDITIONS.items()}
        return {column: pattern for column, pattern in given.items() if pattern is not None}

    @property
    def words(self) -> str:
        """Name of the rule, else what it gives."""
        return self.name or self.value


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class VirtualTag:
    """A tag that rules give where the bill has none: the first that fits."""

    tag: Name
    rules: tuple[VirtualRule, ...]

    @field_validator("rules")
    @classmethod
    def _each_can_be_told(cls, rules: tuple[VirtualRule, ...]) -> tuple[VirtualRule, ...]:
        if not rules:
            raise ValueError("has no rule, so it never gives a value; add one or remove the tag")
        names: set[str] = set()
        for index, rule in enumerate(rules):
            if not rule.patterns and not rule.tags:
                raise Misplaced(
                    f"has no condition, so it would fit everything; name one of {', '.join((*CONDITIONS, 'tags'))}",
                    (index,),
                )
            if rule.words in names:
                raise Misplaced(
                    f"is {rule.words!r} like a rule before it; give it a name of its own", (index,)
                )
            names.add(rule.words)
        return rules


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class TagRules:
    """``attribution`` of ``appfleet.yaml``.

    ``keys``: a tag key and its other spellings. ``values``: of a key, a value and its other spellings. ``spaces``: what a run
    of blanks inside a key or value is compared as; None leaves them. Case and surrounding blanks never matter.
    """

    keys: dict[Name, tuple[Name, ...]] = field(default_factory=dict)
    values: dict[Name, dict[Name, tuple[Name, ...]]] = field(default_factory=dict)
    spaces: Spaces | None = None
    virtual_tags: tuple[VirtualTag, ...] = ()
    coverage: tuple[Name, ...] = ()

    @field_validator("keys")
    @classmethod
    def _one_key_each(cls, keys: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        _no_spelling_twice(keys, ())
        return keys

    @field_validator("values")
    @classmethod
    def _one_value_each(
        cls, values: dict[str, dict[str, tuple[str, ...]]]
    ) -> dict[str, dict[str, tuple[str, ...]]]:
        for key, own in values.items():
            _no_spelling_twice(own, (key,))
        return values

    @field_validator("virtual_tags")
    @classmethod
    def _each_tag_once(cls, tags: tuple[VirtualTag, ...]) -> tuple[VirtualTag, ...]:
        seen: set[str] = set()
        for index, one in enumerate(tags):
            if plain(one.tag) in seen:
                raise Misplaced(
                    f"is {one.tag!r}, which has rules before; write them into one list", (index, "tag")
                )
            seen.add(plain(one.tag))
        return tags

    @property
    def asks_services(self) -> bool:
        """A rule looks at the service of a charge, which is no part of its identity."""
        return any(rule.service is not None for tag in self.virtual_tags for rule in tag.rules)


def _no_spelling_twice(names: Mapping[str, tuple[str, ...]], below: tuple[str, ...]) -> None:
    """Refuses a spelling that stands for two names."""
    stands_for: dict[str, str] = {}
    for name in names:
        if plain(name) in stands_for:
            raise Misplaced(f"is the same as {stands_for[plain(name)]!r}; remove one of them", (*below, name))
        stands_for[plain(name)] = name
    for name, spellings in names.items():
        for index, spelling in enumerate(spellings):
            other = stands_for.setdefault(plain(spelling), name)
            if other != name:
                raise Misplaced(f"is {spelling!r}, which stands for {other!r} already", (*below, name, index))
