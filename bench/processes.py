"""Commands and services of ours, started as a user starts them. Nothing is measured here."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("appfleet"))
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
REFUSED = 3
START_SECONDS = 120.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.05


def environment() -> dict[str, str]:
    """The environment of a user's command: its bytecode is kept, as after an install, and no line is wrapped."""
    return {name: value for name, value in os.environ.items() if name != NO_BYTECODE} | {"COLUMNS": "1000"}


def appfleet(*arguments: str) -> str:
    """Output of the command, in a process of its own.

    Raises:
        RuntimeError: it ended with another code than done or refused.
    """
    run = subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, check=False, env=environment()
    )
    if run.returncode not in (0, REFUSED):
        raise RuntimeError(f"appfleet {' '.join(arguments)}: {run.stdout}{run.stderr}")
    return run.stdout


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[Callable[[Callable[[], bool]], float]]:
    """A service while the context is open, its output in ``log``; asked to end as Ctrl-C does.

    Gives a function that waits until something is true of it and returns the seconds since its start.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment())

    def until(true: Callable[[], bool]) -> float:
        while not true():
            if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                raise RuntimeError(f"{' '.join(command)} did not start: {log.read_text(encoding='utf-8')}")
            time.sleep(POLL_SECONDS)
        return time.perf_counter() - started

    try:
        yield until
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def answers(address: str) -> bool:
    """Whether something answers a GET there."""
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, each another."""
    with ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in free]


def health_of(port: int) -> str:
    """Address at which pages served on a port say that they answer."""
    return f"http://127.0.0.1:{port}/_stcore/health"
