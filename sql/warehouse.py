"""The warehouse as the rest of appfleet sees it: named statements in, Polars frames out.

One class over clickhouse-connect, the same for the local warehouse process and a ClickHouse server; where they differ is
its form (``sql.forms``). Which of them a workspace has is decided in ``sql.opening``; what is published, and by whom, in
``sql.publish``.
"""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

import clickhouse_connect
import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError
from clickhouse_connect.driver.httputil import default_pool_manager
from urllib3.exceptions import HTTPError

from models.errors import DamagedData, DiskFull, NotGranted, StatementRefused, WarehouseError
from sql.catalog import statement
from sql.damage import placed
from sql.forms import EMBEDDED, RECORDS, Form, Purpose, filled, insertion, purpose_of
from sql.logs import at_work

for _name in ("clickhouse_connect", "urllib3.connectionpool"):  # the client's tries
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # their errors reach people as ours

STATEMENT_SECONDS = 3600
"""How long a statement may take before the client gives up."""

_ROWS_A_BATCH = 65_536
_ROWS_A_PIECE = 16_384
_STREAM_BYTES = 1 << 20
_CONNECT_SECONDS = 60
_THIS_MACHINE = ("127.0.0.1", "localhost")
_READONLY = 164
_NOT_ENOUGH_SPACE = 243
_ACCESS_DENIED = 497
_NO_SPACE_LEFT = "No space left on device"
_PART = re.compile(r"/[^\s\"']*?/store/[0-9a-f]{3}/[0-9a-f-]{36}/[^/\s\"']+/")
_DAMAGED = frozenset({32, 33, 40, 74, 76, 89, 107, 117, 131, 226, 228, 246, 271, 432, 1001})
"""Codes by which the engine says that a file it wrote is shorter than it was, has another checksum, or is gone."""
_ENGINE_PREFIX = re.compile(r"^.*?DB::(?:\w*)Exception: ", re.DOTALL)

Settings = Mapping[str, str | int | float]
"""Settings of a statement by the engine's names."""


@dataclass(frozen=True)
class Address:
    """Where a ClickHouse HTTP interface is: host and port, whether it speaks TLS and by which certificates, and the
    database that names without one are in."""

    host: str
    port: int
    is_tls: bool = False
    ca: Path | None = None
    database: str = ""


