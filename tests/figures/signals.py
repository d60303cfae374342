"""Small, awkward rows of telemetry: three signals of two days and the days beside them, with and without an app, delivered
once and in copies, loaded, refused and inserted directly. Rows stay plain Python, for independent counts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from sql.warehouse import Warehouse
from tests.figures.rows import Draw, Row

ASKED = (date(2026, 3, 3), date(2026, 3, 4))
DAYS = (date(2026, 3, 2), *ASKED, date(2026, 3, 5))
DIRECT = uuid.UUID(int=0)
LOADED = (uuid.UUID(int=1), uuid.UUID(int=2))
REFUSED = uuid.UUID(int=3)
METRICS = ("gauge", "sum", "summary", "histogram", "exponential_histogram")
APPS = ("shop", "mill", "unknown_service:java", "unknown_service@host", "")
ENVIRONMENTS = ("", "prod", "test")
NO_END = 2**64 - 1_000
SECOND = 10**9

PROBE = {"http.request.method": "GET", "url.path": "/healthz"}
REQUESTS: list[tuple[str, str, dict[str, str], str, bool]] = [
    ("Server", "Unset", {}, "request", False),
    ("Server", "Error", {}, "request", True),
    ("Server", "Unset", {"http.response.status_code": "503"}, "request", True),
    ("Server", "Error", {"http.response.status_code": "404"}, "request", False),
    ("Consumer", "Unset", {}, "request", False),
    ("Consumer", "Error", {}, "request", True),
    ("Server", "Unset", PROBE, "health", False),
    ("Server", "Error", PROBE, "health", True),
    ("Client", "Error", {"http.response.status_code": "500"}, "", True),
    ("Internal", "Unset", {}, "", False),
]
"""Kind of the span, its status and attributes; whether it is a request, a health check or neither, and whether it failed."""

SECRETS = {
    "Authorization": ("s3cr3t", "[redacted: credentials]", ""),
    "Cookie": ("a=b", "****", "[redacted: cookies] x"),
}


@dataclass
class Signals:
    """Every row as it was inserted, and those of them that count."""

    spans: list[Row] = field(default_factory=list)
    logs: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)

    def of(self, signal: str) -> list[Row]:
        rows: list[Row] = {"traces": self.spans, "logs": self.logs, "metrics": self.points}[signal]
        return rows

    def counting(self, signal: str) -> list[Row]:
        """Rows of loaded batches and direct ones, each once; of a span's copies the one with an end, and the shortest."""
        found: dict[Any, Row] = {}
        for row in self.of(signal):
            if row["batch"] != REFUSED:
                before = found.setdefault(row["identity"], row)
                if signal == "traces" and (row["duration"], row["status"]) < (
                    before["duration"],
                    before["status"],
                ):
                    found[row["identity"]] = row
        return list(found.values())


def day_of(row: Row) -> date:
    return hour_of(row).date()


def hour_of(row: Row) -> datetime:
    seconds = row["at"] // SECOND
    return datetime.fromtimestamp(seconds - seconds % 3600, UTC)


def _common(draw: Draw, number: int, environments: tuple[str, ...] = ENVIRONMENTS) -> Row:
    """Sender and time of a record; times are at the edges of days and hours, and no two the same."""
    day = draw.of(DAYS)
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    second = draw.of((0, 0, 3599, 3600, 86_399, draw.chance.randrange(86_400)))
    # the first records are of one second each, so that some start exactly at midnight and others end the day
    at = (midnight + second) * SECOND + (
        SECOND - 1 - number if second == 86_399 else number * (second > 0 or number > 40)
    )
    app, environment = draw.of(APPS), draw.of(environments)
    resource = {"service.name": app, "app_id": app} if app else {}
    if environment:
        resource["deployment.environment.name"] = environment
    return {
        "at": at,
        "app_id": app,
        "environment": environment,
        "service": app,
        "resource": resource,
        "record": {},
        "scope": {},
    }


def _spans(draw: Draw) -> Iterator[Row]:
    for number in range(420):
        kind, status, attributes, what, failed = draw.of(REQUESTS)
        row = _common(draw, number)
        resource, record = row["resource"], dict(attributes)
        for place in (resource, record):
            for key in ("cloud.resource_id", "faas.id"):
                if draw.chance.random() < 0.3:
                    place[key] = draw.of(("arn:1", "ARN:1", " arn:2", "fn:3", " "))
        yield {
            **row,
            "trace": f"{number:032x}",
            "span": f"{number % 7:016x}",
            "name": "lost" if not row["app_id"] else draw.of(("GET /a", "GET /b")),
            "kind": kind,
            "status": status,
            "record": record,
            "duration": NO_END + number
            if draw.chance.random() < 0.15
            else draw.chance.randrange(1, 9_000) * 250_000,
            "what": what,
            "failed": failed,
            "identity": ("traces", number),
        }


def _differing(draw: Draw, spans: list[Row]) -> Iterator[Row]:
    """Spans delivered again that name another app, time or service, one or two of them, or all at once."""
    for number, span in enumerate(draw.chance.sample([one for one in spans if one["app_id"]], 60)):
        for turn in range(1 + number % 2):
            changed = [("app",), ("time",), ("service",), ("app", "time"), ("time", "service"), ("kind",)][
                number % 6
            ]
            other = {**span, "resource": dict(span["resource"]), "identity": ("again", number, turn)}
            if "app" in changed:
                other["app_id"] = f"other-{turn}"
                other["resource"]["app_id"] = other["app_id"]
            if "time" in changed:
                other["at"] = span["at"] + (1 + turn) * draw.of((1, 86_400)) * SECOND
            if "service" in changed:
                other["service"] = f"service-{turn}"
            if "kind" in changed:
                other |= {"kind": "Producer", "what": "", "identity": ("again", number)}
            yield other


