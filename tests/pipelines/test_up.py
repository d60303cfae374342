"""`appfleet up` as a user has it: everything answers, a partition is materialised through Dagster's own API while the
pages run, live telemetry arrives, and nothing is left behind.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sql.local_warehouse import open_warehouse
from tests.conftest import SmallFleet

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def environment(workspace: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "APPFLEET_WORKSPACE": str(workspace)}


def until(answer: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := answer():
            return found
        time.sleep(0.3)
    raise AssertionError(f"nothing within {seconds} s")


@pytest.fixture(scope="module")
def workspace(small_fleet: SmallFleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = SmallFleet.copy(small_fleet.passed, tmp_path_factory.mktemp("up") / "workspace")
    names = ("dashboards", "dagster", "warehouse", "otlp_grpc", "otlp_http")
    lines = [f"  {name}: {port}" for name, port in zip(names, free_ports(len(names)), strict=True)]
    with (root / "appfleet.yaml").open("a") as settings:
        settings.write("\nports:\n" + "\n".join(lines) + "\n")
    return root


def ports_of(workspace: Path) -> Any:
    from sql.workspace import load_settings

    return load_settings(workspace).ports


@pytest.fixture(scope="module")
def up(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    log = tmp_path_factory.mktemp("log") / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.commands.cli", "up"],
            env=environment(workspace),
            stdout=output,
            stderr=output,
        )
        try:
            until(lambda: b"Ctrl-C ends" in log.read_bytes() or process.poll() is not None, 150)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def ask(workspace: Path, query: str, variables: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports_of(workspace).dagster}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["data"]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read()


def test_everything_answers(up: subprocess.Popen[bytes], workspace: Path) -> None:
    ports = ports_of(workspace)
    assert get(f"http://127.0.0.1:{ports.warehouse}/ping") == b"Ok.\n"
    assert b"dagster_version" in get(f"http://127.0.0.1:{ports.dagster}/server_info")
    assert get(f"http://127.0.0.1:{ports.dashboards}/_stcore/health") == b"ok"
    assert b"accepted_requests" in get(f"http://127.0.0.1:{ports.otlp_http}/healthz")


def test_a_taken_port_is_one_sentence(up: subprocess.Popen[bytes], workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "appfleet.yaml").write_text(f"ports: {{otlp_http: {ports_of(workspace).otlp_http}}}\n")
    second = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", "up"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert len(second.stderr.strip().splitlines()) == 1
    assert "is taken" in second.stderr


def test_one_partition_is_materialised_through_dagster_while_the_pages_run(
    up: subprocess.Popen[bytes], workspace: Path
) -> None:
    params = {
        "selector": {
            "repositoryLocationName": "appfleet",
            "repositoryName": "__repository__",
            "jobName": "costs",
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2026-10-01"}]},
    }
    launched = ask(workspace, LAUNCH, {"params": params})["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended() -> str | None:
        status = ask(workspace, STATUS, {"id": run_id})["runOrError"]["status"]
        return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert until(ended, 120) == "SUCCESS"
    assert get(f"http://127.0.0.1:{ports_of(workspace).dashboards}/_stcore/health") == b"ok"


def test_live_telemetry_is_in_the_warehouse_within_seconds(
    up: subprocess.Popen[bytes], workspace: Path
) -> None:
    from otel import instrument

    app = instrument("up-test", "alpha", endpoint=f"http://127.0.0.1:{ports_of(workspace).otlp_http}")
    with app.tracer.start_as_current_span("hello"):
        pass
    assert app.shutdown(5)

    def seen() -> int:
        with open_warehouse(workspace, role="reader") as warehouse:
            return int(
                warehouse.frame_of(
                    "SELECT count() AS n FROM otel.otel_traces_current WHERE app_id = 'up-test'"
                )["n"][0]
            )

    assert until(seen, 20) == 1


def test_ctrl_c_leaves_no_orphan(workspace: Path, up: subprocess.Popen[bytes]) -> None:
    """Last of the module: ends what the others used."""
    family = psutil.Process(up.pid).children(recursive=True)
    assert len(family) >= 4
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one.cmdline() for one in alive] == []
