"""One request must become the same rows whichever way its bytes came."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pipelines.ingest.telemetry.frames import sniffed_signal
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import TABLES, Load

Encode = Callable[[Any], bytes]
REQUESTS: dict[str, Callable[[], Message]] = {
    "traces": otlp.rich_traces,
    "logs": otlp.rich_logs,
    "metrics": otlp.rich_metrics,
}
LINES: tuple[Encode, ...] = (
    otlp.as_json,
    lambda request: otlp.as_json(request, ids="hex", enums="numbers"),
    lambda request: otlp.with_numbers(otlp.as_json(request, ids="HEX")),
    otlp.as_snake_json,
)
"""JSON in every spelling, a line each."""


def in_lines(request: Message) -> bytes:
    return b"".join(encode(request) for encode in LINES)


SHAPES: dict[str, tuple[Encode, int]] = {
    "json lines in every spelling": (in_lines, len(LINES)),
    "protobuf, length-prefixed": (otlp.prefixed, 1),
    # These have nothing to do with what is inside: tried with traces only.
    "protobuf, varint-delimited": (otlp.delimited, 1),
    "protobuf, gzip": (lambda request: gzip.compress(request.SerializeToString()), 1),
    "json, pretty-printed, gzip": (lambda request: gzip.compress(otlp.as_json(request, indent=2)), 1),
    "json, nothing but snake case": (otlp.as_snake_json, 1),
}
"""How the bytes of a request are made, and how often it is in them."""
CURRENT = {"traces": [3], "logs": [3], "metrics": [3, 1, 1, 2, 1]}
"""Records of the request by table, each counted once."""


def tables_of(signal: str) -> list[str]:
    return [table for table in TABLES if table.startswith(f"otel_{signal}")]


def rows(warehouse: Warehouse, signal: str, object_name: str) -> Counter[bytes]:
    """Every cell one object gave but the batch id, as the engine writes it."""
    found: Counter[bytes] = Counter()
    for table in tables_of(signal):
        text = warehouse.text(
            f"SELECT * EXCEPT (x_BatchId), app_id, environment FROM otel.{table} WHERE x_BatchId IN"
            " (SELECT batch_id FROM raw_deliveries WHERE object_name = {name:String})",
            "JSONEachRow",
            name=object_name,
        )
        found.update(table.encode() + line for line in text.splitlines())
    return found


@pytest.mark.parametrize("signal", REQUESTS)
def test_every_shape_gives_the_same_rows_and_they_count_once(
    warehouse: Warehouse, load: Load, signal: str
) -> None:
    request = REQUESTS[signal]()
    count = sum(CURRENT[signal])
    first: Counter[bytes] = Counter()
    for shape, (encode, times) in list(SHAPES.items())[: None if signal == "traces" else 2]:
        outcome = load(encode(request), shape)
        told = (outcome.state, outcome.rejected, outcome.rows)
        assert told == ("loaded", 0, {signal: times * count}), shape
        found = rows(warehouse, signal, shape)
        first = first or Counter({row: number // times for row, number in found.items()})
        assert found == Counter({row: times * number for row, number in first.items()}), shape
    assert first.total() == count
    current = [
        warehouse.frame_of(f"SELECT count() FROM otel.{one}_current").item() for one in tables_of(signal)
    ]
    assert current == CURRENT[signal]


def test_attributes_have_one_text(warehouse: Warehouse, load: Load) -> None:
    load(otlp.delimited(otlp.rich_traces()))
    found = warehouse.frame_of(
        "SELECT pair.1, pair.2 FROM otel.otel_traces"
        " ARRAY JOIN CAST(SpanAttributes, 'Array(Tuple(String, String))') AS pair WHERE StatusCode = 'Error'"
    ).rows()
    assert dict(found) == {key: text for key, (_, text) in otlp.VALUES.items()}


def test_cells_of_spans(warehouse: Warehouse, load: Load) -> None:
    load(otlp.as_json(otlp.rich_traces()))
    found = warehouse.frame_of(
        "SELECT TraceId, SpanId, ParentSpanId, toString(SpanKind), toString(StatusCode), StatusMessage, Duration,"
        " toString(app_id), toString(environment), toUnixTimestamp64Nano(Timestamp),"
        " arrayMap(t -> toUnixTimestamp64Nano(t), `Events.Timestamp`), toString(`Events.Attributes`), `Links.TraceId`"
        " FROM otel.otel_traces_current ORDER BY Timestamp"
    ).rows()
    start = otlp.NOON + 1_000_000
    assert found == [
        (
            "ab" + "0" * 29 + "1",
            "cd" + "0" * 13 + "1",
            "11" * 8,
            "Server",
            "Error",
            "boom",
            5_000_000,
            "shop",
            "prod",
            start,
            [otlp.NOON + 7, start],
            "[{'exception.type':'E','nested':'{\"k\":[1,2]}'},{}]",
            ["22" * 16],
        ),
        *(
            (
                "ab" + "0" * 29 + str(n),
                "cd" + "0" * 13 + str(n),
                "",
                kind,
                status,
                "",
                duration,
                app,
                "prod",
                otlp.NOON + n * 1_000_000,
                [],
                "[]",
                [],
            )
            for n, kind, status, duration, app in (
                (2, "Consumer", "Ok", 5_000_000, "checkout"),
                (3, "Unspecified", "Unset", 0, "shop"),
            )
        ),
    ]


def test_cells_of_logs(warehouse: Warehouse, load: Load) -> None:
    load(otlp.rich_logs().SerializeToString())
    found = warehouse.frame_of(
        "SELECT toUnixTimestamp64Nano(Timestamp), toUnixTimestamp(TimestampTime), TraceFlags, SeverityNumber, Body,"
        " EventName, toString(app_id), TraceId FROM otel.otel_logs_current ORDER BY Timestamp"
    ).rows()
    second = otlp.NOON // otlp.SECOND
    assert found == [
        (otlp.NOON, second, 1, 10, "text", "page_view", "cart", "44" * 16),
        (otlp.NOON + 2, second, 0, 24, '{"a":[1,"b"]}', "", "cart", ""),
        (otlp.NOON + 3, second, 0, 0, "", "", "cart", ""),
    ]


def test_cells_of_metrics(warehouse: Warehouse, load: Load) -> None:
    load(otlp.rich_metrics().SerializeToString())

    def one(text: str) -> list[tuple[Any, ...]]:
        return warehouse.frame_of(text).rows()

    assert one("SELECT Value, Flags FROM otel.otel_metrics_gauge_current ORDER BY Value") == [
        (-1.5, 0),
        (0.0, 1),
        (7.0, 0),
    ]
    assert one(
        "SELECT Value, AggregationTemporality, IsMonotonic, `Exemplars.Value`, `Exemplars.TraceId`,"
        " ScopeDroppedAttrCount, toString(ScopeAttributes) FROM otel.otel_metrics_sum_current"
    ) == [(9_007_199_254_740_993.0, 2, True, [3.0], ["77" * 16], 3, "{'scope':'[1]'}")]
    assert one(
        "SELECT Count, Sum, Min, Max, BucketCounts, ExplicitBounds FROM otel.otel_metrics_histogram_current ORDER BY Count"
    ) == [(0, 0.0, 0.0, 0.0, [], []), (3, 4.5, 0.5, 2.5, [1, 2, 0], [1.0, 10.0])]
    assert one(
        "SELECT Scale, ZeroCount, PositiveOffset, PositiveBucketCounts, NegativeOffset, NegativeBucketCounts, Max"
        " FROM otel.otel_metrics_exponential_histogram_current"
    ) == [(-3, 1, 2, [1, 2], -4, [2], 1e300)]
    assert one(
        "SELECT `ValueAtQuantiles.Quantile`, `ValueAtQuantiles.Value` FROM otel.otel_metrics_summary_current"
    ) == [([0.5, 0.99], [1.0, 2.0])]


EXEMPLARS = (
    {"time_unix_nano": otlp.NOON + 5, "as_int": -3, "span_id": b"\x66" * 8, "trace_id": b"\x77" * 16},
    {"as_double": 0.25},
    {"time_unix_nano": otlp.NOON + 7},
)


@pytest.mark.parametrize(
    "packed", [pytest.param(otlp.prefixed, marks=pytest.mark.slow), otlp.as_json], ids=["protobuf", "json"]
)
def test_exemplars_are_those_of_the_point(
    warehouse: Warehouse, load: Load, packed: Callable[..., bytes]
) -> None:
    """One without a time has that of its point, one without a value or an id has none of them."""
    kinds = ("gauge", "sum", "histogram", "exponential_histogram")
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for kind in kinds:
        point = getattr(metrics.add(name="m"), kind).data_points.add(time_unix_nano=otlp.NOON + otlp.SECOND)
        for given in EXEMPLARS:
            point.exemplars.add(**given)
    load(packed(request))
    for kind in kinds:
        found = warehouse.frame_of(
            "SELECT arrayMap(t -> toUnixTimestamp64Nano(t), `Exemplars.TimeUnix`), `Exemplars.Value`,"
            f" `Exemplars.SpanId`, `Exemplars.TraceId` FROM otel.otel_metrics_{kind}_current"
        ).rows()
        assert found == [
            (
                [otlp.NOON + 5, otlp.NOON + otlp.SECOND, otlp.NOON + 7],
                [-3.0, 0.25, 0.0],
                ["66" * 8, "", ""],
                ["77" * 16, "", ""],
            )
        ], kind


def test_one_json_lines_object_may_mix_signals(warehouse: Warehouse, load: Load) -> None:
    lines = b"".join(
        (
            otlp.as_json(otlp.metrics_of("gauge")),
            b'{"resourceLogs":[]}\n\n{"resourceSpans":[{"resource":{},"scopeSpans":[]}]}\n',
            otlp.as_json(otlp.rich_logs()),
            otlp.as_json(otlp.rich_traces()),
        )
    )
    outcome = load(lines)
    assert outcome.rows == {"traces": 3, "metrics": 3, "logs": 3}
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item() == 3
    assert warehouse.frame_of("SELECT uniqExact(batch_id) FROM raw_deliveries").item() == 1
    assert load(b'{"resourceLogs":[]}\n').rows == {"logs": 0}


@pytest.mark.parametrize("signal", REQUESTS)
def test_the_signal_of_protobuf_is_seen(signal: str) -> None:
    assert sniffed_signal(REQUESTS[signal]().SerializeToString()) == signal


DAYS_APART = (0, 1, 40)


def test_points_of_several_days_count_once_each(warehouse: Warehouse, load: Load) -> None:
    """Every kind of metric: neither the first day nor the last is lost, and none between them."""
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    moments = [otlp.NOON - day * 86_400 * otlp.SECOND for day in DAYS_APART]
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for kind in kinds:
        points = getattr(metrics.add(name=f"days of {kind}"), kind).data_points
        for moment in moments:
            points.add(time_unix_nano=moment)
        points.add(time_unix_nano=7)  # before 2000: set aside, in no window
    load(request.SerializeToString())
    for kind in kinds:
        told = warehouse.frame_of(
            "SELECT toUnixTimestamp64Nano(TimeUnix) AS moment FROM"
            f" otel.otel_metrics_{kind} WHERE MetricName = 'days of {kind}' ORDER BY moment"
        )
        assert told["moment"].to_list() == sorted(moments), kind
