"""Who may look, and from where: on this machine the viewer of the settings, elsewhere whoever signed in and is granted something."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from dashboards import access, audit, break_glass, serve, sessions
from dashboards.access import Identity, Looker
from models.errors import ConfigurationError, NotAdmitted
from models.grants import NothingGranted
from models.loopback import is_loopback
from models.people import SEE_WHOLE_BILLS, Viewer, access_policy
from models.sessions import SessionOver, session_id
from models.settings import BREAK_GLASS_SECRET, CLIENT_SECRET, COOKIE_SECRET, SignIn
from sql.access_log import AccessEntry, waiting
from tests.dashboards.fleet import write_settings
from tests.dashboards.people import ENVIRONMENT, GRANTS, claims_of, write_people, write_sign_in

LOCAL = access_policy().at_this_machine


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No test depends on how pages were started in one before."""
    yield
    access._started_with_sign_in = None


def identity(subject: str, ago_seconds: float = 60, **more: Any) -> Identity:
    """Somebody who signed in."""
    claims = claims_of(subject, ago_seconds, **more)
    del claims["is_logged_in"]
    return Identity(claims, session=session_id(claims))


def viewer_of(root: Path, who: Identity) -> Viewer:
    """What somebody may see now."""
    return access._viewer(access._settings(root), who)


