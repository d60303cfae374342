"""`appfleet up`: warehouse, intake, Dagster and dashboards, started together, watched, and ended together.

Knows commands, ports and lifetimes; what a service does is its own package's business.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from models.errors import AppfleetError, ConfigurationError
from models.grants import parse_people
from models.loopback import is_loopback
from models.settings import Settings, check_sign_in_secrets
from pipelines.commands.services import PROJECT, SERVICES, Machine, environment_of
from pipelines.commands.watch import Watch
from pipelines.ingest.intake.door import refuse_unguarded
from pipelines.ingest.intake.token_file import token_file
from sql.local_warehouse.process import WarehouseProcess
from sql.opening import open_warehouse, refuse_unreachable
from sql.state import state_folder
from sql.workspace import people_text

START_SECONDS = 90.0
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.5


Place = int | Path | tuple[str, int]
"""Where a service answers: a port of loopback, a socket, or a port of another address of this machine."""


@dataclass
class Service:
    """One process of ours under a keeper, and the ports or sockets it answers on.

    ``after`` names the service that must answer before this one is started for the first time.
    """

    name: str
    command: list[str]
    answers_on: tuple[Place, ...]
    environment: Mapping[str, str]
    log: Path
    after: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the command under a keeper; its output goes to ``log``."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.commands.keeper", *self.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=PROJECT,
                env=dict(self.environment),
                # Ctrl-C reaches us only; we end the services in our order.
                start_new_session=True,
            )

    def stop(self) -> None:
        """Asks the keeper to end the command; returns at once."""
        if self.process and self.process.stdin:
            self.process.stdin.close()

    def wait(self, deadline: float) -> None:
        """Waits for the end, and forces it at the deadline."""
        if not self.process:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()

    def exited(self) -> bool:
        """The keeper is gone, and so is the command."""
        return self.process is not None and self.process.poll() is not None


class _WarehouseService(WarehouseProcess):
    """The warehouse as the watch calls it."""

    name = "warehouse"


class _ServerElsewhere:
    """A warehouse on a server, which is not ours to start, watch or end."""

    name = "warehouse"

    def start(self) -> int:
        """Nothing: it runs."""
        return 0

    def exited(self) -> bool:
        """Never, as far as we know."""
        return False

    def answers(self) -> bool:
        """What reads or writes there says it where it does not."""
        return True

    def kill(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


def services(settings: Settings, code: Path) -> list[Service]:
    """Everything beside the warehouse, in the order it is started; ``code`` is the socket of Dagster's code server."""
    machine = Machine(settings, code)
    places: Mapping[str, tuple[Place, ...]] = {
        "dagster-code": (code,),
        "dagster-daemon": (),
        "pages": (_pages_place(settings),),
        "intake": _intake_answers_on(settings),
    }
    return [
        Service(
            name,
            [sys.executable, *SERVICES[name].command(machine)],
            places.get(name, tuple(getattr(settings.ports, port) for port in SERVICES[name].ports)),
            environment_of(settings, name),
            _logs(settings) / f"{name}.log",
            after,
        )
        for name, after in (
            ("intake", ""),
            ("dagster-code", ""),
            ("pages", ""),
            ("dagster-webserver", "dagster-code"),
            ("dagster-daemon", "dagster-code"),
        )
    ]


def _intake_answers_on(settings: Settings) -> tuple[Place, ...]:
    """The intake's ports; one that listens everywhere listens on loopback too."""
    host = settings.intake.listen
    ports = (settings.ports.otlp_grpc, settings.ports.otlp_http)
    if is_loopback(host) or host in ("0.0.0.0", "::"):
        return ports
    return tuple((host, port) for port in ports)


def _pages_place(settings: Settings) -> Place:
    """Where the pages answer: on loopback too, unless they listen on another address of this machine alone."""
    listen = ipaddress.ip_address(settings.sign_in.listen if settings.sign_in else "127.0.0.1")
    if listen.is_unspecified or listen == ipaddress.ip_address("127.0.0.1"):
        return settings.ports.dashboards
    return str(listen), settings.ports.dashboards


def _logs(settings: Settings) -> Path:
    return state_folder(settings.root, "logs")


