"""The services of a workspace: what command each is, and where it answers. One row each.

`appfleet up` starts all of them on one machine, `appfleet serve NAME` is one of them, for a container. How they are watched
is ``supervise``; what they do is their own package's business.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import ConfigurationError
from models.loopback import is_loopback
from models.settings import SIGN_IN_SECRETS, Settings
from pipelines.orchestration.instance import dagster_home, enter_history, has_postgres
from sql.workspace import WORKSPACE_VARIABLE

PROJECT = Path(__file__).resolve().parents[2]
TICK_SECONDS = 3600
"""How long a schedule of Dagster may look for what there is to do: a new bill is counted before its months are known."""


@dataclass(frozen=True)
class Machine:
    """How the services of a machine reach each other.

    ``code`` is the socket of Dagster's code server where all run on one machine; None: the address the settings say.
    """

    settings: Settings
    code: Path | None = None

    @property
    def code_place(self) -> str:
        """The code server as others call it."""
        return (
            str(self.code)
            if self.code
            else f"{self.settings.dagster.code_host}:{self.settings.ports.dagster_code}"
        )

    def location_file(self) -> str:
        """Dagster's file that names the code server, written."""
        dagster, ports = self.settings.dagster, self.settings.ports
        place = (
            {"socket": str(self.code)}
            if self.code
            else {"host": dagster.code_host, "port": ports.dagster_code}
        )
        path = dagster_home(self.settings) / "workspace.yaml"
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        location = {"load_from": [{"grpc_server": {**place, "location_name": "appfleet"}}]}
        draft.write_text(json.dumps(location) + "\n", encoding="utf-8")  # JSON is YAML
        draft.replace(path)
        return str(path)

    def listens(self, port: int, health: bool = False) -> list[str]:
        """Options by which a part of Dagster's listens beyond a socket of this machine; none for one that need not."""
        if self.code:
            return []
        name = "--health-port" if health else "--port"
        return ["--listen", self.settings.dagster.listen, name, str(port)]


@dataclass(frozen=True)
class ServiceKind:
    """One service: ``command`` are the arguments of Python, ``ports`` names of the settings' ports it answers on, the first
    of which has its health paths."""

    summary: str
    command: Callable[[Machine], list[str]]
    ports: tuple[str, ...]


def _pages(machine: Machine) -> list[str]:
    return [
        "-m",
        "dashboards.serve",
        "--workspace",
        str(machine.settings.root),
        "--port",
        str(machine.settings.ports.dashboards),
    ]


def _intake(machine: Machine) -> list[str]:
    return ["-m", "pipelines.ingest.intake", "-w", str(machine.settings.root)]


def _warehouse(machine: Machine) -> list[str]:
    root, port = str(machine.settings.root), str(machine.settings.ports.warehouse)
    return ["-m", "sql.local_warehouse", "--workspace", root, "--port", port, "--stay"]


def _code(machine: Machine) -> list[str]:
    settings = machine.settings
    if machine.code:
        return ["-m", "pipelines.orchestration.code_server", "--socket", str(machine.code)]
    health = [
        "--health-port",
        str(settings.ports.dagster_code_health),
        "--called",
        settings.dagster.code_host,
    ]
    return [
        "-m",
        "pipelines.orchestration.code_server",
        *machine.listens(settings.ports.dagster_code),
        *health,
    ]


def _webserver(machine: Machine) -> list[str]:
    settings = machine.settings
    address = "127.0.0.1" if machine.code else settings.dagster.listen
    place = ["--code", machine.code_place, "-h", address, "-p", str(settings.ports.dagster)]
    return ["-m", "pipelines.orchestration.webserver", *place, "-w", machine.location_file()]


def _daemon(machine: Machine) -> list[str]:
    health = machine.listens(machine.settings.ports.dagster_daemon_health, health=True)
    where = ["--code", machine.code_place, *health]
    return ["-m", "pipelines.orchestration.daemon", *where, "run", "-w", machine.location_file()]


SERVICES: Mapping[str, ServiceKind] = {
    "pages": ServiceKind("The pages people look at.", _pages, ("dashboards",)),
    "intake": ServiceKind("Takes live telemetry.", _intake, ("otlp_http", "otlp_grpc")),
    "warehouse": ServiceKind("Owns the embedded warehouse.", _warehouse, ("warehouse",)),
    "dagster-code": ServiceKind(
        "Starts and watches the workers of Dagster's runs.", _code, ("dagster_code_health", "dagster_code")
    ),
    "dagster-webserver": ServiceKind("Dagster's own pages.", _webserver, ("dagster",)),
    "dagster-daemon": ServiceKind(
        "Queues and watches runs, ticks schedules; one a workspace.", _daemon, ("dagster_daemon_health",)
    ),
}


def environment_of(settings: Settings, name: str) -> dict[str, str]:
    """What a service of a workspace finds in its environment; the secrets of sign-in are for the pages alone."""
    environment = {
        **os.environ,
        WORKSPACE_VARIABLE: str(settings.root),
        "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS": str(TICK_SECONDS),
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }
    enter_history(settings, environment)
    if name != "pages":
        for secret in SIGN_IN_SECRETS:
            environment.pop(secret, None)
    return environment


def become(name: str, settings: Settings) -> None:
    """Makes this process the service ``name``, so that whoever watches it watches the service itself; does not return.

    Raises:
        ConfigurationError: the settings do not allow it.
    """
    machine = Machine(settings)
    refuse_unsafe(name, settings)
    os.execve(
        sys.executable, [sys.executable, *SERVICES[name].command(machine)], environment_of(settings, name)
    )  # noqa: S606


def refuse_unsafe(name: str, settings: Settings) -> None:
    """Nothing where a service may be one of its own.

    Raises:
        ConfigurationError: Dagster would listen to everybody without a proxy before it, or several machines would share
            SQLite; an owner of an embedded warehouse is asked for beside a server.
    """
    if name.startswith("dagster"):
        if not is_loopback(settings.dagster.listen) and not has_postgres():
            raise ConfigurationError(
                "dagster.listen names an address beyond this machine, but APPFLEET_POSTGRES_URL is not set: SQLite is one machine's"
            )
        if (
            name == "dagster-webserver"
            and not is_loopback(settings.dagster.listen)
            and settings.dagster.url is None
        ):
            raise ConfigurationError(
                "dagster.listen names an address beyond this machine: Dagster knows no users, so set dagster.url to the origin "
                "of the proxy that lets in who may"
            )
    if name == "warehouse" and settings.warehouse is not None:
        raise ConfigurationError(
            "the settings name a ClickHouse server: there is no embedded warehouse to serve"
        )
