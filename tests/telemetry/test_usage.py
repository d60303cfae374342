"""What telemetry measures of an app in an hour, beside a hand count: sampled spans, counters that begin anew, gauges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from models import requests
from models.policy import health_checks, request_errors, request_slices, shared_cost_policy
from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import Load

DAY = "2026-01-01"
HOUR = 3600 * otlp.SECOND
DELTA, CUMULATIVE = 1, 2


def usage(warehouse: Warehouse) -> dict[tuple[int, str, str], tuple[Decimal, int]]:
    """(hour of the day, app, measure) -> quantity and what was counted."""
    batch = new_batch_id()
    policy = requests.classification(request_errors(), health_checks())
    warehouse.execute(
        "statements/core_app_usage_hours",
        rate_attributes=list(request_slices().rate_attributes),
        days=[DAY],
        batch_id=batch,
        slices_batch_id=new_batch_id(),
        **requests.measuring(policy, shared_cost_policy()),
    )
    rows = warehouse.frame_of(
        "SELECT toHour(hour) AS at, app_id, toString(measure), quantity, counted FROM core_app_usage_hours"
        " WHERE batch_id = {batch:UUID} AND toDate(hour) = '2026-01-01'",
        batch=batch,
    ).rows()
    return {row[:3]: row[3:] for row in rows}


@pytest.mark.parametrize(
    ("state", "stands_for"),
    [
        ("", Decimal(1)),
        ("ot=th:0", Decimal(1)),
        ("ot=th:8", Decimal(2)),
        ("ot=rv:abcdef;th:c", Decimal(4)),
        ("vendor=x, ot=th:fd70a4", Decimal(2**24 * 10**9 // (2**24 - 0xFD70A4)).scaleb(-9)),
        ("other=th:8", Decimal(1)),
        ("ot=th:zz", Decimal(1)),
    ],
)
def test_a_sampled_span_stands_for_those_left_out(
    warehouse: Warehouse, load: Load, state: str, stands_for: Decimal
) -> None:
    load(
        otlp.delimited(
            otlp.traces(3, kind=2, trace_state=state), otlp.traces(2, kind=1, trace_state=state, first=9)
        )
    )
    found = usage(warehouse)
    assert found[12, "shop", "requests"] == (3 * stands_for, 3)
    assert found[12, "shop", "span_seconds"] == (
        (5 * stands_for * Decimal("0.005")).quantize(Decimal("1e-9"), "ROUND_DOWN"),
        5,
    )


def points(name: str, values: list[tuple[int, int, float]], temporality: int, monotonic: bool = True) -> Any:
    """One counter: (time, start, value) of each point."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(otlp.pairs({"service.name": "shop"}))
    metric = resource.scope_metrics.add().metrics.add(name=name)
    metric.sum.aggregation_temporality = temporality
    metric.sum.is_monotonic = monotonic
    for at, start, value in values:
        metric.sum.data_points.add(time_unix_nano=at, start_time_unix_nano=start, as_double=value)
    return request


def test_metrics_count_what_grew_and_what_was_held(warehouse: Warehouse, load: Load) -> None:
    noon, before = otlp.NOON, otlp.NOON - 13 * HOUR
    cpu = points(
        "process.cpu.time",
        [
            (before, before - HOUR, 100.0),  # the day before
            (noon, before - HOUR, 107.5),  # grew by 7.5
            (noon + HOUR, before - HOUR, 3.0),  # fell: began anew
            (noon + 2 * HOUR, noon + 2 * HOUR - 1, 50.0),  # says that it began anew
        ],
        CUMULATIVE,
    )
    network = points("container.network.io", [(noon, 0, 10.0), (noon + 1, 0, 20.0)], DELTA)
    first = points(
        "k8s.pod.cpu.time", [(noon, noon - 9 * HOUR, 999.0)], CUMULATIVE
    )  # whatever it was before: unknown
    stored = points(
        "container.filesystem.usage",
        [(noon, 0, 100.0), (noon + 1, 0, 300.0), (noon + HOUR, 0, 7.0), (noon + 2 * HOUR, 0, -5.0)],
        CUMULATIVE,
        monotonic=False,
    )
    load(otlp.delimited(cpu, network, first, stored))
    assert usage(warehouse) == {
        (12, "shop", "cpu_seconds"): (Decimal("7.5"), 1),
        (13, "shop", "cpu_seconds"): (Decimal(3), 1),
        (14, "shop", "cpu_seconds"): (Decimal(50), 1),
        (12, "shop", "network_bytes"): (Decimal(30), 2),
        (12, "shop", "storage_byte_hours"): (Decimal(200), 2),
        (13, "shop", "storage_byte_hours"): (Decimal(7), 1),
    }
