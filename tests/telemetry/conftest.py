"""Fixtures of the telemetry tests: an empty warehouse in a local process, and one call that loads bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest.telemetry import ObjectLoad, load_object
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated

TABLES = (
    "otel_traces",
    "otel_logs",
    "otel_metrics_gauge",
    "otel_metrics_sum",
    "otel_metrics_summary",
    "otel_metrics_histogram",
    "otel_metrics_exponential_histogram",
)

Load = Callable[..., ObjectLoad]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Warehouse]:
    """One warehouse per module; ``warehouse`` empties it for each test."""
    with open_warehouse(migrated(tmp_path_factory.mktemp("workspace"))) as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(opened: Warehouse) -> Warehouse:
    """A warehouse with empty tables."""
    filled = opened.frame_of(
        "SELECT database || '.' || name FROM system.tables"
        " WHERE (database = '{{otel}}' OR database = currentDatabase() AND name IN ('raw_deliveries', 'raw_rejects', 'raw_repairs'))"
        " AND total_rows > 0"
    )
    for table in filled.to_series():
        opened.execute_text(f"TRUNCATE TABLE {table}")
    return opened


def loader(warehouse: Warehouse, folder: Path) -> Load:
    """``load(bytes or path, name=..., **more)``: ``load_object`` with what a source would say about it."""

    def load(content: bytes | Path, name: str = "object", **more: Any) -> ObjectLoad:
        if isinstance(content, bytes):
            path = folder / hashlib.sha256(content).hexdigest()
            path.write_bytes(content)
        else:
            path, name = content, content.name
        return load_object(
            warehouse,
            source_name="test",
            object_name=name,
            path=path,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            modified_at=datetime(2026, 1, 2, tzinfo=UTC),
            **more,
        )

    return load


@pytest.fixture
def load(warehouse: Warehouse, tmp_path: Path) -> Load:
    """``load_object`` on the empty warehouse of this test."""
    return loader(warehouse, tmp_path)
