"""An intake on free ports in a workspace of its own, with the real load path into a real engine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from pipelines.ingest.intake import Intake, Limits
from pipelines.ingest.telemetry import ObjectLoad
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Warehouse]:
    """A local warehouse; tests share it and tell their rows apart by app."""
    with open_warehouse(migrated(tmp_path_factory.mktemp("warehouse"))) as opened:
        yield opened


@pytest.fixture
def intake(tmp_path: Path, warehouse: Warehouse) -> Iterator[Intake]:
    """A running intake that loads into ``warehouse``."""
    running = Intake(tmp_path, None, 0, 0, open_warehouse=lambda _: nullcontext(warehouse))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def deaf_intake(tmp_path: Path) -> Iterator[Callable[[Limits], Intake]]:
    """Starts intakes with limits of their own whose segments nobody loads: for tests of answers alone."""
    started = []

    def start(limits: Limits) -> Intake:
        running = Intake(tmp_path, limits, 0, 0, open_warehouse=_no_warehouse)
        running.start()
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def swallowing_intake(tmp_path: Path) -> Iterator[Intake]:
    """An intake that forgets what it is given once it was on disk."""
    running = Intake(
        tmp_path,
        None,
        0,
        0,
        open_warehouse=lambda _: nullcontext(None),  # type: ignore[arg-type]
        load_object=lambda *_, **__: ObjectLoad("loaded"),
    )
    running.start()
    yield running
    running.stop()


def _no_warehouse(_: Path) -> nullcontext[Warehouse]:
    from models.errors import WarehouseError

    raise WarehouseError("the warehouse is away")


VISIBLE_SECONDS = 3.0
"""Within what time rows sent live must be visible."""


def patience(seconds: float) -> float:
    """A bound in seconds as it applies on this machine now: longer while it is busy with other work."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def eventually(question: Callable[[], bool], seconds: float) -> float:
    """Seconds until ``question`` was answered with true; fails after ``seconds``."""
    begin = time.monotonic()
    while not question():
        assert time.monotonic() - begin < seconds, f"not so within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begin