class Warehouse:
    """An open connection to a warehouse, of a writer or a reader.

    Files are read where ``reading`` leads: by the warehouse itself, or by an engine beside us whose rows go to it.
    """

    def __init__(
        self, client: Client, form: Form = EMBEDDED, reading: Callable[[], Warehouse] | None = None
    ) -> None:
        self._client = client
        self._reading = reading
        self._running: set[str] = set()
        self._is_ended = False
        self.form = form

    @classmethod
    def over_http(
        cls,
        address: Address,
        username: str,
        password: str,
        form: Form = EMBEDDED,
        reading: Callable[[], Warehouse] | None = None,
    ) -> Warehouse:
        """Connects to a ClickHouse HTTP interface; each statement is its own session.

        Raises:
            WarehouseError: nobody answers there, or the credentials are wrong.
        """
        # the server judges settings: the client's own list says that a reader may set none
        clickhouse_connect.common.set_setting("invalid_setting_action", "send")
        is_here = address.host in _THIS_MACHINE
        with _named_errors():
            client = clickhouse_connect.get_client(
                host=address.host,
                port=address.port,
                interface="https" if address.is_tls else "http",
                ca_cert=str(address.ca) if address.ca else None,
                database=address.database or "__default__",
                username=username,
                password=password,
                autogenerate_session_id=False,
                # it bounds each piece that is sent too, and who writes to a slow disk takes none for a while
                connect_timeout=STATEMENT_SECONDS if is_here else _CONNECT_SECONDS,
                send_receive_timeout=STATEMENT_SECONDS,
                compress=False,
                form_encode_query_params=True,
                show_clickhouse_errors="scrub",
                tz_mode="aware",
                query_retries=0,
                pool_mgr=default_pool_manager() if is_here and not address.is_tls else None,
            )  # never by a proxy
        return cls(client, form, reading)

    @property
    def reading(self) -> Warehouse:
        """Where statements over files of this machine run: they must not be asked of a server elsewhere."""
        return self._reading() if self._reading else self

    def frame(self, name: str, /, settings: Settings | None = None, **parameters: Any) -> pl.DataFrame:
        """Result of the read statement ``sql/<name>.sql`` with its parameters bound."""
        return self.frame_of(statement(name), settings, **parameters)

    def frame_of(self, text: str, settings: Settings | None = None, **parameters: Any) -> pl.DataFrame:
        """Result of a statement given as text; values are bound, never formatted in."""
        with self._named_errors():
            table = self._client.query_arrow(
                self.form.text(text),
                parameters=bindings(parameters),
                settings=self._settings("read", settings),
            )
        frame = pl.from_arrow(_text_made_sound(table))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def execute(self, name: str, /, settings: Settings | None = None, **parameters: Any) -> None:
        """Runs the statement ``sql/<name>.sql`` for its effect."""
        self.execute_text(statement(name), settings, **parameters)

    def execute_text(self, text: str, settings: Settings | None = None, **parameters: Any) -> None:
        """Runs a statement given as text for its effect."""
        with self._asked(purpose_of(text), settings) as asked:
            self._client.raw_query(self.form.text(text), parameters=bindings(parameters), settings=asked)

    def load(
        self,
        name: str,
        /,
        reading_settings: Settings | None = None,
        settings: Settings | None = None,
        leave_out: Collection[str] = (),
        words: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> None:
        """Inserts what ``sql/<name>.sql``, an ``INSERT ... SELECT`` over files, reads.

        Where another engine reads the files, rows come as one stream of Native blocks, each column by its name.

        Args:
            reading_settings: how files are read.
            settings: how rows are written.
            leave_out: columns in which every row has the table's default: they need not travel.
            words: what the statement is filled with, names and numbers of ours only.
        """
        text = filled(statement(name), words) if words else statement(name)
        if self._reading is None:
            self.execute_text(text, {**(reading_settings or {}), **(settings or {})}, **parameters)
            return
        target = insertion(text, leave_out)
        blocks = self.reading.stream_of(target.select, "Native", reading_settings, **parameters)
        self.insert_stream(self.form.text(target.table), blocks, "Native", settings, target.columns)

    def insert(self, table: str, frame: pl.DataFrame) -> None:
        """Inserts a frame whose columns are named as the table's; missing ones take their defaults."""
        if frame.is_empty():
            return
        with self._named_errors():
            self._client.raw_insert(
                table,
                frame.columns,
                insert_block=_arrow_stream(frame),
                settings=self._settings("record" if table in RECORDS else "load", None),
                fmt="ArrowStream",
            )

    def stream(
        self, name: str, output_format: str, settings: Settings | None = None, **parameters: Any
    ) -> Generator[bytes, None, None]:
        """Result of ``sql/<name>.sql`` as blocks of a ClickHouse output format, as they come."""
        yield from self.stream_of(statement(name), output_format, settings, **parameters)

    def stream_of(
        self, text: str, output_format: str, settings: Settings | None = None, **parameters: Any
    ) -> Generator[bytes, None, None]:
        """As ``stream``, of a statement given as text."""
        with self._named_errors():
            answer = cast(
                BinaryIO,
                self._client.raw_stream(
                    self.form.text(text),
                    parameters=bindings(parameters),
                    settings=self._settings("read", settings),
                    fmt=output_format,
                ),
            )
            try:
                while block := answer.read(_STREAM_BYTES):
                    yield block
            finally:
                answer.close()

    def frames(
        self, name: str, settings: Settings | None = None, **parameters: Any
    ) -> Iterator[pl.DataFrame]:
        """Result of the read statement ``sql/<name>.sql`` in pieces of ``_ROWS_A_PIECE`` rows at most, as they come.

        An answer that breaks off may look like a whole one: whoever reads counts what came.

        Raises:
            WarehouseError: the statement fails, at once or in the middle.
        """
        asked = {"max_block_size": _ROWS_A_PIECE, **(settings or {})}
        blocks = self.stream(name, "ArrowStream", asked, **parameters)
        try:
            with self._named_errors(), pa.ipc.open_stream(_Blocks(blocks)) as answer:
                for batch in answer:
                    frame = pl.from_arrow(_text_made_sound(pa.Table.from_batches([batch])))
                    assert isinstance(frame, pl.DataFrame)
                    yield from frame.iter_slices(_ROWS_A_PIECE)
        except pa.ArrowException as error:
            raise WarehouseError(
                f"the answer of the warehouse broke off: {one_line(str(error), 200)}"
            ) from error
        finally:
            blocks.close()

    def insert_stream(
        self,
        table: str,
        blocks: Generator[bytes, None, None],
        input_format: str,
        settings: Settings | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        """Inserts blocks of a ClickHouse format, columns matched by their names; without ``columns`` into all of them."""
        is_record = table.rpartition(".")[2] in RECORDS
        with self._asked("record" if is_record else "relay", settings) as asked:
            self._client.raw_insert(
                table, columns or None, insert_block=blocks, settings=asked, fmt=input_format
            )

    def text(
        self, text: str, output_format: str, settings: Settings | None = None, **parameters: Any
    ) -> bytes:
        """Result of a statement as the bytes of a ClickHouse output format."""
        with self._named_errors():
            return bytes(
                self._client.raw_query(
                    self.form.text(text),
                    parameters=bindings(parameters),
                    settings=self._settings("read", settings),
                    fmt=output_format,
                )
            )

    def end_all(self) -> None:
        """Ends what other threads do here: on a server its statements, anywhere what they would ask next."""
        self._is_ended = True
        for query_id in list(self._running):
            self._cancel(query_id)

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def _settings(self, purpose: Purpose, given: Settings | None) -> dict[str, Any]:
        """Settings of a statement: what this form asks for by its purpose, what was given on top of it, and on a server
        which run and step it is of, so that the server's query log tells what a pass did."""
        if self._is_ended:
            raise WarehouseError("whoever began this ended it")
        settings: dict[str, Any] = {**self.form.settings(purpose), **(given or {})}
        if self.form == EMBEDDED:
            return settings
        run, step = at_work()
        comment = {"app": "appfleet", "run_id": run, "asset": step}
        query_id = "/".join(filter(None, ("appfleet", run, step, uuid.uuid4().hex)))
        return {**settings, "query_id": query_id, "log_comment": json.dumps(comment)}

    @contextmanager
    def _asked(self, purpose: Purpose, given: Settings | None) -> Iterator[dict[str, Any]]:
        """Settings of a statement that runs in the block; Ctrl-C cancels on a server what it left running there."""
        settings = self._settings(purpose, given)
        query_id = settings.get("query_id", "")
        self._running.add(query_id)
        try:
            with self._named_errors():
                yield settings
        except KeyboardInterrupt:
            self._cancel(query_id)
            raise
        finally:
            self._running.discard(query_id)

    def _cancel(self, query_id: str) -> None:
        if query_id:
            with suppress(Exception):  # of a server that is gone too
                self._client.raw_query(statement("statements/cancel"), parameters={"query_id": query_id})

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """As the function of this name; what cannot be read any more is told by source and month, and what a server's user
        may not do with who can change that."""
        try:
            with _named_errors():
                yield
        except DamagedData as error:
            raise placed(self._unplaced, error) from error
        except WarehouseError as error:
            if error.code != _ACCESS_DENIED or self.form == EMBEDDED:
                raise
            lacking = str(error).removesuffix("(ACCESS_DENIED)").rstrip(" .")
            raise NotGranted(
                f"{lacking}: whoever administers the server gives it, by what `appfleet grants --plan` prints",
                error.code,
            ) from error

    def _unplaced(self, name: str, /, **parameters: Any) -> pl.DataFrame:
        """As ``frame``, for finding out what is damaged: damage met on the way is not looked into further."""
        with _named_errors():
            table = self._client.query_arrow(
                self.form.text(statement(name)),
                parameters=bindings(parameters),
                settings=self._settings("read", None),
            )
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame


def _text_made_sound(table: pa.Table) -> pa.Table:
    """The table with text in UTF-8: the engine takes any bytes as text, Polars ends the process over them.

    Whoever may send telemetry decides what its names hold, so a reader must not depend on it.
    """
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        for index, field in enumerate(table.schema):
            if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                texts = [
                    None if value is None else value.decode("utf-8", "replace")
                    for value in table.column(index).cast(pa.large_binary()).to_pylist()
                ]
                table = table.set_column(index, field, pa.array(texts, field.type))
    return table


class _Blocks(io.RawIOBase):
    """Blocks of bytes as a file that is read once."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as one block goes; 0 at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _arrow_stream(frame: pl.DataFrame) -> Generator[bytes, None, None]:
    """The frame as an Arrow stream, in blocks.

    Blocks and not one byte string: the client sends those a second time when the connection breaks, and an
    insert that was done but not acknowledged would count twice.
    """
    sink = io.BytesIO()
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    with pa.ipc.new_stream(sink, table.schema) as stream:
        for batch in table.to_batches(max_chunksize=_ROWS_A_BATCH):
            stream.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def bindings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as ClickHouse binds them.

    UUIDs, paths and decimals become their exact text; a mapping ``m`` becomes the two arrays ``m_keys`` and
    ``m_values``, for ``mapFromArrays`` in the statement.
    """
    bound: dict[str, Any] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            bound[f"{key}_keys"] = [_bound(item) for item in value]
            bound[f"{key}_values"] = [_bound(item) for item in value.values()]
        else:
            bound[key] = _bound(value)
    return bound


def _bound(value: Any) -> Any:
    if isinstance(value, uuid.UUID | Path):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple | set | frozenset | list):
        return [_bound(item) for item in value]
    return value


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turns the client's errors into ours, with the engine's own sentence."""
    try:
        yield
    except OperationalError as error:
        if error.code is None:
            raise WarehouseError(
                "the warehouse went away while a statement ran: run the command again; what was published stays"
            ) from error
        _refuse_full_disk(error, error.code)
        _refuse_damage(error, error.code)
        raise WarehouseError(one_line(str(error)), error.code) from error
    except (ClickHouseError, Error) as error:
        sentence = one_line(str(error))
        code = getattr(error, "code", None)
        _refuse_full_disk(error, code)
        if code == _READONLY:
            raise StatementRefused(sentence, code) from error
        _refuse_damage(error, code)
        raise WarehouseError(sentence, code) from error
    except HTTPError as error:
        raise WarehouseError(f"the answer of the warehouse broke off: {one_line(str(error), 200)}") from error


def _refuse_full_disk(error: Exception, code: int | None) -> None:
    """A disk without room is nobody's input: said as such, wherever in the engine it was met."""
    if code == _NOT_ENOUGH_SPACE or _NO_SPACE_LEFT in str(error):
        raise DiskFull("the warehouse") from error


def _refuse_damage(error: Exception, code: int | None) -> None:
    """Bytes of a part that are not what was written: told apart from bytes of the input."""
    part = _PART.search(str(error)) if code in _DAMAGED else None
    if part:
        raise DamagedData(one_line(str(error)), code, part[0]) from error


def one_line(message: str, limit: int = 600) -> str:
    """The engine's own sentence, without its code, stack trace or address."""
    head = _ENGINE_PREFIX.sub("", message.split("Stack trace:")[0].strip(), count=1)
    flat = " ".join(head.split())
    return flat if len(flat) <= limit else flat[: limit - 3] + "..."
