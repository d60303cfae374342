"""Bytes the benchmark feeds: FOCUS Parquet, OTLP spans as JSON lines and Protobuf, slices. Same numbers, same bytes.

Nothing here times anything.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROWS_PER_CHUNK = 250_000
SPANS_PER_REQUEST = 500
SPANS_PER_OBJECT = 100_000
DAY = datetime(2026, 10, 1, tzinfo=UTC)
SECONDS_PER_DAY = 86_400


def write_costs(path: Path, rows: int, apps: int, month: date = date(2026, 10, 1), seed: int = 1) -> None:
    """A FOCUS 1.2 month of ``rows`` rows in 25 columns, costs as Parquet decimals, tags as a Map."""
    draw = np.random.default_rng(seed)
    following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    start, end = _micros(month), _micros(following)
    writer = None
    for first in range(0, rows, ROWS_PER_CHUNK):
        n = min(ROWS_PER_CHUNK, rows - first)
        table = _cost_chunk(draw, n, apps, start, end)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _cost_chunk(draw: np.random.Generator, n: int, apps: int, start: int, end: int) -> pa.Table:
    app = draw.integers(0, apps, n)
    names = np.array([f"app-{number:05d}" for number in range(apps)])
    units = draw.integers(1, 5_000_000, n)
    cost = pa.array(units, pa.int64()).cast(pa.decimal128(38, 0)).cast(pa.decimal128(38, 10))
    tags = pa.MapArray.from_arrays(
        pa.array(np.arange(0, 2 * n + 1, 2), pa.int32()),
        pa.array(np.tile(np.array(["app_id", "environment"]), n)),
        pa.array(np.column_stack([names[app], np.array(["prod", "test"])[app % 2]]).ravel()),
    )
    days = (end - start) // (SECONDS_PER_DAY * 1_000_000)
    charge = start + draw.integers(0, days, n) * SECONDS_PER_DAY * 1_000_000
    time = pa.timestamp("us", "UTC")

    def text(values: list[str], index: np.ndarray) -> pa.Array:
        return pa.array(np.array(values)[index % len(values)])

    return pa.table(
        {
            "BilledCost": cost,
            "EffectiveCost": cost,
            "ListCost": cost,
            "ContractedCost": cost,
            "BillingAccountId": text(["111122223333"], app),
            "BillingAccountName": text(["Example"], app),
            "BillingCurrency": text(["USD"], app),
            "BillingPeriodStart": pa.array(np.full(n, start), time),
            "BillingPeriodEnd": pa.array(np.full(n, end), time),
            "ChargePeriodStart": pa.array(charge, time),
            "ChargePeriodEnd": pa.array(charge + SECONDS_PER_DAY * 1_000_000, time),
            "ChargeCategory": text(["Usage", "Usage", "Usage", "Tax"], units),
            "ChargeDescription": text(["Requests", "Storage", "Compute hours"], units),
            "ChargeFrequency": text(["Usage-Based"], units),
            "InvoiceIssuerName": text(["Example Cloud"], units),
            "ProviderName": text(["AWS"], units),
            "PublisherName": text(["AWS"], units),
            "PricingQuantity": cost,
            "PricingUnit": text(["Hours", "GB"], units),
            "RegionId": text(["eu-west-1", "us-east-1"], app),
            "ResourceId": pa.array(np.char.add("arn:aws:lambda:eu-west-1:1:function:", names[app])),
            "ServiceCategory": text(["Compute", "Storage"], units),
            "ServiceName": text(["AWS Lambda", "Amazon S3", "Amazon DynamoDB"], units),
            "SubAccountId": text([f"{number:012d}" for number in range(40)], app),
            "Tags": tags,
        }
    )


def write_spans(folder: Path, spans: int, apps: int) -> dict[str, list[Path]]:
    """The same server spans as OTLP/JSON lines and as Protobuf, in objects of ``SPANS_PER_OBJECT``: paths by encoding."""
    draw = random.Random(2)
    paths: dict[str, list[Path]] = {"json": [], "protobuf": []}
    for number, first in enumerate(range(0, spans, SPANS_PER_OBJECT)):
        lines, whole = folder / f"{number}.jsonl", folder / f"{number}.binpb"
        with lines.open("w", encoding="utf-8") as text, whole.open("wb") as binary:
            for start in range(first, min(first + SPANS_PER_OBJECT, spans), SPANS_PER_REQUEST):
                app_id = f"app-{start // SPANS_PER_REQUEST % apps:05d}"
                request = span_request(draw, min(SPANS_PER_REQUEST, spans - start), app_id)
                text.write(json.dumps(_json(request), separators=(",", ":")) + "\n")
                binary.write(request.SerializeToString())
        paths["json"].append(lines)
        paths["protobuf"].append(whole)
    return paths


def span_request(draw: random.Random, spans: int, app_id: str) -> ExportTraceServiceRequest:
    """One export request of ``spans`` server spans of an app, six attributes each."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in (
        ("app_id", app_id),
        ("service.name", app_id),
        ("deployment.environment.name", "prod"),
        ("service.version", "1.2.3"),
    ):
        attribute = group.resource.attributes.add(key=key)
        attribute.value.string_value = value
    scope = group.scope_spans.add()
    scope.scope.name = "bench"
    for _ in range(spans):
        start = int(DAY.timestamp()) * 10**9 + draw.randrange(SECONDS_PER_DAY) * 10**9
        span = scope.spans.add(
            trace_id=draw.randbytes(16),
            span_id=draw.randbytes(8),
            name="GET /orders/{id}",
            kind=2,
            start_time_unix_nano=start,
            end_time_unix_nano=start + draw.randrange(1, 900) * 10**6,
        )
        for key, value in (
            ("http.request.method", "GET"),
            ("http.route", "/orders/{id}"),
            ("url.scheme", "https"),
            ("server.address", "shop"),
        ):
            span.attributes.add(key=key).value.string_value = value
        status = 500 if draw.random() < 0.01 else 200
        span.attributes.add(key="http.response.status_code").value.int_value = status
        span.attributes.add(key="server.port").value.int_value = 443
    return request


