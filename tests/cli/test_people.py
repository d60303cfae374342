"""What a pass and the doctor do about people: the access log is loaded by a step, and what somebody should look at is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from models.settings import Settings
from pipelines.commands import checks, supervise
from pipelines.commands.checks import Finding, Look
from pipelines.work import WORK, Ask
from sql.access_log import AccessEntry, append, refused_files, waiting
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.cli.conftest import appfleet
from tests.dashboards.people import ENVIRONMENT, write_people, write_sign_in

NOW = datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A workspace whose pages ask for a sign-in."""
    write_people(
        tmp_path,
        [
            {"groups": ["a"], "roles": ["lead"], "teams": ["payments", "Paymets", "<b>"]},
            {"claim": "email", "values": ["x@example.com"], "roles": ["lead"], "teams": ["Paymets"]},
        ],
    )
    write_sign_in(tmp_path, "https://id.example.com", redirect="https://pages.example.com")
    return load_settings(tmp_path)


@pytest.fixture
def look(fresh_warehouse: Warehouse, settings: Settings) -> Iterator[Look]:
    """What checks look at: a warehouse with one team, which only the registry knows."""
    for table in ("core_access_log", "core_teams"):
        fresh_warehouse.execute_text(f"TRUNCATE TABLE {table}")
    yield Look(fresh_warehouse, settings, NOW)


def with_team(look: Look, team: str) -> None:
    """Makes a team known, by a bill alone."""
    from sql.publish import WHOLE_TABLE, new_batch_id, publish

    batch = new_batch_id()
    frame = pl.DataFrame({"team": [team], "lead": [""], "cost_center": [""], "batch_id": [str(batch)]})
    look.warehouse.insert("core_teams", frame)
    publish(
        look.warehouse,
        "registry",
        WHOLE_TABLE,
        batches={"core_teams": batch},
        rows=1,
        sha256="x",
        version=NOW,
    )


def test_a_team_nobody_knows_is_named_and_nothing_fails(look: Look) -> None:
    with_team(look, "payments")
    found = list(checks.people(look))
    assert [one.sentence for one in found] == [
        "people.yaml gives 'a' the team '<b>', which nobody knows",
        "people.yaml gives 'a', 'email: x@example.com' the team 'Paymets', which nobody knows",
    ]
    assert not any(one.is_failure for one in found)


def test_people_that_cannot_be_read_are_a_failure_and_without_sign_in_nothing(
    look: Look, tmp_path: Path
) -> None:
    (tmp_path / "people.yaml").write_text("people: [{groups: [a], roles: [boss]}]")
    [found] = checks.people(look)
    assert found.is_failure and "people[0].roles[0] is 'boss'" in found.sentence
    (tmp_path / "people.yaml").unlink()
    [found] = checks.people(look)
    assert found.is_failure and "there is no" in found.sentence
    (tmp_path / "appfleet.yaml").write_text("warehouse: embedded\n")
    look.settings = load_settings(tmp_path)
    assert not list(checks.people(look))


def test_a_pass_loads_the_log_and_the_doctor_tells_what_is_in_it(look: Look, settings: Settings) -> None:
    root = settings.root
    append(
        root,
        [
            AccessEntry("page", person="a"),
            AccessEntry("refused", person="b", reason="why not"),
            AccessEntry("refused", reason="first", at=NOW - timedelta(days=1)),
            AccessEntry("refused", reason="long ago", at=NOW - timedelta(days=9)),
            AccessEntry("break_glass", person="break-glass admin"),
            AccessEntry("lost", lost=7, reason="7 entries"),
            AccessEntry("lost", lost=5, reason="5 entries"),
        ],
    )
    done = WORK["access"](Ask(look.warehouse, settings, NOW))
    assert (done.rows, done.refused) == ({"core_access_log": 7}, ())
    assert waiting(root).is_empty()
    told = {
        one.sentence.split(", the last at")[0]: one.sentence.rpartition(": ")[2]
        for one in checks.access(look)
    }
    assert told == {
        "in 7 days the break-glass admin came in 1 time(s)": "break-glass admin",
        "in 7 days 2 sign-in(s) were refused": "why not",
        "in 7 days 12 entries of the access log could not be written": told[
            "in 7 days 12 entries of the access log could not be written"
        ],
    }
    assert WORK["access"](Ask(look.warehouse, settings, NOW)).rows == {"core_access_log": 0}


