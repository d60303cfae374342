"""What ``otel.instrument`` promises an app: seen where somebody listens, unharmed where nobody does.

Each app is a process of its own, because the providers it sets are the process's.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipelines.ingest.intake import Intake
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.intake.conftest import VISIBLE_SECONDS, eventually, patience

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, seconds: float = 30, **environment: str) -> subprocess.CompletedProcess[str]:
    """An app of the given source, run to its end; OTEL_* only as given."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Warehouse]:
    with open_warehouse(migrated(tmp_path_factory.mktemp("warehouse"))) as opened:
        yield opened


@pytest.fixture
def intake(tmp_path: Path, warehouse: Warehouse) -> Iterator[Intake]:
    running = Intake(tmp_path, None, 0, 0, open_warehouse=lambda _: nullcontext(warehouse))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_one_call_brings_traces_metrics_and_logs(intake: Intake, warehouse: Warehouse, protocol: str) -> None:
    address = intake.addresses.grpc if protocol == "grpc" else intake.addresses.http
    app = f"orders-{protocol.replace('/', '-')}"
    ended = run(
        f"""
        import logging
        from opentelemetry.trace import SpanKind
        from otel import instrument
        telemetry = instrument(app_id={app!r}, owner="team-shop", endpoint={address!r}, protocol={protocol!r},
                               environment="test", version="1.2.3")
        with telemetry.tracer.start_as_current_span("GET /orders", kind=SpanKind.SERVER):
            telemetry.meter.create_counter("orders.placed").add(3, {{"channel": "web"}})
            telemetry.logger.info("order %d placed", 17, extra={{"order": 17}})
            logging.getLogger("any.library").warning("careful")
        """
    )
    assert ended.returncode == 0, ended.stderr

    def rows(statement: str) -> list[tuple[object, ...]]:
        return list(warehouse.frame_of(statement, app=app).iter_rows())

    eventually(lambda: intake.health()["waiting_bytes"] == 0, patience(VISIBLE_SECONDS))
    assert rows(
        "SELECT ServiceName, SpanName, SpanKind, ResourceAttributes['owner'],"
        " ResourceAttributes['deployment.environment.name'], ResourceAttributes['service.version']"
        " FROM otel.otel_traces_current WHERE app_id = {app:String}"
    ) == [(app, "GET /orders", "Server", "team-shop", "test", "1.2.3")]
    assert rows(
        "SELECT MetricName, Value, Attributes['channel'] FROM otel.otel_metrics_sum_current WHERE app_id = {app:String}"
    ) == [("orders.placed", 3.0, "web")]
    assert sorted(
        rows(
            "SELECT Body, SeverityText, ScopeName, LogAttributes['order'], TraceId != ''"
            " FROM otel.otel_logs_current WHERE app_id = {app:String}"
        )
    ) == [("careful", "WARN", "any.library", "", 1), ("order 17 placed", "INFO", app, "17", 1)]


