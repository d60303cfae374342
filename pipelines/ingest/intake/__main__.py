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
    for protocol in ("grpc", "http"):
        parser.add_argument(
            f"--{protocol}-port",
            type=int,
            help=f"where it listens instead of ports.otlp_{protocol}, for several intakes on one machine; 0: a free one",
        )
    options = parser.parse_args(arguments)
    start_log("intake: %(message)s", logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if options.until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(stop,), daemon=True).start()
    try:
        settings = load_settings(named_workspace(options.workspace))
        run_intake(settings, stop, _announce, options.grpc_port, options.http_port)
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