def test_lines_nobody_can_read_are_refused_and_kept(look: Look, settings: Settings) -> None:
    append(settings.root, [AccessEntry("page", person="a")])
    with (settings.state / "access" / "spool.jsonl").open("ab") as file:
        file.write(b"half a li")
    done = WORK["access"](Ask(look.warehouse, settings, NOW))
    assert done.rows == {"core_access_log": 1}
    assert done.refused == ("1 lines of the access log cannot be read; they are kept under .appfleet/access",)
    [file] = refused_files(settings.root)
    [found] = checks.access(look)
    assert file.name in found.sentence and isinstance(found, Finding)


def test_what_waits_too_long_is_told(look: Look, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    append(settings.root, [AccessEntry("page", person="a")])
    assert not list(checks.access(look))
    monkeypatch.setattr(checks, "WAITING_BYTES", 10)
    [found] = checks.access(look)
    assert "wait to be loaded" in found.sentence


def test_only_who_serves_pages_gets_what_sign_in_keeps_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with_secrets = {
        one.name
        for one in supervise.services(settings, settings.root / "code")
        if set(ENVIRONMENT.values()) & set(one.environment.values())
    }
    assert with_secrets == {"pages"}


@pytest.mark.parametrize(
    ("listen", "place"),
    [
        ("127.0.0.1", 8501),
        ("0.0.0.0", 8501),
        ("::", 8501),
        ("192.0.2.7", ("192.0.2.7", 8501)),
        ("::1", ("::1", 8501)),
    ],
)
def test_pages_are_waited_for_where_they_listen(
    settings: Settings, tmp_path: Path, listen: str, place: supervise.Place
) -> None:
    write_sign_in(tmp_path, listen=listen)
    services = supervise.services(load_settings(tmp_path), settings.root / "code")
    assert {one.name: one.answers_on for one in services}["pages"] == (place,)


def test_up_says_at_once_what_sign_in_needs(tmp_path: Path, settings: Settings) -> None:
    answer = appfleet(tmp_path, "up", code=2)
    assert answer.err.count("\n") == 1 and "APPFLEET_OIDC_CLIENT_SECRET is not set" in answer.err
    settings.root.joinpath("people.yaml").write_text("people: 3")
    answer = appfleet(tmp_path, "up", code=2, **ENVIRONMENT)
    assert answer.err.count("\n") == 1 and "people.yaml, line 1: people must be a list" in answer.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"provider": "https://id.example.com"},
            "sign_in.provider is 'https://id.example.com'; it must be the address",
        ),
        ({"provider": "http://id.example.com/.well-known/openid-configuration"}, "sign_in.provider is"),
        (
            {"provider": "https://a:b@id.example.com/.well-known/openid-configuration"},
            "holds a user or a password",
        ),
        (
            {"redirect": "http://pages.example.com"},
            "sign_in.redirect is 'http://pages.example.com'; over http",
        ),
        ({"redirect": "https://pages.example.com/x"}, "sign_in.redirect is"),
        ({"listen": "everywhere"}, "sign_in.listen is 'everywhere'"),
        ({"session_minutes": 0}, "sign_in.session_minutes"),
        ({"session_minutes": "60"}, "sign_in.session_minutes"),
        ({"session_minutes": 1441}, "sign_in.session_minutes"),
        ({"client_secret": "x"}, "sign_in.client_secret is not a known key"),
    ],
)
def test_a_mistake_in_sign_in_is_one_sentence(tmp_path: Path, more: dict[str, str], said: str) -> None:
    write_people(tmp_path)
    write_sign_in(tmp_path, **more)
    with pytest.raises(Exception, match=r"appfleet\.yaml, line 1") as caught:
        load_settings(tmp_path)
    assert said in str(caught.value) and "a:b@" not in str(caught.value)
