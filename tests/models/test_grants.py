"""Who is given what, by the claims of a sign-in: everything that fits is added, and what is no list of names gives nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigurationError
from models.grants import Grant, NothingGranted, People, granted, parse_people, person_of
from models.people import RIGHTS, Viewer, access_policy
from models.sessions import SessionOver, SignInSession, check_age, session_id, session_of

FILE = """\
groups_claim: roles
people:
  - {groups: [leads, "a, b"], roles: [lead], teams: [payments, "Ops, \\"R&D\\" <b>x</b>"]}
  - {groups: [all], roles: [viewer, finance]}
  - {claim: email, values: [ada@example.com], roles: [admin]}
  - {claim: department, values: [Ops], roles: [viewer], teams: [ops]}
"""
PEOPLE = parse_people(FILE, "people.yaml")
ADMIN = (
    "act_on_alerts",
    "approve_actions",
    "close_months",
    "download_statements",
    "see_access_log",
    "see_all_teams",
    "see_statements",
    "see_whole_bills",
)

MISTAKES = [
    ("people:\n  - {groups: [a], roles: [boss]}\n", 2, "people[0].roles[0]", "it can be admin, finance, lead"),
    ("people:\n  - {groups: [a], roles: []}\n", 2, "people[0].roles", "name at least one role"),
    ("people:\n  - {roles: [lead]}\n", 2, "people[0]", "must name either groups, or a claim"),
    ("people:\n  - {groups: [a], claim: email, values: [b], roles: [lead]}\n", 2, "people[0]", "must name either"),
    ("people:\n  - {claim: email, roles: [lead]}\n", 2, "people[0]", "must name a claim and its values"),
    ("people:\n  - {groups: [a], values: [b], roles: [lead]}\n", 2, "people[0]", "must name a claim and its values"),
    ("people:\n  - groups: a\n    roles: [lead]\n", 2, "people[0].groups", "must be a list"),
    ("people:\n  - groups: [0042]\n    roles: [lead]\n", 2, "people[0].groups[0]", "must be text"),
    ("people:\n  - {groups: [a], roles: [lead], rights: [see_all_teams]}\n", 2, "people[0].rights", "known here"),
    ("persons: []\n", 1, "persons", "known here: groups_claim, people"),
    ("people: [\n", 2, "", "this is not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "said"), MISTAKES)
def test_a_mistake_names_file_line_and_key(text: str, line: int, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_people(text, "people.yaml")
    assert str(caught.value).startswith(f"people.yaml, line {line}: {key}")
    assert said in str(caught.value)


def test_two_documents_are_refused_and_none_grants_nothing() -> None:
    with pytest.raises(ConfigurationError, match="2 documents"):
        parse_people("people: []\n---\npeople: []\n", "people.yaml")
    assert parse_people("", "people.yaml") == People()
    assert PEOPLE.teams == {"payments", 'Ops, "R&D" <b>x</b>', "ops"}
    assert [PEOPLE.given(team) for team in ("payments", "ops", "none")] == [
        ("leads", "a, b"),
        ("department: Ops",),
        (),
    ]


@pytest.mark.parametrize(
    ("claims", "teams", "rights"),
    [
        (
            {"roles": ["leads"]},
            ('Ops, "R&D" <b>x</b>', "payments"),
            ("act_on_alerts", "download_statements", "see_statements"),
        ),
        (
            {"roles": ["x", "a, b"]},
            ('Ops, "R&D" <b>x</b>', "payments"),
            ("act_on_alerts", "download_statements", "see_statements"),
        ),
        (
            {"roles": ["all"]},
            (),
            ("close_months", "download_statements", "see_all_teams", "see_statements", "see_whole_bills"),
        ),
        ({"email": "ada@example.com", "email_verified": True}, (), ADMIN),
        ({"department": "Ops"}, ("ops",), ()),
        ({"department": ["x", "Ops"]}, ("ops",), ()),
        (
            {"department": "Ops", "roles": ["all"]},
            ("ops",),
            tuple(one for one in ADMIN if one not in ("see_access_log", "act_on_alerts", "approve_actions")),
        ),
    ],
)
def test_everything_that_fits_is_added(
    claims: dict[str, Any], teams: tuple[str, ...], rights: tuple[str, ...]
) -> None:
    assert granted(PEOPLE, {"name": "U", **claims}) == Viewer("U", teams, rights)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"roles": []},
        {"roles": ["LEADS"]},
        {"roles": ["a", "b"]},
        {"roles": ["leads "]},
        {"groups": ["leads"]},
        {"email": "ada@example.com"},
        {"email": "ada@example.com", "email_verified": "true"},
        {"email": "ada@example.com", "email_verified": False},
    ],
)
def test_who_is_granted_nothing_sees_nothing(claims: dict[str, Any]) -> None:
    with pytest.raises(NothingGranted, match=r"people\.yaml grants you nothing"):
        granted(PEOPLE, claims)


def test_a_role_without_a_team_shows_no_row() -> None:
    people = People(people=(Grant(roles=("lead",), groups=("a",)),))
    with pytest.raises(NothingGranted, match="gives you no team"):
        granted(people, {"groups": ["a"]})


no_list = st.one_of(
    st.text(min_size=1),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.dictionaries(st.text(), st.text()),
)


@given(no_list, st.booleans())
def test_a_claim_that_is_no_list_gives_nothing_and_one_sentence(value: Any, is_admin: bool) -> None:
    """Not even what other claims would give: what this one would have said is not known."""
    claims = {"roles": value}
    if is_admin:
        claims |= {"email": "ada@example.com", "email_verified": True}
    with pytest.raises(NothingGranted) as caught:
        granted(PEOPLE, claims)
    assert "'roles'" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("is_admin", [False, True])
def test_groups_that_are_kept_elsewhere_give_nothing_and_say_so(is_admin: bool) -> None:
    """As a provider sends whoever is in more groups than it lists: a name of the claim, and where it could be asked for."""
    claims: dict[str, Any] = {
        "_claim_names": {"roles": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.example.com/x"}},
    }
    if is_admin:
        claims |= {"email": "ada@example.com", "email_verified": True}
    with pytest.raises(NothingGranted, match="keeps the claim 'roles' elsewhere and does not send it"):
        granted(PEOPLE, claims)
    assert granted(PEOPLE, claims | {"roles": ["all"]}).has("see_all_teams"), "what is sent counts"
    for other in ({"_claim_names": {"address": "src1"}}, {"_claim_names": "roles"}, {"_claim_names": None}):
        with pytest.raises(NothingGranted, match="grants you nothing"):
            granted(PEOPLE, other)


@pytest.mark.parametrize("value", [["leads", 1], [None], [["leads"]], [{"name": "leads"}]])
def test_a_list_of_other_things_gives_nothing(value: list[Any]) -> None:
    with pytest.raises(NothingGranted, match="no name in the claim 'roles'"):
        granted(PEOPLE, {"roles": value})


@given(st.lists(st.text(max_size=8), max_size=6))
def test_a_name_counts_whole_and_as_it_is_written(groups: list[str]) -> None:
    fits = {"leads", "a, b"} & set(groups), "all" in groups
    if any(fits):
        viewer = granted(PEOPLE, {"roles": groups})
        assert viewer.has("see_all_teams") is fits[1] and bool(viewer.teams) is bool(fits[0])
    else:
        with pytest.raises(NothingGranted):
            granted(PEOPLE, {"roles": groups})


def test_roles_are_sets_of_rights_that_exist() -> None:
    roles = access_policy().roles
    assert {"viewer", "lead", "finance", "on-call", "platform", "admin"} == set(roles)
    assert {right for rights in roles.values() for right in rights} == set(RIGHTS)
    assert set(access_policy().at_this_machine) < set(RIGHTS)
    assert set(roles["admin"]) == set(RIGHTS)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ada\nLovelace", "sub": "1"}, "Ada Lovelace"),
        ({"name": " ", "email": "a@example.com"}, "a@example.com"),
        ({"name": 3, "sub": "1"}, "1"),
        ({"name": "x" * 500}, "x" * 200),
        ({"name": "a\ud800"}, "a?"),
        ({}, "somebody without a name"),
    ],
)
def test_a_person_has_one_line_of_name(claims: dict[str, Any], name: str) -> None:
    assert person_of(claims) == name


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("ago_seconds", "lasts"),
    [(0, True), (3599, True), (3600, False), (86400, False), (-120, True), (-121, False)],
)
def test_a_sign_in_lasts_from_its_time_whatever_a_cookie_says(ago_seconds: int, lasts: bool) -> None:
    session = session_of({"iat": NOW.timestamp() - ago_seconds, "exp": NOW.timestamp() + 30 * 86400})
    if lasts:
        check_age(session, NOW, HOUR)
    else:
        with pytest.raises(SessionOver):
            check_age(session, NOW, HOUR)


@pytest.mark.parametrize("issued", [None, "1795789503", True, float("nan"), float("inf"), -1, 0, 2**60])
def test_a_sign_in_of_an_unknown_time_is_over(issued: Any) -> None:
    with pytest.raises(SessionOver, match="does not say when"):
        session_of({"iat": issued})


def test_a_sign_in_has_one_id_and_the_next_another() -> None:
    claims = {"sub": "a", "iat": 1, "nonce": "x", "groups": ["b", "c"]}
    assert session_id(claims) == session_id(dict(reversed(claims.items())))
    others = [{**claims, "iat": 2}, {**claims, "nonce": "y"}, {**claims, "sub": "b"}]
    assert len({session_id(one) for one in [claims, *others]}) == 4
    assert session_of(claims) == SignInSession(session_id(claims), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
