"""Runs one command for as long as its starter lives: `python -m pipelines.commands.keeper COMMAND...`.

The starter holds the other end of our standard input. When that ends, however the starter ended, the command
and everything it started are stopped, so no orphan stays behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 5.0


def keep(command: list[str]) -> int:
    """Runs ``command`` in a process group of its own until it or our standard input ends; returns its code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def end_group(*_: object) -> None:
        _signal_group(child, signal.SIGTERM)
        timer = threading.Timer(GRACE_SECONDS, _signal_group, (child, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        end_group()

    signal.signal(signal.SIGTERM, end_group)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    # The command itself is gone; whatever it left in its group goes too.
    _signal_group(child, signal.SIGKILL)
    return code


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
