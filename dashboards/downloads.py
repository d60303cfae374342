"""Files that people take: a link a page offers is good for the browser and the sign-in it was made for, and the file is made
by the click, with the rights of that moment.

Streamlit's own links to files serve anybody who has them, so no page uses them. What is in a file is the page's business.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dashboards import access, sessions
from dashboards.access import Looker
from dashboards.audit import log_of
from dashboards.formats import as_text
from models.errors import AppfleetError, NotAdmitted
from models.people import access_policy

PATH = "/download"
_GOOD_SECONDS = 6 * access_policy().look_seconds
"""How long a link is good once its page is closed: pages that are open say so each time they look at rights."""
_MOST = 20_000
_OFFERED = "offered "
KINDS = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
"""End of a file's name -> what browsers call its kind (IANA media types)."""

GONE = "This link has ended: open the page again and take the file from there."
NOT_YOURS = "This link was made for another browser or another sign-in: open the page yourself and take the file from there."


@dataclass
class Offer:
    """A file a page offers to one browser and sign-in."""

    looker: Looker
    holder: str
    page: str
    file_name: str
    make: Callable[[], bytes]
    parameters: Mapping[str, str] = field(default_factory=dict)
    seen: float = field(default_factory=time.monotonic)


class Offers:
    """Files that are offered now, by the random name of their link."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}
        self._lock = threading.Lock()

    def put(self, token: str, offer: Offer) -> None:
        """Offers a file under a name; what nobody shows any more is dropped."""
        with self._lock:
            now = time.monotonic()
            for old in [one for one, found in self._offers.items() if now - found.seen > _GOOD_SECONDS]:
                del self._offers[old]
            while len(self._offers) >= _MOST:
                del self._offers[next(iter(self._offers))]
            self._offers.pop(token, None)
            self._offers[token] = offer

    def get(self, token: str) -> Offer | None:
        """What is offered under a name, or None."""
        with self._lock:
            found = self._offers.get(token)
            return found if found and time.monotonic() - found.seen <= _GOOD_SECONDS else None

    def keep(self, tokens: Sequence[str]) -> None:
        """Says that a page with these links is still open."""
        with self._lock:
            for token in tokens:
                if token in self._offers:
                    self._offers[token].seen = time.monotonic()


OFFERS = Offers()


def offer_file(
    label: str,
    key: str,
    make: Callable[[], bytes],
    file_name: str,
    *,
    page: str = "",
    parameters: Mapping[str, str] | None = None,
    kind: Literal["secondary", "tertiary"] = "secondary",
    help: str | None = None,
) -> None:
    """Draws a link that has a file made when it is clicked, for whoever looks at this page.

    Args:
        key: a name of its own for each file of a page.
        file_name: ends as one of ``KINDS``.
        make: gives the bytes; it reads with the rights it was offered with, which are checked first.
        parameters: what the file is made with, as the access log has it.
    """
    name = _OFFERED + key
    token = st.session_state.setdefault(name, secrets.token_urlsafe(32))
    holder = sessions.holder_of(st.context.cookies.to_dict())
    OFFERS.put(
        token,
        Offer(access.looking(), holder, page or key, file_name, make, {**(parameters or {})}),
    )
    st.link_button(as_text(label), f"{PATH}/{token}", type=kind, help=help)


def keep_offers() -> None:
    """Says that the page that runs now is still open, with its links."""
    OFFERS.keep([value for key, value in st.session_state.items() if str(key).startswith(_OFFERED)])


def routes() -> list[BaseRoute]:
    """The address files are taken from."""
    return [Route(PATH + "/{token}", download, methods=["GET"])]


def download(request: Request) -> Response:
    """The file of a link, for the browser and sign-in it was made for; each is in the access log, and so is each refusal."""
    offer = OFFERS.get(request.path_params["token"])
    if offer is None:
        return _refused(GONE, 404)
    log = log_of(offer.looker.workspace)
    about = {"page": offer.page, "file_name": offer.file_name, "parameters": offer.parameters}
    if not hmac.compare_digest(offer.holder, sessions.holder_of(request.cookies)):
        log.record(offer.looker.entry("file_refused", reason=NOT_YOURS, **about))
        return _refused(NOT_YOURS, 403)
    try:
        offer.looker.check()
        content = offer.make()
    except NotAdmitted as error:
        log.record(offer.looker.entry("file_refused", reason=str(error), **about))
        return _refused(str(error), 403)
    except AppfleetError as error:
        log.record(offer.looker.entry("file_refused", reason=str(error), **about))
        return _refused(str(error), 503)
    log.record(offer.looker.entry("file", **about))
    return Response(
        content,
        media_type=KINDS[offer.file_name.rpartition(".")[2]],
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(offer.file_name)}",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _refused(sentence: str, status: int) -> Response:
    return PlainTextResponse(
        sentence, status, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    )
