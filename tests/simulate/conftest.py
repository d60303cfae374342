"""One small simulated fleet, shared by the tests that only read it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.simulate import simulate

END = date(2026, 11, 3)  # 36 days of three months


@pytest.fixture(scope="session")
def fleet_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fleet")
    simulate(directory, apps=30, days=36, seed=8, end=END)
    return directory


@pytest.fixture(scope="session")
def truth(fleet_dir: Path) -> dict[str, Any]:
    return json.loads((fleet_dir / "truth.json").read_text())


@pytest.fixture(scope="session")
def sparse_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many apps, few days: some apps send next to nothing."""
    directory = tmp_path_factory.mktemp("sparse")
    simulate(directory, apps=150, days=4, seed=11, end=END)
    return directory
