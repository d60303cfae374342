"""Sends the messages of one target, in a process of its own: ``python -m pipelines.actions.sender``, a job on standard input,
one line of JSON per message on standard output.

A process, so that a receiver that hangs ends with it and its address stays here: it is in no argument, log or answer. What
is sent, and when again, is decided by whoever starts it.
"""

from __future__ import annotations

import ipaddress
import json
import signal
import smtplib
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from models.addresses import Address, answers_about_itself, plain_address
from models.cloud_events import MEDIA_TYPE

KEY_HEADER = "Idempotency-Key"
"""Header of a message by which its receiver knows a second attempt, where the receiver's protocol has headers."""

CONTENT_TYPES = {"event": MEDIA_TYPE, "webhook": "application/json; charset=utf-8"}
"""Form of a message for a machine -> its content type; every other message is words for people, and goes by apprise."""

_HTTP_OF = {"http": "http", "https": "https", "json": "http", "jsons": "https"}
"""Scheme of an address -> what an event is posted by: webhooks of apprise are named otherwise."""

_TOOK_TOO_LONG = "gave no whole answer within"
_UNKNOWN = "was not taken by its receiver"
_REDIRECT, _ERROR = 300, 400


class _TooLong(BaseException):
    """A message took longer than it may; no `except Exception` of a library holds it up."""


class _PointsInward(OSError):
    """The receiver's name leads into a private network."""


@dataclass
class _Seen:
    """Why the last message did not arrive, as far as it was seen."""

    why: str = ""


_SEEN = _Seen()


def main() -> None:
    """Reads a job and sends it: ``url, seconds, inward, messages`` of ``id, form, title, body``."""
    job = json.load(sys.stdin)
    seconds = float(job["seconds"])
    _watch(bool(job["inward"]), seconds)
    words = any(message["form"] not in CONTENT_TYPES for message in job["messages"])
    receiver = _receiver(job["url"], seconds) if words else None
    why = ""
    for message in job["messages"]:
        if not why.startswith(_TOOK_TOO_LONG):  # a receiver that hangs is not waited for again and again
            is_word = message["form"] not in CONTENT_TYPES
            why = _sent(receiver, seconds, message) if is_word else _posted(job["url"], seconds, message)
        sys.stdout.write(json.dumps({"id": message["id"], "why": why}) + "\n")
        sys.stdout.flush()


def _receiver(url: str, seconds: float) -> Any:
    """The receiver an address names, or None; its address is followed nowhere else."""
    import apprise  # noqa: PLC0415 (what watches the network stands before it)

    asset = apprise.AppriseAsset(
        async_mode=False, http_redirects=False, secure_logging=True, app_id="appfleet"
    )
    found = apprise.Apprise.instantiate(url, asset=asset)
    if found is not None:
        found.socket_connect_timeout = found.socket_read_timeout = seconds
    return found


def _sent(receiver: Any, seconds: float, message: dict[str, str]) -> str:
    """Sends one message; empty, or why it did not arrive. Time counts from the first byte, not from loading a library."""
    import apprise  # noqa: PLC0415

    if receiver is None:
        return "has an address that apprise does not know"
    _SEEN.why = ""
    headers = getattr(receiver, "headers", None)
    if isinstance(headers, dict):
        headers[KEY_HEADER] = message["id"]
    sender = apprise.Apprise(asset=receiver.asset)
    sender.add(receiver)
    try:
        with _within(seconds):
            taken = bool(
                sender.notify(
                    body=message["body"], title=message["title"], body_format=apprise.NotifyFormat.TEXT
                )
            )
    except _TooLong:
        return f"{_TOOK_TOO_LONG} {seconds:.0f} seconds"
    except Exception:  # noqa: BLE001 (of 190 kinds of receivers; its text may hold the address)
        taken = False
    return "" if taken else _SEEN.why or _UNKNOWN


def _posted(url: str, seconds: float, message: dict[str, str]) -> str:
    """Posts one event as it is; empty, or why it did not arrive. The same is refused as for words."""
    import requests  # noqa: PLC0415

    scheme, _, rest = url.partition("://")
    if scheme.lower() not in _HTTP_OF or not rest:
        return "has an address that takes no events: it must begin with https:// or http://"
    _SEEN.why = ""
    headers = {"Content-Type": CONTENT_TYPES[message["form"]], KEY_HEADER: message["id"]}
    taken = False
    try:
        with _within(seconds), requests.Session() as session:
            answer = session.post(
                f"{_HTTP_OF[scheme.lower()]}://{rest}",
                data=message["body"].encode(),
                headers=headers,
                timeout=seconds,
                allow_redirects=False,
            )
            taken = answer.status_code < _REDIRECT
    except _TooLong:
        return f"{_TOOK_TOO_LONG} {seconds:.0f} seconds"
    except Exception:  # noqa: BLE001 (its text may hold the address)
        taken = False
    return "" if taken else _SEEN.why or _UNKNOWN


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def ended(*_: Any) -> None:
        raise _TooLong

    signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _watch(inward: bool, seconds: float) -> None:
    """Sees to it that no name leads inward unless it may, and that it is known what a receiver answered."""
    found = socket.getaddrinfo

    def looked_up(*args: Any, **kwargs: Any) -> Any:
        try:
            answer = found(*args, **kwargs)
        except OSError:
            _SEEN.why = "has a name that nobody knows"
            raise
        addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in answer]
        if any(_is_refused(address, inward) for address in addresses):
            _SEEN.why = "lies in a private network: `inward: true` allows that"
            if any(answers_about_itself(address) for address in addresses):
                _SEEN.why = "has an address that is no receiver's"
            raise _PointsInward("refused")
        return answer

    socket.getaddrinfo = looked_up
    _watch_http(seconds)
    _watch_mail()


def _is_refused(address: Address, inward: bool) -> bool:
    return answers_about_itself(address) or (not inward and not plain_address(address).is_global)


def _watch_http(seconds: float) -> None:
    import requests  # noqa: PLC0415

    send = requests.Session.send

    def watched(self: Any, request: Any, **kwargs: Any) -> Any:
        try:
            answer = send(self, request, **kwargs)
        except requests.RequestException as error:
            _SEEN.why = _SEEN.why or _why(error, seconds)
            raise
        if _REDIRECT <= answer.status_code < _ERROR:
            _SEEN.why = f"answered with a redirect ({answer.status_code}), which is not followed"
        elif answer.status_code >= _ERROR:
            _SEEN.why = f"answered {answer.status_code}"
        return answer

    requests.Session.send = watched  # type: ignore[method-assign]


def _why(error: Exception, seconds: float) -> str:
    import requests  # noqa: PLC0415

    if isinstance(error, requests.Timeout):
        return f"{_TOOK_TOO_LONG} {seconds:.0f} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that cannot be trusted"
    return "cannot be reached"


def _watch_mail() -> None:
    connect = smtplib.SMTP.connect

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return connect(self, *args, **kwargs)
        except OSError:
            _SEEN.why = _SEEN.why or "cannot be reached"
            raise

    smtplib.SMTP.connect = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