def serve(settings: Settings, console: Console) -> None:
    """Starts everything, prints the addresses, and returns after Ctrl-C or SIGTERM ended it all.

    Raises:
        ConfigurationError: a port is taken, or what sign-in needs is missing.
        AppfleetError: a service does not come up.
    """
    if settings.sign_in:
        check_sign_in_secrets(os.environ)
        parse_people(people_text(settings), str(settings.people))
    with tempfile.TemporaryDirectory(prefix="appfleet-") as folder:  # a socket's path may have 107 bytes
        _serve(settings, console, services(settings, Path(folder) / "code"))


def _serve(settings: Settings, console: Console, running: list[Service]) -> None:
    refuse_unguarded(settings.intake, token_file(settings), datetime.now(UTC))
    if settings.warehouse:
        refuse_unreachable(settings.root)
        with open_warehouse(settings.root):
            pass  # each service would say in its log alone what is wrong
    own = {} if settings.warehouse else {"warehouse": (settings.ports.warehouse,)}
    wanted: dict[str, tuple[Place, ...]] = {**own, **{one.name: one.answers_on for one in running}}
    for name, places in wanted.items():
        for port in places:
            if isinstance(port, int):
                refuse_taken_port(name, port)
    # A shell that started us in the background has Ctrl-C ignored for us.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    warehouse = (
        _ServerElsewhere()
        if settings.warehouse
        else _WarehouseService(settings.root, port=settings.ports.warehouse)
    )
    try:
        warehouse.start()
        for one in running:
            if one.after:
                _wait_until_up(next(before for before in running if before.name == one.after))
            one.start()
        for one in running:
            _wait_until_up(one)
        _print_addresses(settings, console)
        watch = Watch(warehouse, running, say=partial(_say, console))
        while True:
            time.sleep(LOOK_SECONDS)
            watch.look()
    except KeyboardInterrupt:
        console.print("ending ...")
    finally:
        # A second Ctrl-C must not leave half of them behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for one in running:
            one.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for one in running:
            one.wait(deadline)
        warehouse.stop()


def _say(console: Console, sentence: str) -> None:
    console.print(f"{datetime.now(UTC):%H:%M:%S} {sentence}", markup=False, highlight=False)


def refuse_taken_port(name: str, port: int) -> None:
    """Does nothing when ``port`` of loopback is free.

    Raises:
        ConfigurationError: somebody listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(
                f"port {port} for {name} is taken: stop what listens there, or set another under `ports` in appfleet.yaml"
            ) from None


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _answers(place: Place) -> bool:
    if isinstance(place, Path):
        family, address = socket.AF_UNIX, str(place)  # type: tuple[socket.AddressFamily, str | tuple[str, int]]
    else:
        host, port = ("127.0.0.1", place) if isinstance(place, int) else place
        family, address = socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port)
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(address) == 0


def _wait_until_up(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(_answers(place) for place in service.answers_on):
        if service.exited() or time.monotonic() > deadline:
            raise AppfleetError(f"{service.name} did not come up: read {service.log}")
        time.sleep(0.2)


def _print_addresses(settings: Settings, console: Console) -> None:
    ports = settings.ports
    console.print()
    if settings.sign_in:
        console.print(f"  dashboards  {settings.sign_in.redirect}   (people sign in; see docs/sign-in.md)")
    else:
        console.print(
            f"  dashboards  http://127.0.0.1:{ports.dashboards}   (this machine only: there is no sign-in)"
        )
    console.print(f"  Dagster     http://127.0.0.1:{ports.dagster}")
    if settings.warehouse:
        console.print(f"  warehouse   {settings.warehouse.url}, database {settings.warehouse.database}")
    else:
        console.print(
            f"  warehouse   http://127.0.0.1:{ports.warehouse}   (credentials in {settings.state / 'credentials'})"
        )
    host = f"[{settings.intake.listen}]" if ":" in settings.intake.listen else settings.intake.listen
    scheme = "https" if settings.intake.tls else "http"
    console.print(f"  OTLP        grpc {host}:{ports.otlp_grpc}, {scheme}://{host}:{ports.otlp_http}")
    console.print("  Ctrl-C ends all of it.")
