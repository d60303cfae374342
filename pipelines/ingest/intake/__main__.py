"""``python -m pipelines.ingest.intake -w DIR``: the intake as a process, until SIGTERM, Ctrl-C or its starter ends."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from models.errors import AppfleetError
from pipelines.ingest.intake.service import Addresses, run_intake
from sql.logs import complain, start_log
from sql.workspace import load_settings, named_workspace


def main(arguments: list[str] | None = None) -> int:
    """Runs until told to end; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.ingest.intake", description=__doc__)
    parser.add_argument("-w", "--workspace", type=Path, help="folder of appfleet.yaml (default: .)")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when whoever holds the other end of stdin ends"
    )
    options = parser.parse_args(arguments)
    start_log("intake: %(message)s", logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    try:
        run_intake(load_settings(named_workspace(options.workspace)), stop, _announce)
    except AppfleetError as error:
        complain(str(error))
        return error.exit_code
    return 0


def _announce(addresses: Addresses) -> None:
    print(f"OTLP gRPC {addresses.grpc}  HTTP {addresses.http}", flush=True)


def _watch_stdin(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(1 << 16):
        pass
    stop.set()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A load still under way is inside native code, which a finalising interpreter aborts. Its segment stays.
    os._exit(code)
