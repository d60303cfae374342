"""Requests cut into slices: which spans count, as what, against an independent count of the same spans."""

from __future__ import annotations

import random
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from models import requests
from models.errors import ModelError
from models.policy import (
    Objective,
    Objectives,
    health_checks,
    request_errors,
    request_slices,
    slo_defaults,
)
from models.settings import Settings
from pipelines.compute import compute_slices
from sql.catalog import statement
from sql.opening import open_warehouse
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated

DAY = datetime(2026, 3, 3, tzinfo=UTC)
MILLISECOND = 1_000_000
LADDER = requests.ladder_ms(request_slices(), slo_defaults())
NO_END = 2**64 - 1_772_000_000_000_000_000
"""What the collector's own exporter writes as the duration of a span without an end: it wraps."""


class Case(NamedTuple):
    """A span and what it must count as: kind (empty: no request at all) and class of error (empty: none)."""

    kind: str
    error: str
    span_kind: str = "Server"
    status: str = "Unset"
    name: str = "GET /items"
    attributes: dict[str, str] = {}  # noqa: RUF012 - never changed


def http(code: int, **more: str) -> dict[str, str]:
    return {"http.request.method": "GET", "http.response.status_code": str(code), **more}


def probe(path: str, method: str = "GET", **more: str) -> dict[str, str]:
    return {"http.request.method": method, "url.path": path, **more}


CASES = [
    Case("server", ""),
    Case("server", "error", status="Error"),
    Case("server", "error", status="STATUS_CODE_ERROR", span_kind="SPAN_KIND_SERVER"),
    Case("server", "500", attributes=http(500)),
    Case("server", "599", attributes=http(599)),
    Case("server", "503", attributes={"http.status_code": "503"}),
    Case("server", "", attributes=http(499)),
    Case("server", "", attributes=http(600)),
    Case("server", "", status="Error", attributes=http(404)),
    Case("server", "", status="Error", attributes=http(400)),
    Case("server", "error", status="Error", attributes=http(200)),
    Case("server", "error", status="Error", attributes=http(399)),
    *(
        Case("server", name, name="shop.Cart/Add", attributes={"rpc.grpc.status_code": code})
        for name, code in (
            ("UNKNOWN", "2"),
            ("DEADLINE_EXCEEDED", "4"),
            ("UNIMPLEMENTED", "12"),
            ("INTERNAL", "13"),
            ("UNAVAILABLE", "14"),
            ("DATA_LOSS", "15"),
        )
    ),
    Case("server", "UNAVAILABLE", attributes={"rpc.response.status_code": "UNAVAILABLE"}),
    *(
        Case("server", "", status="Error", attributes={"rpc.grpc.status_code": code})
        for code in ("1", "3", "5", "6", "7", "8", "9", "10", "11", "16")
    ),
    Case("server", "", attributes={"rpc.grpc.status_code": "0"}),
    Case("server", "error", status="Error", attributes={"rpc.grpc.status_code": "0"}),
    Case("consumer", "", span_kind="Consumer", name="orders process"),
    Case("consumer", "error", span_kind="SPAN_KIND_CONSUMER", status="Error", name="orders process"),
    Case("consumer", "error", span_kind="Consumer", status="Error", attributes=http(404)),
    Case("health", "", attributes=probe("/healthz")),
    Case("health", "503", attributes={**probe("/readyz/"), "http.response.status_code": "503"}),
    Case("health", "", attributes={"http.method": "HEAD", "http.target": "/shop/actuator/health?x=1"}),
    Case("health", "", attributes=probe("/", **{"user_agent.original": "kube-probe/1.31"})),
    Case("health", "", attributes=probe("/", **{"http.user_agent": "elb-healthchecker/2.0"})),
    Case("health", "", name="grpc.health.v1.Health/Check"),
    Case(
        "health", "", name="call", attributes={"rpc.service": "grpc.health.v1.Health", "rpc.method": "Check"}
    ),
    Case("health", "", name="GET /ping"),
    Case("server", "", attributes=probe("/patients/7/health")),
    Case("server", "", attributes=probe("/pinging")),
    Case("server", "", attributes=probe("/healthz", method="POST")),
    Case("server", "", attributes=probe("/up", method="DELETE")),
    Case("server", "", attributes=probe("/", **{"user_agent.original": "Mozilla/5.0 kubernetes fan"})),
    Case("", "", span_kind="Client", status="Error", attributes=http(500)),
    Case("", "", span_kind="Internal", attributes=probe("/healthz")),
    Case("", "", span_kind="Producer"),
]


