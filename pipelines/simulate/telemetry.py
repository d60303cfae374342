"""Writes the fleet's telemetry, a day at a time, and counts what it wrote.

What an app sends on a day is drawn here; ``spans`` knows its shape, ``exporter`` the files. Copies at minute
edges stand for retries of a sender.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipelines.simulate.exporter import RECORDS_PER_LINE, Exporter, Signal
from pipelines.simulate.files import moment
from pipelines.simulate.fleet import DAY, HOUR, REGIONS, App, Fleet, Incident, profile
from pipelines.simulate.shared import is_counted
from pipelines.simulate.spans import (
    SCOPE,
    SECOND,
    Sender,
    Span,
    add_resource_spans,
    draw_requests,
    json_resource_spans,
    spans_of,
)

WINDOW_DAYS = 30
VERSIONS = ("1.4.0", "1.5.0")

MEASURES = (
    "requests",
    "span_seconds",
    "cpu_seconds",
    "network_bytes",
    "memory_byte_hours",
    "storage_byte_hours",
)
"""What shared cost can be split by, as telemetry has it."""

DURATIONS = {
    "server": "http.server.request.duration",
    "consumer": "messaging.process.duration",
    "internal": "simulated.job.duration",
}
"""What an app of each kind calls the histogram of what it took, by OpenTelemetry's conventions; they have none of a job."""

Batch = tuple[Sender, tuple[tuple[str, str], ...], list[Span]]


@dataclass
class SimulatedCounts:
    """What was written, every span once unless it says delivered."""

    delivered_spans: int = 0
    spans: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    slow: Counter[str] = field(default_factory=Counter)
    window: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in ("requests", "bad", "slow")}
    )
    requests_by_day: dict[str, int] = field(default_factory=dict)
    usage: dict[str, dict[tuple[date, str], Fraction]] = field(
        default_factory=lambda: {name: defaultdict(Fraction) for name in MEASURES}
    )
    """What is measured of an app on a day, by measure; nothing where ``is_measured`` is false."""
    is_measured: bool = True
    metric_points: int = 0
    log_records: int = 0

    def add(self, sender: Sender, spans: Sequence[Span], in_window: bool) -> None:
        """Counts the spans of one sender on one day."""
        requests = [span for span in spans if span.is_request]
        for span in spans if self.is_measured else ():
            key = (_day_of(span.start), sender.app_id)
            self.usage["requests"][key] += span.is_request
            self.usage["span_seconds"][key] += Fraction(span.end - span.start, SECOND)
        found = {
            "requests": len(requests),
            "bad": sum(span.is_bad for span in requests),
            "slow": sum(span.is_slow for span in requests),
        }
        self.spans[sender.app_id] += len(spans)
        self.delivered_spans += len(spans)
        for name, count in found.items():
            getattr(self, name)[sender.app_id] += count
            if in_window:
                self.window[name][sender.app_id] += count


