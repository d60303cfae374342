"""Bodies of requests as they come over the wire, and the end of the server that reads them; no engine is needed for either."""

from __future__ import annotations

import io
import socket
import threading
import time
from email.message import Message
from typing import cast

import pytest

from sql.local_warehouse.bodies import BLOCK, BadRequest, raw_body
from sql.local_warehouse.engine import Engine
from sql.local_warehouse.server import Credentials, Server

SIZES = (0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3)


def header(**fields: str) -> Message:
    message = Message()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


def in_chunks(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_read_to_its_last_byte_and_no_further(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    sent = io.BytesIO(body + b"the next request")
    assert b"".join(raw_body(sent, header(Content_Length=str(size)))) == body
    assert sent.read() == b"the next request"
    for chunk in (1 if size < 99 else 4_099, BLOCK, BLOCK + 1):
        sent = io.BytesIO(in_chunks(body, chunk) + b"the next request")
        assert b"".join(raw_body(sent, header(Transfer_Encoding="chunked"))) == body
        assert sent.read() == b"the next request"


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        (b"", {"Content_Length": "1"}),
        (b"ab", {"Content_Length": "3"}),
        (b"ab", {"Content_Length": "two"}),
        (b"", {"Transfer_Encoding": "chunked"}),
        (b"3\r\nab", {"Transfer_Encoding": "chunked"}),
        (b"2\r\nab\r\n", {"Transfer_Encoding": "chunked"}),
        (b"xyz\r\nab\r\n0\r\n\r\n", {"Transfer_Encoding": "chunked"}),
    ],
)
def test_a_body_that_is_not_whole_is_refused(sent: bytes, fields: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        list(raw_body(io.BytesIO(sent), header(**fields)))


class _Cancelling:
    """In place of an engine: what it is told to end has ended the ``after``-th time."""

    def __init__(self, after: int) -> None:
        self.after, self.asked = after, 0
        self.server: Server | None = None

    def run(self, text: str) -> bytes:
        assert text.startswith("KILL QUERY") and self.server
        self.asked += 1
        if self.asked >= self.after:
            self.server.running.clear()
        return b""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_server_ends_as_soon_as_nothing_runs(after: int) -> None:
    engine = _Cancelling(after)
    server = engine.server = Server(
        cast(Engine, engine), Credentials("w", "r"), 0, at_once=1, queue_seconds=1, connections=4
    )
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    if after:
        server.running["a statement"] = socket.socket()
    patience, started = 300.0, time.monotonic()
    server.stop(patience)
    assert time.monotonic() - started < patience / 2
    assert (engine.asked, server.running) == (after, {})


def test_a_server_ends_though_a_statement_does_not() -> None:
    engine = _Cancelling(after=10**9)
    server = engine.server = Server(
        cast(Engine, engine), Credentials("w", "r"), 0, at_once=1, queue_seconds=1, connections=4
    )
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    server.running["a statement"] = socket.socket()
    ending = threading.Thread(target=server.stop, args=(0.2,), daemon=True)
    ending.start()
    ending.join(300)
    assert not ending.is_alive() and engine.asked
