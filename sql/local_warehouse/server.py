"""ClickHouse's HTTP interface over the engine: one thread per connection, bodies streamed both ways.

Decides who may ask (loopback, Host, credential), how much at once, and how an answer or an error looks.
Ownership of the directory is the business of ``sql.local_warehouse.ownership``.
"""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import logging
import re
import select
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from models.errors import StatementRefused
from models.loopback import names_this_machine
from sql.guard import admit, stays_inside
from sql.local_warehouse.bodies import BadRequest, form_fields, packer, raw_body, unpacked
from sql.local_warehouse.connections import Connections
from sql.local_warehouse.engine import Engine, EngineError, blocks, literal, told
from sql.local_warehouse.statements import (
    HEAD_BYTES,
    ManyStatements,
    Statement,
    insert_with_data,
    statement_of,
)
from sql.probe import LIVE, READY, Probe

log = logging.getLogger("appfleet.warehouse")

READ_AHEAD_BYTES = 1 << 20
WAITING_AHEAD_BYTES = 64 << 20
"""How much of an answer is made before its first byte leaves: an error in it has a proper status. The second is
for clients that ask to wait for the end of the statement."""

IDLE_SECONDS = 120
"""How long a connection may be silent: between requests, inside a header, inside a body."""

MAX_STATEMENT_BYTES = 256 << 20
READER_STATEMENT_BYTES = 64 << 10
"""A reader's statement is judged token by token before it runs; what it is about comes as parameters."""

WATCH_SECONDS = 0.25

_OF_THE_FRONT = frozenset(
    """
    query database session_id session_timeout session_check query_id quota_key default_format user password
    wait_end_of_query compress decompress buffer_size client_protocol_version role enable_http_compression
    send_progress_in_http_headers http_headers_progress_interval_ms
    cancel_http_readonly_queries_on_client_close
    """.split()  # noqa: SIM905 (a table of names)
)
"""Parameters of the URL that are no settings of the engine."""

_READER_MAY_SET = re.compile(
    r"output_format_(pretty|json|csv|tsv|arrow|decimal)_\w+|date_time_(in|out)put_format|max_threads|max_block_size"
    r"|max_result_rows|session_timezone|log_comment|cast_string_to_dynamic_use_inference",
    re.ASCII,
)
_LIMITED = frozenset({"max_execution_time", "max_memory_usage"})
_STATUS = {
    516: 403,
    164: 403,
    497: 403,
    62: 400,
    115: 400,
    456: 400,
    457: 400,
    60: 404,
    81: 404,
    46: 404,
    47: 404,
}


@dataclass(frozen=True)
class Credentials:
    """The two passwords of a workspace, by user name."""

    writer: str
    reader: str

    def role(self, user: str, password: str) -> str | None:
        """``writer`` or ``reader``, compared in constant time; None when neither."""
        found = None
        for name, expected in (("writer", self.writer), ("reader", self.reader)):
            same = hmac.compare_digest(password.encode(), expected.encode())
            if hmac.compare_digest(user.encode(), name.encode()) and same:
                found = name
        return found