@pytest.fixture
def asking(tmp_path: Path) -> Path:
    """A workspace whose pages ask for a sign-in."""
    write_people(tmp_path)
    write_sign_in(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        (None, False),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_only_loopback_is_loopback(address: str | None, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def test_the_viewer_is_the_one_of_the_settings(tmp_path: Path) -> None:
    write_settings(tmp_path, Viewer("Ada", (" people ", "Ops, unassigned", "people"), (SEE_WHOLE_BILLS,)))
    viewer = access.current_viewer(tmp_path)
    assert viewer == Viewer("Ada", ("Ops, unassigned", "people"), ("see_whole_bills", *LOCAL))
    assert viewer.has(SEE_WHOLE_BILLS)
    write_settings(tmp_path, Viewer("Ada", ("people",)))
    viewer = access.current_viewer(tmp_path)
    assert viewer and not viewer.has(SEE_WHOLE_BILLS)
    write_settings(tmp_path, Viewer("Ada", rights=(SEE_WHOLE_BILLS,)))
    assert access.current_viewer(tmp_path) is None


def test_no_variable_makes_a_viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(tmp_path, Viewer())
    monkeypatch.setenv("APPFLEET_VIEWER_TEAMS", "people,unassigned")
    assert access.current_viewer(tmp_path) is None


def test_pages_without_settings_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="appfleet init"):
        access.current_viewer(tmp_path)


def test_a_person_has_what_people_yaml_says_at_this_moment(asking: Path) -> None:
    lead = identity("lee")
    assert viewer_of(asking, lead) == Viewer(
        "Lee Lead", ("payments",), ("act_on_alerts", "download_statements", "see_statements")
    )
    found = Looker(asking, lead, viewer_of(asking, lead))
    found.check()
    write_people(asking, [{"groups": ["payments-leads"], "roles": ["viewer"], "teams": ["payments"]}])
    with pytest.raises(NotAdmitted, match="has changed"):
        found.check()
    write_people(asking, [])
    with pytest.raises(NothingGranted):
        found.check()
    (asking / "people.yaml").write_text("people: [")
    with pytest.raises(NotAdmitted, match="cannot be read at the moment"):
        found.check()
    (asking / "people.yaml").unlink()
    with pytest.raises(NotAdmitted, match="cannot be read at the moment"):
        found.check()
    write_people(asking)
    found.check()


def test_a_sign_in_is_over_by_its_time_and_by_a_shorter_setting_at_once(asking: Path) -> None:
    half_an_hour = identity("lee", ago_seconds=1800)
    viewer_of(asking, half_an_hour)
    write_sign_in(asking, session_minutes=29)
    with pytest.raises(SessionOver, match="more than 29 minutes ago"):
        viewer_of(asking, half_an_hour)
    write_sign_in(asking)
    with pytest.raises(SessionOver):
        viewer_of(asking, identity("lee", ago_seconds=3601, exp=2**33))
    with pytest.raises(SessionOver, match="ahead of this machine's clock"):
        viewer_of(asking, identity("lee", ago_seconds=-3600))


def test_who_signed_out_is_refused_with_every_copy_and_after_a_restart(asking: Path) -> None:
    lead, again = identity("lee"), identity("lee", ago_seconds=30)
    sessions.end(asking, lead.session)
    sessions._read.clear()  # a process that was started again knows nothing else
    with pytest.raises(SessionOver, match="You signed out"):
        viewer_of(asking, lead)
    viewer_of(asking, again)
    viewer_of(asking, identity("vic"))


def test_ended_sign_ins_are_forgotten_only_when_their_cookie_is_worthless(tmp_path: Path) -> None:
    sessions.end(tmp_path, "a")
    path = sessions._path(tmp_path)
    old = datetime.now(UTC) - access_policy().remembered - timedelta(minutes=1)
    young = old + timedelta(minutes=2)
    path.write_text(f"old {old:%Y-%m-%dT%H:%M:%S}\nyoung {young:%Y-%m-%dT%H:%M:%S}\ntorn\n")
    sessions.end(tmp_path, "b")
    assert [line.split()[0] for line in path.read_text().splitlines()] == ["young", "torn", "b"]
    assert [sessions.is_ended(tmp_path, one) for one in ("old", "young", "torn", "b", "c")] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_many_who_sign_out_at_once_are_all_refused(tmp_path: Path) -> None:
    threads = [threading.Thread(target=sessions.end, args=(tmp_path, f"s{n}")) for n in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(sessions.is_ended(tmp_path, f"s{n}") for n in range(20))


def test_a_browser_that_goes_to_the_sign_out_itself_ends_its_sign_in(tmp_path: Path) -> None:
    cookies = {sessions.USER_COOKIE: "x", f"{sessions.USER_COOKIE}_1": "y", sessions.BROWSER_COOKIE: "z"}
    sessions.note_holder(tmp_path, cookies, "mine")
    sessions.end_by_cookies({**cookies, f"{sessions.USER_COOKIE}_1": "other"})
    assert not sessions.is_ended(tmp_path, "mine")
    sessions.end_by_cookies({**cookies, "theme": "dark"})
    assert sessions.is_ended(tmp_path, "mine")


def test_pages_do_not_change_from_this_machine_to_sign_in_or_back(tmp_path: Path) -> None:
    """Behind a proxy, settings without sign-in would show everybody what is for who sits at the machine."""
    write_settings(tmp_path, Viewer("Ada", ("people",)))
    access.started(with_sign_in=True)
    with pytest.raises(NotAdmitted, match="start them again"):
        viewer_of(tmp_path, Identity())
    access.started(with_sign_in=False)
    viewer_of(tmp_path, Identity())
    write_people(tmp_path)
    write_sign_in(tmp_path)
    with pytest.raises(NotAdmitted, match="start them again"):
        viewer_of(tmp_path, identity("lee"))


def test_the_break_glass_admin_comes_by_a_secret_that_is_kept_nowhere(
    asking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, line = break_glass.new_secret()
    assert secret not in line and len(secret) > 40
    monkeypatch.setattr(break_glass, "_wrong", type(break_glass._wrong)())
    assert not break_glass.is_set_up()
    with pytest.raises(NotAdmitted):
        break_glass.check_secret(secret)
    monkeypatch.setenv(BREAK_GLASS_SECRET, line)
    break_glass.check_secret(secret)
    inside = Identity(broke_glass_at=datetime.now(UTC), session="x")
    assert set(viewer_of(asking, inside).rights) == set(access_policy().roles["admin"])
    assert viewer_of(asking, inside).name == "break-glass admin"
    with pytest.raises(SessionOver):
        viewer_of(asking, Identity(broke_glass_at=datetime.now(UTC) - timedelta(hours=1), session="x"))
    monkeypatch.delenv(BREAK_GLASS_SECRET)
    with pytest.raises(NotAdmitted):
        viewer_of(asking, inside)


def test_guesses_are_counted_and_stopped_the_right_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    secret, line = break_glass.new_secret()
    monkeypatch.setenv(BREAK_GLASS_SECRET, line)
    monkeypatch.setattr(break_glass, "_wrong", type(break_glass._wrong)())
    for _ in range(access_policy().wrong_per_minute):
        with pytest.raises(NotAdmitted, match="not the secret"):
            break_glass.check_secret("guess")
    with pytest.raises(NotAdmitted, match="Too many"):
        break_glass.check_secret(secret)


@pytest.mark.parametrize("line", ["secret", "scrypt$x", "scrypt$$", "md5$eA==$eA==", "scrypt$eA==$!"])
def test_a_line_that_is_no_hash_is_said(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BREAK_GLASS_SECRET, line)
    with pytest.raises(ConfigurationError, match=BREAK_GLASS_SECRET) as caught:
        break_glass.is_set_up()
    assert line not in str(caught.value) or line == "secret"


SIGN_IN = SignIn("https://id.example.com/.well-known/openid-configuration", "c", "https://pages.example.com")


def test_secrets_come_from_the_environment_into_memory_alone() -> None:
    assert serve.sign_in_secrets(None, {}) == {}
    auth = serve.sign_in_secrets(SIGN_IN, ENVIRONMENT)["auth"]
    assert auth["client_secret"] == ENVIRONMENT[CLIENT_SECRET]
    assert auth["redirect_uri"] == "https://pages.example.com/oauth2callback"
    for missing in (CLIENT_SECRET, COOKIE_SECRET):
        with pytest.raises(ConfigurationError, match=missing):
            serve.sign_in_secrets(SIGN_IN, {**ENVIRONMENT, missing: ""})
    with pytest.raises(ConfigurationError, match="fewer than 32") as caught:
        serve.sign_in_secrets(SIGN_IN, {**ENVIRONMENT, COOKIE_SECRET: "short-secret"})
    assert "short-secret" not in str(caught.value)


def test_streamlit_is_told_what_to_trust() -> None:
    told = serve.options(8777)
    assert told["server.address"] == "127.0.0.1" and told["server.port"] == 8777
    assert told["client.showErrorDetails"] == "none" and not told["browser.gatherUsageStats"]
    assert told["server.enableXsrfProtection"] is True and told["server.trustedUserHeaders"] == {}
    assert told["server.allowedHosts"] == ["127.0.0.1", "localhost", "::1"]
    assert serve.options(1, "0.0.0.0", SIGN_IN)["server.allowedHosts"][-1] == "pages.example.com"
    assert told["secrets.files"] == []


def served(workspace: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command that serves pages says where it does not."""
    return subprocess.run(
        [sys.executable, "-m", "dashboards.serve", "--workspace", str(workspace), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**{key: value for key, value in os.environ.items() if key not in ENVIRONMENT}, **environment},
    )


def test_pages_that_may_not_be_served_end_with_two_and_one_sentence(tmp_path: Path) -> None:
    write_settings(tmp_path, Viewer("Ada", ("people",)))
    write_people(tmp_path, GRANTS)
    wrong = served(tmp_path, "--address", "0.0.0.0")
    assert (wrong.returncode, wrong.stderr) == (2, f"appfleet: {access.ONLY_LOOPBACK}\n")
    write_sign_in(tmp_path, listen="0.0.0.0")
    without = served(tmp_path)
    assert (without.returncode, without.stderr.count("\n")) == (2, 1) and CLIENT_SECRET in without.stderr
    (tmp_path / "people.yaml").unlink()
    nobody = served(tmp_path, **ENVIRONMENT)
    assert (nobody.returncode, nobody.stderr.count("\n")) == (2, 1) and "people.yaml" in nobody.stderr


def test_what_cannot_be_logged_is_counted_and_said_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit.AccessLogWriter, "_keep_writing", lambda _: None)
    log = audit.AccessLogWriter(tmp_path)
    folder = tmp_path / ".appfleet"
    folder.write_text("in the way")
    log.record(AccessEntry("page", person="a"))
    log.record(AccessEntry("page", person="b"))
    log.flush()
    assert log.lost == 2
    log.record(AccessEntry("page", person="c"))
    log.flush()
    assert log.lost == 3
    assert capsys.readouterr().err.count("the access log cannot be written") == 1
    folder.unlink()
    log.record(AccessEntry("page", person="d"))
    log.flush()
    found = waiting(tmp_path)
    assert sorted(found["person"]) == ["", "d"]
    assert found.filter(found["event"] == "lost")["lost"].to_list() == [3]
    assert log.lost == 0
    log.flush()
    assert waiting(tmp_path).height == 2


def test_more_than_can_wait_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.AccessLogWriter, "_keep_writing", lambda _: None)
    policy = access_policy()
    monkeypatch.setattr(audit, "access_policy", lambda: type(policy)(**{**vars(policy), "waiting": 10}))
    log = audit.AccessLogWriter(tmp_path)
    for number in range(25):
        log.record(AccessEntry("page", person=str(number)))
    assert log.lost == 15
    log.flush()
    assert waiting(tmp_path)["lost"].sum() == 15 and waiting(tmp_path).height == 11


def test_answers_of_anybody_do_not_fill_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.AccessLogWriter, "_keep_writing", lambda _: None)
    log = audit.AccessLogWriter(tmp_path)
    for _ in range(access_policy().refused_per_minute + 7):
        log.record_answer_refused("x")
    log.flush()
    found = waiting(tmp_path)
    assert (found["event"] == "refused").sum() == access_policy().refused_per_minute
    assert found["lost"].sum() == 7


def test_nobody_is_somebody_by_another_claim_of_being_signed_in(
    asking: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.disable(logging.CRITICAL)
    try:
        for claims in (
            {},
            {"is_logged_in": False, "sub": "lee"},
            {"is_logged_in": "yes", **PRETENDED},
            PRETENDED,
        ):
            monkeypatch.setattr(type(st.user), "to_dict", lambda _, claims=claims: dict(claims))
            with pytest.raises(access.NotSignedIn):
                access.current_identity(access._settings(asking))
    finally:
        logging.disable(logging.NOTSET)


PRETENDED = {"sub": "lee", "groups": ["payments-leads"], "iat": 1}


def test_the_pages_say_little_and_listen_here() -> None:
    said = serve.options(port=8777)
    assert said["server.address"] == "127.0.0.1"
    assert said["server.port"] == 8777
    assert said["browser.gatherUsageStats"] is False
    assert said["client.showErrorDetails"] == "none"
