"""The chDB engine of one directory: connections with their limits, and how a failure is told.

One connection is one ClickHouse session. Nothing here knows HTTP; this is the only module that imports chdb
outside unit tests, and it must be imported after the process has set its time zone to UTC.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chdb

_DEFAULT_DATABASE = "b1f0c2ae-5a0e-4d9b-9c53-6d1f8f0a7a01"
_CODE = re.compile(r"Code:\s*(\d+)")
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)

_SETTINGS = {
    "async_insert": "0",  # what is acknowledged is written
    # Looks for comparisons that follow from others (a < b and b < 5). None of our statements has such a chain, and the
    # search hashes their trees over and over: half the analysis of an INSERT of telemetry, whatever it reads.
    "optimize_and_compare_chain": "0",
}
"""Of every connection, unless it asks for something else."""

_CONFIG = """<clickhouse>
  <max_server_memory_usage_to_ram_ratio>{ratio}</max_server_memory_usage_to_ram_ratio>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <partition_by>toYYYYMM(event_date)</partition_by>
    <ttl>event_date + INTERVAL 30 DAY DELETE</ttl>
    <flush_interval_milliseconds>7500</flush_interval_milliseconds>
  </query_log>
</clickhouse>
"""


@dataclass(frozen=True)
class EngineLimits:
    """What one statement may use, and how much of memory the engine as a whole may."""

    query_memory_bytes: int
    query_seconds: int
    reader_memory_bytes: int
    reader_seconds: int
    memory_share: float

    def settings(self, role: str) -> dict[str, str]:
        """The limits of ``writer`` or ``reader`` as settings of a connection.

        A reader has no introspection functions: they show the process's memory layout, and the engine has them on.
        """
        reader = role == "reader"
        memory = self.reader_memory_bytes if reader else self.query_memory_bytes
        seconds = self.reader_seconds if reader else self.query_seconds
        limits = {"max_memory_usage": str(memory), "max_execution_time": str(seconds)}
        return {**limits, "allow_introspection_functions": "0"} if reader else limits


class EngineError(Exception):
    """A statement failed in the engine; ``code`` is ClickHouse's error code."""

    def __init__(self, message: str, code: int | None = None) -> None:
        self.message = message[message.find("Code:") :] if "Code:" in message else message
        found = _CODE.search(self.message)
        self.code = code if code is not None else int(found.group(1)) if found else 1000
        super().__init__(self.message)


class Engine:
    """The engine open on one directory, which this process alone may open."""

    def __init__(self, directory: Path, limits: EngineLimits) -> None:
        directory.mkdir(exist_ok=True)
        config = directory.parent / "warehouse.xml"
        config.write_text(_CONFIG.format(ratio=limits.memory_share), encoding="utf-8")
        self.limits = limits
        self._address = f"{directory}?config-file={config}"
        _forget_empty_database(directory)
        with told():
            self._base = chdb.connect(self._address)
        self._forget_files()

    def _forget_files(self) -> None:
        """Replaces chDB's default database, in which any file of the machine is a table, by a plain one."""
        kind = bytes(
            self._base.query("SELECT engine FROM system.databases WHERE name = 'default'", "TSV").bytes()
        )
        if kind.strip() == b"Overlay":
            self._base.query("DETACH DATABASE default")
            self._base.query(f"ATTACH DATABASE default UUID '{_DEFAULT_DATABASE}' ENGINE = Atomic")

    def connection(
        self, role: str, settings: Mapping[str, str], database: str = "", readonly: bool = False
    ) -> Any:
        """A fresh connection (session) with ``settings`` on top of the limits of ``role``.

        Raises:
            EngineError: an unknown setting, a value it cannot take, or an unknown database.
        """
        connection = chdb.connect(self._address)
        try:
            with told():
                wanted = {**_SETTINGS, **self.limits.settings(role), **settings}
                connection.query(set_statement(wanted))
                if database:
                    connection.query("USE `" + database.replace("\\", "\\\\").replace("`", "\\`") + "`")
                if readonly:
                    connection.query("SET readonly = 1")
        except EngineError:
            connection.close()
            raise
        return connection

    def run(self, text: str) -> bytes:
        """Result of a statement of the front's own, as TSV."""
        with told():
            connection = chdb.connect(self._address)
            try:
                return bytes(connection.query(text, "TSV").bytes() or b"")
            finally:
                connection.close()

    def close(self) -> None:
        """Closes the engine; every other connection must be closed before."""
        self._base.close()


def _forget_empty_database(directory: Path) -> None:
    """Lets a default database that no table was ever made in be made anew.

    chDB finds its default database by the link that the first table makes. Without it the database gets another id at
    every start, and ours cannot be attached beside the file that names it.
    """
    names = directory / "metadata"
    if not os.path.lexists(names / "default"):
        (names / "default.sql").unlink(missing_ok=True)


@contextmanager
def told() -> Iterator[None]:
    """Turns the engine's exceptions into EngineError."""
    try:
        yield
    except UnicodeDecodeError as error:  # a message that quotes bytes of the input, which chdb takes for text
        raise EngineError(error.object.decode("utf-8", "backslashreplace")) from error
    except (chdb.ChdbError, RuntimeError) as error:
        raise EngineError(str(error)) from error


def blocks(stream: Any) -> Iterator[bytes]:
    """Encoded blocks of a streamed result.

    Raises:
        EngineError: the statement failed on its way.
    """
    with told():
        for one in stream:
            yield one.bytes()


def set_statement(settings: Mapping[str, str]) -> str:
    """``SET`` of several settings at once, values as literals.

    Raises:
        EngineError: a name that is no setting's name.
    """
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise EngineError(f"Code: 115. DB::Exception: Unknown setting '{name[:60]}'. (UNKNOWN_SETTING)")
    return "SET " + ", ".join(f"{name} = {literal(value)}" for name, value in settings.items())


def literal(value: str) -> str:
    """``value`` as a ClickHouse string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
