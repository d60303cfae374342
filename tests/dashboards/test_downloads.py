"""Files people take, and what stands before Streamlit: a link is worth nothing to anybody else, nor after rights have changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from dashboards import audit, downloads, sessions
from dashboards.access import Identity, Looker
from dashboards.audit import log_of
from dashboards.downloads import GONE, NOT_YOURS, OFFERS, Offer
from dashboards.front import Front
from models.people import Viewer
from models.settings import SignIn
from sql.access_log import waiting
from tests.dashboards.fleet import write_settings
from tests.dashboards.people import write_people, write_sign_in
from tests.dashboards.test_access import identity, viewer_of

COOKIES = {sessions.BROWSER_COOKIE: "b", sessions.USER_COOKIE: "u"}
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Made:
    """What a page offers, and how often it was made."""

    times: int = 0
    failing: list[Exception] = field(default_factory=list)

    def __call__(self) -> bytes:
        self.times += 1
        return b"app_id\ncheckout\n"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A browser at the address files are taken from."""
    with TestClient(Starlette(routes=downloads.routes()), cookies=COOKIES) as one:
        yield one


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    """A file offered to a lead in this browser."""
    monkeypatch.setattr(audit, "_writers", {})
    write_people(tmp_path)
    write_sign_in(tmp_path)
    who = identity("lee")
    looker = Looker(tmp_path, who, viewer_of(tmp_path, who))
    offer = Offer(looker, sessions.holder_of(COOKIES), "finance", 'a "b"\n.csv', Made(), {"month": "2026-02"})
    OFFERS.put("token", offer)
    return offer


def logged(workspace: Path) -> list[tuple[str, str, str]]:
    """Event, person and reason of what is in the log, the oldest first."""
    log_of(workspace).flush()
    frame = waiting(workspace).sort("at")
    return list(frame.select("event", "person", "reason").iter_rows())


def test_the_person_a_link_was_made_for_takes_the_file(client: TestClient, offered: Offer) -> None:
    for _ in range(2):
        answer = client.get("/download/token")
        assert (answer.status_code, answer.content) == (200, b"app_id\ncheckout\n")
    assert isinstance(offered.make, Made) and offered.make.times == 2, "made by each click"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20%22b%22%0A.csv"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/csv")
    [first, _] = waiting_rows(offered.looker.workspace)
    assert (first["event"], first["person"], first["page"]) == ("file", "Lee Lead", "finance")
    assert first["parameters"] == {"month": "2026-02"} and first["teams"] == ["payments"]


def waiting_rows(workspace: Path) -> list[dict[str, Any]]:
    """The log as rows."""
    log_of(workspace).flush()
    return list(waiting(workspace).iter_rows(named=True))


@pytest.mark.parametrize(
    "cookies",
    [
        {},
        {sessions.BROWSER_COOKIE: "b"},
        {sessions.USER_COOKIE: "u"},
        {**COOKIES, sessions.BROWSER_COOKIE: "other"},
        {**COOKIES, sessions.USER_COOKIE: "other"},
        {**COOKIES, f"{sessions.USER_COOKIE}_1": "more"},
    ],
)
def test_a_copied_link_gives_nothing(client: TestClient, offered: Offer, cookies: dict[str, str]) -> None:
    client.cookies.clear()
    for name, value in cookies.items():
        client.cookies.set(name, value)
    answer = client.get("/download/token")
    assert (answer.status_code, answer.text) == (403, NOT_YOURS)
    assert isinstance(offered.make, Made) and offered.make.times == 0
    assert logged(offered.looker.workspace) == [("file_refused", "Lee Lead", NOT_YOURS)]


def test_rights_are_asked_at_the_click(client: TestClient, offered: Offer) -> None:
    root = offered.looker.workspace
    write_people(root, [{"groups": ["payments-leads"], "roles": ["viewer"], "teams": ["payments"]}])
    assert client.get("/download/token").status_code == 403
    write_people(root)
    assert client.get("/download/token").status_code == 200
    sessions.end(root, offered.looker.identity.session)
    answer = client.get("/download/token")
    assert (answer.status_code, answer.text) == (403, "You signed out: sign in again.")
    assert isinstance(offered.make, Made) and offered.make.times == 1
    assert [event for event, _, _ in logged(root)] == ["file_refused", "file", "file_refused"]


def test_a_sign_in_that_is_over_takes_nothing(client: TestClient, offered: Offer) -> None:
    over = replace(offered.looker, identity=identity("lee", ago_seconds=3601))
    OFFERS.put("token", replace(offered, looker=over))
    assert client.get("/download/token").status_code == 403


