"""Which connections may stay open: so many at once, and who does nothing gives way to who comes.

Knows sockets and time, not HTTP: a connection is at work while a request of somebody known is answered, and waits
otherwise, whether it says nothing or says it slowly.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

RESERVED = 8
"""Places beyond the limit for those who only ask whether the warehouse answers."""


@dataclass
class _Open:
    """One connection; ``known`` once somebody with a credential used it."""

    waiting_since: float = field(default_factory=time.monotonic)
    at_work: bool = False
    known: bool = False
    reserved: bool = False


class Connections:
    """The open connections of a server, at most ``limit`` and some that are reserved."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._guard = threading.Lock()
        self._open: dict[socket.socket, _Open] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Takes a connection; when all places are taken, the one that waits longest is ended for it.

        Those nobody with a credential used go first. False where everybody is at work and the reserved places are
        taken too: the connection is not kept then.
        """
        with self._guard:
            reserved = False
            if len(self._open) >= self._limit and not self._end_one():
                if len(self._open) >= self._limit + RESERVED:
                    return False
                reserved = True
            self._open[connection] = _Open(reserved=reserved)
            return True

    def release(self, connection: socket.socket) -> None:
        """Forgets a connection that has ended."""
        with self._guard:
            self._open.pop(connection, None)

    def is_reserved(self, connection: socket.socket) -> bool:
        """Whether it has one of the places for those who only ask whether the warehouse answers."""
        with self._guard:
            found = self._open.get(connection)
            return found is not None and found.reserved

    @contextmanager
    def at_work(self, connection: socket.socket, known: bool) -> Iterator[None]:
        """While a request of it is answered; ``known``: its sender has shown a credential."""
        with self._guard:
            found = self._open.get(connection, _Open())
            found.at_work = True
            found.known = found.known or known
        try:
            yield
        finally:
            with self._guard:
                found.at_work = False
                found.waiting_since = time.monotonic()

    def _end_one(self) -> bool:
        waiting = [
            (one.known, one.waiting_since, connection)
            for connection, one in self._open.items()
            if not one.at_work
        ]
        if not waiting:
            return False
        _, _, connection = min(waiting, key=lambda one: one[:2])
        del self._open[connection]
        try:
            connection.shutdown(socket.SHUT_RDWR)  # its thread reads the end, and closes it
        except OSError:
            pass  # it has ended meanwhile
        return True
