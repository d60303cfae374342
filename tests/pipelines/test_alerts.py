"""Alerts of a pass: found in what is published, nothing published twice, and its exit code, doctor and commands where nobody
could be reached. What is expected is written out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from models.alerts import FIRING, FROZEN, RESOLVED
from models.errors import ConfigurationError
from models.playbooks import Facts
from models.schemas import SCHEMAS
from models.settings import Settings
from pipelines.actions.remediate import facts_of
from pipelines.commands import alerts as commands
from pipelines.commands.doctor import findings
from pipelines.commands.run import run_pass
from pipelines.compute import AsOf, compute_alerts
from pipelines.compute.publishing import publish_frames
from sql.alerts import current_alerts
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.conftest import Migrated, free_ports

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AS_OF = AsOf(NOW - timedelta(minutes=5), date(2026, 2, 28), "none")
DAY = date(2026, 2, 27)
OBJECTIVES = [
    {
        "app_id": "pay",
        "team": "payments",
        "objective": "availability",
        "state": "page",
        "since": NOW - timedelta(hours=1),
        "good": 60,
        "total": 100,
        "budget_remaining": -0.5,
    },
    {
        "app_id": "pay",
        "team": "payments",
        "objective": "latency",
        "state": "spent",
        "as_of": NOW - timedelta(minutes=5),
    },
    {"app_id": "ok", "team": "payments", "objective": "availability", "state": "ok"},
    {"app_id": "few", "team": "payments", "objective": "availability", "state": "too_few"},
    {"app_id": "old", "team": "payments", "objective": "availability", "state": "no_data"},
]
TABLES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "slo": {
        "mart_slo_status": OBJECTIVES,
        "mart_app_silences": [{"app_id": "night", "team": "ops", "silent_since": NOW - timedelta(hours=3)}],
    },
    "anomalies": {
        "mart_cost_anomalies": [
            {"app_id": "gpu", "team": "ml", "billing_currency": "USD", "start_date": DAY, "kind": "up", "state": "open", "impact": Decimal("12.5")},
            {"app_id": "gpu", "team": "ml", "billing_currency": "EUR", "start_date": DAY, "kind": "up", "state": "ended"},
        ]
    },
    "forecasts": {
        "mart_budget_states": [
            {"scope": "team", "name": "ml", "team": "ml", "billing_currency": "USD", "period": "month", "state": "exhausted", "exhausted_on": DAY,
             "first_day": date(2026, 2, 1), "last_day": date(2026, 2, 28)},
            {"scope": "fleet", "name": "", "team": "", "billing_currency": "EUR", "period": "year", "state": "ok"},
        ]
    },
}  # fmt: skip
EXPECTED = {
    "slo/pay//availability": ("page", "payments", NOW - timedelta(hours=1)),
    "slo/pay//latency": ("notice", "payments", NOW - timedelta(minutes=5)),
    "silent/night/": ("ticket", "ops", NOW - timedelta(hours=3)),
    "cost/gpu/USD/2026-02-27": ("ticket", "ml", datetime(2026, 2, 27, tzinfo=UTC)),
    "budget/team/ml/USD/month/2026-02-01": ("ticket", "ml", datetime(2026, 2, 1, tzinfo=UTC)),
}
EMPTY: dict[Any, Any] = {
    pl.String: "", pl.Boolean: False, pl.List: [], pl.Date: date(2026, 1, 1), pl.Decimal: Decimal(0), pl.Datetime: NOW - timedelta(days=40),
}  # fmt: skip
NULLABLE = {
    "since",
    "silent_since",
    "threshold_ms",
    "sli",
    "exhausted_on",
    "expected_on",
    "earliest_on",
    "latest_on",
}


def rows(table: str, given: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a table; what is not given is nothing."""
    schema = SCHEMAS[table]
    usual = {
        name: None if name in NULLABLE and table != "mart_app_silences" else EMPTY.get(kind.base_type(), 0)
        for name, kind in schema.items()
    }
    return pl.DataFrame(
        {name: [(usual | one)[name] for one in given] for name in schema.names()}, schema=schema
    )


def publish(settings: Settings, warehouse: Warehouse, scope: str, mark: str = "", **changed: Any) -> None:
    tables = {name: rows(name, [one | changed for one in given]) for name, given in TABLES[scope].items()}
    publish_frames(warehouse, settings, scope, tables, scope + mark, None)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> Iterator[tuple[Settings, Warehouse]]:
    root = migrated(tmp_path_factory.mktemp("alerts"))
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")
    with open_warehouse(root) as warehouse:
        for scope in TABLES:
            publish(settings, warehouse, scope)
        apps = [
            {"app_id": "pay", "criticality": word, "valid_from": day, "tags": {}, "resource_ids": [], "patterns": {}}
            for word, day in (("low", date(2026, 1, 1)), ("high", DAY))
        ]  # fmt: skip
        publish_frames(warehouse, settings, "registry", {"core_apps": rows("core_apps", apps)}, "apps", None)
        yield settings, warehouse


