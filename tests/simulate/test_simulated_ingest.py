"""The pipeline's own readers find in a simulated workspace what its truth says."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.ingest import billing, telemetry
from pipelines.ingest.registry import load_registry
from sql.warehouse import Warehouse
from sql.workspace import load_settings


@pytest.fixture(scope="module")
def warehouse(fresh_warehouse: Warehouse) -> Warehouse:
    return fresh_warehouse


def test_published_rows_and_sums_are_those_of_the_truth(
    warehouse: Warehouse, fleet_dir: Path, truth: dict[str, Any]
) -> None:
    settings = load_settings(fleet_dir)
    told = {
        (one["source"], one["period"]): (one["rows"], Decimal(one["billed"]), Decimal(one["effective"]))
        for one in truth["billing"]
    }
    found = {}
    for source in settings.billing:
        outcome = billing.ingest_source(warehouse, settings, source)
        assert not outcome.refusals
        currency = {"aws": "USD", "azure": "EUR"}[source.name]
        for one in outcome.periods:
            sums = (one.sums[f"{currency}/BilledCost"], one.sums[f"{currency}/EffectiveCost"])
            found[source.name, one.period.isoformat()] = (one.rows, *sums)
    assert found == told


def test_spans_counted_once_are_those_of_the_truth(
    warehouse: Warehouse, fleet_dir: Path, truth: dict[str, Any]
) -> None:
    settings = load_settings(fleet_dir)
    telemetry.ingest_source(warehouse, settings, settings.telemetry[0])
    counted = warehouse.frame_of(
        "SELECT app_id, toInt64(uniqExact(TraceId, SpanId)) AS spans FROM otel.otel_traces GROUP BY app_id"
    )
    told = {one["app_id"]: one["spans"] for one in truth["telemetry_by_app"]}
    assert dict(counted.iter_rows()) == told


def test_the_registry_reads_every_registered_app_and_its_evidence(
    fleet_dir: Path, truth: dict[str, Any]
) -> None:
    registry = load_registry(load_settings(fleet_dir))
    assert registry.problems == []
    assert set(registry.apps["app_id"]) == {one["app_id"] for one in truth["apps"] if one["registered"]}
    kinds = {kind for patterns in registry.apps["patterns"].to_list() for kind in _keys(patterns)}
    assert kinds
    assert kinds <= {"project", "resource_group", "name"}
    assert registry.apps["resource_ids"].list.len().sum() > 0


def _keys(patterns: Any) -> list[str]:
    return [pair["key"] for pair in patterns] if isinstance(patterns, list) else list(patterns or {})
