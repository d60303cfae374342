"""Warehouses with planted faults: spans as they are drawn, the apps they are of, and reads for their teams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pipelines.simulate.faults import FaultSpan
from sql.evidence import Read
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse

TEXTS = pl.Map(pl.String, pl.String)


def publish_apps(warehouse: Warehouse, teams: dict[str, str]) -> None:
    """Publishes an inventory: each app and its team."""
    batch = new_batch_id()
    rows = [
        {
            "app_id": app, "app_name": app, "team": team, "lifecycle": "", "is_registered": True, "is_billed": False,
            "is_observed": True, "has_indicator": True, "is_idle": False, "worst_state": "page", "requests_30d": 1,
            "batch_id": str(batch),
        }
        for app, team in teams.items()
    ]  # fmt: skip
    warehouse.insert("mart_app_inventory", pl.DataFrame(rows))
    publish(
        warehouse, "marts", WHOLE_TABLE, batches={"mart_app_inventory": batch}, rows=len(rows), sha256="", version=utc(2026, 1, 1)
    )  # fmt: skip


def insert_spans(warehouse: Warehouse, spans: Iterable[FaultSpan]) -> None:
    """Inserts spans as a collector would directly."""
    rows = [
        {
            "Timestamp": span.start, "TraceId": span.trace_id, "SpanId": span.span_id, "ParentSpanId": span.parent_id,
            "SpanName": span.name, "SpanKind": span.kind.capitalize(), "ServiceName": span.app_id,
            "ResourceAttributes": span.resource, "SpanAttributes": dict(span.attributes),
            "Duration": span.end - span.start, "StatusCode": "Error" if span.failed else "Unset",
            "StatusMessage": span.message,
        }
        for span in spans
    ]  # fmt: skip
    frame = pl.DataFrame(
        rows, schema_overrides={"ResourceAttributes": TEXTS, "SpanAttributes": TEXTS, "Duration": pl.UInt64}
    )
    warehouse.insert(
        "otel.otel_traces", frame.with_columns(pl.from_epoch("Timestamp", "ns").dt.replace_time_zone("UTC"))
    )


def reads_of(warehouse: Warehouse, teams: Sequence[str]) -> Read:
    """Reads bound to some teams, as the pages' are."""

    def read(name: str, **values: Any) -> pl.DataFrame:
        return warehouse.frame(f"queries/{name}", **{**values, "teams": list(teams)})

    return read


def utc(*parts: int) -> datetime:
    """A moment in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]
