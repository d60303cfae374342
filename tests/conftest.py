"""Fixtures every test may use. What is special to one area lives beside its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real input, read in place; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real input beside the project ({SHARED_DATA.name}/ of shared/ is absent)")
    return SHARED_DATA