def test_a_link_of_a_closed_page_has_ended(
    client: TestClient, offered: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered.seen -= downloads._GOOD_SECONDS - 1
    OFFERS.keep(["token", "unknown"])
    assert client.get("/download/token").status_code == 200
    offered.seen -= downloads._GOOD_SECONDS + 1
    assert (client.get("/download/token").status_code, client.get("/download/token").text) == (404, GONE)
    OFFERS.put("another", replace(offered, seen=offered.seen + 2 * downloads._GOOD_SECONDS))
    assert "token" not in OFFERS._offers
    assert client.get("/download/other").status_code == 404


def test_without_sign_in_files_are_the_viewer_s(client: TestClient, tmp_path: Path) -> None:
    write_settings(tmp_path, Viewer("Ada", ("people",)))
    looker = Looker(tmp_path, Identity(), viewer_of(tmp_path, Identity()))
    OFFERS.put("here", Offer(looker, sessions.holder_of(COOKIES), "team", "a.csv", Made()))
    assert client.get("/download/here").status_code == 200
    write_settings(tmp_path, Viewer("Ada", ("payments",)))
    assert client.get("/download/here").status_code == 403


def test_no_page_uses_a_link_that_serves_anybody() -> None:
    """Streamlit gives whatever these show an address of its own, and serves it to whoever has that."""
    serving = re.compile(
        r"\bst\.(download_button|image|audio|video|logo|pdf|file_uploader|camera_input|audio_input)\b|\.download_button\("
    )
    found = {
        path.name
        for path in (ROOT / "dashboards").rglob("*.py")
        if serving.search(path.read_text(encoding="utf-8"))
    }
    assert found == set()


PRIVATE = SignIn("https://id.example/.well-known/openid-configuration", "c", "https://pages.example", 45)


def front(tmp_path: Path, sign_in: SignIn | None) -> TestClient:
    """An application before another that answers as Streamlit does."""

    def signed_in(request: Request) -> Response:
        answer = RedirectResponse("/")
        if request.query_params.get("code") == "good":
            for name in (sessions.USER_COOKIE, f"{sessions.USER_COOKIE}_1", f"{sessions.USER_COOKIE}_tokens"):
                answer.set_cookie(name, "x", httponly=True, samesite="lax", max_age=30 * 86400)
        else:
            answer.delete_cookie(sessions.USER_COOKIE)
        return answer

    inner = Starlette(
        routes=[
            Route("/oauth2callback", signed_in),
            Route("/auth/logout", lambda _: RedirectResponse("/")),
            Route("/media/{name}", lambda _: PlainTextResponse("a file")),
            Route("/", lambda _: HTMLResponse("<p>page</p>")),
        ]
    )
    return TestClient(Front(inner, tmp_path, sign_in), follow_redirects=False)


def test_cookies_live_as_long_as_a_sign_in_and_go_over_https_alone(tmp_path: Path) -> None:
    answer = front(tmp_path, PRIVATE).get("/oauth2callback?code=good")
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 3
    for cookie in cookies:
        assert "Max-Age=2700" in cookie and "HttpOnly" in cookie and cookie.endswith("; Secure")
    plain = front(tmp_path, replace(PRIVATE, redirect="http://127.0.0.1:8501")).get(
        "/oauth2callback?code=good"
    )
    assert not any("Secure" in cookie for cookie in plain.headers.get_list("set-cookie"))


def test_each_browser_has_a_cookie_of_its_own(tmp_path: Path) -> None:
    first, second = front(tmp_path, PRIVATE).get("/"), front(tmp_path, None).get("/")
    for answer, ending in ((first, "; Secure"), (second, "SameSite=Lax")):
        [cookie] = answer.headers.get_list("set-cookie")
        assert cookie.startswith(f"{sessions.BROWSER_COOKIE}=") and "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie and cookie.endswith(ending)
    assert first.headers["set-cookie"][:40] != second.headers["set-cookie"][:40]
    again = front(tmp_path, None)
    again.cookies.set(sessions.BROWSER_COOKIE, "x")
    assert "set-cookie" not in again.get("/").headers


@pytest.mark.parametrize("path", ["/media/a.csv", "/_stcore/upload_file/a/b", "/_stcore/metrics"])
def test_what_streamlit_serves_to_anybody_is_not_served(tmp_path: Path, path: str) -> None:
    for client in (front(tmp_path, PRIVATE), front(tmp_path, None)):
        assert client.get(path).status_code == 404
        assert "a file" not in client.get(path).text


def test_a_sign_in_that_fails_at_the_provider_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_writers", {})
    client = front(tmp_path, PRIVATE)
    client.get("/oauth2callback?error=access_denied&error_description=no%0A<b>")
    client.get("/oauth2callback?code=bad&state=x")
    client.get("/oauth2callback?code=good")
    client.get("/oauth2callback?state=after-a-sign-out")
    assert logged(tmp_path) == [
        ("refused", "", "the provider answered: access_denied no\n<b>"),
        ("refused", "", "the provider's answer could not be checked"),
    ]


def test_going_to_the_sign_out_ends_the_sign_in(tmp_path: Path) -> None:
    sessions.note_holder(tmp_path, COOKIES, "mine")
    client = front(tmp_path, PRIVATE)
    for name, value in COOKIES.items():
        client.cookies.set(name, value)
    client.get("/auth/logout")
    assert sessions.is_ended(tmp_path, "mine")
