"""Real OTLP, counted a second time by a few lines of plain Python that share nothing with the load path."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models import requests
from models.policy import health_checks, request_errors, request_slices
from models.settings import Settings, TelemetrySource
from pipelines.ingest.telemetry import TelemetryOutcome, ingest_source
from sql.opening import open_warehouse
from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.conftest import Migrated

Spans = list[tuple[str, dict[str, Any]]]
KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
TABLE_OF_KIND = {
    "gauge": "otel_metrics_gauge",
    "sum": "otel_metrics_sum",
    "histogram": "otel_metrics_histogram",
    "exponentialHistogram": "otel_metrics_exponential_histogram",
    "summary": "otel_metrics_summary",
}


@pytest.fixture(scope="module")
def loaded(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> Iterator[tuple[Warehouse, TelemetryOutcome, TelemetryOutcome]]:
    """All of shared/data/otlp read as one source, twice."""
    root = migrated(tmp_path_factory.mktemp("workspace"))
    settings = Settings(root=root, catalog=root, teams=root)
    source = TelemetrySource("real", "otlp", str(shared_data / "otlp" / "*" / "*.json*"))
    with open_warehouse(root) as warehouse:
        yield (
            warehouse,
            ingest_source(warehouse, settings, source),
            ingest_source(warehouse, settings, source),
        )


def messages(folder: Path) -> Iterator[dict[str, Any]]:
    """Every message below a folder, decoded."""
    for path in sorted(folder.glob("*.json*")):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if path.suffix == ".json":
            yield json.loads(text)
        else:
            yield from (json.loads(line) for line in text.splitlines())


def service(resource: dict[str, Any]) -> str:
    attributes = resource.get("resource", {}).get("attributes", [])
    return next((one["value"]["stringValue"] for one in attributes if one["key"] == "service.name"), "")


@pytest.fixture(scope="module")
def nezha(shared_data: Path) -> Spans:
    """Service and span of each of Nezha's spans, decoded once."""
    return list(spans(shared_data / "otlp" / "nezha"))


