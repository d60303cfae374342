"""The look at the newest minutes over a warehouse: what is counted is counted again by loops over the spans that were put in,
and an alert is one, whoever sees it first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import pytest

from models import requests
from models.alerts import FIRING, RESOLVED
from models.maintenance import Maintenance, MaintenanceWindow, maintenance_frame
from models.policy import health_checks, request_errors, request_slices, slo_defaults
from models.schemas import SCHEMAS
from models.settings import Settings
from pipelines.compute import AsOf, compute_alerts, compute_newest, newest
from pipelines.compute.alerts import JUDGING
from pipelines.compute.publishing import publish_frames
from pipelines.ingest import LIVE_SOURCE
from pipelines.work import looked_at_newest
from sql.alerts import current_alerts
from sql.leases import lease
from sql.opening import open_warehouse
from sql.publish import new_batch_id, publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.evidence.planting import publish_apps

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BEGINS = NOW - timedelta(seconds=80)
TEXTS = pl.Map(pl.String, pl.String)
APPS = {
    # app -> environment, kind, share that fails, milliseconds of those, what is special
    "pay": ("production", "Server", 2, 20, {}),
    "slow": ("production", "Server", 0, 900, {}),
    "fine": ("production", "Server", 0, 20, {}),
    "test": ("staging", "Server", 1, 20, {}),
    "sampled": ("production", "Server", 1, 20, {"SampleRate": "10"}),
    "metered": ("production", "Server", 1, 20, {}),
    "checks": ("production", "Server", 1, 20, {"url.path": "/healthz"}),
}

PROMISES: tuple[tuple[str, int | None, float, dict[str, Any]], ...] = (
    ("availability", None, 0.99, {}),
    ("latency", 500, 0.99, {}),
    # Of a part of the requests, or of something else: no count of the whole app says anything of them.
    ("one route", None, 0.5, {"route": "GET /orders"}),
    ("warm", None, 0.99, {"without_cold_starts": True}),
    ("by time", None, 0.99, {"budgeting_method": "Timeslices"}),
    ("jobs", None, 0.99, {"span_kinds": ["consumer"]}),
    ("fresh", None, 0.99, {"indicator": "freshness of exports"}),
    ("own", None, 0.99, {"alerting": "[]"}),  # by its own policies, which are judged by whole slices
    ("before", None, 0.99, {"valid_to": NOW - timedelta(days=1)}),
)


def spans() -> list[dict[str, object]]:
    """Two requests a second for five minutes; from BEGINS on every n-th fails on one route, in a new version alone."""
    rows = []
    for app, (environment, kind, every, milliseconds, special) in APPS.items():
        for number in range(600):
            at = NOW - timedelta(seconds=number / 2 + 0.25)
            is_over = at < BEGINS
            bad = not is_over and every > 0 and number % every == 0
            path = special.get("url.path", "/orders" if bad else "/items")
            rows.append(
                {
                    "Timestamp": at,
                    "TraceId": f"{app}{number:026d}"[:32],
                    "SpanId": f"{number:016d}",
                    "SpanName": f"GET {path}",
                    "SpanKind": kind,
                    "ServiceName": app,
                    "ResourceAttributes": {
                        "service.version": "2" if bad else "1",
                        "deployment.environment.name": environment,
                    },
                    "SpanAttributes": {
                        "http.request.method": "GET",
                        "http.route": path,
                        "http.response.status_code": "500" if bad else "200",
                        **special,
                    },
                    "Duration": (milliseconds if not is_over else 20) * 10**6,
                    "StatusCode": "Error" if bad else "Unset",
                }
            )
    return rows


def publish_promises(warehouse: Warehouse, settings: Settings, state: str = "ok", mark: str = "") -> None:
    rows = [
        {
            "app_id": app,
            "team": "own",
            "environment": environment,
            "is_production": environment == "production",
            "objective": objective,
            "target": target,
            "threshold_ms": threshold,
            "window_days": 30,
            "state": state if app == "pay" else "ok",
            "span_kinds": ["server"],
            "budgeting_method": "Occurrences",
            "indicator": "availability" if threshold is None else "latency",
            "valid_to": None,
            **special,
        }
        for app, (environment, *_) in APPS.items()
        for objective, threshold, target, special in PROMISES
    ]
    tables = {}
    for table in ("mart_slo_status", "mart_slo_objectives"):
        schema = SCHEMAS[table]
        usual = {pl.String: "", pl.Boolean: False, pl.Datetime: NOW}
        full = [{name: usual.get(kind.base_type(), 0) for name, kind in schema.items()} | one for one in rows]
        tables[table] = pl.DataFrame(
            {name: [one[name] for one in full] for name in schema.names()}, schema=schema
        )
    publish_frames(warehouse, settings, "slo", tables, f"promises{mark}", None)


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> Iterator[tuple[Settings, Warehouse]]:
    root = migrated(tmp_path_factory.mktemp("newest"))
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")
    with open_warehouse(root) as warehouse:
        publish_apps(warehouse, dict.fromkeys(APPS, "own"))
        publish_promises(warehouse, settings)
        frame = pl.DataFrame(
            spans(),
            schema_overrides={"ResourceAttributes": TEXTS, "SpanAttributes": TEXTS, "Duration": pl.UInt64},
        )
        warehouse.insert("otel.otel_traces", pl.concat([frame, frame.head(700)]))  # some of them twice
        batch = new_batch_id()
        slices = pl.DataFrame(
            {
                "slice_start": [NOW - timedelta(hours=1)],
                "app_id": ["metered"],
                "environment": ["production"],
                "kind": ["server"],
                "counted_from": ["metrics"],
                "batch_id": [str(batch)],
            }
        )
        warehouse.insert("core_request_slices", slices)
        publish(
            warehouse,
            "slices",
            NOW.date(),
            batches={"core_request_slices": batch},
            rows=1,
            sha256="",
            version=NOW,
        )
        delivery = {"kind": "telemetry", "source_name": LIVE_SOURCE, "state": "loaded", "rows": 1}
        warehouse.insert("raw_deliveries", pl.DataFrame([delivery]))
        yield settings, warehouse


def test_the_newest_minutes_are_counted_as_slices_are(place: tuple[Settings, Warehouse]) -> None:
    _, warehouse = place
    counts = partial(
        warehouse.frame,
        "queries/newest/counts",
        since="2026-03-01 11:55:00",
        until="2026-03-01 12:00:00",
        moment_seconds=15,
        least_bad=1,
        **requests.classification(request_errors(), health_checks()),
        bounds_ns=requests.slicing(request_slices(), slo_defaults())["bounds_ns"],
        **requests.sampling(request_slices()),
    )
    found = counts(**Maintenance.none().parameters(NOW, NOW))
    expected: dict[tuple[str, str, datetime], Counter[str]] = {}
    for one in spans():
        app = str(one["ServiceName"])
        if app in ("test", "sampled", "checks"):  # not production, a sample, health checks
            continue
        at = one["Timestamp"]
        assert isinstance(at, datetime)
        moment = at.replace(second=at.second // 15 * 15, microsecond=0)
        for objective, bad in (
            ("availability", one["StatusCode"] == "Error"),
            ("latency", one["Duration"] == 900 * 10**6),
        ):
            count = expected.setdefault((app, objective, moment), Counter())
            count["total"] += 1
            count["bad"] += bool(bad)
    some_bad = {key[:2] for key, count in expected.items() if count["bad"]}
    assert some_bad == {("pay", "availability"), ("slow", "latency"), ("metered", "availability")}
    assert {
        (row["app_id"], row["objective"], row["moment"]): (row["bad"], row["total"])
        for row in found.iter_rows(named=True)
    } == {key: (count["bad"], count["total"]) for key, count in expected.items() if key[:2] in some_bad}
    minute = timedelta(minutes=1)
    one = MaintenanceWindow("w", "r", "", ("pay",), begins_at=NOW - 3 * minute, ends_at=NOW - minute)
    held = Maintenance(maintenance_frame([one], found.select("app_id", "team"), NOW - 9 * minute, NOW))
    kept = counts(**held.parameters(NOW - 5 * minute, NOW))
    assert kept.equals(found.filter(pl.col("app_id") != "pay")) and kept.height < found.height


def beat(warehouse: Warehouse, moment: datetime) -> datetime:
    """The intake has loaded everything up to a moment; returns it."""
    line = {
        "intake": "i",
        "journal": "j",
        "loaded_through": moment,
        "recorded_at": moment,
        "state": "running",
    }
    warehouse.insert("raw_intake_heartbeats", pl.DataFrame([line]))
    return moment


def test_an_alert_is_one_whoever_sees_it_first_and_ends_once(place: tuple[Settings, Warehouse]) -> None:
    settings, warehouse = place
    assert compute_newest(warehouse, settings, NOW) is None, "nothing comes in live"
    clock = beat(warehouse, NOW + timedelta(seconds=6))
    with lease(settings.root, JUDGING):
        assert compute_newest(warehouse, settings, clock) is None, "somebody judges just now"
    assert newest.published(warehouse) == []

    outcome = compute_newest(warehouse, settings, clock)
    assert outcome and len(outcome.releases) == 1
    pages = {one.app_id: one for one in newest.published(warehouse)}
    assert set(pages) == {"pay", "slow"}, (
        "not the sample, the metered, what is fine, staging and health checks"
    )
    pay = pages["pay"]
    assert (pay.objective, pay.route, pay.version) == ("availability", "GET /orders", "2")
    assert (pay.bad, pay.total, pay.window_seconds) == (60, 120, 60), "every second one of a minute"
    assert NOW - timedelta(seconds=60) <= pay.since and pages["slow"].threshold_ms == 500
    alerts = {one.alert_key: one for one in current_alerts(warehouse)}
    paged = alerts["slo/pay/production/availability"]
    assert (paged.state, paged.severity, paged.fired_at) == (FIRING, "page", clock)
    assert paged.sentence == (
        "GET /orders, version 2: pay in production: availability below 0.99, 60 of 120 events bad in 1 min "
        "(newest minutes, not yet a whole slice)"
    )
    again = compute_newest(warehouse, settings, clock)
    assert again and again.releases == () and again.unchanged == 1
    assert "0 releases of alerts, 0 messages" in looked_at_newest(warehouse, settings, clock)

    publish_promises(warehouse, settings, state="page", mark="paged")
    as_of = AsOf(NOW, date(2026, 2, 28), "live")
    compute_alerts(warehouse, settings, as_of, clock + timedelta(minutes=1))
    [same] = [one for one in current_alerts(warehouse) if one.alert_key == paged.alert_key]
    assert (same.episode, same.fired_at) == (paged.episode, paged.fired_at), "the states see the same trouble"
    assert same.sentence.startswith("GET /orders, version 2: pay in production")

    publish_promises(warehouse, settings, mark="over")
    clock = beat(warehouse, NOW + timedelta(minutes=14))
    assert compute_newest(warehouse, settings, clock), "what fired is held"
    clock = beat(warehouse, NOW + timedelta(minutes=16))
    assert compute_newest(warehouse, settings, clock) and newest.published(warehouse) == []
    assert {one.state for one in current_alerts(warehouse)} == {FIRING}, (
        "an alert ends later than what it is about"
    )
    assert compute_newest(warehouse, settings, clock) is None, "the steps of a pass end it"
    compute_alerts(warehouse, settings, as_of, clock + timedelta(minutes=10))
    ended = {one.alert_key: one for one in current_alerts(warehouse)}
    assert ended[paged.alert_key].state == RESOLVED and ended[paged.alert_key].episode == paged.episode
