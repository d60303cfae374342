"""Each service alone in the foreground, as a container runs it: it answers, becomes ready, and ends on SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from models.errors import ConfigurationError
from models.settings import DagsterSettings, ServerWarehouse, Settings
from pipelines.commands.services import SERVICES, Machine, refuse_unsafe
from sql.leases import POSTGRES_VARIABLE
from sql.workspace import load_settings
from tests.conftest import SmallFleet, free_ports
from tests.deploy.test_health import fetched
from tests.pipelines.test_up import until

ROOT = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 20.0
PORTS = (
    "dashboards",
    "dagster",
    "warehouse",
    "otlp_grpc",
    "otlp_http",
    "dagster_code",
    "dagster_code_health",
    "dagster_daemon_health",
)
MISSING = {"pages": "warehouse", "dagster-webserver": "code", "dagster-daemon": "code"}
"""What a service says it misses where nothing else runs."""


@pytest.fixture
def workspace(small_fleet: SmallFleet, tmp_path: Path) -> Path:
    root = SmallFleet.copy(small_fleet.passed, tmp_path / "workspace")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with (root / "appfleet.yaml").open("a") as settings:
        settings.write(f"\n{yaml.safe_dump({'ports': ports})}")
    return root


@contextmanager
def serving(name: str, workspace: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as errors, log.with_suffix(".out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.commands.cli", "serve", name, "-w", str(workspace)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "APPFLEET_LOG": "json"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


def health_port(name: str, workspace: Path) -> int:
    return int(getattr(load_settings(workspace).ports, SERVICES[name].ports[0]))


def answers(name: str, workspace: Path, path: str) -> tuple[int, str]:
    try:
        return fetched(f"http://127.0.0.1:{health_port(name, workspace)}{path}")
    except OSError:
        return 0, ""


def test_each_service_answers_says_what_it_misses_becomes_ready_and_ends(
    workspace: Path, tmp_path: Path
) -> None:
    """As containers that are started in any order: those that need others say so until the others are there."""
    with ExitStack() as stack:

        def start(name: str) -> subprocess.Popen[bytes]:
            return stack.enter_context(serving(name, workspace, tmp_path / f"{name}.log"))

        running = {name: start(name) for name in MISSING}
        for name, word in MISSING.items():
            until(lambda name=name: answers(name, workspace, "/healthz")[0] == 200, 90)  # type: ignore[misc]
            status, words = answers(name, workspace, "/readyz")
            assert (status, words.startswith("missing: ")) == (503, True), name
            assert word in words, name
        running |= {name: start(name) for name in ("warehouse", "dagster-code")}
        until(lambda: answers("warehouse", workspace, "/readyz")[0] == 200, 60)
        running["intake"] = start("intake")
        for name in (*MISSING, "dagster-code"):
            until(lambda name=name: answers(name, workspace, "/readyz") == (200, "ready\n"), 90)  # type: ignore[misc]
        until(lambda: answers("intake", workspace, "/healthz")[0] == 200, 60)
        assert set(running) == set(SERVICES)
        assert [name for name, one in running.items() if one.poll() is not None] == []
        family = [
            child for one in running.values() for child in psutil.Process(one.pid).children(recursive=True)
        ]
        for name, process in running.items():
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code = process.wait(GRACE_SECONDS)
            assert time.monotonic() - started < GRACE_SECONDS, name
            assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), (tmp_path / f"{name}.log").read_text()
        _, alive = psutil.wait_procs(family, timeout=5)
        assert [one.cmdline() for one in alive] == [], "nothing is left behind"
    for name in SERVICES:
        for line in (tmp_path / f"{name}.log").read_text().splitlines():
            assert {"time", "level", "logger", "message"} <= set(json.loads(line)), f"{name}: {line}"


def test_what_is_no_service_is_one_sentence(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", "serve", "dashbords", "-w", str(workspace)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("appfleet: 'dashbords' is no service; there are pages, intake, ")


def settings_of(root: Path, warehouse: ServerWarehouse | None = None, **dagster: str) -> Settings:
    return Settings(
        root=root, catalog=root, teams=root, dagster=DagsterSettings(**dagster), warehouse=warehouse
    )


@pytest.mark.parametrize(
    ("name", "dagster", "environment", "sentence"),
    [
        ("dagster-webserver", {"listen": "0.0.0.0"}, {}, "SQLite is one machine's"),
        ("dagster-code", {"listen": "10.0.0.1"}, {}, "SQLite is one machine's"),
        (
            "dagster-webserver",
            {"listen": "0.0.0.0"},
            {POSTGRES_VARIABLE: "postgresql://x"},
            "set dagster.url",
        ),
    ],
)
def test_dagster_listens_to_others_only_behind_a_proxy_and_with_postgres(
    name: str,
    dagster: dict[str, str],
    environment: Mapping[str, str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(ConfigurationError, match=sentence):
        refuse_unsafe(name, settings_of(tmp_path, **dagster))


def test_a_server_has_no_owner_of_an_embedded_warehouse(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no embedded warehouse"):
        refuse_unsafe("warehouse", settings_of(tmp_path, ServerWarehouse("https://clickhouse.example:8443")))


def test_on_one_machine_nothing_of_dagster_s_listens_but_its_pages(tmp_path: Path) -> None:
    """The code server runs whatever it is told: a socket of this user's is all it has under `appfleet up`."""
    machine = Machine(settings_of(tmp_path), tmp_path / "code")
    commands = {name: SERVICES[name].command(machine) for name in SERVICES}
    assert "--port" not in commands["dagster-code"]
    assert "--health-port" not in commands["dagster-daemon"]
    assert commands["dagster-webserver"][commands["dagster-webserver"].index("-h") + 1] == "127.0.0.1"
