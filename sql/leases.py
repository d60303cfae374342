"""Leases: who writes a scope now. A kernel lock on one machine, a Postgres advisory lock where several load one server.

A lease of several machines carries a fence, a number that only grows: what is published under a newer lease is current,
whatever one who lost an older one does later. What is published is the business of ``sql.publish``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import ConfigurationError, LeaseHeld, LeaseLost
from models.settings import FILE_NAME
from sql.catalog import statement
from sql.state import state_folder
from sql.workspace import load_settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

POSTGRES_VARIABLE = "APPFLEET_POSTGRES_URL"
"""Names a Postgres that all machines reach, with its user and password; without it leases are of this machine."""

GRACE_SECONDS = 2 * 3600.0
"""Age from which rows that nobody published may be removed where several machines load: twice as long as a statement may run."""

_POLL_SECONDS = 0.1
_CONNECT_SECONDS = 10

Waiting = Callable[[str], None]


@dataclass(frozen=True)
class Lease:
    """A scope that is ours now. ``fence`` is None for a kernel lock, which nobody can lose and live; ``around`` is the lease
    within which it was taken."""

    scope: str
    fence: int | None = None
    is_held: Callable[[], bool] = lambda: True
    around: Lease | None = None

    @property
    def grace_seconds(self) -> float:
        """How old rows that nobody published must be to be removed."""
        return 0.0 if self.fence is None else GRACE_SECONDS

    def prove(self) -> None:
        """Returns when the lease is still ours, and those around it: what is published under one was made under all.

        Raises:
            LeaseLost: the connection that held one of them has ended.
        """
        if self.around:
            self.around.prove()
        if not self.is_held():
            raise LeaseLost(
                f"the lease of {self.scope} was lost while it was written (the connection to Postgres ended): nothing was "
                "published, run it again"
            )


_HELD: ContextVar[Lease | None] = ContextVar("lease", default=None)


def held() -> Lease:
    """The innermost lease of this thread; without any, as of a machine that writes alone."""
    return _HELD.get() or Lease("")


@contextmanager
def lease(
    workspace: Path, scope: str, wait_seconds: float = 0.0, waiting: Waiting = lambda _: None
) -> Iterator[Lease]:
    """Holds the one writer's lease of ``scope``, among all machines that load the workspace's warehouse; it ends with its holder.

    ``waiting`` is told once who holds it, when we have to wait.

    Raises:
        LeaseHeld: somebody else still holds it after ``wait_seconds``; the message names who.
        ConfigurationError: Postgres cannot be reached.
    """
    database = _shared_database(workspace)
    form = local_lease(workspace, scope, wait_seconds, waiting)
    if database:
        form = _postgres_lease(database, scope, wait_seconds, waiting)
    with form as ours:
        token = _HELD.set(replace(ours, around=_HELD.get()))
        try:
            yield ours
        finally:
            _HELD.reset(token)


def _shared_database(workspace: Path) -> str:
    """The database whose loaders ask Postgres for leases; empty where a workspace's warehouse is of this machine."""
    if not os.environ.get(POSTGRES_VARIABLE) or not (workspace / FILE_NAME).exists():
        return ""
    server = load_settings(workspace).warehouse
    return server.database if server else ""


@contextmanager
def local_lease(
    workspace: Path, scope: str, wait_seconds: float = 0.0, waiting: Waiting = lambda _: None
) -> Iterator[Lease]:
    """As ``lease``, of what only this machine has: the kernel frees it when the holder dies."""
    path = state_folder(workspace, "leases") / (scope.replace("/", "__") + ".lock")
    with path.open("a+", encoding="utf-8") as file:

        def taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        def holder() -> str:
            file.seek(0)
            return _holder(file.read())

        _wait_for(taken, holder, scope, wait_seconds, waiting)
        file.seek(0)
        file.truncate()
        json.dump({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}, file)
        file.flush()
        try:
            yield Lease(scope)
        finally:
            file.seek(0)
            file.truncate()
            fcntl.flock(file, fcntl.LOCK_UN)


