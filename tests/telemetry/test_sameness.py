"""What counts once: spans, metric points and log records of one sender, whichever way and however often they came."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from models import requests
from models.policy import health_checks, request_errors
from sql.catalog import statement
from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import Load

DAY = "2026-01-01"


def count(warehouse: Warehouse, table: str) -> int:
    found: int = warehouse.frame_of(f"SELECT count() FROM otel.{table}").item()
    return found


def daily(warehouse: Warehouse) -> dict[str, tuple[int, int, int]]:
    """Spans, log records and metric points per app as the published table has them."""
    batch = new_batch_id()
    policy = requests.classification(request_errors(), health_checks())
    warehouse.execute(
        "statements/core_app_telemetry_daily", days=[DAY], batch_id=batch, slices_batch_id=batch, **policy
    )
    rows = warehouse.frame_of(
        "SELECT app_id, spans, logs, metric_points FROM core_app_telemetry_daily WHERE batch_id = {batch:UUID}",
        batch=batch,
    ).rows()
    return {app: (spans, logs, points) for app, spans, logs, points in rows}


def logs(*bodies: str, service: str = "shop", at: int = otlp.NOON, **more: Any) -> ExportLogsServiceRequest:
    """One message of log records that differ in their body alone."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend(otlp.pairs({"service.name": service}))
    scope = resource.scope_logs.add()
    for body in bodies:
        scope.log_records.add(time_unix_nano=at, body=otlp.any_value(body), **more)
    return request


def test_client_and_server_that_share_an_id_both_count(warehouse: Warehouse, load: Load) -> None:
    server = otlp.traces(2, kind=2)
    client = otlp.traces(2, kind=3)
    other_service = otlp.traces(1, kind=2, service="front")
    load(otlp.delimited(server, client, server))
    load(otlp.as_json(other_service) + otlp.as_json(client))
    assert count(warehouse, "otel_traces_current") == 5
    assert {app: figures[0] for app, figures in daily(warehouse).items()} == {"shop": 4, "front": 1}
    copies = warehouse.frame("queries/doctor/differing_copies")
    assert copies.select("differs_in", "spans", "copies", "example_apps").rows() == [
        ("app", 1, 2, ["front", "shop"])
    ]


def test_a_copy_at_another_time_counts_and_is_told(warehouse: Warehouse, load: Load) -> None:
    load(otlp.delimited(otlp.traces(3)))
    load(otlp.delimited(otlp.traces(3, start=otlp.NOON + otlp.SECOND)))
    load(otlp.as_json(otlp.traces(3)))
    assert count(warehouse, "otel_traces_current") == 6
    copies = warehouse.frame("queries/doctor/differing_copies")
    assert copies.select("differs_in", "spans", "copies").rows() == [("time", 3, 6)]


def test_of_differing_copies_the_same_one_is_read_whichever_came_first(
    warehouse: Warehouse, load: Load
) -> None:
    short, long = otlp.traces(1), otlp.traces(1, end_time_unix_nano=otlp.NOON + 9 * otlp.SECOND)
    load(otlp.delimited(long, short))
    load(otlp.delimited(long))
    assert warehouse.frame_of("SELECT Duration FROM otel.otel_traces_current").to_series().to_list() == [
        5_000_000
    ]


def test_equal_log_lines_of_a_message_count_and_a_resend_does_not(warehouse: Warehouse, load: Load) -> None:
    message = logs("tick", "tick", "tock", "tick")
    load(otlp.delimited(message))
    assert count(warehouse, "otel_logs_current") == 4
    load(otlp.as_json(message), "the same as JSON")
    load(otlp.delimited(message, message), "twice in one object")
    load(otlp.delimited(logs("tick", "tock", "new")), "packed anew, one line more")
    assert count(warehouse, "otel_logs") == 19
    bodies = warehouse.frame_of("SELECT Body FROM otel.otel_logs_current").to_series().to_list()
    assert Counter(bodies) == {"tick": 3, "tock": 1, "new": 1}
    assert daily(warehouse)["shop"][1] == 5


DIFFERENCES: list[dict[str, Any]] = [
    {"service": "cart"},
    {"at": otlp.NOON + 1},
    {"severity_number": 9},
    {"observed_time_unix_nano": otlp.NOON + 5},
    {"trace_id": b"\x01" * 16},
    {"event_name": "e"},
    {"attributes": otlp.pairs({"k": 1})},
]


def test_a_log_record_that_differs_in_anything_counts(warehouse: Warehouse, load: Load) -> None:
    pairs = [(logs(f"tick {n}"), logs(f"tick {n}", **other)) for n, other in enumerate(DIFFERENCES)]
    load(otlp.delimited(*(one for one, _ in pairs)))
    load(otlp.delimited(*(other for _, other in pairs)))
    counted = warehouse.frame_of("SELECT Body, count() FROM otel.otel_logs_current GROUP BY Body").rows()
    assert dict(counted) == {f"tick {n}": 2 for n in range(len(DIFFERENCES))}


def test_lines_a_collector_inserted_directly_all_count(warehouse: Warehouse) -> None:
    for _ in range(2):
        warehouse.execute_text(
            "INSERT INTO otel.otel_logs (Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber,"
            " ServiceName, Body, ResourceAttributes, LogAttributes)"
            " SELECT '2026-01-01 12:00:00', '', '', 0, '', 0, 'direct', 'tick', map(), map() FROM numbers(3)"
        )
    assert count(warehouse, "otel_logs_current") == 6


