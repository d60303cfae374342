"""Telemetry sent live arrives in the warehouse: soon, whole, once, and equal to the same bytes read as files."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from models.errors import WarehouseError
from pipelines.ingest.intake import Intake
from pipelines.ingest.telemetry import load_object
from sql.warehouse import Warehouse
from tests.intake.conftest import VISIBLE_SECONDS, eventually, patience
from tests.intake.otlp import export, from_json_line, post, span_ids, spans
from tests.telemetry.test_values import RICH, with_broken_texts


def _ids(warehouse: Warehouse, app: str) -> list[tuple[str, str]]:
    frame = warehouse.frame_of(
        "SELECT TraceId, SpanId FROM otel.otel_traces_current WHERE app_id = {app:String}", app=app
    )
    return list(frame.iter_rows())


def test_spans_are_visible_within_three_seconds(intake: Intake, warehouse: Warehouse) -> None:
    over_grpc, over_http = spans(11, 40, "live-a"), spans(12, 60, "live-a")
    export(intake.addresses.grpc, "traces", over_grpc.SerializeToString())
    post(intake.addresses.http, "traces", over_http.SerializeToString())
    expected = span_ids(over_grpc) | span_ids(over_http)
    eventually(lambda: len(_ids(warehouse, "live-a")) >= len(expected), patience(VISIBLE_SECONDS))
    assert set(_ids(warehouse, "live-a")) == expected


def test_json_sent_live_arrives_too(intake: Intake, warehouse: Warehouse) -> None:
    request = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "app_id", "value": {"stringValue": "live-json"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5B8EFFF798038103D269B633813FC60C",
                                "spanId": "EEE19B7EC3C1B174",
                                "name": "a\nb",
                                "kind": 2,
                                "startTimeUnixNano": "1760000000000000000",
                                "endTimeUnixNano": "1760000000100000000",
                            }
                        ]
                    }
                ],
            }
        ]
    }
    body = json.dumps(request, indent=2).encode()
    assert post(intake.addresses.http, "traces", body, {"Content-Type": "application/json"})[0] == 200
    eventually(lambda: len(_ids(warehouse, "live-json")) == 1, patience(VISIBLE_SECONDS))
    assert _ids(warehouse, "live-json") == [("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")]


def test_a_request_repeated_or_batched_anew_counts_once(intake: Intake, warehouse: Warehouse) -> None:
    whole = spans(21, 30, "live-again")
    halves = [spans(21, 30, "live-again") for _ in range(2)]
    for half, part in zip(halves, (slice(0, 15), slice(15, 30)), strict=True):
        kept = list(whole.resource_spans[0].scope_spans[0].spans)[part]
        del half.resource_spans[0].scope_spans[0].spans[:]
        half.resource_spans[0].scope_spans[0].spans.extend(kept)
    for request in (whole, whole, halves[1], halves[0], whole):
        export(intake.addresses.grpc, "traces", request.SerializeToString())
    eventually(lambda: intake.health()["waiting_bytes"] == 0, patience(VISIBLE_SECONDS))
    assert set(_ids(warehouse, "live-again")) == span_ids(whole)
    counted = warehouse.frame_of(
        "SELECT uniqExact(TraceId, SpanId) AS n FROM otel.otel_traces_current WHERE app_id = 'live-again'"
    )
    assert counted.item() == 30


def test_a_bad_request_harms_no_other(intake: Intake, warehouse: Warehouse) -> None:
    """Two levels down a request can be well-formed and still hold garbage: only that one is set aside."""
    good = [spans(seed, 5, "live-good") for seed in range(31, 36)]
    inner = b"\x12\x0c\x12\x0a" + b"\xff" * 10  # a scope whose span is no message
    hidden = b"\x0a" + bytes([len(inner)]) + inner
    for request in good:
        assert post(intake.addresses.http, "traces", hidden)[0] == 200
        assert post(intake.addresses.http, "traces", request.SerializeToString())[0] == 200
    eventually(lambda: intake.health()["waiting_bytes"] == 0, 60)
    expected = set().union(*map(span_ids, good))
    assert set(_ids(warehouse, "live-good")) == expected and len(expected) == 25
    rejects = warehouse.frame_of("SELECT count() FROM raw_rejects WHERE source_name = 'live'").item()
    assert rejects >= 1


def test_text_that_is_no_utf8_is_kept_repaired_and_counted(intake: Intake, warehouse: Warehouse) -> None:
    """Every kind of text of every signal, over gRPC and HTTP: nothing is refused, each text is counted."""
    counted = (
        "SELECT sum(records) FROM raw_repairs FINAL WHERE source_name = 'live' AND reason LIKE '%not UTF-8%'"
    )
    broken = warehouse.frame_of(
        counted
    ).item()  # other modules share the warehouse, and may have sent some too
    for signal, rich in RICH.items():
        content, texts = with_broken_texts(rich())
        export(intake.addresses.grpc, signal, content)
        twice = content + content  # one message, its resources twice: other bytes than those over gRPC
        status, answer, _ = post(intake.addresses.http, signal, twice)
        assert (status, answer) == (200, b"")
        broken += 3 * texts
    with suppress(AssertionError):  # the comparison below says how many there are
        eventually(lambda: warehouse.frame_of(counted).item() == broken, patience(60))
    assert warehouse.frame_of(counted).item() == broken
    kept = "SELECT count() FROM otel.otel_{} WHERE {} LIKE '%caf\ufffd%'"
    # The tables themselves: other modules sent the same spans and points with other texts, and a reader sees one copy.
    for table, column in (("traces", "SpanName"), ("logs", "Body"), ("metrics_gauge", "MetricName")):
        shown = kept.format(table, column)
        eventually(lambda shown=shown: warehouse.frame_of(shown).item() > 0, patience(60))


def test_while_the_warehouse_is_away_requests_are_taken_and_loaded_later(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    away = [True]

    def opened(_: Path) -> Any:
        if away[0]:
            raise WarehouseError("the warehouse is away")
        return nullcontext(warehouse)

    sent = [spans(seed, 10, "live-away") for seed in range(41, 61)]
    intake = Intake(tmp_path, None, 0, 0, open_warehouse=opened)
    intake.start()
    try:
        for request in sent[:10]:
            export(intake.addresses.grpc, "traces", request.SerializeToString())
        eventually(lambda: "away" in intake.health()["last_problem"], 20)
    finally:
        intake.stop()
    # A second process finds what the first one could not load.
    intake = Intake(tmp_path, None, 0, 0, open_warehouse=opened)
    intake.start()
    try:
        for request in sent[10:]:
            export(intake.addresses.grpc, "traces", request.SerializeToString())
        assert not _ids(warehouse, "live-away")
        away[0] = False
        eventually(lambda: intake.health()["waiting_bytes"] == 0, 60)
    finally:
        intake.stop()
    assert set(_ids(warehouse, "live-away")) == set().union(*map(span_ids, sent))


@pytest.mark.parametrize(
    ("minutes", "spans_sent", "distinct"),
    [(2, 25_866, 25_595), pytest.param(6, 110_649, 109_943, marks=pytest.mark.slow)],
)
def test_nezha_sent_live_then_read_as_files_changes_no_count(
    intake: Intake, warehouse: Warehouse, shared_data: Path, minutes: int, spans_sent: int, distinct: int
) -> None:
    """Spans delivered, some twice; per service and hour the same before and after."""
    files = sorted((shared_data / "otlp" / "nezha").glob("*_traces.otlp.jsonl.gz"))
    if len(files) != 6:
        pytest.skip("the six Nezha minutes are not all there")
    files = files[-minutes:]
    expected: Counter[tuple[str, str]] = Counter()
    seen: set[tuple[str, str]] = set()
    delivered = 0
    for file in files:
        for line in gzip.decompress(file.read_bytes()).decode().splitlines():
            request = from_json_line(line, "traces")
            export(intake.addresses.grpc, "traces", request.SerializeToString())
            for resource in request.resource_spans:
                service = next(
                    one.value.string_value
                    for one in resource.resource.attributes
                    if one.key == "service.name"
                )
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    delivered += 1
                    identity = (span.trace_id.hex(), span.span_id.hex())
                    if identity not in seen:
                        seen.add(identity)
                        hour = datetime.fromtimestamp(span.start_time_unix_nano // 10**9, UTC)
                        expected[service, hour.strftime("%Y-%m-%d %H")] += 1
    eventually(lambda: intake.health()["waiting_bytes"] == 0, 120)
    assert (delivered, len(seen)) == (spans_sent, distinct)
    assert _per_service_and_hour(warehouse) == expected
    for file in files:
        load_object(
            warehouse,
            source_name="nezha",
            object_name=file.name,
            path=file,
            sha256=sha256(file.read_bytes()).hexdigest(),
            modified_at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        )
    assert _per_service_and_hour(warehouse) == expected


def _per_service_and_hour(warehouse: Warehouse) -> Counter[tuple[str, str]]:
    frame = warehouse.frame_of(
        "SELECT ServiceName AS service, formatDateTime(Timestamp, '%Y-%m-%d %H', 'UTC') AS hour,"
        " uniqExact(TraceId, SpanId) AS spans FROM otel.otel_traces_current WHERE Timestamp < '2023-01-01' GROUP BY service, hour"
    )
    return Counter({(service, hour): count for service, hour, count in frame.iter_rows()})