class Drawn(NamedTuple):
    """A span as it is inserted, and its case."""

    case: Case
    app_id: str
    environment: str
    version: str
    route: str
    at: int
    duration: int


def drawn_spans(seed: int, count: int) -> list[Drawn]:
    """Spans of two days, many at the edges of slices, days and bounds."""
    source = random.Random(seed)
    edges = [*(bound * MILLISECOND for bound in LADDER), 0, NO_END]
    spans = []
    for number in range(count):
        case = CASES[number % len(CASES)]
        duration = source.choice(
            [edge + source.choice((-1, 0, 1)) * bool(edge % MILLISECOND == 0 and edge) for edge in edges]
        )
        # one span a nanosecond: what tells spans apart is not tried here
        seconds = source.choice((0, 299, 300, 86_399, 86_400, source.randrange(2 * 86_400)))
        app = source.choice(("shop", "mill", "x"))
        environment, version = source.choice(("", "production", "staging")), source.choice(("", "1", "2"))
        route = source.choice(("", "/items/{id}", "/cart")) if case.name == "GET /items" else ""
        at = int(DAY.timestamp() + seconds) * 10**9 + number
        spans.append(Drawn(case, app, environment, version, route, at, duration))
    return spans


TEXTS = pl.Map(pl.String, pl.String)
COLUMNS: dict[str, Any] = {
    "Timestamp": pl.Datetime("ns", "UTC"),
    "TraceId": pl.String,
    "SpanId": pl.String,
    "SpanName": pl.String,
    "SpanKind": pl.String,
    "ServiceName": pl.String,
    "ResourceAttributes": TEXTS,
    "SpanAttributes": TEXTS,
    "Duration": pl.UInt64,
    "StatusCode": pl.String,
}


def insert(warehouse: Warehouse, spans: list[Drawn], copies: int = 1) -> None:
    """As a collector's own exporter would insert them."""
    rows = [
        (
            one.at,
            f"{number:032x}",
            f"{number:016x}",
            one.case.name,
            one.case.span_kind,
            one.app_id,
            {
                "service.name": one.app_id,
                "service.version": one.version,
                "deployment.environment.name": one.environment,
            },
            {**one.case.attributes, **({"http.route": one.route} if one.route else {})},
            one.duration,
            one.case.status,
        )
        for number, one in enumerate(spans, 1)
    ]
    columns = zip(*rows, strict=True)
    frame = pl.DataFrame(
        {
            name: pl.Series(
                name,
                [[{"key": k, "value": v} for k, v in one.items()] for one in values],
                pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
            ).cast(kind)
            if kind == TEXTS
            else pl.Series(name, values, kind)
            for (name, kind), values in zip(COLUMNS.items(), columns, strict=True)
        }
    )
    for _ in range(copies):
        warehouse.insert("otel.otel_traces", frame)


@pytest.fixture(scope="module")
def spans() -> list[Drawn]:
    return drawn_spans(20261125, 6_000)


@pytest.fixture(scope="module")
def delivered(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated, spans: list[Drawn]
) -> Iterator[Warehouse]:
    """A warehouse of the spans, each delivered twice."""
    with open_warehouse(migrated(tmp_path_factory.mktemp("slices"))) as warehouse:
        insert(warehouse, spans, copies=2)
        yield warehouse


POLICY = requests.classification(request_errors(), health_checks())


def sliced(warehouse: Warehouse, statement: str, **given: Any) -> uuid.UUID:
    """The batch under which a statement wrote its slices."""
    batch = new_batch_id()
    warehouse.execute(
        f"statements/{statement}", batch_id=batch, **POLICY, **requests.sampling(request_slices()), **given
    )
    return batch


def has_end(duration: int) -> bool:
    return duration < 2**63


def route_of(one: Drawn) -> str:
    method = one.case.attributes.get("http.request.method") or one.case.attributes.get("http.method", "")
    return f"{method} {one.route}".strip() if one.route else one.case.name


