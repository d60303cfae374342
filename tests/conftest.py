"""Fixtures every test may use. What is special to one area lives beside its tests."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import hypothesis
import psutil
import pytest
import yaml
from playwright.sync_api import Browser, sync_playwright

from models.settings import Settings
from models.workspace import STATE_FOLDER
from pipelines.orchestration.instance import dagster_home
from pipelines.simulate import simulate
from sql import opening
from sql.local_warehouse.ownership import Place
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what one process of a test has compiled the next need not

pytest_plugins = ("tests.elsewhere",)

# An example that takes long says something of a busy machine, not of the code.
hypothesis.settings.register_profile("appfleet", deadline=None)
hypothesis.settings.load_profile("appfleet")

IN_MEMORY = Path("/dev/shm")
"""Where Linux has files that no disk is waited for."""
ROOM = 6 << 30
"""Bytes a run of all tests may need there at most, several times over."""


def pytest_configure(config: pytest.Config) -> None:
    """Lets temporary folders lie in memory where there is plenty of it; a named `--basetemp` stays."""
    if config.option.basetemp is None and IN_MEMORY.is_dir():
        free = min(psutil.disk_usage(str(IN_MEMORY)).free, psutil.virtual_memory().available)
        if free > ROOM:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what ``slow.yaml`` names."""
    beginnings = tuple(name for names in slow_tests().values() for name in names)
    for item in items:
        if item.nodeid.startswith(beginnings):
            item.add_marker(pytest.mark.slow)


def slow_tests() -> dict[str, list[str]]:
    """Reason -> beginnings of the names of tests that another one holds too."""
    found: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("slow.yaml").read_text())
    return found


def pytest_collection_finish() -> None:
    """What was collected stays until the end: the collector of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real input, read in place; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real input beside the project ({SHARED_DATA.name}/ of shared/ is absent)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run that all its workers see."""
    here = tmp_path_factory.getbasetemp()
    return here.parent if "PYTEST_XDIST_WORKER" in os.environ else here


Migrated = Callable[[Path], Path]


@pytest.fixture(scope="session")
def migrated(shared_folder: Path) -> Migrated:
    """Gives a new workspace a copy of an empty warehouse that was migrated once for all workers, and of Dagster's empty
    history beside it; returns it."""
    template = shared_folder / "migrated"
    with one_maker(template) as missing:
        if missing:
            with open_warehouse(template):
                pass
            # Imported here: it imports Dagster, which most tests do not need.
            from pipelines.orchestration.record import history

            with pytest.MonkeyPatch.context() as patch:
                settings = Settings(root=template, catalog=template, teams=template)
                patch.setenv("DAGSTER_HOME", str(dagster_home(settings)))
                with history():
                    pass
    made = Place(template).data, template / STATE_FOLDER / "dagster"

    def given(workspace: Path) -> Path:
        if opening.server_of(workspace):  # which has no folder to copy: its tables are made when it is opened
            return workspace
        state = workspace / STATE_FOLDER
        state.mkdir(mode=0o700, parents=True)
        for folder in made:
            shutil.copytree(folder, state / folder.name, symlinks=True)
        return workspace

    return given


@contextmanager
def one_maker(folder: Path) -> Iterator[bool]:
    """Whether ``folder`` is still to be made: true for one worker alone, for which the others wait."""
    done = folder.with_name(f"{folder.name}.done")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = not done.exists()
        if missing:
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed in the middle
            folder.mkdir()
        yield missing
        done.touch()


@pytest.fixture(scope="session")
def _kept_warehouse(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Warehouse]:
    with open_warehouse(migrated(tmp_path_factory.mktemp("kept"))) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def fresh_warehouse(_kept_warehouse: Warehouse) -> Warehouse:
    """An empty warehouse in a process of its own, migrated, as its writer; whoever asked before in this worker had the same.

    A test that harms the engine opens one of its own; one that makes a table drops it.
    """
    emptied(_kept_warehouse)
    return _kept_warehouse


def emptied(warehouse: Warehouse) -> None:
    """Empties every table that holds rows, but for what was migrated."""
    filled = warehouse.frame_of(
        "SELECT database || '.' || name AS name FROM system.tables"
        " WHERE database IN (currentDatabase(), '{{otel}}') AND name != 'schema_migrations' AND total_rows > 0"
    )
    for table in filled["name"]:
        warehouse.execute_text(f"TRUNCATE TABLE {table}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass(frozen=True)
class SmallFleet:
    """A simulated fleet of a month to ``END`` in which everything that can be planted is; nobody writes to it, whoever needs
    to takes a copy."""

    simulated: Path
    """The workspace as it was simulated."""
    passed: Path
    """The same after one pass, its warehouse closed."""
    seconds: float
    """How long the command of that pass took."""

    APPS, DAYS, SEED, END = 24, 36, 11, date(2026, 10, 31)

    @staticmethod
    def copy(workspace: Path, to: Path) -> Path:
        """A workspace of one's own with everything in it."""
        return shutil.copytree(workspace, to, symlinks=True)


@pytest.fixture(scope="session")
def small_fleet(shared_folder: Path) -> SmallFleet:
    """Made once, by the first worker that asks; the pass is a process of its own, as a user has it."""
    root = shared_folder / "small_fleet"
    with one_maker(root) as missing:
        if missing:
            simulate(
                root / "simulated",
                apps=SmallFleet.APPS,
                days=SmallFleet.DAYS,
                seed=SmallFleet.SEED,
                end=SmallFleet.END,
            )
            SmallFleet.copy(root / "simulated", root / "passed")
            (root / "seconds").write_text(f"{_seconds_of_a_pass(root / 'passed'):.1f}")
    return SmallFleet(root / "simulated", root / "passed", float((root / "seconds").read_text()))


def _seconds_of_a_pass(workspace: Path) -> float:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.commands.cli", "run", "-w", str(workspace)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - started


def python_path() -> str:
    """Where a process that a test starts finds the project, and what it was told to do first (``tests.elsewhere``)."""
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, each another."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