def _holder(text: str) -> str:
    try:
        line = json.loads(text)
        return f"process {line['pid']} since {line['since']}"
    except (ValueError, KeyError):
        return "another process"


def _wait_for(
    taken: Callable[[], bool], holder: Callable[[], str], scope: str, wait_seconds: float, waiting: Waiting
) -> None:
    deadline = time.monotonic() + wait_seconds
    told = False
    while not taken():
        sentence = f"{scope} is being written by {holder()}"
        if time.monotonic() >= deadline:
            raise LeaseHeld(f"{sentence}; wait for it to end, or stop it")
        if not told:
            waiting(sentence)
            told = True
        time.sleep(_POLL_SECONDS)


@contextmanager
def _postgres_lease(database: str, scope: str, wait_seconds: float, waiting: Waiting) -> Iterator[Lease]:
    name = f"{database}/{scope}"
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with closing(_connected()) as postgres:

        def is_held() -> bool:
            try:
                return bool(_value(postgres, "postgres/holds", key=key))
            except _errors():
                return False

        def taken() -> bool:
            return bool(_value(postgres, "postgres/take", key=key))

        def holder() -> str:
            return str(_value(postgres, "postgres/holder", lease=name) or "another machine")

        try:
            _wait_for(taken, holder, scope, wait_seconds, waiting)
            fence = _value(postgres, "postgres/note", lease=name, holder=_me())
        except _errors() as error:
            raise ConfigurationError(f"{POSTGRES_VARIABLE}: {_sentence(error)}") from None
        assert isinstance(fence, int)
        ours = Lease(scope, fence, is_held)
        if not is_held():
            raise ConfigurationError(
                f"{POSTGRES_VARIABLE} leads through a pool that gives each statement another session, which holds no lease: name "
                "Postgres itself, or a pool that keeps sessions"
            )
        try:
            yield ours
        finally:
            with suppress(_errors()):  # of a connection that has ended, which ended the lease
                _value(postgres, "postgres/give_back", key=key)


def raise_fence(least: int) -> None:
    """Sees to it that every lease from now on has a higher fence than ``least``: after Postgres was made anew.

    Raises:
        ConfigurationError: Postgres cannot be reached.
    """
    with closing(_connected()) as postgres:
        _value(postgres, "postgres/raise_fence", least=least)


def _connected() -> Connection:
    """A connection whose session is ours alone, with what leases need made.

    Raises:
        ConfigurationError: it cannot be reached; the sentence holds no password.
    """
    import psycopg2  # noqa: PLC0415 (whoever loads alone needs none)

    url = os.environ[POSTGRES_VARIABLE]
    try:
        made = psycopg2.connect(
            url,
            connect_timeout=_CONNECT_SECONDS,
            application_name="appfleet lease",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg2.Error as error:
        raise ConfigurationError(
            f"{POSTGRES_VARIABLE}: Postgres cannot be reached ({_sentence(error)})"
        ) from None
    made.autocommit = True
    with made.cursor() as cursor:
        cursor.execute(statement("postgres/prepare"))
    return made


def _value(postgres: Connection, name: str, **parameters: object) -> object:
    """First cell of what a statement gives, or None."""
    with postgres.cursor() as cursor:
        cursor.execute(statement(name), parameters)
        row = cursor.fetchone()
    return row[0] if row else None


def _errors() -> type[Exception]:
    import psycopg2  # noqa: PLC0415

    kind: type[Exception] = psycopg2.Error
    return kind


def _sentence(error: Exception) -> str:
    """What Postgres says in one line, without the address or user it was asked by."""
    first = (str(error).strip().splitlines() or ["no reason was given"])[0]
    return first.split("failed: ")[-1]


def _me() -> str:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()} since {since}"
