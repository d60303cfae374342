"""Fixtures every test may use. What is special to one area lives beside its tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sql.local_warehouse import open_warehouse
from sql.warehouse import Warehouse

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what one process of a test has compiled the next need not

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real input, read in place; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real input beside the project ({SHARED_DATA.name}/ of shared/ is absent)")
    return SHARED_DATA


@pytest.fixture(scope="module")
def fresh_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """An empty warehouse in a process of its own, migrated, as its writer; one per module."""
    with open_warehouse(tmp_path_factory.mktemp("fresh")) as warehouse:
        yield warehouse
