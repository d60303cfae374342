"""`.appfleet` is its user's alone from its first file on, whoever writes first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import ConfigurationError
from models.settings import Settings, TelemetrySource
from pipelines.commands.supervise import services
from pipelines.ingest.intake import Intake
from pipelines.ingest.telemetry import ingest_source
from pipelines.orchestration.instance import dagster_home
from sql.leases import lease
from sql.local_warehouse.process import open_warehouse
from sql.state import state_folder
from sql.warehouse import Warehouse


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def _opened(settings: Settings, _: Warehouse) -> None:
    with open_warehouse(settings.root):
        pass


def _leased(settings: Settings, _: Warehouse) -> None:
    with lease(settings.root, "registry"):
        pass


def _ingested(settings: Settings, warehouse: Warehouse) -> None:
    ingest_source(warehouse, settings, TelemetrySource("files", "otlp", "nowhere"))


FIRST: dict[str, Callable[[Settings, Warehouse], object]] = {
    "warehouse": _opened,
    "lease": _leased,
    "dagster": lambda settings, _: dagster_home(settings),
    "services": lambda settings, _: services(settings, Path("code")),
    "intake": lambda settings, _: Intake(settings.root, None, 0, 0),
    "spool": _ingested,
}


@pytest.mark.parametrize("first", FIRST)
def test_nobody_else_may_enter_whoever_writes_first(tmp_path: Path, warehouse: Warehouse, first: str) -> None:
    """The warehouse may be another one: of a server, which keeps nothing in the workspace."""
    FIRST[first](Settings(tmp_path, tmp_path, tmp_path), warehouse)
    assert (tmp_path / ".appfleet").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_an_earlier_version_is_closed(tmp_path: Path) -> None:
    (tmp_path / ".appfleet").mkdir(mode=0o755)
    assert state_folder(tmp_path, "a", "b") == tmp_path / ".appfleet" / "a" / "b"
    assert (tmp_path / ".appfleet").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".appfleet" / "a" / "b").is_dir()


def test_one_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".appfleet").write_text("a file")
    with pytest.raises(ConfigurationError, match="cannot be made .*: choose a workspace you may write to"):
        state_folder(tmp_path, "a")
