"""Bad bytes: what is wrong is set aside or refused by name, everything good beside it counts."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime

import pytest
from backports import zstd

from models.settings import Settings, TelemetrySource
from pipelines.ingest.telemetry import ingest_source
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import Load

_PACKED = zstd.compress(bytes(64 << 20))
_BOMB = len(_PACKED).to_bytes(4, "big") + _PACKED
"""One message as the collector's file exporter packs it, of 64 MiB of nothing."""

YEAR = 365 * 86_400 * otlp.SECOND


def spans(warehouse: Warehouse) -> int:
    return warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item()


def rejects(warehouse: Warehouse) -> list[tuple[int, str, str]]:
    return warehouse.frame_of(
        "SELECT position, toString(reason), first_bytes FROM raw_rejects ORDER BY position, detail"
    ).rows()


def ledger(warehouse: Warehouse) -> list[tuple[str, int, int]]:
    return warehouse.frame_of(
        "SELECT toString(state), sum(d.rows), sum(d.rejected) FROM raw_deliveries AS d GROUP BY state"
    ).rows()


OF_NO_DAY = "1970-01-01"
"""What the ledger says where a line of it feeds no day (migration 0001)."""


def days(warehouse: Warehouse) -> list[str]:
    return (
        warehouse.frame_of("SELECT DISTINCT toString(period) FROM raw_deliveries ORDER BY 1")
        .to_series()
        .to_list()
    )


def test_garbage_lines_are_set_aside_with_their_position(warehouse: Warehouse, load: Load) -> None:
    lines = [otlp.as_json(otlp.traces(10, first=1 + 10 * n)) for n in range(6)]
    lines.insert(2, b"\x00\xff garbage \x01\n")
    lines.insert(4, lines[0][:300] + b"\n")
    lines.insert(5, b'{"resourceSpans":[{"scopeSpans":[{"spans":"none"}]}]}\n')
    for _ in range(2):
        outcome = load(b"".join(lines))
        assert (outcome.rows, outcome.rejected) == ({"traces": 60}, 3)
        assert spans(warehouse) == 60
        assert [position for position, _, _ in rejects(warehouse)] == [3, 5, 6]
        assert rejects(warehouse)[0][1:] == ("unreadable message", "\x00\\xff garbage \x01\n")
        assert ledger(warehouse) == [("loaded", 60, 3)]
        assert days(warehouse) == [OF_NO_DAY, "2026-01-01"]
    assert outcome.state == "already"


def test_a_broken_frame_is_set_aside(warehouse: Warehouse, load: Load) -> None:
    frames = [otlp.delimited(otlp.traces(20, first=1 + 20 * n)) for n in range(5)]
    frames[1] = frames[1][:200] + b"\xff" * 50 + frames[1][250:]
    outcome = load(b"".join(frames) + b"\xff\x7fcut")
    # The two spans before the damage are whole; what follows it in its message cannot be told apart any more.
    assert (outcome.state, outcome.rows, outcome.rejected) == ("loaded", {"traces": 82}, 3)
    assert spans(warehouse) == 82
    assert [position for position, _, _ in rejects(warehouse)] == [2, 2, 6]


@pytest.mark.parametrize("encode", [otlp.as_json, otlp.delimited])
def test_times_out_of_range_are_set_aside_and_never_moved(warehouse: Warehouse, load: Load, encode) -> None:
    request = otlp.traces(5)
    bad = request.resource_spans[0].scope_spans[0].spans
    bad[0].start_time_unix_nano = 3  # 1970
    bad[1].start_time_unix_nano = otlp.NOON + 125 * YEAR  # 2150
    bad[1].end_time_unix_nano = bad[1].start_time_unix_nano + 1
    bad[2].events.add(time_unix_nano=2**64 - 1, name="late")
    bad[3].end_time_unix_nano = 2**63 + 5
    outcome = load(encode(request))
    assert (outcome.rows, outcome.rejected) == ({"traces": 1}, 4)
    assert warehouse.frame_of(
        "SELECT DISTINCT toYear(Timestamp) FROM otel.otel_traces"
    ).to_series().to_list() == [2026]
    assert rejects(warehouse) == [(n, "time out of range", "GET /") for n in (1, 2, 3, 4)]
    details = warehouse.frame_of("SELECT detail FROM raw_rejects ORDER BY position").to_series().to_list()
    assert details == [
        f"sent by Shop : span cd{one.span_id.hex()[2:]} of trace {one.trace_id.hex()},"
        f" from {one.start_time_unix_nano} to {one.end_time_unix_nano} ns"
        for one in bad[:4]
    ]


