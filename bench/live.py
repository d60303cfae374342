"""Live telemetry: from the first request of a sender to the last span a reader sees, through a real intake.

Intake, warehouse and sender are processes of their own; this one only waits. The sender is this module run as a
program: it builds its requests first, so that their making is not measured.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.data import SPANS_PER_REQUEST, span_request
from bench.processes import free_ports
from sql.opening import open_warehouse

CONNECTIONS = 4
APPS = 40
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
POLL_SECONDS = 0.2
PATIENCE_SECONDS = 300.0
VISIBLE = (Path(__file__).parent / "sql" / "visible_spans.sql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class LiveSeconds:
    """Seconds until every request was acknowledged, and until every span was visible; None: not in time."""

    acknowledged: float
    visible: float | None


def live_seconds(workspace: Path, spans: int) -> LiveSeconds:
    """Sends ``spans`` spans to an intake of its own and waits for the last to be visible."""
    _write_settings(workspace)
    with (
        open_warehouse(workspace) as warehouse,
        _intake(workspace) as address,
        _sender(address, spans) as sender,
    ):
        assert sender.stdin and sender.stdout
        sender.stdout.readline()  # the requests are built
        started = time.perf_counter()
        sender.stdin.write("go\n")
        sender.stdin.flush()
        visible = None
        while time.perf_counter() - started < PATIENCE_SECONDS and sender.poll() in (None, 0):
            if warehouse.frame_of(VISIBLE).item() >= spans:
                visible = time.perf_counter() - started
                break
            time.sleep(POLL_SECONDS)
        return LiveSeconds(float(sender.stdout.readline() or "nan"), visible)


def _write_settings(workspace: Path) -> None:
    (workspace / "catalog").mkdir(parents=True)
    (workspace / "teams.yaml").write_text("teams: []\n", encoding="utf-8")
    grpc_port, http_port, warehouse_port = free_ports(3)
    (workspace / "appfleet.yaml").write_text(
        f"ports: {{otlp_grpc: {grpc_port}, otlp_http: {http_port}, warehouse: {warehouse_port}}}\n",
        encoding="utf-8",
    )


@contextlib.contextmanager
def _intake(workspace: Path) -> Iterator[str]:
    """Host and port of a running intake's gRPC."""
    with _process("pipelines.ingest.intake", "-w", str(workspace), "--until-stdin-closes") as intake:
        assert intake.stdout
        yield intake.stdout.readline().split()[2].removeprefix("http://")


@contextlib.contextmanager
def _sender(address: str, spans: int) -> Iterator[subprocess.Popen[str]]:
    with _process("bench.live", address, str(spans)) as sender:
        yield sender


@contextlib.contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _send(address: str, requests: list[bytes]) -> None:
    """Sends over one connection, each request until it is acknowledged."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        export = channel.unary_unary(EXPORT)
        for request in requests:
            while True:
                try:
                    export(request, timeout=30, wait_for_ready=True)
                    break
                except grpc.RpcError as error:
                    if error.code() not in (
                        grpc.StatusCode.UNAVAILABLE,
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                    ):
                        raise
                    time.sleep(0.1)


def main() -> None:
    """The sender: builds, says so, waits for a line, sends, and prints the seconds it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("spans", type=int)
    given = parser.parse_args()
    draw = random.Random(4)
    requests = [
        span_request(
            draw, min(SPANS_PER_REQUEST, given.spans - first), f"app-{number % APPS:05d}"
        ).SerializeToString()
        for number, first in enumerate(range(0, given.spans, SPANS_PER_REQUEST))
    ]
    print("built", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    threads = [
        threading.Thread(target=_send, args=(given.address, requests[one::CONNECTIONS]))
        for one in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
