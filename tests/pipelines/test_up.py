"""`appfleet up` as a user has it: everything answers, a partition is materialised through Dagster's own API while the
pages run, live telemetry arrives, and nothing is left behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from playwright.sync_api import Browser

from pipelines.steps import STEPS
from sql.opening import open_warehouse
from tests.conftest import SmallFleet, free_ports, python_path
from tests.intake.otlp import post, span_ids, spans

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

PARTITIONS = """
query Partitions {
  assetNodes {
    assetKey { path }
    description
    partitionKeys
    partitionStats { numMaterialized numPartitions numFailed }
    latestMaterializationByPartition { partition metadataEntries { label ... on IntMetadataEntry { intValue } } }
  }
}
"""
TICK = """
mutation Tick($selector: ScheduleSelector!, $timestamp: Float) {
  scheduleDryRun(selectorData: $selector, timestamp: $timestamp) {
    __typename
    ... on DryRunInstigationTick {
      evaluationResult { skipReason error { message } runRequests { tags { key value } } }
    }
  }
}
"""


def environment(workspace: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": python_path(), "APPFLEET_WORKSPACE": str(workspace)}


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
    assert everything_answers(workspace)


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


def test_dagster_s_pages_show_every_partition_with_its_own_rows_and_none_missing(
    up: subprocess.Popen[bytes], workspace: Path
) -> None:
    nodes = {node["assetKey"]["path"][-1]: node for node in ask(workspace, PARTITIONS, {})["assetNodes"]}
    assert all(node["description"] for node in nodes.values())
    partitioned = {table: node for table, node in nodes.items() if node["partitionKeys"]}
    assert set(partitioned) == {table for step in STEPS.values() if step.periods for table in step.tables}
    for table, node in partitioned.items():
        keys = node["partitionKeys"]
        stats = {"numMaterialized": len(keys), "numPartitions": len(keys), "numFailed": 0}
        assert node["partitionStats"] == stats, table
    with open_warehouse(workspace, role="reader") as warehouse:
        counted = warehouse.frame_of(
            "SELECT toString(billing_period), count() FROM core_app_costs_daily_current GROUP BY 1"
        )
    shown = {
        one["partition"]: entry["intValue"]
        for one in nodes["core_app_costs_daily"]["latestMaterializationByPartition"]
        for entry in one["metadataEntries"]
        if entry["label"] == "dagster/partition_row_count"
    }
    assert shown == dict(counted.rows())


def test_a_schedule_asks_for_partitions_there_are(up: subprocess.Popen[bytes], workspace: Path) -> None:
    def asked(step: str) -> Any:
        selector = {
            "repositoryLocationName": "appfleet",
            "repositoryName": "__repository__",
            "scheduleName": f"{step}_schedule",
        }
        at = {"selector": selector, "timestamp": 1_795_000_000.0}
        return ask(workspace, TICK, at)["scheduleDryRun"]["evaluationResult"]

    billing = asked("billing")
    assert billing["error"] is None
    tags = [{tag["key"]: tag["value"] for tag in request["tags"]} for request in billing["runRequests"]]
    assert [(one["dagster/partition"], one["appfleet/source"]) for one in tags] == [
        ("2026-10-01", "aws"),
        ("2026-10-01", "azure"),
    ]
    assert asked("costs")["skipReason"] == "nothing changed"


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


MODULES = {
    "warehouse": ("sql.local_warehouse",),
    "intake": ("pipelines.ingest.intake",),
    "dagster": (
        "pipelines.orchestration.webserver",
        "pipelines.orchestration.code_server",
        "pipelines.orchestration.daemon",
    ),
    "dashboards": ("dashboards.serve",),
}


def processes_of(up: subprocess.Popen[bytes], service: str) -> list[psutil.Process]:
    """The processes of a service and what they started, without the keeper."""
    found = [
        one
        for one in psutil.Process(up.pid).children(recursive=True)
        if one.status() != psutil.STATUS_ZOMBIE
        and any(part.endswith(MODULES[service]) for part in one.cmdline())
        and "pipelines.commands.keeper" not in one.cmdline()
    ]
    assert found
    return found + [child for one in found for child in one.children(recursive=True)]


class Load:
    """Sends spans as long as it is open, and keeps the ids of those that were acknowledged."""

    def __init__(self, address: str, app: str) -> None:
        self.address = address
        self.app = app
        self.acknowledged: set[tuple[str, str]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _send(self) -> None:
        seed = 0
        while not self._end.wait(0.02):
            seed += 1
            request = spans(hash((self.app, seed)), count=2, app=self.app)
            try:
                status, answer, _ = post(self.address, "traces", request.SerializeToString())
            except OSError:
                continue  # it was stopped for longer than a sender waits: not acknowledged
            if (status, answer) == (200, b""):
                self.acknowledged |= span_ids(request)


@pytest.mark.parametrize(
    ("services", "seconds"),
    [
        (("warehouse",), 3),
        pytest.param(tuple(MODULES), 3, marks=pytest.mark.slow),
        *(
            pytest.param((service,), seconds, marks=pytest.mark.slow)
            for service in MODULES
            for seconds in (3, 10, 60)
        ),
    ],
)
def test_stopped_services_under_load_lose_nothing_and_end_nothing(
    up: subprocess.Popen[bytes], workspace: Path, services: tuple[str, ...], seconds: int
) -> None:
    """A machine that sleeps, or a merge that takes long: what is silent is waited for."""
    before = {one.pid for one in psutil.Process(up.pid).children(recursive=True)}
    app = f"stopped-{'-'.join(services)}-{seconds}"
    with Load(f"http://127.0.0.1:{ports_of(workspace).otlp_http}", app) as load:
        until(lambda: load.acknowledged, 20)
        stopped = [one for service in services for one in processes_of(up, service)]
        for one in stopped:
            one.suspend()
        time.sleep(seconds)
        for one in stopped:
            one.resume()
        already = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > already, 40)
        until(lambda: everything_answers(workspace), 60)
    assert up.poll() is None
    assert {one.pid for one in stopped} <= before & {
        one.pid for one in psutil.Process(up.pid).children(recursive=True)
    }
    until(lambda: load.acknowledged <= kept(workspace, app), 60)


def kept(workspace: Path, app: str) -> set[tuple[str, str]]:
    """Ids of an app's spans in the warehouse, each of which must count once."""
    with open_warehouse(workspace, role="reader") as warehouse:
        rows = warehouse.frame_of(
            "SELECT TraceId, SpanId FROM otel.otel_traces_current WHERE app_id = {app:String}", app=app
        ).rows()
    assert len(rows) == len(set(rows))
    return set(rows)