@pytest.mark.parametrize("encode", [otlp.as_json, otlp.prefixed])
def test_what_is_later_than_its_receipt_is_set_aside_with_its_sender(
    warehouse: Warehouse, load: Load, encode
) -> None:
    """Ten minutes are what clocks may differ by; a hair more is a clock that is wrong."""
    received = datetime(2026, 1, 1, 12, tzinfo=UTC)
    traces, logs, metrics = otlp.traces(3), otlp.rich_logs(), otlp.metrics_of("gauge")
    spans_sent = traces.resource_spans[0].scope_spans[0].spans
    spans_sent[0].start_time_unix_nano = otlp.NOON + 600 * otlp.SECOND - 2
    spans_sent[0].end_time_unix_nano = otlp.NOON + 600 * otlp.SECOND - 1
    spans_sent[1].end_time_unix_nano = otlp.NOON + 600 * otlp.SECOND
    spans_sent[2].events.add(time_unix_nano=otlp.NOON + YEAR, name="late")
    logs.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano = otlp.NOON + YEAR
    point = metrics.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]
    point.time_unix_nano = otlp.NOON + 3600 * otlp.SECOND
    content = b"".join(encode(one) for one in (traces, logs, metrics))
    outcome = load(content, received_at=received)
    assert outcome.rows == {"traces": 1, "logs": 2, "metrics": 2}
    found = warehouse.frame_of("SELECT toString(reason), detail FROM raw_rejects ORDER BY detail").rows()
    assert {reason for reason, _ in found} == {"time later than its receipt"}
    senders = ["sent by Cart", "sent by Shop ", "sent by Shop ", "sent by shop"]
    assert [detail.split(":")[0] for _, detail in found] == senders


def test_logs_and_points_out_of_range(warehouse: Warehouse, load: Load) -> None:
    """Each is told with its place among the records of its signal, its times and who sent it."""
    logs, metrics = otlp.rich_logs(), otlp.rich_metrics()
    records = logs.resource_logs[0].scope_logs[0].log_records
    late, soon = otlp.NOON + 125 * YEAR, otlp.NOON + otlp.SECOND
    records[0].time_unix_nano = late
    records[2].time_unix_nano = 0
    gauge, total, histogram, exponential, summary = metrics.resource_metrics[0].scope_metrics[0].metrics
    gauge.gauge.data_points[1].time_unix_nano = 5
    total.sum.data_points[0].start_time_unix_nano = 6
    histogram.histogram.data_points[0].exemplars[0].time_unix_nano = 7
    exponential.exponential_histogram.data_points[0].start_time_unix_nano = 8
    summary.summary.data_points[0].start_time_unix_nano = 9
    for one in (
        total.sum,
        exponential.exponential_histogram,
        summary.summary,
    ):  # its table is written all the same
        one.data_points.add(time_unix_nano=soon)
    outcome = load(otlp.as_json(logs) + otlp.as_json(metrics))
    assert (outcome.rows, outcome.rejected) == ({"metrics": 6, "logs": 1}, 7)
    found = warehouse.frame_of(
        "SELECT position, toString(reason), detail, first_bytes, toString(kind), toString(source_name), object_name FROM raw_rejects"
        " ORDER BY detail, position"
    ).rows()
    far = "time out of range"
    told = [
        (1, far, f"sent by Cart: log record at {late} ns, observed at {otlp.NOON + 1} ns", "text"),
        (3, far, "sent by Cart: log record at 0 ns, observed at 0 ns", ""),
        (2, far, "sent by shop: point of otel_metrics_gauge at 5 ns, series from 0 ns", "temperature"),
        (4, far, f"sent by shop: point of otel_metrics_sum at {soon} ns, series from 6 ns", "requests"),
        (6, far, f"sent by shop: point of otel_metrics_histogram at {soon} ns, series from {otlp.NOON} ns", "duration"),
        (8, far, f"sent by shop: point of otel_metrics_exponential_histogram at {soon} ns, series from 8 ns", "size"),
        (10, far, f"sent by shop: point of otel_metrics_summary at {soon} ns, series from 9 ns", "old"),
    ]  # fmt: skip
    assert sorted(found) == sorted((*one, "telemetry", "test", "object") for one in told)
    assert (
        warehouse.frame_of("SELECT count() FROM otel.otel_logs WHERE toYear(Timestamp) != 2026").item() == 0
    )


