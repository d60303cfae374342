"""Starts, finds and stops the process that owns a workspace's warehouse.

For commands: ``open_warehouse``. For a supervisor of long-lived services: ``WarehouseProcess``.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from models.errors import WarehouseError
from sql.local_warehouse.ownership import Owner, Place
from sql.warehouse import Address, Warehouse

Role = Literal["writer", "reader"]

START_SECONDS = 120.0
END_SECONDS = 15.0
RETRY_SECONDS = 0.05


class OwnedElsewhere(WarehouseError):
    """Another process owns the warehouse; the message says who."""


class WarehouseProcess:
    """The owner process of a workspace, started by us and ending with us."""

    def __init__(self, workspace: Path, port: int = 0, limits: Sequence[str] = ()) -> None:
        """``limits`` are further options of ``python -m sql.local_warehouse``."""
        self.place = Place(workspace)
        self.port = port
        self._limits = tuple(limits)
        self._process: subprocess.Popen[str] | None = None

    def start(self, wait_seconds: float = 5.0) -> int:
        """Starts the process, waits until it answers and returns its port.

        An owner that is just ending is waited for, at most ``wait_seconds``.

        Raises:
            OwnedElsewhere: another process owns the warehouse.
            WarehouseError: it cannot start; the message says why.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            word, _, rest = self._launched().partition(" ")
            if word == "ready":
                self.port = int(rest)
                return self.port
            self.stop()
            if word != "owned":
                raise WarehouseError(rest or f"the warehouse did not start: {self.place.log} may say why")
            if time.monotonic() >= deadline:
                raise OwnedElsewhere(
                    f"the warehouse of {self.place.workspace} is owned by {rest}: stop it first"
                )
            time.sleep(RETRY_SECONDS)

    def _launched(self) -> str:
        """What a new process says first."""
        self.place.prepare()
        command = [sys.executable, "-m", "sql.local_warehouse"]
        command += [
            "--workspace",
            str(self.place.workspace.resolve()),
            "--port",
            str(self.port),
            *self._limits,
        ]
        with self.place.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the command, which ends us in order
                cwd=Path(__file__).resolve().parents[2],
            )
        return _read_line(self._process, START_SECONDS)

    def exited(self) -> bool:
        """Whether there is no process of ours, or no longer."""
        return self._process is None or self._process.poll() is not None

    def answers(self) -> bool:
        """Whether the process runs and answers a ping: one that does not may be busy or stopped, and still be well."""
        return not self.exited() and answers(self.port)

    def kill(self) -> None:
        """Ends our process at once, whatever it does; what it acknowledged is on disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, at_once: bool = False) -> None:
        """Lets go of the process: it ends, unless others still use it; then it ends with the last of them.

        ``at_once`` ends it under those who use it.
        """
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin and process.stdout
        if at_once:
            process.terminate()
        process.stdin.close()
        deadline = time.monotonic() + END_SECONDS
        said = _read_line(process, END_SECONDS)
        if at_once or said != "staying":
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()


def _read_line(process: subprocess.Popen[str], seconds: float) -> str:
    """Next line the process says, or empty at its end or after ``seconds``."""
    assert process.stdout
    found: list[str] = []
    stdout = process.stdout
    reader = threading.Thread(target=lambda: found.append(stdout.readline()), daemon=True)
    reader.start()
    reader.join(max(0.0, seconds))
    return found[0].strip() if found else ""


def answers(port: int, seconds: float = 2.0) -> bool:
    """Whether a warehouse answers a ping on ``port``."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def open_warehouse(workspace: Path, role: Role = "writer", port: int = 0) -> Iterator[Warehouse]:
    """The warehouse of a workspace: of the owner that runs, else of one started for as long as it is used.

    Raises:
        WarehouseError: no owner could be reached or started.
        ConfigurationError: the workspace cannot be written to.
    """
    place = Place(workspace)
    place.prepare()
    with ExitStack() as stack:
        found = _join(place, port, stack)
        warehouse = Warehouse.over_http(Address("127.0.0.1", found), role, place.password(role))
        stack.callback(warehouse.close)
        yield warehouse


def refuse_unowned(workspace: Path) -> None:
    """Nothing where somebody owns a workspace's warehouse and answers.

    Raises:
        WarehouseError: nobody does.
    """
    if not _ready(Place(workspace)):
        raise WarehouseError(f"nobody serves the warehouse of {workspace}: `appfleet up` does")


@contextmanager
def opened_alone(workspace: Path, *options: str) -> Iterator[Warehouse]:
    """A workspace's warehouse in a process of its own, which ends at once afterwards; ``options`` are further ones of it.

    Raises:
        OwnedElsewhere: another process owns it.
        WarehouseError: it cannot start.
    """
    owner = WarehouseProcess(workspace, limits=options)
    port = owner.start()
    try:
        warehouse = Warehouse.over_http(Address("127.0.0.1", port), "writer", owner.place.password("writer"))
        try:
            yield warehouse
        finally:
            warehouse.close()
    finally:
        owner.stop(at_once=True)


@contextmanager
def opened_meanwhile(workspace: Path) -> Iterator[None]:
    """The owner of a workspace's warehouse runs until the end of the block; it starts beside the block's beginning.

    An engine takes a second to start, and so do imports. Whoever opens the warehouse inside finds the owner, or is told
    why there is none.
    """
    with ThreadPoolExecutor(1, "open-warehouse") as pool, ExitStack() as stack:
        opening = pool.submit(stack.enter_context, open_warehouse(workspace))
        try:
            yield
        finally:
            wait([opening])


def _join(place: Place, port: int, stack: ExitStack) -> int:
    """Port of a ready owner that stays as long as ``stack`` is open."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with ExitStack() as attempt:
            if attempt.enter_context(place.users(exclusive=False)):
                owner = _ready(place)
                if owner:
                    stack.push(attempt.pop_all())
                    return owner.port
                if not _owned(place):
                    process = WarehouseProcess(place.workspace, port)
                    started = _start(process)
                    if started:
                        stack.callback(process.stop)
                        stack.push(attempt.pop_all())
                        return started
        time.sleep(RETRY_SECONDS)
    owner = place.owner()
    raise WarehouseError(
        f"the warehouse of {place.workspace} does not answer; it is owned by "
        f"{owner.sentence() if owner else 'a process that does not say who it is'}: stop that process"
    )


def _ready(place: Place) -> Owner | None:
    owner = place.owner()
    return owner if owner and _owned(place) and answers(owner.port) else None


def _owned(place: Place) -> bool:
    with place.ownership() as free:
        return not free


def _start(process: WarehouseProcess) -> int | None:
    """Port of the process started, or None when somebody else was first."""
    try:
        return process.start(wait_seconds=0)
    except OwnedElsewhere:
        return None
