"""The pipeline's own readers find in a simulated workspace what its truth says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipelines.compute import AsOf, compute_identities, compute_registry, compute_slices, compute_slo
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


@pytest.fixture(scope="module")
def with_telemetry(warehouse: Warehouse, fleet_dir: Path) -> Warehouse:
    settings = load_settings(fleet_dir)
    telemetry.ingest_source(warehouse, settings, settings.telemetry[0])
    return warehouse


def test_spans_counted_once_are_those_of_the_truth(with_telemetry: Warehouse, truth: dict[str, Any]) -> None:
    counted = with_telemetry.frame_of(
        "SELECT app_id, toInt64(uniqExact(TraceId, SpanId)) AS spans FROM otel.otel_traces GROUP BY app_id"
    )
    told = {one["app_id"]: one["spans"] for one in truth["telemetry_by_app"]}
    assert dict(counted.iter_rows()) == told


def test_the_state_of_every_app_is_what_was_planted(
    with_telemetry: Warehouse, fleet_dir: Path, truth: dict[str, Any]
) -> None:
    """Each habit, incident, retirement and idle app of the truth, and nobody else in trouble or silent."""
    settings = load_settings(fleet_dir)
    end = datetime.fromisoformat(truth["telemetry"]["as_of"])
    for compute in (compute_registry, compute_identities, compute_slices):
        compute(with_telemetry, settings)
    compute_slo(with_telemetry, settings, AsOf(end, end.date()), end)
    rows = with_telemetry.frame_of(
        "SELECT app_id, toString(objective) AS objective, toString(state) AS state, total,"
        " toDateTime64(since, 0, 'UTC') AS since FROM mart_slo_status_current"
    )
    states = {(row["app_id"], row["objective"]): row for row in rows.iter_rows(named=True)}
    told = {(one["app_id"], one["objective"]): one["state"] for one in truth["incidents"]}
    told |= {(one["app_id"], "availability"): one["state"] for one in truth["habits"]}
    assert {key: states[key]["state"] for key in told} == told
    stops = {one["app_id"]: datetime.fromisoformat(one["stops"]) for one in truth["habits"] if one["stops"]}
    assert {app for app, _ in states if states[app, "availability"]["state"] == "silent"} == set(stops)
    for app, stop in stops.items():
        assert states[app, "latency"]["state"] == "silent"
        assert timedelta(0) <= stop - states[app, "availability"]["since"] <= timedelta(minutes=30)
    month_before = end - timedelta(days=30)
    gone = {one["app_id"]: one["last_day"] for one in truth["retirements"]}
    gone |= {one["app_id"]: one["no_request_since"] for one in truth["idle"]}
    for app, day in gone.items():
        is_in_window = datetime.fromisoformat(day).replace(tzinfo=UTC) >= month_before
        own = [row for (name, _), row in states.items() if name == app]
        assert own
        assert all((row["total"] > 0) == is_in_window for row in own), app
        assert {row["state"] for row in own} <= ({"ok", "too_few"} if is_in_window else {"no_data"}), app
    troubled = {key for key, row in states.items() if row["state"] in ("page", "ticket", "spent")}
    assert troubled <= set(told)


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
