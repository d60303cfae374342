"""Commands in processes of their own that need not import first: a server that has imported everything forks one
child per command. The child has its own environment, streams, folder and exit code, and ends as a process ends.

What this cannot show is what an import itself does; tests of that, and of reruns under another hash seed, start Python.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRELOADED = (
    "pipelines.commands.deliveries",
    "pipelines.commands.doctor",
    "pipelines.commands.run",
    "pipelines.commands.summary",
    "pipelines.commands.templates",
    "pipelines.orchestration.record",
    "dagster._core.storage.sqlite_storage",  # where Dagster's history is kept: found by name when it is opened
    "pipelines.reports.statements",
    "pipelines.simulate",
    "sql.reading",
    "sql.renewal",
)
"""What commands import when they are called."""


def run_command(arguments: Sequence[str], env: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
    """Exit code and both streams of ``appfleet`` with these arguments.

    Raises:
        TimeoutError: it did not end within ``seconds``.
    """
    with (
        tempfile.TemporaryFile() as request,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        request.write(
            json.dumps({"arguments": arguments, "env": dict(env), "folder": str(Path.cwd())}).encode()
        )
        request.flush()
        ended, ends = os.pipe()
        try:
            streams = [file.fileno() for file in (request, out, err)]
            socket.send_fds(_server(), [b"."], [*streams, ends])
            os.close(ends)
            if not select.select([ended], [], [], seconds)[0]:
                raise TimeoutError(f"appfleet {' '.join(arguments)} did not end within {seconds} s")
            code = os.read(ended, 16)
        finally:
            os.close(ended)
        for file in (out, err):
            file.seek(0)
        assert code, f"the server of commands ended: {err.read().decode()}"
        return int(code), out.read().decode(), err.read().decode()


@cache
def _server() -> socket.socket:
    """Our end of the server's socket; it ends with this process, which closes it."""
    ours, its = socket.socketpair()
    subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded", str(its.fileno())],
        cwd=ROOT,
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
    )
    its.close()
    return ours


def _serve(requests: socket.socket) -> bool:
    """Forks a child per request; true in a child that is to run the command, false when the requests have ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody need wait for those who wait
    while True:
        asked, streams, _, _ = socket.recv_fds(requests, 1, 4)
        if not asked:
            return False
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child = os.fork()
            if child == 0:
                os.close(streams.pop())
                _become(*streams)
                return True
            _, status = os.waitpid(child, 0)
            os.write(streams[-1], str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        for number in streams:
            os.close(number)


def _become(request: int, out: int, err: int) -> None:
    """Makes this process the command that is asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with os.fdopen(request, "rb") as file:
        file.seek(0)
        asked = json.load(file)
    for stream, number in ((out, 1), (err, 2)):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    os.chdir(asked["folder"])
    sys.argv[1:] = asked["arguments"]


def _import_everything() -> None:
    for name in PRELOADED:
        import_module(name)
    # Allocators and linear algebra keep threads that know about forks; what computes must not have begun.
    computing = [
        task for task in Path("/proc/self/task").glob("*/comm") if task.read_text().startswith("polars-0")
    ]
    assert threading.active_count() == 1 and not computing, "a fork would lose threads that work"


if __name__ == "__main__":
    _import_everything()
    from pipelines.commands.cli import main

    gc.freeze()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        if "TESTS_WAREHOUSE_URL" in os.environ:
            from tests.elsewhere import redirect

            redirect()
        main()