def test_what_is_published_becomes_alerts_once(place: tuple[Settings, Warehouse]) -> None:
    settings, warehouse = place
    assert compute_alerts(warehouse, settings, AsOf(NOW, DAY), NOW).unchanged == 1, (
        "a moment of the past alerts nobody"
    )
    assert current_alerts(warehouse) == []
    assert len(compute_alerts(warehouse, settings, AS_OF, NOW).releases) == 1
    alerts = current_alerts(warehouse)
    assert {one.alert_key: (one.severity, one.team, one.since) for one in alerts} == EXPECTED
    assert {one.state for one in alerts} == {FIRING}
    facts = facts_of(warehouse, alerts)
    assert facts["cost/gpu/USD/2026-02-27"] == Facts("", {}, "USD", Decimal("12.5"))
    assert facts["silent/night/"] == Facts() and "budget/team/ml/USD/month/2026-02-01" not in facts
    unknown = dict.fromkeys(("burn_5m", "burn_1h", "burn_6h", "burn_1d", "burn_3d"))
    assert facts["slo/pay//availability"] == Facts("high", {**unknown, "bad": 40, "budget_spent": 1.5})
    for later in (timedelta(), timedelta(seconds=1), timedelta(days=1)):
        assert compute_alerts(warehouse, settings, AS_OF, NOW + later).releases == ()

    publish(settings, warehouse, "slo", "stale", state="stale")
    compute_alerts(warehouse, settings, AS_OF, NOW)
    states = {one.alert_key: one.state for one in current_alerts(warehouse)}
    assert states["slo/pay//availability"] == states["slo/pay//latency"] == FROZEN
    assert "slo/ok//availability" not in states, "what never fired is no alert because nobody can say"
    publish(settings, warehouse, "slo", "ok", state="ok")
    compute_alerts(warehouse, settings, AS_OF, NOW)
    assert {one.state for one in current_alerts(warehouse)} == {FIRING}, "ended without waiting"
    compute_alerts(warehouse, settings, AS_OF, NOW + timedelta(minutes=10))
    ended = {one.alert_key for one in current_alerts(warehouse) if one.state == RESOLVED}
    assert ended == {"slo/pay//availability", "slo/pay//latency"}


def test_what_is_frozen_neither_fires_nor_ends(place: tuple[Settings, Warehouse]) -> None:
    """Too much of the last slices of one objective is missing: its alert stays as it is, that of the other one goes on."""
    settings, warehouse = place
    keys = {name: f"slo/pay//{name}" for name in ("availability", "latency")}

    def seen_at(minutes: int, mark: str, state: str, frozen: bool) -> dict[str, str]:
        left = [
            {"app_id": "pay", "objective": name, "budgeting_method": "Occurrences", "is_frozen": frozen and name == "availability"}
            for name in keys
        ]  # fmt: skip
        told = [one | {"state": state} for one in OBJECTIVES if one["app_id"] == "pay"]
        tables = {
            "mart_slo_status": rows("mart_slo_status", told),
            "mart_slo_budgets": rows("mart_slo_budgets", left),
        }
        publish_frames(warehouse, settings, "slo", tables, mark, None)
        compute_alerts(warehouse, settings, AS_OF, NOW + timedelta(days=20, minutes=minutes))
        states = {one.alert_key: one.state for one in current_alerts(warehouse)}
        return {name: states[key] for name, key in keys.items()}

    ended, firing = (dict.fromkeys(keys, state) for state in (RESOLVED, FIRING))
    assert seen_at(0, "quiet", "ok", frozen=False) == ended
    assert seen_at(5, "blind", "page", frozen=True) == {"availability": RESOLVED, "latency": FIRING}
    console = Console(record=True, width=250)
    commands.print_oncall(console, settings, NOW)
    said = console.export_text()
    assert "pay, availability: too much of the last slices is missing: alerts stay as they are." in said
    assert "pay, latency: too much" not in said
    assert seen_at(10, "seen", "page", frozen=False) == firing
    for minutes in (15, 30, 60):
        assert seen_at(minutes, f"blind {minutes}", "ok", frozen=True)["availability"] == FROZEN
    assert seen_at(61, "seen again", "page", frozen=False)["availability"] == FIRING
    seen_at(62, "well", "ok", frozen=False)
    assert seen_at(90, "well still", "ok", frozen=False) == ended
    publish(settings, warehouse, "slo", "as before", state="ok")
    compute_alerts(warehouse, settings, AS_OF, NOW + timedelta(days=40))


def test_a_pass_ends_with_one_where_nobody_could_be_reached_until_it_is_silenced(
    place: tuple[Settings, Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = place
    [closed] = free_ports(1)
    monkeypatch.setenv("HOOK", f"json://127.0.0.1:{closed}/x")
    (settings.root / "alerts.yaml").write_text(
        "targets:\n  hook: {url: {env: HOOK}, inward: true}\nroutes:\n  - {teams: [ops], targets: [hook]}\n"
    )
    done = run_pass(settings, steps=["alerts"])
    [step] = done.steps
    assert done.exit_code == 1
    assert step.failed == "nobody could be reached about alert silent/night/: hook cannot be reached"
    clock = datetime.now(UTC)
    found = {
        sentence.sentence
        for name, sentence in findings(settings, clock)
        if name == "alerts" and sentence.is_failure
    }
    assert found == {step.failed}
    console = Console(record=True, width=250)
    assert commands.print_oncall(console, settings, clock) == 1
    assert step.failed in console.export_text()

    for wrong, said in (
        (None, "needs an end"),
        ("soon", "neither a moment"),
        ("2020-01-01", "has ended already"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            commands.silence(settings, wrong, "why", "ada", clock, key="silent/night/")
    said = commands.silence(settings, "4h", "a move", "ada", clock, app_id="night")
    assert "for 1 alerts that are open now" in said
    assert run_pass(settings, steps=["alerts"]).exit_code == 0, "somebody knows"
    commands.unsilence(settings, said.split()[1], "over", "ada", datetime.now(UTC))
    assert commands.print_alerts(console, settings, datetime.now(UTC)) == 1
    with pytest.raises(ConfigurationError, match="no silence"):
        commands.unsilence(settings, said.split()[1], "over", "ada", datetime.now(UTC))
    commands.acknowledge(settings, "silent/night/", "calling", "ada", datetime.now(UTC))
    assert commands.print_alerts(console, settings, datetime.now(UTC)) == 0
    assert "acknowledged by ada: calling" in console.export_text()