INVALID_IDS: list[tuple[dict[str, bytes], str]] = [
    ({"trace_id": b""}, "invalid trace id"),
    ({"trace_id": b"\x00" * 16}, "invalid trace id"),
    ({"trace_id": b"short"}, "invalid trace id"),
    ({"span_id": b""}, "invalid span id"),
    ({"span_id": b"\x00" * 8}, "invalid span id"),
]


def test_invalid_ids_are_set_aside(warehouse: Warehouse, load: Load) -> None:
    bad = [otlp.traces(1, first=9 + number, **ids) for number, (ids, _) in enumerate(INVALID_IDS)]
    outcome = load(otlp.delimited(otlp.traces(2), *bad))
    assert (outcome.rows, outcome.rejected) == ({"traces": 2}, len(bad))
    told = [(position, reason) for position, (_, reason) in enumerate(INVALID_IDS, 3)]
    assert [one[:2] for one in rejects(warehouse)] == told


def test_ids_that_are_no_hex_are_set_aside(warehouse: Warehouse, load: Load) -> None:
    text = otlp.as_json(otlp.traces(1), ids="hex").replace(b'"traceId": "ab', b'"traceId": "zz')
    assert load(text).rejected == 1
    assert rejects(warehouse)[0][1] == "invalid trace id"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"a plain text\nof two lines\n", "neither OTLP/JSON nor OTLP Protobuf"),
        (os.urandom(5000), "neither OTLP/JSON nor OTLP Protobuf"),
        (b'{"some": "json"}\n', "not OTLP/JSON"),
        (gzip.compress(otlp.as_json(otlp.traces(50)))[:-30], "gzip"),
        (b"\x1f\x8bnot gzip at all", "gzip"),
        (gzip.compress(b'{"resourceSpans":' + b" " * (64 << 20) + b"[]}"), "gzip bomb"),
        (zstd.compress(otlp.as_json(otlp.traces(50)))[:-30], "zstd"),
        (zstd.compress(b'{"resourceSpans":' + b" " * (64 << 20) + b"[]}"), "zstd bomb"),
        (_BOMB, "zstd bomb"),
        (b'{"resourceSpans": [{"resource": {}, "scopeSpans": [', "no message in it can be read"),
        (b'{"resourceSpans":' + b"[" * 100_000, "no message in it can be read"),
    ],
)
def test_an_unreadable_object_is_refused_once(
    warehouse: Warehouse, load: Load, content: bytes, sentence: str
) -> None:
    for _ in range(2):
        outcome = load(content)
        assert outcome.state == "refused"
        assert sentence in outcome.reason
        assert ledger(warehouse) == [("refused", 0, 0)]
        assert days(warehouse) == [OF_NO_DAY]
    assert spans(warehouse) == 0


def test_the_good_objects_of_a_source_count(warehouse: Warehouse, tmp_path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(otlp.as_json(otlp.traces(4)))
    (folder / "b.binpb").write_bytes(otlp.prefixed(otlp.traces(4, first=5)))
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(otlp.as_json(otlp.traces(9)))[:-9])
    (folder / "copy of a").write_bytes(otlp.as_json(otlp.traces(4)))
    settings = Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path)
    for loaded, already in ((2, 1), (0, 3)):
        outcome = ingest_source(warehouse, settings, TelemetrySource("files", "otlp", str(folder)))
        assert (outcome.loaded, outcome.already) == (loaded, already)
        assert [one.object_name for one in outcome.refusals] == ["c.jsonl.gz"]
        assert "truncated" in str(outcome.refusals[0])
    assert spans(warehouse) == 8
    nowhere = ingest_source(warehouse, settings, TelemetrySource("gone", "otlp", "nowhere"))
    assert (nowhere.loaded, len(nowhere.refusals)) == (0, 1)


def test_an_object_of_many_days_is_loaded_whole(warehouse: Warehouse, load: Load) -> None:
    """The engine refuses more than a hundred partitions in a block of its own accord."""
    requests = [
        otlp.traces(1, first=day + 1, start=otlp.NOON - day * 86_400 * otlp.SECOND) for day in range(105)
    ]
    outcome = load(otlp.delimited(*requests))
    assert (outcome.rows, outcome.rejected) == ({"traces": 105}, 0)
    days = warehouse.frame("queries/telemetry/days")
    assert (spans(warehouse), days.height) == (105, 105)
