"""Whoever looks, at whatever page, with whatever address, after whoever looked before: no row of a team that is not theirs.

What a page shows is searched whole, as the bytes it sends to a browser, tables included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards import access, audit, break_glass
from dashboards.downloads import OFFERS
from models.people import access_policy
from models.settings import BREAK_GLASS_SECRET
from sql.access_log import waiting
from sql.workspace import WORKSPACE_VARIABLE
from tests.dashboards.conftest import APP
from tests.dashboards.fleet import Fleet
from tests.dashboards.people import STRANGE, claims_of, write_people, write_sign_in

Look = Callable[..., AppTest]

PAGES: dict[str, list[dict[str, str]]] = {
    "fleet": [{}, {"search": "route", "only": "no_owner"}],
    "one_app": [
        {"app": "checkout", "objective": "prod/availability"},
        {"app": "route-planner"},
        {"app": "' OR 1=1 --"},
    ],
    "team": [{}, {"team": "logistics"}, {"team": "payments,logistics"}],
    "oncall": [{"evidence": "checkout/prod/availability"}, {"team": "payments", "search": "<b>"}],
    "anomalies": [{}, {"state": "ended", "search": "{teams:Array(String)}"}],
    "coverage": [{}, {"month": "2026-02"}],
    "finance": [{}, {"month": "2026-02", "lines": "route"}],
    "access_log": [{}, {"kind": "page"}],
}
"""Page -> addresses: its own, another team's, and what is neither."""
TEAMS_OF = {
    "lee": {"payments"},
    "vic": {"logistics"},
    "sue": {STRANGE},
    "ned": set(),
    "noa": set(),
    "tex": set(),
}
EVERY_TEAM = ("fin", "ona", "pat", "ada")
ALL = [
    (who, page, number)
    for who in TEAMS_OF
    for page, addresses in PAGES.items()
    for number in range(len(addresses))
]
FEW = {
    ("lee", "fleet", 0),
    ("lee", "one_app", 0),
    ("lee", "one_app", 1),
    *(("lee", page, len(addresses) - 1) for page, addresses in PAGES.items() if page != "one_app"),
    ("sue", "fleet", 0),
    ("vic", "finance", 0),
}
"""Of the default suite: every page by its strangest address, an app of one's own and another team's, and where everybody
comes in."""


