"""The pipeline's own readers find in a simulated workspace what its truth says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.identity import UNALLOCATED
from models.shared_rules import kinds
from pipelines.commands.explain import explanation, sums
from pipelines.commands.rules import changes_of
from pipelines.compute import (
    AsOf,
    compute_costs,
    compute_identities,
    compute_registry,
    compute_slices,
    compute_slo,
)
from pipelines.ingest import billing, telemetry
from pipelines.ingest.registry import load_registry
from pipelines.ingest.shared_rules import load_rules
from sql.publish import heads
from sql.warehouse import Warehouse
from sql.workspace import load_settings


@pytest.fixture(scope="module")
def warehouse(fresh_warehouse: Warehouse) -> Warehouse:
    return fresh_warehouse


Figures = dict[tuple[str, str], tuple[int, Decimal, Decimal]]


@pytest.fixture(scope="module")
def billed(warehouse: Warehouse, fleet_dir: Path) -> Figures:
    """Source and month -> rows and both costs, as its ingest says."""
    settings = load_settings(fleet_dir)
    found = {}
    for source in settings.billing:
        outcome = billing.ingest_source(warehouse, settings, source)
        assert not outcome.refusals
        currency = {"aws": "USD", "azure": "EUR"}[source.name]
        for one in outcome.periods:
            sums = (one.sums[f"{currency}/BilledCost"], one.sums[f"{currency}/EffectiveCost"])
            found[source.name, one.period.isoformat()] = (one.rows, *sums)
    return found


def test_published_rows_and_sums_are_those_of_the_truth(billed: Figures, truth: dict[str, Any]) -> None:
    assert billed == {
        (one["source"], one["period"]): (one["rows"], Decimal(one["billed"]), Decimal(one["effective"]))
        for one in truth["billing"]
    }


@pytest.fixture(scope="module")
def with_telemetry(warehouse: Warehouse, fleet_dir: Path, billed: Figures) -> Warehouse:
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


def test_every_app_gets_what_the_truth_says_by_a_rule_of_every_kind(
    with_telemetry: Warehouse, fleet_dir: Path, truth: dict[str, Any]
) -> None:
    """The simulator splits by fractions, from its own counts; the candidate is looked at before it is adopted, then it holds."""
    settings = load_settings(fleet_dir)
    for compute in (compute_registry, compute_identities, compute_slices, compute_costs):
        compute(with_telemetry, settings)
    told = {
        (one["source"], one["period"], one["app_id"], one["rule"]): (
            Decimal(one["billed"]),
            Decimal(one["effective"]),
        )
        for one in truth["shared_costs"]
    }
    without = published(with_telemetry)
    candidate = load_rules(settings, fleet_dir / "rules-candidate.yaml")
    assert {one.split for one in candidate.lines} == set(kinds())
    assert any(len(one.take_apps) == 1 and one.take_apps[0] != UNALLOCATED for one in candidate.lines)
    changes = {
        release.period: changes_of(with_telemetry, candidate, release)
        for release in heads(with_telemetry, "costs")
    }
    assert published(with_telemetry) == without

    adopted = replace(settings, rules=fleet_dir / "rules-candidate.yaml")
    assert compute_costs(with_telemetry, adopted).refused == ()
    found = published(with_telemetry)
    assert found == told
    assert {rule for *_, rule in found if rule.startswith("shared:")} == {
        f"shared:{one.name}" for one in candidate.lines
    }
    assert compute_costs(with_telemetry, adopted).releases == ()

    for month, changed in changes.items():
        period = month.isoformat()
        now, then = (
            by_app_and_currency({key: one for key, one in costs.items() if key[1] == period})
            for costs in (without, found)
        )
        moved = {
            (row["app_id"], row["billing_currency"]): (row["billed_change"], row["effective_change"])
            for row in changed.group_by("app_id", "billing_currency")
            .agg(pl.col("billed_change", "effective_change").sum())
            .iter_rows(named=True)
        }
        for key in now | then:
            before, after = now.get(key, (Decimal(0),) * 2), then.get(key, (Decimal(0),) * 2)
            difference = tuple(b - a for a, b in zip(before, after, strict=True))
            assert moved.get(key, (Decimal(0),) * 2) == difference, key


def published(warehouse: Warehouse) -> dict[tuple[str, str, str, str], tuple[Decimal, Decimal]]:
    """Source, month, app and rule -> what is published, billed and effective."""
    rows = warehouse.frame_of(
        "SELECT toString(source_name), toString(billing_period), app_id, toString(attribution_rule),"
        " CAST(sum(toDecimal256(c.billed_cost, 18)), 'Decimal(38, 18)'),"
        " CAST(sum(toDecimal256(c.effective_cost, 18)), 'Decimal(38, 18)')"
        " FROM core_app_costs_daily_current AS c GROUP BY 1, 2, 3, 4"
    ).rows()
    return {row[:4]: row[4:] for row in rows}


def by_app_and_currency(
    costs: dict[tuple[str, str, str, str], tuple[Decimal, Decimal]],
) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    found: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for (source, _, app, _), (billed, effective) in costs.items():
        key = (app, {"aws": "USD", "azure": "EUR"}[source])
        before = found.get(key, (Decimal(0), Decimal(0)))
        found[key] = (before[0] + billed, before[1] + effective)
    return found


def test_what_is_told_of_an_app_sums_to_its_bill(
    with_telemetry: Warehouse, fleet_dir: Path, truth: dict[str, Any]
) -> None:
    """Direct, plus shared, less given on; with the rows of the bill and the spans it rests on."""
    settings = replace(load_settings(fleet_dir), rules=fleet_dir / "rules-candidate.yaml")
    compute_costs(with_telemetry, settings)
    month = date.fromisoformat(truth["shared_costs"][0]["period"])
    apps = {one["app_id"] for one in truth["shared_costs"] if one["period"] == month.isoformat()}
    taken = {app for rule in load_rules(settings).lines for app in rule.take_apps}
    for app in sorted({*sorted(apps)[:3], *taken}):
        told = explanation(with_telemetry, app, month)
        assert sums(told.direct, told.shared, told.total) == [
            f"{currency}: direct, plus shared, less given on is what is published, to the last digit."
            for currency in sorted({*told.direct["billing_currency"], *told.shared["billing_currency"]})
        ], app
        counted = {row["measure"]: row["counted"] for row in told.usage.iter_rows(named=True)}
        days = {
            row["basis"]: (row["first_window"], row["last_window"])
            for row in told.shared.iter_rows(named=True)
            if row["is_given"] and row["basis"] == "requests"
        }
        assert ("requests" in days) <= (counted.get("requests", 0) > 0)