def _logs(draw: Draw) -> Iterator[Row]:
    for number in range(160):
        yield {
            **_common(draw, number),
            "record": {"k": str(number)},
            "hash": 10_000 + number,
            "body": draw.of(
                ("a body", "by [redacted: email]", "[redacted: email] and [redacted: card]", "[redacted: ]")
            ),
            "identity": ("logs", number),
        }
    yield from _alone(
        draw, "logs alone", 10, lambda number: {"hash": number, "body": "b", "identity": ("alone", number)}
    )


def _points(draw: Draw) -> Iterator[Row]:
    for number in range(200):
        yield {
            **_common(draw, number),
            "table": METRICS[number % len(METRICS)],
            "record": {"k": str(number)},
            "identity": ("metrics", number),
        }
    yield from _alone(
        draw, "points alone", 10, lambda number: {"table": "sum", "identity": ("alone", number)}
    )


def _alone(draw: Draw, app: str, count: int, more: Any) -> Iterator[Row]:
    """Records of an app that sends nothing else."""
    for number in range(count):
        row = _common(draw, number, ("",))
        yield {
            **row,
            "app_id": app,
            "service": app,
            "resource": {"app_id": app},
            "record": {"n": str(number)},
            **more(number),
        }


def _delivered(draw: Draw, rows: Iterator[Row]) -> list[Row]:
    """Rows as they came: loaded or directly, some of them twice, some in an object that was refused."""
    found = []
    for row in rows:
        row = {**row, "batch": draw.of((*LOADED, DIRECT))}
        for place, key in (
            ("resource", "Authorization"),
            ("record", "Cookie"),
            ("record", "Authorization"),
            ("scope", "Cookie"),
        ):
            if draw.chance.random() < 0.4:
                row[place] = {**row[place], key: draw.of(SECRETS[key])}
        found.append(row)
        if draw.chance.random() < 0.25:
            found.append({**row, "batch": draw.of((*LOADED, DIRECT))})
        if draw.chance.random() < 0.2:
            other = {**row, "batch": REFUSED, "identity": (*row["identity"], "refused")}
            found.append(
                other if draw.chance.random() < 0.5 else {**other, "at": row["at"] + 5 * SECOND * len(found)}
            )
    return found


def send(warehouse: Warehouse, seed: int = 3) -> Signals:
    """Inserts telemetry and the ledger's lines on it; returns what was inserted."""
    draw = Draw(seed)
    spans = list(_spans(draw))
    signals = Signals(
        _delivered(draw, iter([*spans, *_differing(draw, spans)])),
        _delivered(draw, _logs(draw)),
        _delivered(draw, _points(draw)),
    )
    for row in draw.chance.sample([one for one in signals.spans if one["batch"] != REFUSED], 40):
        # a copy that took longer, or has no end, counts for nothing
        longer = {**row, "batch": draw.of(LOADED), "duration": row["duration"] + 7, "status": "Error"}
        signals.spans.append(longer)
    insert(warehouse, "otel_traces", signals.spans)
    insert(warehouse, "otel_logs", signals.logs)
    for kind in METRICS:
        insert(warehouse, f"otel_metrics_{kind}", [row for row in signals.points if row["table"] == kind])
    lines = [
        {"kind": "telemetry", "source_name": "files", "object_name": str(batch), "batch_id": str(batch), "state": state, "rows": 1}
        for batch, state in ((LOADED[0], "loaded"), (LOADED[1], "loaded"), (REFUSED, "refused"))
    ]  # fmt: skip
    warehouse.insert("raw_deliveries", pl.DataFrame(lines))
    return signals


def insert(warehouse: Warehouse, table: str, rows: list[Row]) -> None:
    """Rows into a table of ``otel``, attributes as maps."""
    metrics = table.startswith("otel_metrics")
    record = "Attributes" if metrics else "LogAttributes" if table == "otel_logs" else "SpanAttributes"
    columns: dict[str, pl.Series] = {
        "TimeUnix" if metrics else "Timestamp": pl.Series(
            [row["at"] for row in rows], dtype=pl.Datetime("ns", "UTC")
        ),
        "ServiceName": pl.Series([row["service"] for row in rows]),
        "ResourceAttributes": texts([row["resource"] for row in rows]),
        record: texts([row["record"] for row in rows]),
        "x_BatchId": pl.Series([str(row["batch"]) for row in rows]),
    }
    if table != "otel_traces":
        columns["ScopeAttributes"] = texts([row["scope"] for row in rows])
    if table == "otel_traces":
        names = {
            "trace": "TraceId",
            "span": "SpanId",
            "name": "SpanName",
            "kind": "SpanKind",
            "status": "StatusCode",
        }
        columns |= {column: pl.Series([row[name] for row in rows]) for name, column in names.items()}
        columns["Duration"] = pl.Series([row["duration"] for row in rows], dtype=pl.UInt64)
    if table == "otel_logs":
        columns["x_RecordHash"] = pl.Series([row["hash"] for row in rows], dtype=pl.UInt64)
        columns["Body"] = pl.Series([row["body"] for row in rows])
    warehouse.insert(f"{warehouse.form.telemetry_database}.{table}", pl.DataFrame(columns))


def texts(maps: list[dict[str, str]]) -> pl.Series:
    """A column of maps from text to text."""
    pairs = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
    listed = [[{"key": key, "value": value} for key, value in one.items()] for one in maps]
    return pl.Series(listed, dtype=pairs).cast(pl.Map(pl.String, pl.String))


def after(day: date) -> date:
    return day + timedelta(days=1)
