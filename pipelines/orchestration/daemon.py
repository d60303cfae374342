"""Dagster's daemon with health paths beside it: ``python -m pipelines.orchestration.daemon --code PLACE`` and its own options.

It queues and watches runs, ticks schedules and starts again what its worker left; only one may run for a history.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import entry_points

import dagster as dg

from pipelines.orchestration.log import begin_log
from pipelines.orchestration.needs import code_missing, heartbeat_missing, history_missing
from sql.probe import HealthServer


def main() -> None:
    """Works until it is ended."""
    begin_log()
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--code", required=True, help="socket or host:port of the code server")
    parser.add_argument("--listen", default="127.0.0.1", help="address of the health paths")
    parser.add_argument(
        "--health-port", type=int, help="port of the health paths; none where it is not given"
    )
    given, options_of_dagster = parser.parse_known_args()
    if given.health_port is not None:
        instance = dg.DagsterInstance.get()

        def missing() -> list[str]:
            gone = history_missing(instance)
            return gone or [*code_missing(given.code), *heartbeat_missing(instance)]

        HealthServer(missing, given.listen, given.health_port).start()
    (command,) = entry_points(group="console_scripts", name="dagster-daemon")
    sys.argv = ["dagster-daemon", *options_of_dagster]
    command.load()()


if __name__ == "__main__":
    main()