class RefusedRequest(Exception):
    """A request the front refuses, told as ClickHouse tells it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status = status
        self.code = code
        self.message = f"Code: {code}. DB::Exception: {message}"
        super().__init__(message)


@dataclass
class Request:
    """One statement as asked for over HTTP."""

    role: str
    query_id: str
    database: str
    default_format: str
    wait_end: bool
    pack: bool
    settings: dict[str, str]
    parameters: dict[str, str]


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and runs statements of the engine, so many at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        engine: Engine,
        credentials: Credentials,
        port: int,
        *,
        at_once: int,
        queue_seconds: float,
        connections: int,
        without_files: bool = False,
    ) -> None:
        self.engine = engine
        self.without_files = without_files
        self.credentials = credentials
        self.slots = threading.BoundedSemaphore(at_once)
        self.connections = Connections(connections)
        self.queue_seconds = queue_seconds
        self.running: dict[str, socket.socket] = {}
        self.guard = threading.Lock()
        self.stopping = threading.Event()
        self.migrated = threading.Event()
        self.probe = Probe(self._missing)
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    @property
    def port(self) -> int:
        """Port listened on."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Takes a connection, or closes it at once when too many are at work."""
        if not self.connections.admit(request):
            request.close()
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves a connection in its own thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        log.debug("connection ended", exc_info=True)

    def _missing(self) -> list[str]:
        """What a client would miss: the tables, or the engine."""
        if not self.migrated.is_set():
            return ["schema"]
        try:
            self.engine.run("SELECT 1")
        except EngineError:
            return ["engine"]
        return []

    def cancel(self, query_id: str) -> None:
        """Stops a running statement."""
        try:
            self.engine.run(f"KILL QUERY WHERE Settings['log_comment'] = {literal(query_id)} ASYNC")
        except EngineError:
            log.warning("could not stop statement %s", query_id, exc_info=True)

    def stop(self, seconds: float = 5.0) -> None:
        """Ends listening, cancels what runs and waits for it a short while."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            for query_id in list(self.running):
                self.cancel(query_id)
            time.sleep(0.05)

    def _watch(self) -> None:
        """Cancels statements whose client has gone."""
        while not self.stopping.wait(WATCH_SECONDS):
            with self.guard:
                running = list(self.running.items())
            for query_id, connection in running:
                if _gone(connection):
                    self.cancel(query_id)


def _gone(connection: socket.socket) -> bool:
    """Whether the other end has closed; a next request waiting to be read is no end."""
    try:
        poll = select.poll()  # not select(): the engine's files push descriptors beyond its 1024
        poll.register(connection, select.POLLIN)
        if not poll.poll(0):
            return False
        return connection.recv(1, socket.MSG_PEEK) == b""
    except (OSError, ValueError):
        return True


class Handler(BaseHTTPRequestHandler):
    """One connection of one client."""

    server: Server
    protocol_version = "HTTP/1.1"
    rbufsize = 1 << 18
    wbufsize = 1 << 16
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Statements and addresses are not logged: they may hold secrets."""

    def version_string(self) -> str:
        """Name of the server told to clients."""
        return "appfleet local warehouse"

    def do_GET(self) -> None:
        """A read, or a ping."""
        self._answer()

    def do_POST(self) -> None:
        """Any statement."""
        self._answer()

    def _answer(self) -> None:
        self.begun = False
        self.body_left = True
        try:
            self._check_host()
            address = urlsplit(self.path)
            if address.path in (LIVE, READY):
                self._tell_health(address.path)
                return
            if address.path in ("/ping", "/replicas_status"):
                self.body_left = self.command == "POST"
                with self.server.connections.at_work(self.connection, known=False):
                    self._send(200, b"Ok.\n", {"Content-Type": "text/plain; charset=UTF-8"})
                return
            if address.path not in ("", "/"):
                raise RefusedRequest(404, 0, f"There is nothing at {address.path[:100]}")
            role = self._role()
            if self.server.connections.is_reserved(self.connection):
                self.close_connection = True
                raise RefusedRequest(503, 202, "Too many connections, try again")
            with self.server.connections.at_work(self.connection, known=True):
                self._run_in_turn(role, dict(parse_qsl(address.query, keep_blank_values=True)))
        except EngineError as error:
            self._fail(_STATUS.get(error.code, 500), error.code, error.message)
        except RefusedRequest as error:
            self._fail(error.status, error.code, error.message)
        except StatementRefused as error:
            self._fail(403, 164, f"Code: 164. DB::Exception: {error}. (READONLY)")
        except ManyStatements:
            message = "Code: 62. DB::Exception: Multi-statements are not allowed. (SYNTAX_ERROR)"
            self._fail(400, 62, message)
        except BadRequest as error:
            self._fail(400, 1000, f"Code: 1000. DB::Exception: {error}")
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _tell_health(self, path: str) -> None:
        """Whether this process lives, and whether its engine answers with all our tables."""
        self.body_left = self.command == "POST"
        with self.server.connections.at_work(self.connection, known=False):
            status, body = (self.server.probe.answer(path)) or (404, b"")
            self._send(status, body, {"Content-Type": "text/plain; charset=utf-8"})

    def _run_in_turn(self, role: str, url: dict[str, str]) -> None:
        if not self.server.slots.acquire(timeout=self.server.queue_seconds):
            raise RefusedRequest(503, 202, "Too many simultaneous queries, try again")
        try:
            self._run(role, url)
        finally:
            self.server.slots.release()

    def _check_host(self) -> None:
        if not names_this_machine(self.headers.get("Host", "")):
            raise RefusedRequest(403, 516, "the local warehouse answers to 127.0.0.1 and localhost only")

    def _role(self) -> str:
        user, password = self.headers.get("X-ClickHouse-User", ""), self.headers.get("X-ClickHouse-Key", "")
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            except ValueError:
                raise RefusedRequest(403, 516, "Authentication failed: the header cannot be read") from None
        role = self.server.credentials.role(user, password)
        if role is None:
            raise RefusedRequest(403, 516, "Authentication failed: wrong user or password")
        return role

    def _run(self, role: str, url: dict[str, str]) -> None:
        body = self._body()
        if "multipart/form-data" in self.headers.get("Content-Type", ""):
            fields = form_fields(_all(body), self.headers["Content-Type"])
            url.update({name: value.decode("utf-8", "surrogateescape") for name, value in fields.items()})
            body = iter(())
        request = self._request(role, url)
        head = url.get("query", "").encode("utf-8", "surrogateescape")
        if head and self.command == "POST":
            head += b"\n"
        for block in body:
            head += block
            if len(head) >= HEAD_BYTES:
                break
        insert = insert_with_data(head[:HEAD_BYTES]) if role == "writer" else None
        if insert:
            self._insert(request, insert, itertools.chain([head[insert.data_start :]], body))
            return
        most = READER_STATEMENT_BYTES if role == "reader" else MAX_STATEMENT_BYTES
        text = _all(itertools.chain([head], body), most).strip()
        if not text:
            raise RefusedRequest(400, 62, "Empty query. (SYNTAX_ERROR)")
        if role == "reader":
            try:
                admit(text.decode())
            except UnicodeDecodeError:
                raise StatementRefused("the statement is not UTF-8") from None
        elif self.server.without_files:
            stays_inside(text.decode("utf-8", "surrogateescape"))
        statement = statement_of(text, request.default_format)
        if statement.kind == "stream":
            self._stream(request, statement)
        else:
            self._whole(request, statement)

    def _body(self) -> Iterator[bytes]:
        encoding = self.headers.get("Content-Encoding", "")
        yield from unpacked(raw_body(self.rfile, self.headers), encoding)
        self.body_left = False

    def _request(self, role: str, url: dict[str, str]) -> Request:
        if url.get("compress", "0") == "1" or url.get("decompress", "0") == "1":
            raise RefusedRequest(501, 48, "compress=1 and decompress=1 are not offered; use Content-Encoding")
        settings = {
            name: value
            for name, value in url.items()
            if name not in _OF_THE_FRONT and not name.startswith("param_")
        }
        if role == "reader":
            settings = self._reader_settings(settings)
        query_id = url.get("query_id") or str(uuid.uuid4())
        return Request(
            role=role,
            query_id=query_id,
            database=url.get("database", "") or self.headers.get("X-ClickHouse-Database", ""),
            default_format=url.get("default_format")
            or self.headers.get("X-ClickHouse-Format", "")
            or "TabSeparated",
            wait_end=url.get("wait_end_of_query", "0") == "1",
            pack=url.get("enable_http_compression", "0") == "1",
            settings={**settings, "log_comment": query_id},  # by which it is found when its client has gone
            parameters={name[6:]: value for name, value in url.items() if name.startswith("param_")},
        )

    def _reader_settings(self, asked: dict[str, str]) -> dict[str, str]:
        """What a reader may ask for: how answers look, and limits lower than its own."""
        limits = self.server.engine.limits.settings("reader")
        for name, value in asked.items():
            if name in _LIMITED:
                if not value.isdigit() or not 0 < int(value) <= int(limits[name]):
                    raise RefusedRequest(
                        403, 164, f"a reader may set {name} to at most {limits[name]}. (READONLY)"
                    )
            elif not _READER_MAY_SET.fullmatch(name):
                raise RefusedRequest(403, 164, f"a reader may not change setting {name[:60]}. (READONLY)")
        return asked

    def _open(self, request: Request) -> Any:
        connection = self.server.engine.connection(
            request.role,
            request.settings,
            request.database,
            readonly=request.role == "reader" or self.command == "GET",
        )
        with self.server.guard:
            self.server.running[request.query_id] = self.connection
        return connection

    def _close(self, request: Request, connection: Any) -> None:
        with self.server.guard:
            self.server.running.pop(request.query_id, None)
        connection.close()

    def _insert(self, request: Request, statement: Statement, data: Iterator[bytes]) -> None:
        connection = self._open(request)
        try:
            with told():
                if request.parameters:
                    parameters = {f"param_{name}": value for name, value in request.parameters.items()}
                    connection.query(
                        "SET " + ", ".join(f"{name} = {literal(value)}" for name, value in parameters.items())
                    )
                inserter = connection.send_insert(statement.text.decode("utf-8"), statement.format)
                with inserter:
                    for block in data:
                        if block:
                            inserter.append(block)
                    result = inserter.finish()
            summary = _summary(written_rows=result.rows_written, written_bytes=result.bytes_written)
        finally:
            self._close(request, connection)
        self._send(200, b"", self._headers(request, "", summary))

    def _whole(self, request: Request, statement: Statement) -> None:
        connection = self._open(request)
        try:
            with told():
                result = connection.query(statement.text, statement.format, params=request.parameters)
            summary = _summary(
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                written_rows=result.rows_written(),
                written_bytes=result.bytes_written(),
                result_rows=result.rows_read(),
                elapsed_ns=int(result.elapsed() * 1e9),
            )
            view = result.get_memview() if result.size() else None
            data = view.view() if view is not None else b""
            headers = self._headers(request, statement.format if statement.returns_rows else "", summary)
            self._send_all(request, data, headers)
        finally:
            self._close(request, connection)

    def _stream(self, request: Request, statement: Statement) -> None:
        connection = self._open(request)
        try:
            with told():
                stream = connection.send_query(statement.text, statement.format, params=request.parameters)
            try:
                self._relay(request, statement, blocks(stream))
            finally:
                stream.close()
        finally:
            self._close(request, connection)

    def _relay(self, request: Request, statement: Statement, blocks: Iterator[bytes]) -> None:
        """Sends a streamed answer: short ones with their length, long ones in chunks."""
        ahead: list[bytes] = []
        size = 0
        for block in blocks:
            ahead.append(block)
            size += len(block)
            if size >= (WAITING_AHEAD_BYTES if request.wait_end else READ_AHEAD_BYTES):
                break
        else:
            self._send_all(request, b"".join(ahead), self._headers(request, statement.format, _summary()))
            return
        tag = uuid.uuid4().hex[:16]
        headers = self._headers(request, statement.format, _summary())
        encoding, compress, flush = packer(self.headers.get("Accept-Encoding", "") if request.pack else "")
        if encoding:
            headers["Content-Encoding"] = encoding
        self._begin(200, {**headers, "X-ClickHouse-Exception-Tag": tag, "Transfer-Encoding": "chunked"})
        try:
            for block in itertools.chain(ahead, blocks):
                self._chunk(compress(block))
            self._chunk(flush())
            self.wfile.write(b"0\r\n\r\n")
            self.wfile.flush()
        except EngineError as error:
            self._break_off(error, tag, compress, flush)

    def _break_off(self, error: EngineError, tag: str, compress: Any, flush: Any) -> None:
        """Tells a late error in ClickHouse's way and breaks the chunks off, so that it is never data."""
        message = error.message.split("Stack trace:")[0].strip().encode()[:16000] + b"\n"
        mark = b"\r\n__exception__\r\n" + tag.encode() + b"\r\n"
        closing = f"{len(message)} {tag}".encode() + b"\r\n__exception__\r\n"
        self._chunk(compress(mark + message + closing) + flush())
        self.wfile.flush()
        self.close_connection = True

    def _chunk(self, block: bytes) -> None:
        if block:
            self.wfile.write(f"{len(block):x}\r\n".encode())
            self.wfile.write(block)
            self.wfile.write(b"\r\n")

    def _send_all(self, request: Request, data: Any, headers: dict[str, str]) -> None:
        encoding, compress, flush = packer(self.headers.get("Accept-Encoding", "") if request.pack else "")
        if encoding and len(data):
            headers["Content-Encoding"] = encoding
            data = compress(bytes(data)) + flush()
        self._send(200, data, headers)

    def _headers(self, request: Request, output: str, summary: str) -> dict[str, str]:
        headers = {
            "Content-Type": "application/octet-stream" if output else "text/plain; charset=UTF-8",
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Summary": summary,
        }
        if output:
            headers["X-ClickHouse-Format"] = output
        return headers

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.begun = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.body_left and self.command == "POST":
            self.close_connection = True  # the rest of the body was not read: no next request can follow it
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()

    def _send(self, status: int, data: Any, headers: dict[str, str]) -> None:
        self._begin(status, {**headers, "Content-Length": str(len(data))})
        if len(data):
            self.wfile.write(data)
        self.wfile.flush()

    def _fail(self, status: int, code: int, message: str) -> None:
        if self.begun:
            self.close_connection = True
            return
        text = message.split("Stack trace:")[0].strip().encode("utf-8", "replace") + b"\n"
        headers = {"Content-Type": "text/plain; charset=UTF-8"}
        if code:
            headers["X-ClickHouse-Exception-Code"] = str(code)
        self._send(status, text, headers)


def _all(blocks: Iterator[bytes], most: int = MAX_STATEMENT_BYTES) -> bytes:
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size > most:
            raise BadRequest(f"a statement may have {most >> 10:,} KiB at most")
    return b"".join(parts)


def _summary(**counts: int) -> str:
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read", "result_rows")
    values = {name: str(counts.get(name, 0)) for name in (*names, "result_bytes", "elapsed_ns")}
    return json.dumps(values)