def test_metric_points_of_two_resources_and_two_times_count(warehouse: Warehouse, load: Load) -> None:
    one, other, again = otlp.rich_metrics(), otlp.rich_metrics(), otlp.metrics_of("gauge")
    for request in (other, again):
        request.resource_metrics[0].resource.attributes.extend(otlp.pairs({"host.name": "b"}))
    load(otlp.delimited(one, other, one))
    load(otlp.as_json(again))
    assert count(warehouse, "otel_metrics_gauge_current") == 6
    assert daily(warehouse)["shop"][2] == 16


ALIKE = """
INSERT INTO otel.otel_traces
    (Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes, Duration, StatusCode)
WITH 'app-' || toString(cityHash64(number, 3) % 3) AS app
SELECT
    toDateTime64('2026-01-01', 9, 'UTC') + toIntervalHour(cityHash64(number, 1) % 48 + 2), toString(cityHash64(number, 4) % 2),
    ['', 'a', 'b'][cityHash64(number, 2) % 3 + 1], 'GET', ['Server', 'Client'][cityHash64(number, 5) % 2 + 1],
    app, map('service.name', app, 'row', toString(number)), map('http.route', '/x'), cityHash64(number, 6) % 3,
    ['Unset', 'Error'][cityHash64(number, 7) % 2 + 1]
FROM numbers({spans:UInt64})
"""
"""Spans that agree in some of what makes them one, in all of it, or in nothing."""


def test_what_is_counted_by_days_is_what_the_view_has(warehouse: Warehouse) -> None:
    """``shared/spans_once`` ranks only what may be a copy; every span it has is one of the view's, and the other way round."""
    warehouse.execute_text(ALIKE, spans=600)
    columns = "app_id, environment, Timestamp, TraceId, SpanId, SpanKind, ServiceName, has_end, Duration, StatusCode"
    days = ["2026-01-01", "2026-01-02"]
    by_days = warehouse.frame_of(
        f"WITH {statement('shared/spans_once')} SELECT {columns} FROM spans_once", days=days
    )
    by_view = warehouse.frame_of(
        f"SELECT {columns} FROM otel.otel_traces_current WHERE toDate(Timestamp) IN {{days:Array(Date)}}",
        days=days,
    )
    assert 200 < len(by_view) < 600, "some are copies, some are not"
    assert Counter(by_days.rows()) == Counter(by_view.rows())


def granules(warehouse: Warehouse, query: str, **values: Any) -> tuple[int, int]:
    """Granules of the table read, and all of them, as the plan says."""
    plan = "\n".join(warehouse.frame_of(f"EXPLAIN indexes = 1 {query}", **values).to_series())
    found = [(int(read), int(of)) for read, of in re.findall(r"Granules: (\d+)/(\d+)", plan)]
    return found[-1][0], max(of for _, of in found)


FILL = """
INSERT INTO otel.otel_traces
    (Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes, Duration, StatusCode)
WITH 'app-' || toString(cityHash64(number, 3) % {apps:UInt64}) AS app
SELECT
    toDateTime64('2026-01-01', 9, 'UTC') + toIntervalNanosecond(cityHash64(number, 1) % 259200000000000),
    hex(sipHash128(number)), hex(cityHash64(number, 2)), 'GET /' || toString(number % 7), if(number % 2, 'Server', 'Client'),
    app, map('service.name', app), map('http.route', '/x'), number % 1000000, 'Unset'
FROM numbers({spans:UInt64})
"""


def fill(warehouse: Warehouse, spans: int, apps: int) -> None:
    """Spans of many apps over three days, every hundredth of them delivered twice, merged."""
    warehouse.execute_text(FILL, spans=spans, apps=apps)
    warehouse.execute_text(
        "INSERT INTO otel.otel_traces SELECT * FROM otel.otel_traces WHERE cityHash64(SpanId) % 100 = 0"
    )
    warehouse.execute_text("OPTIMIZE TABLE otel.otel_traces FINAL")


HOUR = (
    "SELECT count() FROM otel.otel_traces_current WHERE app_id = 'app-17'"
    " AND Timestamp >= '2026-01-02 10:00:00' AND Timestamp < '2026-01-02 11:00:00'"
)


def test_one_apps_hour_is_found_by_the_primary_key(warehouse: Warehouse, load: Load) -> None:
    fill(warehouse, 120_000, 200)
    read, of = granules(warehouse, HOUR)
    assert of >= 15
    assert read <= 2
    assert count(warehouse, "otel_traces") > 120_000
    assert count(warehouse, "otel_traces_current") == 120_000
    load(otlp.delimited(otlp.rich_logs()))
    load(otlp.delimited(otlp.metrics_of("sum")))
    for view, time in (("otel_logs_current", "Timestamp"), ("otel_metrics_sum_current", "TimeUnix")):
        plan = "\n".join(
            warehouse.frame_of(
                f"EXPLAIN indexes = 1 SELECT count() FROM otel.{view} WHERE app_id = 'shop' AND {time} > '2026-01-01 00:00:00'"
            ).to_series()
        )
        assert re.search(r"PrimaryKey\s+Keys:\s+app_id\s.*Condition:[^\n]*app_id in", plan, re.DOTALL), view


@pytest.mark.slow
def test_one_apps_hour_reads_a_hundredth_of_a_large_table(warehouse: Warehouse) -> None:
    fill(warehouse, 3_000_000, 4_200)
    read, of = granules(warehouse, HOUR)
    assert of >= 150
    assert read / of <= 0.01
    assert count(warehouse, "otel_traces_current") == 3_000_000