def everything_answers(workspace: Path) -> bool:
    ports = ports_of(workspace)
    try:
        return (
            get(f"http://127.0.0.1:{ports.warehouse}/ping") == b"Ok.\n"
            and b"dagster_version" in get(f"http://127.0.0.1:{ports.dagster}/server_info")
            and get(f"http://127.0.0.1:{ports.dashboards}/_stcore/health") == b"ok"
            and b"accepted_requests" in get(f"http://127.0.0.1:{ports.otlp_http}/healthz")
        )
    except OSError:
        return False


@pytest.mark.parametrize(
    "service",
    [
        "warehouse",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("intake", "dagster", "dashboards")),
    ],
)
def test_what_is_killed_is_started_again_and_nothing_else(
    up: subprocess.Popen[bytes], workspace: Path, service: str
) -> None:
    """Whatever it is, the three others run on, and live telemetry that was acknowledged meanwhile is kept."""
    lasting = {  # not a worker of Dagster's that a schedule began just now
        module: min(
            (one for one in processes_of(up, other) if module in " ".join(one.cmdline())),
            key=psutil.Process.create_time,
        )
        for other, modules in MODULES.items()
        if other != service
        for module in modules
    }
    others = {one.pid for one in lasting.values()}
    app = f"killed-{service}"
    with Load(f"http://127.0.0.1:{ports_of(workspace).otlp_http}", app) as load:
        until(lambda: load.acknowledged, 20)
        (killed, *_) = processes_of(up, service)
        killed.kill()
        until(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE, 10)
        until(lambda: everything_answers(workspace), 60)
        already = len(load.acknowledged)
        until(lambda: len(load.acknowledged) > already, 40)
    assert others <= {one.pid for one in psutil.Process(up.pid).children(recursive=True)}
    until(lambda: load.acknowledged <= kept(workspace, app), 60)


