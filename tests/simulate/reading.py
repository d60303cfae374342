"""Reads a simulated workspace back with nothing of ours: pyarrow, csv, json, decimal, the OTLP messages."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def newest_manifests(root: Path) -> list[Path]:
    """The last delivered manifest of every billing period."""
    newest: dict[str, Path] = {}
    for path in sorted(root.glob("metadata/*/**/*-Manifest.json"), key=lambda p: p.stat().st_mtime_ns):
        newest[path.relative_to(root).parts[1]] = path
    return [newest[period] for period in sorted(newest)]


def listed_files(root: Path, manifest: Path) -> list[Path]:
    """The files a manifest lists, on this disk."""
    prefix = "s3://example-billing/exports/aws-focus/"
    return [root / name.removeprefix(prefix) for name in json.loads(manifest.read_text())["dataFiles"]]


def aws_rows(root: Path) -> Iterator[dict[str, Any]]:
    """Rows that count, costs as the decimal a double stands for, tags as a list of pairs."""
    for manifest in newest_manifests(root):
        for path in listed_files(root, manifest):
            for row in pq.read_table(path).to_pylist():
                for name in ("BilledCost", "EffectiveCost"):
                    row[name] = Decimal(repr(row[name]))
                row["period"] = row["BillingPeriodStart"].date().isoformat()
                yield row


def azure_rows(root: Path) -> Iterator[dict[str, Any]]:
    """Rows of every part, in the shape of ``aws_rows``."""
    for path in sorted(root.glob("**/*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name in ("BilledCost", "EffectiveCost"):
                    row[name] = Decimal(row[name])
                row["Tags"] = list(json.loads(row["Tags"] or "{}").items())
                row["period"] = row["BillingPeriodStart"][:10]
                yield row


def spans(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """App and span of everything delivered, in plain values, whichever the encoding."""
    for path in sorted((root / "traces").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                for resource in json.loads(line)["resourceSpans"]:
                    names = {a["key"]: a["value"]["stringValue"] for a in resource["resource"]["attributes"]}
                    for one in resource["scopeSpans"][0]["spans"]:
                        codes = {a["key"]: a["value"].get("intValue") for a in one["attributes"]}
                        yield (
                            _app(names),
                            {
                                "resource": names.get("cloud.resource_id"),
                                "names": names,
                                "id": (one["traceId"], one["spanId"]),
                                "kind": one["kind"],
                                "start": int(one["startTimeUnixNano"]),
                                "end": int(one["endTimeUnixNano"]),
                                "bad": one["status"].get("code") == 2
                                or int(codes.get("http.response.status_code") or 0) >= 500,
                            },
                        )
    for path in sorted((root / "traces").glob("*.binpb")):
        request = ExportTraceServiceRequest.FromString(path.read_bytes())
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for one in resource.scope_spans[0].spans:
                codes = {a.key: a.value.int_value for a in one.attributes}
                yield (
                    _app(names),
                    {
                        "resource": names.get("cloud.resource_id"),
                        "names": names,
                        "id": (one.trace_id.hex(), one.span_id.hex()),
                        "kind": one.kind,
                        "start": one.start_time_unix_nano,
                        "end": one.end_time_unix_nano,
                        "bad": one.status.code == 2 or codes.get("http.response.status_code", 0) >= 500,
                    },
                )


def _app(names: dict[str, str]) -> str:
    return names.get("app_id") or names["service.name"]
