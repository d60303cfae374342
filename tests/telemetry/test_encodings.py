"""One request must become the same rows whichever way its bytes came."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pipelines.ingest.telemetry.frames import sniffed_signal
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import TABLES, Load

REQUESTS = {"traces": otlp.rich_traces, "logs": otlp.rich_logs, "metrics": otlp.rich_metrics}
SHAPES = {
    "json, base64 ids, enum names": lambda r: otlp.as_json(r),
    "json, hex ids, enum numbers": lambda r: otlp.as_json(r, ids="hex", enums="numbers"),
    "json, HEX ids, integers as numbers": lambda r: otlp.with_numbers(otlp.as_json(r, ids="HEX")),
    "json, pretty-printed": lambda r: otlp.as_json(r, indent=2),
    "json, snake case": otlp.as_snake_json,
    "json, gzip": lambda r: gzip.compress(otlp.as_json(r)),
    "protobuf": lambda r: r.SerializeToString(),
    "protobuf, gzip": lambda r: gzip.compress(r.SerializeToString()),
    "protobuf, varint-delimited": otlp.delimited,
    "protobuf, length-prefixed": otlp.prefixed,
}


SIGNAL_FREE = ("json, pretty-printed", "json, gzip", "protobuf, gzip", "protobuf, varint-delimited")
"""Shapes that have nothing to do with what is inside: tried with traces only."""


def rows(warehouse: Warehouse, signal: str, object_name: str) -> dict[str, bytes]:
    """Every cell one object gave but the batch id, as the engine writes it."""
    tables = {"traces": TABLES[:1], "logs": TABLES[1:2], "metrics": TABLES[2:]}[signal]
    return {
        table: warehouse.text(
            f"SELECT * EXCEPT (x_BatchId), app_id, environment FROM otel.{table} WHERE x_BatchId IN"
            " (SELECT batch_id FROM raw_deliveries WHERE object_name = {name:String}) ORDER BY ALL",
            "JSONEachRow",
            name=object_name,
        )
        for table in tables
    }


@pytest.mark.parametrize("signal", REQUESTS)
def test_every_shape_gives_the_same_rows(warehouse: Warehouse, load: Load, signal: str) -> None:
    request = REQUESTS[signal]()
    count = {"traces": 3, "logs": 3, "metrics": 8}[signal]
    seen: dict[str, dict[str, bytes]] = {}
    for shape, encode in SHAPES.items():
        if signal != "traces" and shape in SIGNAL_FREE:
            continue
        outcome = load(encode(request), shape)
        assert (outcome.state, outcome.rejected, outcome.rows) == ("loaded", 0, {signal: count}), shape
        seen[shape] = rows(warehouse, signal, shape)
    first = seen.pop("protobuf")
    assert sum(text.count(b"\n") for text in first.values()) == count
    for shape, found in seen.items():
        assert found == first, shape


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
    load(otlp.prefixed(otlp.rich_metrics()))

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


@pytest.mark.parametrize("kind", ["gauge", "sum", "histogram", "exponential_histogram"])
@pytest.mark.parametrize("packed", [otlp.prefixed, otlp.as_json], ids=["protobuf", "json"])
def test_exemplars_are_those_of_the_point(
    warehouse: Warehouse, load: Load, kind: str, packed: Callable[..., bytes]
) -> None:
    """One without a time has that of its point, one without a value or an id has none of them."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    point = getattr(metric, kind).data_points.add(time_unix_nano=otlp.NOON + otlp.SECOND)
    for given in EXEMPLARS:
        point.exemplars.add(**given)
    load(packed(request))
    [cells] = warehouse.frame_of(
        "SELECT arrayMap(t -> toUnixTimestamp64Nano(t), `Exemplars.TimeUnix`), `Exemplars.Value`,"
        f" `Exemplars.SpanId`, `Exemplars.TraceId` FROM otel.otel_metrics_{kind}_current"
    ).rows()
    assert cells == (
        [otlp.NOON + 5, otlp.NOON + otlp.SECOND, otlp.NOON + 7],
        [-3.0, 0.25, 0.0],
        ["66" * 8, "", ""],
        ["77" * 16, "", ""],
    )


def test_one_json_lines_object_may_mix_signals(warehouse: Warehouse, load: Load) -> None:
    lines = b"".join(
        (
            otlp.as_json(otlp.rich_metrics()),
            b'{"resourceLogs":[]}\n\n{"resourceSpans":[{"resource":{},"scopeSpans":[]}]}\n',
            otlp.as_json(otlp.rich_logs()),
            otlp.as_json(otlp.rich_traces()),
        )
    )
    outcome = load(lines)
    assert outcome.rows == {"traces": 3, "metrics": 8, "logs": 3}
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item() == 3
    assert warehouse.frame_of("SELECT uniqExact(batch_id) FROM raw_deliveries").item() == 1
    assert load(b'{"resourceLogs":[]}\n').rows == {"logs": 0}


@pytest.mark.parametrize("signal", REQUESTS)
def test_the_signal_of_protobuf_is_seen(signal: str) -> None:
    assert sniffed_signal(REQUESTS[signal]().SerializeToString()) == signal


def test_metric_points_and_spans_count_once_across_objects(warehouse: Warehouse, load: Load) -> None:
    for request in (otlp.rich_traces(), otlp.rich_metrics()):
        load(otlp.as_json(request))
        load(otlp.delimited(request, request))
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces").item() == 9
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item() == 3
    counts = [warehouse.frame_of(f"SELECT count() FROM otel.{table}_current").item() for table in TABLES[2:]]
    assert counts == [3, 1, 1, 2, 1]


DAYS_APART = range(130)
"""More days than an insert takes: it has a hundred partitions at most, so the object is loaded in two."""


def test_points_of_many_days_count_once_each(warehouse: Warehouse, load: Load) -> None:
    """Every kind of metric: no point is lost or doubled where a load is split by day."""
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
