"""What stands before Streamlit's own web application: cookies that live no longer than a sign-in, a sign-out that holds, and
no file to whoever knows its name.

Pages are not known here, and who may see what is ``dashboards.access``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards import sessions
from dashboards.audit import log_of
from models.settings import SignIn

CALLBACK = "/oauth2callback"
LOGOUT = "/auth/logout"
SERVES_ANYBODY = ("/media/", "/_stcore/upload_file/", "/_stcore/metrics")
"""Addresses at which Streamlit answers whoever asks; no page of ours uses them."""


class Front:
    """The application before Streamlit's.

    Args:
        sign_in: how people sign in, or None on this machine alone.
    """

    def __init__(self, app: ASGIApp, workspace: Path, sign_in: SignIn | None) -> None:
        self._app = app
        self._workspace = workspace
        self._is_private = sign_in is not None and sign_in.redirect.startswith("https://")
        self._seconds = sign_in.session_minutes * 60 if sign_in else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on and looks at what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(SERVES_ANYBODY):
            await PlainTextResponse("Nothing is served here.", 404)(scope, receive, send)
            return
        cookies = HTTPConnection(scope).cookies
        if path == LOGOUT:
            sessions.end_by_cookies(cookies)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                self._bound_cookies(headers)
                if sessions.BROWSER_COOKIE not in cookies and _is_page(headers):
                    headers.append("set-cookie", self._browser_cookie())
                headers.setdefault("X-Frame-Options", "SAMEORIGIN")
                if path == CALLBACK:
                    self._note_refusal(scope, headers)
            await send(message)

        await self._app(scope, receive, sent)

    def _bound_cookies(self, headers: MutableHeaders) -> None:
        """Streamlit's cookies of a sign-in live for thirty days and go over http: here as long as the sign-in, and not."""
        cookies = headers.getlist("set-cookie")
        if not cookies:
            return
        del headers["set-cookie"]
        for text in cookies:
            headers.append("set-cookie", self._bounded(text))

    def _bounded(self, text: str) -> str:
        try:
            parsed = SimpleCookie(text)
        except CookieError:
            parsed = SimpleCookie()
        if len(parsed) != 1:
            return text
        [(name, cookie)] = parsed.items()
        if self._is_private and not cookie["secure"]:
            text += "; Secure"
        lives = cookie["max-age"]
        if name.startswith(sessions.USER_COOKIE) and lives and int(lives) > (self._seconds or 0):
            text = text.replace(f"Max-Age={lives}", f"Max-Age={self._seconds or 0}")
        return text

    def _browser_cookie(self) -> str:
        secure = "; Secure" if self._is_private else ""
        value = secrets.token_urlsafe(24)
        return f"{sessions.BROWSER_COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def _note_refusal(self, scope: Scope, headers: MutableHeaders) -> None:
        """An answer of the provider after which nobody is signed in; after a sign-out it comes without one."""
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        if not asked.keys() & {"code", "error"} or _signs_in(headers.getlist("set-cookie")):
            return
        said = " ".join([*asked.get("error", []), *asked.get("error_description", [])])
        reason = f"the provider answered: {said}" if said else "the provider's answer could not be checked"
        log_of(self._workspace).record_answer_refused(reason)


def _is_page(headers: MutableHeaders) -> bool:
    return headers.get("content-type", "").startswith("text/html")


def _signs_in(cookies: Sequence[str]) -> bool:
    return any(text.startswith(f"{sessions.USER_COOKIE}=") and "Max-Age=0" not in text for text in cookies)
