"""Dagster's code server and the workers it starts: ``python -m pipelines.orchestration.code_server --port 4000``.

Runs are processes it starts itself (Dagster's default launcher). It sees when one of them ends without having said so, and
fails its run, which Dagster then starts again. It cannot see the end of its own predecessor and of the workers that went
with it: those runs are failed here, before it serves.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.orchestration.log import begin_log
from pipelines.orchestration.needs import code_missing, history_missing
from sql.probe import HealthServer

DEFINITIONS = "pipelines.orchestration.definitions"
LOCATION = "appfleet"
WORKER_TAG = ".dagster/grpc_info"
"""Run tag by which Dagster's default launcher says which code server started the run's worker."""

GONE = "the machine that worked on this run ended"
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class CodePlace:
    """Where the code server answers, as the others call it: a socket of this machine, or host and port."""

    socket: Path | None = None
    host: str = ""
    port: int = 0

    def was_of(self, worker: Mapping[str, Any]) -> bool:
        """Whether a run's worker was started by whoever answered here before, or by a socket that is no more."""
        socket = worker.get("socket")
        if socket:
            return Path(socket) == self.socket or not Path(socket).exists()
        return (worker.get("host"), worker.get("port")) == (self.host, self.port)


def fail_lost_runs(instance: dg.DagsterInstance, address: CodePlace) -> list[str]:
    """Fails the runs whose workers went with the code server that answered at ``address`` before; returns their ids."""
    lost = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        worker = json.loads(run.tags.get(WORKER_TAG, "{}"))
        if worker and address.was_of(worker):
            instance.report_run_failed(run, GONE)
            lost.append(run.run_id)
    return lost


def main() -> None:
    """Serves until it is ended."""
    begin_log()
    parser = argparse.ArgumentParser(prog="python -m pipelines.orchestration.code_server")
    parser.add_argument("--socket", type=Path, help="path of a socket of this machine")
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--called", default="", help="host name the others use, where it is another")
    parser.add_argument(
        "--health-port", type=int, help="port of the health paths; none where it is not given"
    )
    given = parser.parse_args()
    address = CodePlace(given.socket, given.called or given.listen, given.port)
    instance = dg.DagsterInstance.get()
    fail_lost_runs(instance, address)
    if given.health_port is not None:
        place = str(given.socket) if given.socket else f"{given.listen}:{given.port}"
        own = place.replace("0.0.0.0:", "127.0.0.1:")  # noqa: S104 (what is asked, not where it listens)
        HealthServer(
            lambda: [*history_missing(instance), *code_missing(own)], given.listen, given.health_port
        ).start()
    listens = ["-s", str(given.socket)] if given.socket else ["-h", given.listen, "-p", str(given.port)]
    sys.argv = ["dagster", "api", "grpc", "--location-name", LOCATION, "-m", DEFINITIONS, *listens]
    runpy.run_module("dagster", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