@pytest.fixture
def look(people_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Look]:
    """Runs a page for somebody who signed in and returns what it shows."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(people_workspace))
    config.set_option("server.address", "0.0.0.0")
    write_people(people_workspace)
    write_sign_in(people_workspace)

    def run(who: str, page: str, query: dict[str, str] | None = None, **claims: Any) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        app.user = claims_of(who, **claims)
        if page == "fleet":  # where everybody comes in
            for key, value in (query or {}).items():
                app.query_params[key] = value
            return app.run()
        app.run()
        for key, value in (query or {}).items():
            app.query_params[key] = value
        app.switch_page(f"views/{page}.py")  # as a browser asks, whether the page is theirs or not
        return app.run()

    yield run
    config.set_option("server.address", "127.0.0.1")
    access._started_with_sign_in = None


def sent(app: AppTest) -> bytes:
    """Everything a page sends, as bytes."""
    return b"\n".join(
        node.proto.SerializeToString() for node in app.main if getattr(node, "proto", None) is not None
    )


def marks(fleet: Fleet, teams: set[str], asked: str) -> dict[bool, set[bytes]]:
    """What tells rows of these teams (True) and of all others (False): apps by their id, but for words pages use themselves
    and what the address asked for, which a page may repeat."""
    found: dict[bool, set[bytes]] = {True: set(), False: set()}
    for row in fleet.tables["mart_app_inventory"]:
        team = STRANGE if row["team"] == "people" else row["team"]
        if row["app_id"] not in ("search", "onboarding", "checkout") and row["app_id"] not in asked:
            found[team in teams].add(row["app_id"].encode())
    for row in fleet.tables["core_teams"]:
        team = STRANGE if row["team"] == "people" else row["team"]
        found[team in teams].add(row["lead"].encode())
    return found


@pytest.fixture(scope="module")
def warmed() -> set[str]:
    """Pages that who sees everything looked at before."""
    return set()


@pytest.mark.parametrize(
    ("who", "page", "number"),
    [
        pytest.param(*one, id="-".join(map(str, one)), marks=() if one in FEW else pytest.mark.slow)
        for one in ALL
    ],
)
def test_no_row_of_another_team(
    look: Look, fleet: Fleet, warmed: set[str], who: str, page: str, number: int
) -> None:
    query = PAGES[page][number]
    if page not in warmed:
        st.cache_resource.clear()  # once with nothing remembered, from then on after an admin looked
    app = look(who, page, query)
    assert not app.exception
    whole, of_teams = sent(app), marks(fleet, TEAMS_OF[who], " ".join(query.values()))
    assert not {one for one in of_teams[False] if one in whole}
    if page == "fleet" and not query and TEAMS_OF[who]:
        assert {one for one in of_teams[True] if one in whole}, "what is theirs is found by the same search"
    if page not in warmed:
        everything = sent(look("ada", page, query))
        warmed.add(page)
        if page == "fleet":
            assert {one for one in of_teams[False] if one in everything}, "it would be found where it is"
        again = sent(look(who, page, query))
        assert not {one for one in of_teams[False] if one in again}


@pytest.mark.parametrize("who", ["noa", "tex", "ned", "nobody"])
def test_who_is_granted_nothing_sees_one_sentence(look: Look, fleet: Fleet, who: str) -> None:
    sentences = {
        "noa": "people\\.yaml grants you nothing",
        "tex": "the claim 'groups' as text and not as a list",
        "ned": "No team you were given is known here",
        "nobody": "people\\.yaml grants you nothing",
    }
    app = look(who, "fleet")
    said = [one.value for one in (*app.warning, *app.info)]
    assert len(said) == 1
    assert sentences[who].replace("\\", "") in said[0].replace("\\", "").replace("\u2060", "")
    assert not app.dataframe and not app.metric
    assert not {one for one in marks(fleet, set(), "")[False] if one in sent(app)}


def test_nobody_sees_a_door(look: Look) -> None:
    app = look("lee", "fleet", is_logged_in=False)
    assert [one.label for one in app.button] == ["Sign in"]
    assert not app.dataframe and not app.metric


@pytest.mark.parametrize(
    ("who", "finance", "download", "whole", "log"),
    [
        ("vic", False, False, False, False),
        ("lee", True, True, False, False),
        ("ona", False, False, False, False),
        ("pat", True, False, True, False),
        ("fin", True, True, True, False),
        ("ada", True, True, True, True),
    ],
)
def test_a_role_is_its_rights(
    look: Look, who: str, finance: bool, download: bool, whole: bool, log: bool
) -> None:
    app = look(who, "finance")
    assert bool(app.dataframe) is finance
    links = [node.proto.label for node in app.main if getattr(node, "type", "") == "link_button"]
    assert ("Download the statement \\(CSV\\)" in links) is download
    assert bool(app.success) is whole
    app = look(who, "access_log")
    assert bool(app.dataframe) is log
    assert any("needs a right" in one.value for one in app.warning) is not log


def test_a_change_of_people_takes_a_page_away(look: Look, people_workspace: Path) -> None:
    app = look("lee", "finance")
    assert app.dataframe
    write_people(
        people_workspace, [{"groups": ["payments-leads"], "roles": ["viewer"], "teams": ["payments"]}]
    )
    assert not app.run().dataframe
    write_people(people_workspace, [])
    assert "grants you nothing" in app.run().warning[0].value
    assert not app.dataframe
    write_people(people_workspace)
    assert app.run().dataframe


def test_who_signs_out_is_out_with_every_copy(look: Look) -> None:
    now = int(time.time())
    claims = {"nonce": "of this one", "iat": now - 60, "exp": now + 3600}
    app = look("lee", "fleet", **claims)
    copy = look("lee", "fleet", **claims)
    [button] = [one for one in app.button if one.label == "Sign out"]
    button.click().run()
    assert any("signed out" in one.value for one in copy.run().warning)
    assert not copy.dataframe
    assert any("signed out" in one.value for one in look("lee", "team", **claims).warning)
    assert look("lee", "fleet", nonce="of the next").dataframe


def test_the_log_says_who_saw_what(look: Look, people_workspace: Path) -> None:
    look("lee", "finance", {"month": "2026-02"}, nonce="logged")
    look("tex", "fleet", nonce="logged")
    audit.log_of(people_workspace).flush()
    app = look("ada", "access_log", {"search": "Lee Lead"})
    [table] = [one.value for one in app.dataframe]
    rows = table[["Event", "Person", "Page", "Asked", "Teams"]].to_dict("records")
    assert {
        "Event": "Saw page",
        "Person": "Lee Lead",
        "Page": "Finance",
        "Asked": "month=2026-02",
        "Teams": "payments",
    } in rows
    assert "Signed in" in set(table["Event"])
    refused = look("ada", "access_log", {"kind": "refused", "search": "Tex"})
    assert "Tex Text" in set(refused.dataframe[0].value["Person"])
    assert f"kept for {access_policy().kept_days} days" in refused.caption[-1].value


def test_the_file_of_a_link_holds_nothing_of_another_team(look: Look, fleet: Fleet) -> None:
    """Made by the click, of the tables and of the statement, after who sees everything took the same."""
    for who in ("ada", "lee"):
        for page in ("fleet", "finance"):
            app = look(who, page)
            tokens = [
                node.proto.url.rsplit("/", 1)[1]
                for node in app.main
                if getattr(node, "type", "") == "link_button"
            ]
            assert tokens
            for token in tokens:
                offer = OFFERS.get(token)
                assert offer
                content = offer.make()
                foreign = {one for one in marks(fleet, {"payments"}, "")[False] if one in content}
                assert bool(foreign) is (who == "ada")
                assert b"payments" in content or b"checkout" in content


def test_each_month_s_statement_is_of_the_lead_s_team(look: Look, fleet: Fleet) -> None:
    months = {row["billing_period"] for row in fleet.costs(team="payments")}
    assert date(2026, 2, 1) in months
    for month in sorted(months):
        app = look("lee", "finance", {"month": f"{month:%Y-%m}"})
        statement = app.dataframe[0].value
        assert set(statement["Team"]) == {"payments", "Total"}


def test_the_break_glass_admin_comes_in_and_it_is_said(
    look: Look, people_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, line = break_glass.new_secret()
    monkeypatch.setenv(BREAK_GLASS_SECRET, line)
    monkeypatch.setattr(break_glass, "_wrong", type(break_glass._wrong)())
    app = look("lee", "fleet", is_logged_in=False)
    [field] = app.text_input
    [enter] = [one for one in app.button if one.label == "Enter"]
    field.input("guess")
    assert [one.value for one in enter.click().run().error] == ["This is not the secret."]
    app.text_input[0].input(secret)
    [enter] = [one for one in app.button if one.label == "Enter"]
    enter.click().run()
    assert app.dataframe and app.warning[0].value.startswith("Break-glass admin")
    audit.log_of(people_workspace).flush()
    found = waiting(people_workspace).filter(pl.col("person") == break_glass.NAME)
    assert {"break_glass", "refused", "page"} <= set(found["event"])
    assert secret not in str(found.drop("parameters").rows())
    [out] = [one for one in app.button if one.label == "Sign out"]
    assert not out.click().run().dataframe
