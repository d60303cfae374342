"""An object counts exactly once, whatever is killed when and however often it is delivered again."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from models import requests
from models.errors import ControlTotalError
from models.policy import health_checks, request_errors, request_slices
from pipelines.ingest.telemetry import load as load_module
from sql.opening import open_warehouse
from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import Load

ROOT = Path(__file__).resolve().parents[2]

LOAD = """
import sys, hashlib
from datetime import UTC, datetime
from pathlib import Path
from pipelines.ingest.telemetry import load_object
from sql.opening import open_warehouse
path = Path(sys.argv[2])
with open_warehouse(Path(sys.argv[1])) as warehouse:
    print("open", flush=True)
    print(load_object(warehouse, source_name="test", object_name=path.name, path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(), modified_at=datetime.now(UTC)).state)
"""


def test_the_same_bytes_under_two_names_count_once(warehouse: Warehouse, load: Load) -> None:
    content = otlp.as_json(otlp.rich_logs())
    assert load(content, "one").state == "loaded"
    assert load(content, "two").state == "already"
    assert warehouse.frame_of("SELECT count() FROM otel.otel_logs_current").item() == 3


def test_rows_without_a_ledger_line_are_invisible(
    warehouse: Warehouse, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = otlp.delimited(otlp.traces(5))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(load_module, "_record", killed)
    with pytest.raises(KeyboardInterrupt):
        load(content)
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces").item() == 5
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item() == 0
    assert warehouse.frame("queries/telemetry/days").is_empty()
    monkeypatch.undo()
    assert load(content).state == "loaded"
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item() == 5


def test_fewer_rows_than_counted_are_not_published(
    warehouse: Warehouse, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "_write", lambda *_: None)
    with pytest.raises(ControlTotalError, match="0 rows written where the object holds 5"):
        load(otlp.delimited(otlp.traces(5)))
    assert warehouse.frame_of("SELECT count() FROM raw_deliveries").item() == 0


def test_no_row_of_a_day_that_was_not_counted_is_written(
    warehouse: Warehouse, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its count after the load looks at the days of the count before: a row of another day would be seen by nobody."""
    first = otlp.traces(2)
    later = otlp.traces(3, otlp.NOON + 86_400 * otlp.SECOND, first=10)
    survey, day = load_module._survey, date(2026, 1, 1)
    monkeypatch.setattr(load_module, "_survey", lambda *given: survey(*given).filter(pl.col("day") == day))
    load(otlp.delimited(first, later))
    days = warehouse.frame_of("SELECT toDate(Timestamp), count() FROM otel.otel_traces GROUP BY 1")
    assert days.rows() == [(day, 2)]


def test_rows_a_collector_inserted_directly_count(warehouse: Warehouse, load: Load) -> None:
    load(otlp.delimited(otlp.traces(3)))
    before = warehouse.frame("queries/telemetry/days")["fingerprint"].item()
    warehouse.execute_text(
        "INSERT INTO otel.otel_traces (Timestamp, TraceId, SpanId, ResourceAttributes, ServiceName)"
        " SELECT '2026-01-01 13:00:00', 'a', toString(number), map('app_id', ' X '), 'svc' FROM numbers(2)"
    )
    assert warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item() == 5
    assert warehouse.frame_of(
        "SELECT DISTINCT toString(app_id) FROM otel.otel_traces_current WHERE TraceId = 'a'"
    ).rows() == [("x",)]
    assert warehouse.frame("queries/telemetry/days")["fingerprint"].item() != before


