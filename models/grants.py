"""Who is given what: the text of ``people.yaml`` in, a person's teams and rights by the claims of their sign-in out.

A claim that cannot be read as names gives nothing at all, as what it would have said is not known. No file is read, and no
claim is trusted here: that they are the provider's own is the business of who brings them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass

from models.errors import ConfigurationError, NotAdmitted
from models.people import Viewer, access_policy
from models.yaml_reader import Misplaced, Name, documents, is_empty, one_of, validated

FILE_NAME = "people.yaml"
EMAIL = "email"
EMAIL_VERIFIED = "email_verified"
ELSEWHERE = "_claim_names"
"""Claim that names those a provider does not send but keeps elsewhere (OpenID Connect Core 1.0, 5.6.2): some do so with the
groups of whoever is in many."""

_NAMES_OF_A_PERSON = ("name", EMAIL, "preferred_username", "sub")

_KNOWN_KEYS_ONLY = ConfigDict(extra="forbid")


class NothingGranted(NotAdmitted):
    """One sentence, for the person who signed in, on why nothing is shown."""


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class Grant:
    """Whoever is in one of ``groups``, or whose ``claim`` has one of ``values``, has these roles and teams."""

    roles: tuple[Annotated[Name, one_of(access_policy().roles)], ...]
    groups: tuple[Name, ...] = ()
    claim: Name | None = None
    values: tuple[Name, ...] = ()
    teams: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _names_somebody(self) -> Grant:
        if bool(self.groups) == bool(self.claim):
            raise ValueError("must name either groups, or a claim and its values")
        if bool(self.claim) != bool(self.values):
            raise ValueError("must name a claim and its values together")
        if not self.roles:
            raise Misplaced("is empty; name at least one role", ("roles",))
        return self


@dataclass(frozen=True, config=_KNOWN_KEYS_ONLY)
class People:
    """Everything ``people.yaml`` grants, and the claim in which the provider names groups."""

    groups_claim: Name = "groups"
    people: tuple[Grant, ...] = field(default_factory=tuple)

    @property
    def teams(self) -> frozenset[str]:
        """Every team somebody is given."""
        return frozenset(team for grant in self.people for team in grant.teams)

    def given(self, team: str) -> tuple[str, ...]:
        """Whom a team is given to, as the file names them: groups, and values of a claim behind its name; each once."""
        named = (
            name
            for grant in self.people
            if team in grant.teams
            for name in (*grant.groups, *(f"{grant.claim}: {value}" for value in grant.values))
        )
        return tuple(dict.fromkeys(named))


def parse_people(text: str, file: str) -> People:
    """What the text of a ``people.yaml`` grants; sentences call the file ``file``.

    Raises:
        ConfigurationError: a wrong key, type, role, or more than one document; names file, line and key.
    """
    found = [one for one in documents(text, file) if not is_empty(one.node)]
    if len(found) > 1:
        raise ConfigurationError(f"{file} holds {len(found)} documents; write all people into one")
    return validated(People, found[0]) if found else People()


def granted(people: People, claims: Mapping[str, Any]) -> Viewer:
    """The person of these claims with everything granted to them: teams and rights of every grant that fits are added.

    Raises:
        NothingGranted: no grant fits, none of them shows a row, or a claim some grant asks for is not names.
    """
    kept = [grant for grant in people.people if _fits(grant, people.groups_claim, claims)]
    if not kept:
        raise NothingGranted(
            f"You are signed in, and {FILE_NAME} grants you nothing: ask who runs these pages for your team."
        )
    rights = tuple(right for grant in kept for role in grant.roles for right in access_policy().roles[role])
    viewer = Viewer(person_of(claims), tuple(team for grant in kept for team in grant.teams), rights)
    if not viewer.sees_rows:
        raise NothingGranted(
            f"You are signed in, and {FILE_NAME} gives you no team: ask who runs these pages for yours."
        )
    return viewer


def person_of(claims: Mapping[str, Any]) -> str:
    """What people call the person of these claims, in one line of visible text."""
    for name in _NAMES_OF_A_PERSON:
        words = " ".join(claims[name].split()) if isinstance(claims.get(name), str) else ""
        if words and "\0" not in words:
            return words[:200].encode("utf-8", "replace").decode()
    return "somebody without a name"


def _fits(grant: Grant, groups_claim: str, claims: Mapping[str, Any]) -> bool:
    if grant.claim is None:
        return not set(grant.groups).isdisjoint(_listed(groups_claim, claims))
    return not set(grant.values).isdisjoint(_valued(grant.claim, claims))


def _listed(claim: str, claims: Mapping[str, Any]) -> Iterator[str]:
    """Names in a claim that is a list of them; none where the provider sends no such claim."""
    value = claims.get(claim)
    if value is None:
        if claim in _kept_elsewhere(claims):
            raise NothingGranted(
                f"Your provider keeps the claim {claim!r} elsewhere and does not send it, as some do for whoever is in many "
                "groups, so nobody can say what is yours: ask who runs your sign-in to have it sent."
            )
        return iter(())
    if not isinstance(value, list):
        raise NothingGranted(
            f"Your provider sends the claim {claim!r} as {_kind(value)} and not as a list of names, so nobody can say what "
            "is yours: ask who runs your sign-in."
        )
    if not all(isinstance(one, str) for one in value):
        raise NothingGranted(
            f"Your provider sends something that is no name in the claim {claim!r}, so nobody can say what is yours: ask "
            "who runs your sign-in."
        )
    return iter(value)


def _valued(claim: str, claims: Mapping[str, Any]) -> Iterator[str]:
    """Names in a claim that is one name or a list of them; an e-mail address counts only where the provider verified it."""
    value = claims.get(claim)
    if claim == EMAIL and value is not None and claims.get(EMAIL_VERIFIED) is not True:
        return iter(())
    return iter((value,)) if isinstance(value, str) else _listed(claim, claims)


def _kept_elsewhere(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Claims there are that the provider did not send, by name."""
    named = claims.get(ELSEWHERE)
    return named if isinstance(named, dict) else {}


def _kind(value: Any) -> str:
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "a mapping"}
    return kinds.get(type(value), "something else")