PAUSE = """
mutation { setAutoMaterializePaused(paused: %s) }
"""
FOREIGN_PAGE = """
<form id=form method=post enctype=text/plain target=frame action="{dagster}/graphql?query={mutation}"><input name=a value=b></form>
<iframe name=frame></iframe>
<img src="{dagster}/graphql?query={mutation}">
<script>
document.getElementById("form").submit();
const body = JSON.stringify({{query: decodeURIComponent("{mutation}")}});
const kinds = ["text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "application/json"];
const sent = kinds.map(kind => fetch("{dagster}/graphql", {{method: "POST", mode: "no-cors", body, headers: {{"Content-Type": kind}}}})
  .catch(() => 0));
const said = new Promise(resolve => {{
  const socket = new WebSocket("{dagster}/graphql".replace("http", "ws"), "graphql-ws");
  socket.onopen = () => {{
    socket.send(JSON.stringify({{type: "connection_init", payload: {{}}}}));
    socket.send(JSON.stringify({{id: "1", type: "start", payload: {{query: decodeURIComponent("{mutation}")}}}}));
    setTimeout(() => resolve("opened"), 3000);
  }};
  socket.onerror = () => resolve("refused");
}});
Promise.all([said, ...sent]).then(all => setTimeout(() => document.title = all[0], 1000));
</script>
"""


@pytest.fixture
def foreign_site() -> Iterator[tuple[str, dict[str, str]]]:
    """Address of another site on this machine, and its pages by path, to be filled."""
    pages: dict[str, str] = {}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", pages
    server.shutdown()


@pytest.mark.parametrize("called", ["localhost", "127.0.0.1"])
def test_a_page_of_another_site_changes_nothing_in_dagster(
    up: subprocess.Popen[bytes],
    workspace: Path,
    browser: Browser,
    foreign_site: tuple[str, dict[str, str]],
    called: str,
) -> None:
    """By a form, an image, requests of every kind and a WebSocket; under another name, and as another port."""
    address, pages = foreign_site
    paused = "query { instance { autoMaterializePaused } }"
    ask(workspace, PAUSE % "true", {})
    assert ask(workspace, paused, {}) == {"instance": {"autoMaterializePaused": True}}, "who is at home may"
    dagster = f"http://127.0.0.1:{ports_of(workspace).dagster}"
    pages["/"] = FOREIGN_PAGE.format(dagster=dagster, mutation=quote(PAUSE % "false"))
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://{address.replace('127.0.0.1', called)}/")
    page.wait_for_function("document.title != ''")
    assert page.title() == "refused"
    context.close()
    assert ask(workspace, paused, {}) == {"instance": {"autoMaterializePaused": True}}


def test_dagster_s_own_page_works_behind_its_guard_and_asks_for_no_address(
    up: subprocess.Popen[bytes], workspace: Path, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    answers: list[tuple[str, int]] = []
    frames: list[Any] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))
    page.goto(f"http://127.0.0.1:{ports_of(workspace).dagster}/locations")
    page.get_by_text("appfleet").first.wait_for(timeout=30_000)
    until(lambda: page.wait_for_timeout(200) or frames, 20)
    assert [one for one in answers if one[1] >= 400] == []
    assert page.get_by_text("newsletter").count() == page.get_by_role("dialog").count() == 0
    context.close()


def test_ctrl_c_leaves_no_orphan(workspace: Path, up: subprocess.Popen[bytes]) -> None:
    """Last of the module: ends what the others used."""
    family = psutil.Process(up.pid).children(recursive=True)
    assert len(family) >= 4
    up.send_signal(signal.SIGINT)
    assert up.wait(60) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one.cmdline() for one in alive] == []