def _json(request: ExportTraceServiceRequest) -> dict[str, object]:
    """The request as OTLP/JSON: hex ids, 64-bit integers as text."""
    group = request.resource_spans[0]

    def attributes(of: object) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for one in of.attributes:  # type: ignore[attr-defined]
            value = one.value
            body = (
                {"intValue": str(value.int_value)}
                if value.HasField("int_value")
                else {"stringValue": value.string_value}
            )
            found.append({"key": one.key, "value": body})
        return found

    spans = [
        {
            "traceId": span.trace_id.hex(),
            "spanId": span.span_id.hex(),
            "name": span.name,
            "kind": span.kind,
            "startTimeUnixNano": str(span.start_time_unix_nano),
            "endTimeUnixNano": str(span.end_time_unix_nano),
            "attributes": attributes(span),
        }
        for span in group.scope_spans[0].spans
    ]
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(group.resource)},
                "scopeSpans": [{"scope": {"name": "bench"}, "spans": spans}],
            }
        ]
    }


def cost_panel(apps: int, days: int) -> pl.DataFrame:
    """Daily cost of ``apps`` over ``days``: ``app_id, usage_date, cost``, sorted."""
    draw = np.random.default_rng(3)
    level = np.exp(draw.normal(0.7, 2.0, apps))[:, None]
    cost = level * np.exp(draw.normal(0, 0.1, (apps, days)))
    first = date(2026, 10, 31) - timedelta(days=days - 1)
    return pl.DataFrame(
        {
            "app_id": np.repeat([f"app-{number:05d}" for number in range(apps)], days),
            "usage_date": [first + timedelta(days=day) for day in range(days)] * apps,
            "cost": cost.ravel().round(6),
        }
    )


def _micros(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