def test_copies_of_a_span_count_once_in_slices(warehouse: Warehouse, load: Load) -> None:
    """Copies that name another app are that app's spans: they count there, and `doctor` tells of them."""
    good, late, failed = (
        otlp.traces(2),
        otlp.traces(1, first=3, end_time_unix_nano=otlp.NOON + 2 * otlp.SECOND),
        otlp.traces(1, first=4),
    )
    failed.resource_spans[0].scope_spans[0].spans[0].status.code = 2
    status = otlp.traces(1, first=5)
    status.resource_spans[0].scope_spans[0].spans[0].attributes.extend(otlp.pairs({"http.status_code": 500}))
    load(otlp.delimited(good, late, failed, status))
    load(otlp.delimited(good, good))
    load(otlp.delimited(otlp.traces(2, service="another"), otlp.traces(1, first=8, service="", kind=2)))
    load(otlp.delimited(otlp.traces(3, first=20, kind=3)))
    batch = new_batch_id()
    days = ["2026-01-01"]
    policy = requests.classification(request_errors(), health_checks())
    half_a_second = {
        "bounds_ns": [otlp.SECOND // 2],
        "routes_kept": 9,
        "named_routes": [],
        **requests.sampling(request_slices()),
    }
    warehouse.execute("statements/core_request_slices", days=days, batch_id=batch, **policy, **half_a_second)
    warehouse.execute(
        "statements/core_app_telemetry_daily", days=days, batch_id=batch, slices_batch_id=batch, **policy
    )
    slices = warehouse.frame_of(
        "SELECT app_id, requests, errors, timed, within, toUnixTimestamp(slice_start) FROM core_request_slices"
        " WHERE batch_id = {batch:UUID} ORDER BY ALL",
        batch=batch,
    ).rows()
    noon = otlp.NOON // otlp.SECOND
    assert slices == [("another", 2, 0, 2, [2], noon), ("shop", 5, 2, 5, [4], noon)]
    daily = warehouse.frame_of(
        "SELECT app_id, spans, requests, errors FROM core_app_telemetry_daily WHERE batch_id = {batch:UUID} ORDER BY 1",
        batch=batch,
    ).rows()
    assert daily == [("another", 2, 2, 0), ("shop", 8, 5, 2)]
    unassigned = warehouse.frame("queries/telemetry/unassigned_resources")
    assert unassigned["spans"].to_list() == [1]


def test_resources_named_in_telemetry(warehouse: Warehouse, load: Load) -> None:
    """By either name, on the resource or the span; a span that names one twice, in whatever letters, names it once.

    Each by app and day, of the days that are asked for, where the span is of an app.
    """
    request = otlp.traces(3)
    of_all = {"cloud.resource_id": " ARN:Lambda:1 ", "faas.id": "arn:Function"}
    request.resource_spans[0].resource.attributes.extend(otlp.pairs(of_all))
    first, second, _ = request.resource_spans[0].scope_spans[0].spans
    first.attributes.extend(otlp.pairs({"faas.id": "ARN:two", "cloud.resource_id": "arn:lambda:1"}))
    second.attributes.extend(otlp.pairs({"cloud.resource_id": "arn:three"}))
    others = [
        ("mill", 0, "arn:two"),
        ("shop", -1, "arn:two"),
        ("shop", -2, "arn:before"),
        ("", 0, "arn:nobody"),
    ]
    objects = [request, request]
    for number, (app, day, resource) in enumerate(others, 10):
        other = otlp.traces(1, otlp.NOON + day * 86_400 * otlp.SECOND, app, number)
        other.resource_spans[0].resource.attributes.extend(otlp.pairs({"faas.id": resource}))
        objects.append(other)
    load(otlp.delimited(*objects))
    batch = new_batch_id()
    warehouse.execute(
        "statements/core_app_resources",
        days=["2025-12-31", "2026-01-01"],
        attributes=["cloud.resource_id", "faas.id"],
        batch_id=batch,
    )
    assert warehouse.frame_of(
        "SELECT app_id, toDayOfMonth(usage_date), attribute, resource_id, spans FROM core_app_resources"
        " WHERE batch_id = {batch:UUID} ORDER BY app_id, 2, resource_id, attribute",
        batch=batch,
    ).rows() == [
        ("mill", 1, "faas.id", "arn:two", 1),
        ("shop", 1, "faas.id", "arn:function", 3),
        ("shop", 1, "cloud.resource_id", "arn:lambda:1", 3),
        ("shop", 1, "cloud.resource_id", "arn:three", 1),
        ("shop", 1, "faas.id", "arn:two", 1),
        ("shop", 31, "faas.id", "arn:two", 1),
    ]


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_run_again(tmp_path: Path, migrated: Migrated, kills: int) -> None:
    migrated(tmp_path / "workspace")
    seed = int(hashlib.sha256(b"otlp").hexdigest()[:8], 16)
    moments = random.Random(seed)
    path = tmp_path / "spans.binpb"
    path.write_bytes(otlp.delimited(*(otlp.traces(200, first=1 + 200 * n) for n in range(40))))
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", LOAD, str(tmp_path / "workspace"), str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 1.0))
        process.kill()
        process.communicate()
    subprocess.run([sys.executable, "-c", LOAD, str(tmp_path / "workspace"), str(path)], cwd=ROOT, check=True)
    with open_warehouse(tmp_path / "workspace") as warehouse:
        assert warehouse.frame_of(
            "SELECT count(), uniqExact(x_BatchId) FROM otel.otel_traces WHERE x_BatchId IN"
            " (SELECT batch_id FROM otel.loaded_batches)"
        ).rows() == [(8_000, 1)]
        assert warehouse.frame_of("SELECT sum(d.rows) FROM raw_deliveries AS d").item() == 8_000