@pytest.mark.parametrize("statement", ["core_request_slices"])
def test_every_span_counts_as_what_it_is(delivered: Warehouse, spans: list[Drawn], statement: str) -> None:
    """Each slice: requests, errors by class, those with an end, and those within each bound, the bound included."""
    days = [(DAY + timedelta(days=number)).date().isoformat() for number in (0, 1)]
    batch = sliced(delivered, statement, days=days, **requests.slicing(request_slices(), slo_defaults()))
    expected: dict[tuple[Any, ...], Counter[Any]] = defaultdict(Counter)
    for one in spans:
        if not one.case.kind:
            continue
        start = datetime.fromtimestamp(one.at // (300 * 10**9) * 300, UTC)
        key = (start, one.app_id, one.environment, one.version, route_of(one), one.case.kind)
        count = expected[key]
        count["requests"] += 1
        count["class", one.case.error] += bool(one.case.error)
        count["timed"] += has_end(one.duration)
        for place, bound in enumerate(LADDER):
            count["within", place] += has_end(one.duration) and one.duration <= bound * MILLISECOND
    found = delivered.frame_of(
        "SELECT toDateTime64(slice_start, 0, 'UTC') AS slice_start, app_id, toString(environment) AS environment,"
        " toString(version) AS version, toString(route) AS route, toString(kind) AS kind, requests, errors,"
        " mapKeys(errors_by_class) AS classes, mapValues(errors_by_class) AS counts, timed, within FROM core_request_slices"
        " WHERE batch_id = {batch:UUID}",
        batch=batch,
    )
    assert found.height == len(expected)
    for row in found.iter_rows(named=True):
        want = expected[
            row["slice_start"], *(row[k] for k in ("app_id", "environment", "version", "route", "kind"))
        ]
        classes = {
            name: number
            for (what, name), number in ((k, v) for k, v in want.items() if k[0] == "class")
            if number
        }
        assert dict(zip(row["classes"], row["counts"], strict=True)) == classes
        assert (row["requests"], row["errors"], row["timed"]) == (
            want["requests"],
            sum(classes.values()),
            want["timed"],
        )
        assert row["within"] == [want["within", place] for place in range(len(LADDER))]


def test_an_hour_is_the_sum_of_its_slices(fresh_warehouse: Warehouse) -> None:
    """Of one batch and the days asked for; every version and route together, ladders of other lengths apart."""
    chance, batch, hours = random.Random(3), new_batch_id(), new_batch_id()
    lines = []
    for place in range(120):
        at = DAY + timedelta(minutes=5 * chance.randrange(-30, 320))
        within = [chance.randint(0, 9) for _ in range(chance.choice((3, 3, 3, 4)))]
        lines.append(
            {
                "slice_start": at,
                "app_id": chance.choice(("a", "b")),
                "environment": chance.choice(("", "prod")),
                "version": f"{place % 3}",
                "route": f"{place}",
                "kind": chance.choice(("server", "consumer", "health")),
                "requests": chance.randint(1, 2**32 - 1),
                "errors": chance.randint(0, 2**32 - 1),
                "timed": chance.randint(0, 2**32 - 1),
                "within": within,
                "batch_id": str(batch if place % 4 else new_batch_id()),
            }
        )
    small = dict.fromkeys(("requests", "errors", "timed"), pl.UInt32)
    fresh_warehouse.insert(
        "core_request_slices", pl.DataFrame(lines).cast({**small, "within": pl.List(pl.UInt32)})
    )
    days = [DAY.date(), DAY.date() + timedelta(days=1)]
    fresh_warehouse.execute(
        "statements/core_request_hours",
        days=[day.isoformat() for day in days],
        slices_batch_id=batch,
        batch_id=hours,
    )
    want: dict[tuple[Any, ...], list[Any]] = {}
    for one in lines:
        if one["batch_id"] != str(batch) or one["slice_start"].date() not in days:
            continue
        key = (one["slice_start"].replace(minute=0), one["app_id"], one["environment"], one["kind"])
        found = want.setdefault((*key, len(one["within"])), [0, 0, 0, [0] * len(one["within"]), DAY])
        for number, name in enumerate(("requests", "errors", "timed")):
            found[number] += one[name]
        found[3] = [had + more for had, more in zip(found[3], one["within"], strict=True)]
        found[4] = max(found[4], one["slice_start"])
    got = fresh_warehouse.frame_of(
        "SELECT toDateTime64(hour, 6, 'UTC'), app_id, toString(environment), toString(kind), requests, errors, timed,"
        " within, toDateTime64(last_slice, 6, 'UTC') FROM core_request_hours WHERE batch_id = {batch:UUID}",
        batch=hours,
    ).rows()
    assert {(*line[:4], len(line[7])): list(line[4:]) for line in got} == want
    assert len(got) == len(want)


def test_a_day_is_published_again_only_if_its_telemetry_changed(
    fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    def at(day: int) -> Drawn:
        return Drawn(CASES[0], "shop", "", "", "", int(DAY.timestamp() + day * 86_400) * 10**9, MILLISECOND)

    def published(days: list[date] | None = None) -> tuple[list[date], int]:
        outcome = compute_slices(fresh_warehouse, Settings(tmp_path, tmp_path, tmp_path), days)
        return [one.period for one in outcome.releases], outcome.unchanged

    first, second = DAY.date(), DAY.date() + timedelta(days=1)
    insert(fresh_warehouse, [at(0), at(1)])
    assert published([second]) == ([second], 0)
    assert published() == ([first], 1)
    assert published() == ([], 2)
    insert(fresh_warehouse, [at(1)])
    assert published() == ([second], 1)


@pytest.mark.parametrize("statement", ["core_request_slices"])
def test_rare_routes_are_pooled_by_errors_then_requests_then_name(
    delivered: Warehouse, statement: str
) -> None:
    """The busiest, the one with errors and the first by name stay; the rest is one route without a name. Every app and day
    ranks on its own, and only those that are asked for are written."""
    plan: dict[tuple[str, int], dict[str, tuple[int, int]]] = {
        ("mill", 0): {"/busy": (1, 0), "/b": (2, 0), "/c": (2, 0), "/d": (2, 0), "/e": (2, 0), "/broken": (1, 0)},
        ("mill", 1): {"/busy": (1, 0), "/rare": (1, 0), "/z": (1, 0)},
        ("shop", 0): {"/busy": (30, 0), "/broken": (2, 1), "/a": (3, 0), "/b": (3, 0), "/c": (3, 0), "/rare": (1, 0)},
        ("mill", 2): {"/not asked for": (1, 0)},
        ("shop", 1): {"/busy": (1, 0), "/broken": (1, 0), "/a": (6, 0), "/b": (7, 0), "/c": (8, 0), "/rare": (9, 0)},
    }  # fmt: skip
    good, bad = Case("server", ""), Case("server", "error", status="Error")
    spans = []
    for (app, day), routes in plan.items():
        for route, (count, errors) in routes.items():
            for number in range(count):
                at = int(DAY.timestamp() + (31 + day) * 86_400) * 10**9 + len(spans)
                spans.append(Drawn(bad if number < errors else good, app, "", "", route, at, MILLISECOND))
    given = {
        "days": ["2026-04-03", "2026-04-04"],
        "bounds_ns": [MILLISECOND],
        "routes_kept": 3,
        "named_routes": [],
    }
    insert(delivered, spans)
    rows = delivered.frame_of(
        "SELECT app_id, toDayOfMonth(slice_start), toString(route), requests, errors, within FROM core_request_slices"
        " WHERE batch_id = {batch:UUID} ORDER BY 1, 2, 3",
        batch=sliced(delivered, statement, **given),
    ).rows()
    assert rows == [
        ("mill", 3, "", 4, 0, [4]),
        ("mill", 3, "/b", 2, 0, [2]),
        ("mill", 3, "/c", 2, 0, [2]),
        ("mill", 3, "/d", 2, 0, [2]),
        ("mill", 4, "/busy", 1, 0, [1]),
        ("mill", 4, "/rare", 1, 0, [1]),
        ("mill", 4, "/z", 1, 0, [1]),
        ("shop", 3, "", 7, 0, [7]),
        ("shop", 3, "/a", 3, 0, [3]),
        ("shop", 3, "/broken", 2, 1, [2]),
        ("shop", 3, "/busy", 30, 0, [30]),
        ("shop", 4, "", 8, 0, [8]),
        ("shop", 4, "/b", 7, 0, [7]),
        ("shop", 4, "/c", 8, 0, [8]),
        ("shop", 4, "/rare", 9, 0, [9]),
    ]
    # A route that an objective names is never pooled, with its method or without it; the others are as they were.
    named = ["mill\x1f/e", "shop\x1f/rare", "shop\x1fGET /busy", "nobody\x1f/d"]
    kept = delivered.frame_of(
        "SELECT app_id, toDayOfMonth(slice_start), toString(route), requests, errors, within FROM core_request_slices"
        " WHERE batch_id = {batch:UUID} ORDER BY 1, 2, 3",
        batch=sliced(delivered, statement, **{**given, "named_routes": named}),
    ).rows()
    pooled = {("mill", 3): [4, 2], ("shop", 3): [7, 6]}
    want = [
        (*one[:3], pooled[one[:2]][1], 0, [pooled[one[:2]][1]]) if one[2] == "" and one[:2] in pooled else one
        for one in rows
    ]
    want += [("mill", 3, "/e", 2, 0, [2]), ("shop", 3, "/rare", 1, 0, [1])]
    assert kept == sorted(want)


def test_the_ladder_holds_every_threshold_an_objective_names() -> None:
    advised = (5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
    assert advised == LADDER
    own = Objectives(
        30, tuple(Objective(str(ms), slo_defaults().lines[0].target, ms) for ms in (300, 500, 20_000))
    )
    ladder = requests.ladder_ms(request_slices(), own)
    assert ladder == (*advised[:7], 300, *advised[7:], 20_000)
    assert [requests.rung(ladder, ms) for ms in (5, 300, 500, 20_000)] == [1, 8, 9, 16]
    with pytest.raises(ModelError, match="301 ms is on no slice"):
        requests.rung(ladder, 301)


def own(warehouse: Warehouse, teams: dict[str, str]) -> None:
    """Publishes one objective of each app, so that it has a team."""
    batch = new_batch_id()
    row = {"as_of": DAY, "environment": "", "objective": "availability", "state": "page", "state_rank": 1}
    frame = pl.DataFrame(
        [{**row, "app_id": app, "team": team, "batch_id": str(batch)} for app, team in teams.items()]
    )
    warehouse.insert("mart_slo_status", frame)
    publish(
        warehouse, "slo", WHOLE_TABLE, batches={"mart_slo_status": batch}, rows=2, sha256="x", version=DAY
    )


def test_a_trace_is_named_for_what_went_wrong(delivered: Warehouse, spans: list[Drawn]) -> None:
    """The newest failed request and the slowest timed one of each version and route of the slices asked for alone."""
    own(delivered, {"shop": "alpha", "mill": "beta"})
    starts = sorted({one.at // (300 * 10**9) * 300 for one in spans})
    asked = {(app, start) for app in ("shop", "mill") for start in starts[:40:2]}
    want: dict[tuple[Any, ...], list[tuple[int, ...]]] = defaultdict(lambda: [(), ()])
    for number, one in enumerate(spans, 1):
        start = one.at // (300 * 10**9) * 300
        if one.case.kind in ("", "health") or one.app_id != "shop" or ("shop", start) not in asked:
            continue
        key = (one.app_id, one.environment, one.version, route_of(one), datetime.fromtimestamp(start, UTC))
        pair = want[key]
        if one.case.error:
            pair[0] = max(pair[0], (one.at, number))
        if one.case.kind == "server" and has_end(one.duration):
            pair[1] = max(pair[1], (one.duration, one.at, number))
    pairs = sorted(asked)
    parameters = {
        "apps": [app for app, _ in pairs],
        "slices": [f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}" for _, start in pairs],
        **POLICY,
    }
    frame = delivered.frame("queries/oncall/traces", teams=["alpha", "other"], **parameters)
    assert frame.rows() == [
        (*key, *(f"{one[-1]:032x}" if one else "" for one in pair)) for key, pair in sorted(want.items())
    ]
    assert any(not pair[0] for pair in want.values()) and any(not pair[1] for pair in want.values())
    assert delivered.frame("queries/oncall/traces", teams=["other"], **parameters).is_empty()


def test_a_trace_of_a_failed_load_is_not_named(delivered: Warehouse) -> None:
    own(delivered, {"shop": "alpha", "mill": "beta"})
    later = DAY + timedelta(days=40)
    frame = pl.DataFrame(
        {
            "Timestamp": [later],
            "TraceId": ["a" * 32],
            "SpanKind": ["Server"],
            "StatusCode": ["Error"],
            "ServiceName": ["shop"],
            "x_BatchId": [str(uuid.uuid4())],
        }
    )
    delivered.insert("otel.otel_traces", frame)
    asked = {"teams": ["alpha"], "apps": ["shop"], "slices": [f"{later:%Y-%m-%d %H:%M:%S}"], **POLICY}
    assert delivered.frame("queries/oncall/traces", **asked).is_empty()
    delivered.insert("otel.otel_traces", frame.drop("x_BatchId"))
    assert delivered.frame("queries/oncall/traces", **asked)["failed_trace"].to_list() == ["a" * 32]


def test_traces_are_read_by_the_primary_key(delivered: Warehouse) -> None:
    own(delivered, {"shop": "alpha", "mill": "beta"})
    plan = "\n".join(
        delivered.frame_of(
            f"EXPLAIN indexes = 1 {statement('queries/oncall/traces')}",
            teams=["alpha"],
            apps=["shop"],
            slices=["2026-03-03 00:00:00"],
            **POLICY,
        ).to_series()
    )
    assert re.search(r"Partition\s+Keys:[^C]*toDate\(Timestamp\)", plan), plan
    assert re.search(
        r"PrimaryKey\s+Keys:\s+app_id\s+toStartOfFiveMinutes\(Timestamp\)\s.*Condition:[^\n]*\(app_id, toStartOfFiveMinutes\(Timestamp\)\) in 1-element set",
        plan,
        re.DOTALL,
    ), plan