def spans(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for message in messages(folder):
        for resource in message.get("resourceSpans", []):
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield service(resource), span


def points(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Service, table and metric name of every metric point."""
    for message in messages(folder):
        for resource in message.get("resourceMetrics", []):
            for scope in resource["scopeMetrics"]:
                for metric in scope["metrics"]:
                    for kind in KINDS:
                        for _ in metric.get(kind, {}).get("dataPoints", []):
                            yield service(resource), TABLE_OF_KIND[kind], metric["name"]


def logs(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for message in messages(folder):
        for resource in message.get("resourceLogs", []):
            for scope in resource["scopeLogs"]:
                for record in scope["logRecords"]:
                    yield service(resource), record


def counter(warehouse: Warehouse, text: str) -> Counter[Any]:
    """A result whose last column is a count."""
    return Counter({row[:-1] if len(row) > 2 else row[0]: row[-1] for row in warehouse.frame_of(text).rows()})


def test_nezha_is_delivered_whole_and_each_span_counts_once(loaded: Any, nezha: Spans) -> None:
    warehouse, _, _ = loaded
    delivered = [(name, span["traceId"], span["spanId"]) for name, span in nezha]
    assert len(delivered) == 110_649
    distinct = set(delivered)
    assert len({ids[1:] for ids in distinct}) == len(distinct) == 109_943
    assert (
        warehouse.frame_of(
            "SELECT count() FROM otel.otel_traces WHERE toDate(Timestamp) = '2022-08-22'"
        ).item()
        == 110_649
    )
    assert counter(
        warehouse,
        "SELECT toString(ServiceName), count() FROM otel.otel_traces_current"
        " WHERE toDate(Timestamp) = '2022-08-22' GROUP BY 1",
    ) == Counter(name for name, _, _ in distinct)


def test_nezha_counts_per_service_and_hour(loaded: Any, nezha: Spans) -> None:
    warehouse, _, _ = loaded
    expected: dict[tuple[str, datetime], set[tuple[str, str]]] = {}
    for name, span in nezha:
        hour = datetime.fromtimestamp(int(span["startTimeUnixNano"]) // 3_600_000_000_000 * 3600, UTC)
        expected.setdefault((name, hour), set()).add((span["traceId"], span["spanId"]))
    counted = {
        (row["service_name"], row["hour"]): row["records"]
        for row in warehouse.frame("queries/telemetry/counts_per_service_hour").iter_rows(named=True)
        if row["signal"] == "traces" and row["hour"].year == 2022
    }
    assert counted == {key: len(ids) for key, ids in expected.items()}


def test_nezha_front_end_percentile_and_slices(loaded: Any, nezha: Spans) -> None:
    warehouse, _, _ = loaded
    roots = {
        (span["traceId"], span["spanId"]): (int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        for name, span in nezha
        if name == "frontend" and span["kind"] == 2
    }
    durations = sorted(end - start for start, end in roots.values())
    assert len(durations) == 2_984  # of 2,997 delivered
    batch = new_batch_id()
    policy = requests.classification(request_errors(), health_checks())
    warehouse.execute(
        "statements/core_app_telemetry_daily",
        days=["2022-08-22"],
        batch_id=batch,
        slices_batch_id=batch,
        **policy,
    )
    row = warehouse.frame_of(
        "SELECT requests, errors, duration_p50_ms, duration_p95_ms FROM core_app_telemetry_daily"
        " WHERE app_id = 'frontend' AND batch_id = {batch:UUID}",
        batch=batch,
    ).row(0)
    exact = [durations[int(level * len(durations))] / 1e6 for level in (0.5, 0.95)]
    assert row == (2_984, 0, *exact)

    bounds = [1_000_000, 20_000_000, 500_000_000]
    warehouse.execute(
        "statements/core_request_slices",
        days=["2022-08-22"],
        batch_id=batch,
        **policy,
        bounds_ns=bounds,
        routes_kept=2,
        named_routes=[],
        **requests.sampling(request_slices()),
    )
    expected: Counter[tuple[int, str]] = Counter()
    for start, end in roots.values():
        slice_start = start // 300_000_000_000 * 300
        expected[slice_start, "requests"] += 1
        for bound in bounds:
            expected[slice_start, f"within {bound}"] += end - start <= bound
    found = warehouse.frame_of(
        "SELECT toUnixTimestamp(slice_start) AS start, sum(requests) AS requests, sumForEach(within) AS within"
        " FROM core_request_slices WHERE app_id = 'frontend' AND batch_id = {batch:UUID} GROUP BY 1",
        batch=batch,
    )
    assert {
        (row["start"], name): value
        for row in found.iter_rows(named=True)
        for name, value in [
            ("requests", row["requests"]),
            *((f"within {bound}", count) for bound, count in zip(bounds, row["within"], strict=True)),
        ]
    } == dict(expected)


@pytest.mark.parametrize("folder", ["elastic-loadgen", "proto-examples"])
def test_metric_points_load_whole(loaded: Any, shared_data: Path, folder: str) -> None:
    warehouse, _, _ = loaded
    year = {"elastic-loadgen": 2024, "proto-examples": 2018}[folder]
    expected = Counter((name, table) for name, table, _ in points(shared_data / "otlp" / folder))
    found: Counter[tuple[str, str]] = Counter()
    for table in TABLE_OF_KIND.values():
        for name, count in warehouse.frame_of(
            f"SELECT toString(ServiceName), count() FROM otel.{table}_current"
            f" WHERE toYear(TimeUnix) = {year} GROUP BY 1"
        ).rows():
            found[name, table] = count
    assert found == expected
    assert expected.total() == {"elastic-loadgen": 4_651, "proto-examples": 4}[folder]


@pytest.mark.parametrize("folder", ["elastic-loadgen", "proto-examples"])
def test_logs_load_whole_and_none_is_in_1970(loaded: Any, shared_data: Path, folder: str) -> None:
    warehouse, _, _ = loaded
    year = {"elastic-loadgen": 2024, "proto-examples": 2018}[folder]
    records = list(logs(shared_data / "otlp" / folder))
    without_time = sum(not int(record.get("timeUnixNano", 0)) for _, record in records)
    assert (len(records), without_time) == {"elastic-loadgen": (1_443, 534), "proto-examples": (2, 0)}[folder]
    expected = Counter(
        (
            name,
            record.get("severityText", ""),
            int(record.get("timeUnixNano", 0)) or int(record["observedTimeUnixNano"]),
        )
        for name, record in records
    )
    assert (
        counter(
            warehouse,
            "SELECT toString(ServiceName), toString(SeverityText), toUnixTimestamp64Nano(Timestamp), count()"
            f" FROM otel.otel_logs_current WHERE toYear(Timestamp) = {year} GROUP BY 1, 2, 3",
        )
        == expected
    )
    assert warehouse.frame_of("SELECT min(toYear(Timestamp)) FROM otel.otel_logs").item() == 2018


def test_a_second_pass_loads_nothing(loaded: Any) -> None:
    warehouse, first, second = loaded
    assert (first.loaded, first.already, first.rejected, first.refusals) == (12, 0, 0, ())
    assert first.records == {"traces": 110_650, "metrics": 4_655, "logs": 1_445}
    assert (second.loaded, second.already, second.records, second.rejected) == (0, 12, {}, 0)
    assert warehouse.frame_of("SELECT count() FROM raw_rejects").item() == 0
    assert warehouse.frame_of("SELECT uniqExact(object_sha256) FROM raw_deliveries").item() == 12


def test_the_canonical_examples_become_the_documented_cells(loaded: Any) -> None:
    warehouse, _, _ = loaded
    attributes = dict(
        warehouse.frame_of(
            "SELECT pair.1, pair.2 FROM otel.otel_logs_current"
            " ARRAY JOIN CAST(LogAttributes, 'Array(Tuple(String, String))') AS pair WHERE Body = 'Example log record'"
        ).rows()
    )
    assert attributes == {
        "string.attribute": "some string",
        "boolean.attribute": "true",
        "int.attribute": "10",
        "double.attribute": "637.704",
        "array.attribute": '["many","values"]',
        "map.attribute": '{"some.map.key":"some value"}',
    }
    event = warehouse.frame_of(
        "SELECT Body, EventName, SeverityNumber FROM otel.otel_logs_current WHERE EventName != ''"
    ).row(0)
    assert event == (
        '{"type":0,"url":"https://www.guidgenerator.com/online-guid-generator.aspx",'
        '"referrer":"https://wwww.google.com","title":"Free Online GUID Generator"}',
        "browser.page_view",
        9,
    )
    span = warehouse.frame_of(
        "SELECT TraceId, SpanId, ParentSpanId, SpanName, toString(SpanKind), toString(StatusCode), Duration,"
        " toString(app_id) FROM otel.otel_traces_current WHERE toYear(Timestamp) = 2018"
    ).row(0)
    assert span == (
        "5b8efff798038103d269b633813fc60c",
        "eee19b7ec3c1b174",
        "eee19b7ec3c1b173",
        "I'm a server span",
        "Server",
        "Unset",
        1_000_000_000,
        "my.service",
    )
