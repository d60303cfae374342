"""appfleet's own traces and metrics, received by a real OTLP receiver; and passes whose receiver is away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.conftest import SmallFleet

ROOT = Path(__file__).resolve().parents[2]
KINDS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
STEPS = "registry,identities,slo"


@dataclass
class Receiver:
    """What an OTLP receiver got, by path."""

    address: str = ""
    got: dict[str, list[Any]] = field(default_factory=lambda: {path: [] for path in KINDS})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            received.got[self.path].append(KINDS[self.path].FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    received.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield received
    server.shutdown()


def run_steps(
    workspace: Path, steps: str = "registry", **more: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", "run", "-w", str(workspace), "--only", steps],
        env={**kept, "PYTHONPATH": str(ROOT), "APPFLEET_LOG": "json", **more},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done, time.monotonic() - started


@pytest.fixture
def workspace(small_fleet: SmallFleet, tmp_path: Path) -> Path:
    return SmallFleet.copy(small_fleet.passed, tmp_path / "workspace")


def attributes(one: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in one.attributes}


def test_a_pass_and_its_steps_are_spans_of_one_trace_and_their_rows_and_seconds_are_metrics(
    workspace: Path, receiver: Receiver
) -> None:
    done, _ = run_steps(workspace, STEPS, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address)
    assert done.returncode == 0, done.stderr
    resources = [one for request in receiver.got["/v1/traces"] for one in request.resource_spans]
    assert {attributes(one.resource)["app_id"] for one in resources} == {"appfleet"}
    assert {attributes(one.resource)["service.name"] for one in resources} == {"appfleet"}
    spans = {span.name: span for one in resources for scope in one.scope_spans for span in scope.spans}
    assert set(spans) == {"pass", *(f"step {step}" for step in STEPS.split(","))}
    assert len({span.trace_id for span in spans.values()}) == 1
    for step in STEPS.split(","):
        span = spans[f"step {step}"]
        assert span.parent_span_id == spans["pass"].span_id
        said = attributes(span)
        assert said["appfleet.step"] == step
        assert said["appfleet.outcome"] in ("unchanged", "published")
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    assert attributes(spans["step registry"])["appfleet.unchanged"] == 1
    trace_id = spans["pass"].trace_id.hex()
    import json

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {one["trace_id"] for one in lines if one["logger"] == "appfleet.steps"} == {trace_id}
    points = {
        (metric.name, attributes(point)["appfleet.step"]): point
        for request in receiver.got["/v1/metrics"]
        for one in request.resource_metrics
        for scope in one.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
        if metric.name.startswith("appfleet.")
    }
    for step in STEPS.split(","):
        assert points["appfleet.step.duration", step].count == 1
        assert ("appfleet.step.rows", step) in points
    assert receiver.got["/v1/logs"] == [], "what is logged stays here"


def test_a_step_that_fails_is_an_error_with_its_outcome(workspace: Path, receiver: Receiver) -> None:
    (workspace / "teams.yaml").write_text("teams: [3\n")
    done, _ = run_steps(workspace, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address)
    assert done.returncode != 0
    spans = {
        span.name: span
        for request in receiver.got["/v1/traces"]
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    }
    assert attributes(spans["step registry"])["appfleet.outcome"] == "failed"
    assert spans["step registry"].status.code == 2
    assert not spans["step registry"].events, "what went wrong is said to people, not to a collector"


@contextmanager
def silence() -> Iterator[str]:
    """A receiver that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.slow
def test_a_collector_that_is_away_or_silent_neither_slows_nor_breaks_a_pass(workspace: Path) -> None:
    with silence() as silent:
        taken = {
            address: run_steps(workspace, OTEL_EXPORTER_OTLP_ENDPOINT=address)
            for address in ("", "http://127.0.0.1:1", silent)
        }
    assert {done.returncode for done, _ in taken.values()} == {0}
    # The exit waits at most 1.5 s for what is on its way; the rest is a machine that others use.
    assert max(seconds for _, seconds in taken.values()) < 2 * taken[""][1] + 4


def test_nothing_is_imported_or_sent_where_nothing_says_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys\nfrom pipelines.observed import a_pass, a_step\n"
        "with a_pass('r'), a_step('billing'):\n    pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('otel', 'opentelemetry')])"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[]\n", done.stderr