def test_the_example_is_seen(intake: Intake, warehouse: Warehouse) -> None:
    app = subprocess.Popen(
        [sys.executable, "examples/micro_app.py", "--port", "0", "--endpoint", intake.addresses.grpc]
        + ["--app-id", "micro-example"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert app.stdout is not None
        address = app.stdout.readline().strip()
        answers = []
        for _ in range(20):
            try:
                with urllib.request.urlopen(address) as answer:
                    answers.append(answer.status)
            except urllib.error.HTTPError as error:
                answers.append(error.code)
        assert answers.count(500) == 2
        app.terminate()
        assert app.wait(10) == 0
    finally:
        app.kill()
    eventually(lambda: intake.health()["waiting_bytes"] == 0, patience(VISIBLE_SECONDS))
    counted = warehouse.frame_of(
        "SELECT count() AS total, countIf(StatusCode = 'Error') AS bad FROM otel.otel_traces_current"
        " WHERE app_id = 'micro-example' AND SpanKind = 'Server'"
    )
    assert counted.row(0) == (20, 2)


BUSY_APP = """
    import logging, sys, time
    begin = time.perf_counter()
    from otel import instrument
    telemetry = instrument(app_id="orders", owner="team-shop", {options})
    counter = telemetry.meter.create_counter("n")
    for at in range(6_000):  # more than a queue holds
        with telemetry.tracer.start_as_current_span("work"):
            counter.add(1)
            telemetry.logger.info("did %d", at)
    time.sleep({pause})
    print(time.perf_counter() - begin)
"""


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_nobody_listening_harms_nothing(closed_port: int, protocol: str) -> None:
    options = f"endpoint='http://127.0.0.1:{closed_port}', protocol='{protocol}'"
    begin = time.perf_counter()
    ended = run(BUSY_APP.format(options=options, pause=2.5), OTEL_METRIC_EXPORT_INTERVAL="500")
    elapsed = time.perf_counter() - begin
    assert ended.returncode == 0
    assert elapsed - float(ended.stdout) < patience(
        3.0
    )  # what shutdown may take, and the interpreter's own time
    lines = ended.stderr.splitlines()
    assert len(lines) <= 1 and all("does not reach its receiver" in line for line in lines), ended.stderr


def test_a_receiver_that_never_answers_harms_nothing() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        options = f"endpoint='http://127.0.0.1:{mute.getsockname()[1]}'"
        begin = time.perf_counter()
        ended = run(BUSY_APP.format(options=options, pause=0))
        elapsed = time.perf_counter() - begin
    assert ended.returncode == 0 and len(ended.stderr.splitlines()) <= 1, ended.stderr
    assert elapsed - float(ended.stdout) < patience(3.0)


def test_memory_stays_bounded_with_nobody_listening(closed_port: int) -> None:
    ended = run(
        f"""
        import resource
        from otel import instrument
        telemetry = instrument(app_id="orders", endpoint="http://127.0.0.1:{closed_port}")
        def work(count):
            for at in range(count):
                with telemetry.tracer.start_as_current_span("work") as span:
                    span.set_attribute("big", "x" * 100_000)
        work(2_500)  # more than a queue holds
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work(5_000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        """
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 30_000  # KiB; the spans alone would be 500 MB


def test_a_second_call_returns_the_first_handle(closed_port: int) -> None:
    ended = run(
        f"""
        import threading
        from otel import instrument
        first = instrument(app_id="orders", endpoint="http://127.0.0.1:{closed_port}")
        threads = threading.active_count()
        assert instrument(app_id="orders") is first
        assert instrument(app_id="other") is first
        assert threading.active_count() == threads
        assert first.shutdown(0.2) in (True, False)
        first.shutdown()
        with first.tracer.start_as_current_span("after the end"):
            first.logger.info("still works")
        """
    )
    assert ended.returncode == 0, ended.stderr
    assert "instrumented as orders already, not as other" in ended.stderr


def test_the_environment_is_honoured() -> None:
    ended = run(
        """
        import json
        from opentelemetry import trace
        from otel import instrument
        telemetry = instrument(app_id="orders", version="2")
        with telemetry.tracer.start_as_current_span("x") as span:
            print(json.dumps(dict(span.resource.attributes)))
        assert trace.get_tracer_provider() is not None
        assert trace.get_tracer("lib").start_span("y").resource == span.resource
        telemetry.shutdown(0.1)
        """,
        OTEL_SERVICE_NAME="orders-svc",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=stage,service.version=1,team=a",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["app_id"], said["service.name"], said["team"]) == ("orders", "orders-svc", "a")
    assert (said["deployment.environment.name"], said["service.version"]) == ("stage", "2")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
    ],
)
def test_switched_off_or_misconfigured_it_does_nothing(variable: str, value: str) -> None:
    ended = run(
        """
        from otel import instrument
        telemetry = instrument(app_id="orders")
        with telemetry.tracer.start_as_current_span("x"):
            telemetry.meter.create_counter("n").add(1)
            telemetry.logger.info("fine")
        """,
        **{variable: value},
    )
    assert ended.returncode == 0 and len(ended.stderr.splitlines()) <= 1, ended.stderr


def test_an_app_without_a_name_is_told_at_once() -> None:
    ended = run("from otel import instrument; instrument(app_id='')")
    assert ended.returncode == 1 and "needs the app's id" in ended.stderr


LOGGING_APP = """
    import logging, logging.config
    if {instrumented}:
        from otel import instrument
        instrument(app_id="orders", endpoint="http://127.0.0.1:{port}").shutdown(0.1)
    logging.getLogger("a").warning("of last resort")
    logging.getLogger("a").info("unheard")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("b").info("after basicConfig")
    logging.config.dictConfig({{"version": 1, "disable_existing_loggers": False,
        "formatters": {{"f": {{"format": "D %(message)s"}}}},
        "handlers": {{"h": {{"class": "logging.StreamHandler", "formatter": "f"}}}},
        "root": {{"level": "DEBUG", "handlers": ["h"]}}}})
    logging.getLogger("c").debug("after dictConfig")
"""


def test_the_apps_own_logging_is_as_without_it(closed_port: int) -> None:
    bare, instrumented = (
        run(LOGGING_APP.format(instrumented=one, port=closed_port)).stderr.splitlines()
        for one in (False, True)
    )
    assert bare == ["of last resort", "INFO b after basicConfig", "D after dictConfig"]
    assert instrumented == bare


def test_a_forked_workers_last_spans_leave_too(intake: Intake, warehouse: Warehouse) -> None:
    ended = run(
        f"""
        import os, sys
        from otel import instrument
        telemetry = instrument(app_id="forking", endpoint="{intake.addresses.http}")
        child = os.fork()
        with telemetry.tracer.start_as_current_span("parent" if child else "child"):
            pass
        if child:
            os.waitpid(child, 0)
        sys.exit()
        """
    )
    assert ended.returncode == 0, ended.stderr
    eventually(lambda: intake.health()["waiting_bytes"] == 0, patience(VISIBLE_SECONDS))
    found = warehouse.frame_of(
        "SELECT SpanName FROM otel.otel_traces_current WHERE app_id = 'forking' ORDER BY 1"
    )
    assert found["SpanName"].to_list() == ["child", "parent"]


def test_it_brings_nothing_but_opentelemetry() -> None:
    ended = run("import sys, otel; print(' '.join({name.split('.')[0] for name in sys.modules}))")
    loaded = set(ended.stdout.split())
    ours = {"models", "sql", "pipelines", "dashboards"}
    heavy = {"dagster", "polars", "pandas", "numpy", "pyarrow", "streamlit", "clickhouse_connect", "chdb"}
    assert "opentelemetry" in loaded and not loaded & (ours | heavy)


def test_starting_costs_little(closed_port: int) -> None:
    ended = run(
        f"""
        import time
        begin = time.process_time()
        from otel import instrument
        instrument(app_id="orders", endpoint="http://127.0.0.1:{closed_port}").shutdown(0.1)
        print(time.process_time() - begin)
        """
    )
    assert float(ended.stdout) < patience(2.0)
