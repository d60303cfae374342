"""Fixtures of the telemetry tests: an empty warehouse in a local process, and one call that loads bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest.telemetry import ObjectLoad, load_object
from sql.warehouse import Warehouse
from tests.conftest import emptied

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


@pytest.fixture
def warehouse(fresh_warehouse: Warehouse) -> Warehouse:
    """A warehouse with empty tables."""
    emptied(fresh_warehouse)
    return fresh_warehouse


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