class Telemetry:
    """The telemetry of a fleet: who sends, how much on which day, and the files of it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.apps: list[App | None] = [a for a in fleet.apps if a.telemetry != "none"]
        self.senders = [_sender(app) for app in self.apps if app]
        for stranger in profile()["telemetry"]["strangers"]:
            self.apps.append(None)
            self.senders.append(Sender(stranger, "server", (("service.name", stranger),)))
        self.incidents: dict[str, list[Incident]] = {}
        for one in fleet.incidents:
            self.incidents.setdefault(one.app_id, []).append(one)
        self.habits = {one.app_id: one for one in fleet.habits}
        self.chatty = {one.app_id for one in self.senders[: profile()["telemetry"]["chatty_apps"]]}
        self.rates = self._rates()
        # However little an app does, its first day has a request: what names its resource is truly there.
        self.is_first_day = (self.rates > 0) & (np.cumsum(self.rates > 0, axis=1) == 1)
        self.counts = SimulatedCounts(is_measured=is_counted(fleet))

    def _rates(self) -> np.ndarray:
        """Mean requests per sender and day: the budget of ``profile.yaml``, shared by weight."""
        size = profile()["telemetry"]
        app_days = len(self.fleet.apps) * self.fleet.days
        budget = min(
            size["spans_per_app_day"] * app_days, size["spans"] + size["spans_per_extra_app_day"] * app_days
        )
        days = np.arange(self.fleet.days)
        weights = np.array([app.requests_weight if app else 0.2 for app in self.apps])
        table: np.ndarray = weights[:, None] * np.where(self._weekday(days) >= 5, 0.6, 1.0)
        table[:, -size["dense_days"] :] *= size["dense_weight"]
        for row, app in enumerate(self.apps):
            if app:
                table[row] *= (days >= app.start) & (days < min(app.stop, app.idle_from))
                table[row] *= app.app_id not in self.habits
        total = float(table.sum()) or 1.0
        table *= budget / (1 + size["child_share"]) / total
        return table

    def _weekday(self, days: np.ndarray) -> np.ndarray:
        return (days + self.fleet.first_day.weekday()) % 7

    def write(self, root: Path) -> None:
        """Writes every day under ``root``: folders traces, metrics and logs."""
        exporters = [
            Exporter(root, signal, profile()["telemetry"]["days_per_file"][signal.name], self.fleet.days - 1)
            for signal in SIGNALS
        ]
        for day in range(self.fleet.days):
            today = self.fleet.first_day + timedelta(days=day)
            batches = list(self._batches(day, today))
            self._count(batches, day, today)
            copies = list(self._copies(day, batches))
            self.counts.delivered_spans += sum(len(spans) for _, _, spans in copies)
            sent = (_pieces(batches + copies), self._metrics(day, today, batches), self._logs(batches))
            for exporter, resources in zip(exporters, sent, strict=True):
                exporter.add(day, today, resources)
        for exporter in exporters:
            exporter.close()

    def _batches(self, day: int, today: date) -> Iterator[Batch]:
        """What every sender sends on a day, the version of an app in an incident changing with it."""
        rng = self.fleet.rng(4, day)
        midnight = int(moment(today, 0).timestamp()) * SECOND
        counts = np.maximum(rng.poisson(self.rates[:, day]), self.is_first_day[:, day])
        for sender, count, rate in zip(self.senders, counts.tolist(), self.rates[:, day], strict=True):
            incidents = [one for one in self.incidents.get(sender.app_id, ()) if _touches(one, day)]
            if sender.app_id in self.habits:
                incidents = self.habits[sender.app_id].pieces(day, today.weekday())
            if not count and not incidents:
                continue
            requests = draw_requests(rng, count, day, incidents, self._error_share(day, rate))
            spans = list(spans_of(rng, sender, requests, midnight))
            changes = (
                midnight
                - day * DAY * SECOND
                + min(
                    (one.start for one in self.incidents.get(sender.app_id, ())),
                    default=self.fleet.days * DAY,
                )
                * SECOND
            )
            for version, part in _by_version(spans, changes):
                yield sender, (*sender.attributes, ("service.version", version)), part

    def _error_share(self, day: int, rate: float) -> float:
        """Healthy apps make mistakes, but in the last days only where one mistake is no breach."""
        size = profile()["telemetry"]
        dense = day >= self.fleet.days - size["dense_days"]
        return (
            0.0 if dense and rate * size["dense_days"] < size["quiet_below"] else float(size["error_share"])
        )

    def _count(self, batches: Iterable[Batch], day: int, today: date) -> None:
        before = sum(self.counts.requests.values())
        for sender, _, spans in batches:
            self.counts.add(sender, spans, day >= self.fleet.days - WINDOW_DAYS)
        self.counts.requests_by_day[today.isoformat()] = sum(self.counts.requests.values()) - before

    def _copies(self, day: int, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Spans that start within a second of a minute's edge, sent again."""
        rng = self.fleet.rng(5, day)
        for sender, attributes, spans in batches:
            again = [span for span in spans if (span.start // SECOND + 1) % 60 < 2]
            again = [
                span
                for span, draw in zip(again, rng.random(len(again)), strict=True)
                if draw < profile()["telemetry"]["edge_copies"]
            ]
            if again:
                yield sender, attributes, again

    def _metrics(self, day: int, today: date, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        dense = day >= self.fleet.days - profile()["telemetry"]["dense_days"]
        chatty = [batch for batch in batches if batch[0].app_id in self.chatty]
        for batch in chatty:
            for name, amount in _measured(batch, dense).items():
                self.counts.usage[name][today, batch[0].app_id] += amount
        metrics = [_resource_metrics(batch, today, dense) for batch in chatty]
        self.counts.metric_points += sum(map(_points, metrics))
        return metrics

    def _logs(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        found = (_resource_logs(batch, batch[0].app_id in self.chatty) for batch in batches)
        logs = [one for one in found if one]
        self.counts.log_records += sum(map(_records, logs))
        return logs


def _touches(incident: Incident, day: int) -> bool:
    return incident.start < (day + 1) * DAY and incident.end > day * DAY


def _sender(app: App) -> Sender:
    """Resource attributes of an app: by ``app_id``, or by its service name alone."""
    attributes = [("service.name", app.app_id if app.telemetry == "service_name" else f"{app.app_id}-svc")]
    if app.telemetry == "app_id":
        attributes.insert(0, ("app_id", app.app_id))
    attributes += [("deployment.environment.name", app.environment), ("cloud.region", REGIONS[app.cloud][0])]
    if app.spanned_resource:
        attributes.append(("cloud.resource_id", app.spanned_resource))
    attributes += app.names
    return Sender(app.app_id, app.kind, tuple(attributes))


def _by_version(spans: list[Span], changes: int) -> Iterator[tuple[str, list[Span]]]:
    for version, part in (
        (VERSIONS[0], [span for span in spans if span.start < changes]),
        (VERSIONS[1], [span for span in spans if span.start >= changes]),
    ):
        if part:
            yield version, part


def _pieces(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches, none longer than a line of a file holds."""
    for sender, attributes, spans in batches:
        for start in range(0, len(spans), RECORDS_PER_LINE):
            yield sender, attributes, spans[start : start + RECORDS_PER_LINE]


def _compact(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))


def _add_metrics(request: ExportMetricsServiceRequest, resource: dict[str, Any]) -> None:
    ParseDict(resource, request.resource_metrics.add())


def _add_logs(request: ExportLogsServiceRequest, resource: dict[str, Any]) -> None:
    (scope,) = resource["scopeLogs"]
    # Protobuf's own JSON has bytes as base64, OTLP's has ids as hex.
    records = [
        {**one, **{key: base64.b64encode(bytes.fromhex(one[key])).decode() for key in ("traceId", "spanId")}}
        for one in scope["logRecords"]
    ]
    ParseDict({**resource, "scopeLogs": [{**scope, "logRecords": records}]}, request.resource_logs.add())


def _attributes(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in pairs]


def _day_of(nanoseconds: int) -> date:
    return datetime.fromtimestamp(nanoseconds // SECOND, UTC).date()


def _memory(spans: Sequence[Span]) -> int:
    return (96 + len(spans) % 32) << 20


def _stored(spans: Sequence[Span]) -> int:
    return (3 + len(spans) % 7) << 30


def _cpu_seconds(spans: Sequence[Span]) -> Fraction:
    """Twelve milliseconds for each span: binary fractions, as doubles have them exactly."""
    return Fraction(len(spans) * 3, 256)


def _sent(spans: Sequence[Span]) -> tuple[int, int]:
    """Bytes sent until the morning, and until noon."""
    return 1000 * len(spans), 1000 * len(spans) + 333 * len(spans) ** 2


def _measured(batch: Batch, dense: bool) -> dict[str, Fraction]:
    """What the metrics of one app and day measure."""
    _, _, spans = batch
    hours = 24 if dense else 1
    return {
        "cpu_seconds": _cpu_seconds(spans),
        "network_bytes": Fraction(_sent(spans)[1]),
        "memory_byte_hours": Fraction(hours * _memory(spans)),
        "storage_byte_hours": Fraction(hours * _stored(spans)),
    }


def _resource_metrics(batch: Batch, today: date, dense: bool) -> dict[str, Any]:
    """Memory (hourly on the last days), requests so far, and the histogram of durations of one app."""
    _, attributes, spans = batch
    start = int(moment(today, 0).timestamp()) * SECOND
    end = start + DAY * SECOND - 1
    durations = [(span.end - span.start) / SECOND for span in spans if span.is_request]
    bounds = [0.05, 0.1, 0.25, 0.5, 1.0]
    buckets = np.bincount(np.searchsorted(bounds, durations), minlength=len(bounds) + 1).tolist()
    hours = range(24) if dense else (12,)
    memory, stored = (
        [{"timeUnixNano": str(start + hour * HOUR * SECOND), "asInt": str(level)} for hour in hours]
        for level in (_memory(spans), _stored(spans))
    )
    whole_day = {"startTimeUnixNano": str(start), "timeUnixNano": str(end)}
    histogram = {
        **whole_day,
        "count": str(len(durations)),
        "sum": round(sum(durations), 9),
        "bucketCounts": [str(count) for count in buckets],
        "explicitBounds": bounds,
    }
    delta, cumulative = 1, 2
    sent = [
        {
            "startTimeUnixNano": str(start),
            "timeUnixNano": str(start + minutes * 60 * SECOND),
            "asInt": str(count),
        }
        for minutes, count in zip((30, 12 * 60), _sent(spans), strict=True)
    ]
    metrics = [
        {"name": "process.memory.usage", "unit": "By", "gauge": {"dataPoints": memory}},
        {
            "name": "container.filesystem.usage",
            "unit": "By",
            "sum": {"dataPoints": stored, "aggregationTemporality": cumulative, "isMonotonic": False},
        },
        {
            "name": "process.cpu.time",
            "unit": "s",
            "sum": {
                "dataPoints": [{**whole_day, "asDouble": float(_cpu_seconds(spans))}],
                "aggregationTemporality": delta,
                "isMonotonic": True,
            },
        },
        {
            "name": "container.network.io",
            "unit": "By",
            "sum": {"dataPoints": sent, "aggregationTemporality": cumulative, "isMonotonic": True},
        },
        {
            "name": "http.server.requests",
            "unit": "{request}",
            "sum": {
                "dataPoints": [{**whole_day, "asInt": str(len(durations))}],
                "aggregationTemporality": delta,
                "isMonotonic": True,
            },
        },
        {
            "name": DURATIONS[batch[0].kind],
            "unit": "s",
            "histogram": {"dataPoints": [histogram], "aggregationTemporality": delta},
        },
    ]
    return {
        "resource": {"attributes": _attributes(attributes)},
        "scopeMetrics": [{"scope": {"name": SCOPE}, "metrics": metrics}],
    }


def _points(resource_metrics: dict[str, Any]) -> int:
    return sum(
        len(metric[kind]["dataPoints"])
        for metric in resource_metrics["scopeMetrics"][0]["metrics"]
        for kind in ("gauge", "sum", "histogram")
        if kind in metric
    )


def _resource_logs(batch: Batch, chatty: bool) -> dict[str, Any] | None:
    """One error record per bad request, and one line of a chatty app that it is alive."""
    _, attributes, spans = batch
    records = [_log(span, 17, "ERROR", "request failed") for span in spans if span.is_request and span.is_bad]
    if chatty:
        records.insert(0, _log(spans[0], 9, "INFO", "ready"))
    if not records:
        return None
    return {
        "resource": {"attributes": _attributes(attributes)},
        "scopeLogs": [{"scope": {"name": SCOPE}, "logRecords": records}],
    }


def _records(resource_logs: dict[str, Any]) -> int:
    return len(resource_logs["scopeLogs"][0]["logRecords"])


def _log(span: Span, number: int, severity: str, text: str) -> dict[str, Any]:
    return {
        "timeUnixNano": str(span.start),
        "observedTimeUnixNano": str(span.start),
        "severityNumber": number,
        "severityText": severity,
        "body": {"stringValue": text},
        "traceId": span.trace_id,
        "spanId": span.span_id,
    }


SIGNALS = (
    Signal(
        name="traces",
        key="resourceSpans",
        message=ExportTraceServiceRequest,
        as_json=lambda batch: json_resource_spans(*batch[1:]),
        add_to=lambda request, batch: add_resource_spans(request, *batch[1:]),
        records=lambda batch: len(batch[2]),
    ),
    Signal(
        name="metrics",
        key="resourceMetrics",
        message=ExportMetricsServiceRequest,
        as_json=_compact,
        add_to=_add_metrics,
        records=_points,
    ),
    Signal(
        name="logs",
        key="resourceLogs",
        message=ExportLogsServiceRequest,
        as_json=_compact,
        add_to=_add_logs,
        records=_records,
    ),
)
"""What is written, in the order of ``Telemetry.write``."""
