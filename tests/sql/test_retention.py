"""Raw telemetry past its retention goes, and nothing that is computed from it changes: against rows kept in plain Python.

The warehouse begins as one made before retention was: what it holds then is stamped by no load.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console

from models.settings import Settings
from pipelines.commands import checks
from pipelines.commands.checks import Look
from pipelines.commands.retention import apply, plan
from pipelines.compute import AsOf, Outcome, compute_slices, compute_volumes, publishing, telemetry_days
from pipelines.ingest.registry import registry_retention
from pipelines.ingest.telemetry import load_object
from sql import opening
from sql import retention as removing
from sql.damage import COMPUTED, lost_records
from sql.opening import open_warehouse
from sql.publish import heads
from sql.retention import begun, removed_days
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.telemetry.otlp_messages import pairs, rich_metrics

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
TODAY = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAYS_AGO = (120, 91, 90, 31, 16, 15, 8, 7, 3)
TIERS = {"critical": 90, "high": 30, "medium": 15, "low": 7}
REGISTRY = {"inn": "high"}
CATALOGUE = """apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: inn, annotations: {appfleet.io/criticality: high}}
spec: {owner: hosts}
"""
BY_DAY = (
    "request_slices", "request_hours", "app_telemetry_daily", "app_resources", "app_usage_hours", "app_calls",
    "app_telemetry_volumes",
)  # fmt: skip
SENDERS = {"shop": "critical", "mill": " LOW ", "inn": "low", "barn": "", "yard": "severe"}
"""App -> the ``service.criticality`` it sends."""


class Cell(NamedTuple):
    """A partition: its table, day and the days its rows are stamped with."""

    table: str
    day: date
    kept: int


def days_of(app: str) -> int:
    """The stamp an app's rows must have."""
    tier = REGISTRY.get(app) or SENDERS[app].strip().lower()
    return TIERS.get(tier, TIERS["medium"])


def day_ago(days: int) -> date:
    return TODAY.date() - timedelta(days=days)


def resource(app: str) -> list[Any]:
    said = {"service.criticality": SENDERS[app]} if SENDERS[app] else {}
    return pairs({"service.name": app, **said})


def spans(day: date, first: int = 1) -> ExportTraceServiceRequest:
    """Three spans of each app, over a day from six in the morning on."""
    request = ExportTraceServiceRequest()
    start = int(datetime(day.year, day.month, day.day, 6, tzinfo=UTC).timestamp()) * 10**9
    for place, app in enumerate(SENDERS):
        of_app = request.resource_spans.add()
        of_app.resource.attributes.extend(resource(app))
        scope = of_app.scope_spans.add()
        for number in range(first, first + 3):
            key = 100 * place + number
            begins = start + number * 3_600 * 10**9
            scope.spans.add(
                trace_id=(1 << 120 | key).to_bytes(16, "big"),
                span_id=(1 << 56 | key).to_bytes(8, "big"),
                name="GET /",
                kind=2,
                start_time_unix_nano=begins,
                end_time_unix_nano=begins + 10**7 * number,
            )
    return request


def logs(day: date) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    start = int(datetime(day.year, day.month, day.day, 5, tzinfo=UTC).timestamp()) * 10**9
    for place, app in enumerate(SENDERS):
        of_app = request.resource_logs.add()
        of_app.resource.attributes.extend(resource(app))
        records = of_app.scope_logs.add().log_records
        for number in range(2):
            records.add(time_unix_nano=start + place * 10 + number, severity_number=9).body.string_value = "x"
    return request


def points(day: date) -> ExportMetricsServiceRequest:
    """A point of each kind of each app."""
    request = ExportMetricsServiceRequest()
    moment = int(datetime(day.year, day.month, day.day, 7, tzinfo=UTC).timestamp()) * 10**9
    for app in SENDERS:
        of_app = request.resource_metrics.add()
        of_app.CopyFrom(rich_metrics().resource_metrics[0])
        del of_app.resource.attributes[:]
        of_app.resource.attributes.extend(resource(app))
        for metric in of_app.scope_metrics[0].metrics:
            held = getattr(metric, metric.WhichOneof("data"))
            del held.data_points[1:]
            held.data_points[0].time_unix_nano = moment
            held.data_points[0].start_time_unix_nano = moment - 10**9
    return request


ROWS: dict[Callable[[date], Message], dict[str, int]] = {
    spans: {"otel_traces": 3},
    logs: {"otel_logs": 2},
    points: {f"otel_metrics_{kind}": 1 for kind in KINDS},
}
"""What a day of a signal gives each app."""


@dataclass
class Place:
    """A workspace, its warehouse and what was put there, by partition."""

    settings: Settings
    warehouse: Warehouse
    folder: Path
    held: Counter[Cell] = field(default_factory=Counter)
    objects: int = 0

    def load(self, request: Any, received: datetime) -> None:
        self.objects += 1
        content = request.SerializeToString()
        path = self.folder / str(self.objects)
        path.write_bytes(content)
        loaded = load_object(
            self.warehouse,
            source_name="files",
            object_name=path.name,
            path=path,
            sha256=hashlib.sha256(content).hexdigest(),
            modified_at=received,
            keep=registry_retention(self.settings),
        )
        assert (loaded.state, loaded.rejected) == ("loaded", 0), loaded

    def send(self, make: Callable[[date], Message], *days_ago: int) -> None:
        """Days of a signal in one object, received in the morning after the last; counted as it must be stamped."""
        request = make(day_ago(days_ago[0]))
        for more in days_ago[1:]:
            request.MergeFrom(make(day_ago(more)))
        last = day_ago(min(days_ago))
        self.load(request, datetime(last.year, last.month, last.day, 9, tzinfo=UTC) + timedelta(days=1))
        for day, app in product(map(day_ago, days_ago), SENDERS):
            for table, rows in ROWS[make].items():
                self.held[Cell(table, day, days_of(app))] += rows

    def inserted(self, days_ago: int) -> None:
        """A day as a collector inserts it, stamped by nobody."""
        day = day_ago(days_ago)
        self.warehouse.execute_text(
            "INSERT INTO {{otel}}.otel_traces (Timestamp, TraceId, SpanId, SpanKind, ServiceName, Duration) "
            "SELECT toDateTime64({at:String}, 9, 'UTC') + number, hex(number), hex(number), 'Server', 'old', 5000000 "
            "FROM numbers(4)",
            at=f"{day} 10:00:00",
        )
        self.held[Cell("otel_traces", day, 0)] += 4

    def cells(self) -> Counter[Cell]:
        """What lies in the tables now."""
        found: Counter[Cell] = Counter()
        for kind, time in [("traces", "Timestamp"), ("logs", "Timestamp")] + [
            (f"metrics_{kind}", "TimeUnix") for kind in KINDS
        ]:
            frame = self.warehouse.frame_of(
                f"SELECT toDate({time}) AS day, retention_days, count() FROM {{{{otel}}}}.otel_{kind} GROUP BY ALL"
            )
            for day, kept, rows in frame.iter_rows():
                found[Cell(f"otel_{kind}", day, kept)] += rows
        return found

    def figures(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every figure that is published of telemetry by day, and the releases."""
        names = [f"core_{one}" for one in BY_DAY]
        assert set(names) < set(COMPUTED)
        found = {
            name: sorted(self.warehouse.frame_of(f"SELECT * FROM {name}_current").rows(), key=repr)
            for name in names
        }
        return {
            **found,
            "heads": [
                (one.scope, one.period, one.seq, one.rows)
                for scope in ("slices", "volumes")
                for one in heads(self.warehouse, scope)
            ],
        }

    def computed(self) -> tuple[Outcome, Outcome]:
        """Slices, and what is counted of raw rows by whole days."""
        slices = compute_slices(self.warehouse, self.settings)
        return slices, compute_volumes(self.warehouse, self.settings, AsOf(TODAY, date(1970, 1, 1)))

    def receipts(self) -> list[tuple[Any, ...]]:
        return self.warehouse.frame("queries/freshness/receipts", live_source="live").rows()

    def said(self, what: Any, now: datetime = TODAY) -> tuple[Any, str]:
        text = StringIO()
        found = what(Console(file=text, width=250), self.settings, now=now)
        return found, text.getvalue()


def past(cells: Counter[Cell], unstamped: int = 90) -> set[Cell]:
    """The partitions all of whose rows are older than they are kept, by their age in days."""
    return {one for one in cells if (TODAY.date() - one.day).days > (one.kept or unstamped)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Place]:
    root = migrated(tmp_path_factory.mktemp("retention"))
    (root / "catalog.yaml").write_text(CATALOGUE)
    settings = Settings(root, root / "catalog.yaml", root / "teams.yaml")
    folder = tmp_path_factory.mktemp("objects")
    with open_warehouse(root) as before:
        before.execute_text("DROP TABLE telemetry_removals")
        before.execute_text("DELETE FROM schema_migrations WHERE startsWith(name, '0029')")
        Place(settings, before, folder).inserted(120)
        Place(settings, before, folder).inserted(8)
    opening.schema_applied(root, opening.server_of(root))  # a server's is never brought up by opening it
    with open_warehouse(root) as warehouse:
        made = Place(settings, warehouse, folder)
        for days_ago in (120, 8):
            made.held[Cell("otel_traces", day_ago(days_ago), 0)] += 4
        made.send(spans, *(days for days in DAYS_AGO if days != 31))
        made.send(spans, 31)
        made.send(logs, 120, 31, 15, 8, 3)
        made.send(points, 31, 8)
        made.computed()
        yield made


def test_rows_are_stamped_and_go_by_whole_partitions_and_figures_stay(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.cells() == place.held
    figures, receipts = place.figures(), place.receipts()
    assert len(receipts) == 2 and len(figures["core_request_slices"]) > 10 * len(DAYS_AGO)
    leaving, text = place.said(plan)
    gone = past(place.held)
    assert {Cell(one.table, one.day, one.retention_days) for one in map(partition, leaving)} == gone
    assert all(one.bytes > 0 for one in map(partition, leaving))
    rows = sum(place.held[one] for one in gone)
    days = len({one.day for one in gone})
    assert f"{len(gone):,} partitions of {days} days past their retention, {rows:,} rows: would free" in text
    assert "unstamped" in text and "critical" in text
    assert place.cells() == place.held
    removed, text = place.said(apply)
    assert {Cell(one.table, one.day, one.retention_days) for one in removed} == gone
    assert f"{rows:,} rows: freed about" in text
    left = Counter({one: count for one, count in place.held.items() if one not in gone})
    assert place.cells() == left
    place.held = left
    assert set(removed_days(place.warehouse)) == {one.day for one in gone}
    assert place.figures() == figures and place.receipts() == receipts
    assert lost_records(place.warehouse.frame) == [] and begun(place.warehouse) == []
    # As other rules would compute every day anew: those whose rows are gone stay.
    monkeypatch.setattr(publishing, "rules_sha256", lambda: "other rules")
    done, volumes = place.computed()
    after = place.figures()
    assert {release.period for release in done.releases} == {day_ago(3)}  # that of 7 follows one that is gone
    assert f"{len(DAYS_AGO) - 1} day(s), {day_ago(120)} to {day_ago(7)}: slices stay" in done.notes[0]
    assert {release.period for release in volumes.releases} == {day_ago(7), day_ago(3)}
    assert f"{len(DAYS_AGO) - 2} day(s), {day_ago(120)} to {day_ago(8)}: volumes stay" in volumes.notes[0]
    del after["heads"], figures["heads"]
    assert after == figures
    monkeypatch.undo()
    place.computed()
    removed, text = place.said(apply)
    assert removed == [] and "Nothing that may go" in text


@pytest.fixture
def cleared(place: Place) -> Place:
    """The place after what is past its retention went, whichever test ran before."""
    if not removed_days(place.warehouse):
        place.said(apply)
        for one in past(place.held):
            del place.held[one]
        place.computed()
    assert place.cells() == place.held
    return place


def partition(one: Any) -> Any:
    assert not one.waits
    return one.partition


def test_what_is_not_computed_yet_waits(cleared: Place) -> None:
    place = cleared
    before = place.cells()
    place.send(spans, 61)
    compute_slices(place.warehouse, place.settings)
    place.send(spans, 60)
    leaving, text = place.said(plan)
    days = {day_ago(61), day_ago(60)}
    assert {one.partition.day for one in leaving} == days and all(one.waits for one in leaving)
    assert f"Past its retention, and kept: {day_ago(61)}: slices of the day after" in text
    assert f"Past its retention, and kept: {day_ago(60)}: its slices are not computed" in text
    removed, _ = place.said(apply)
    assert removed == [] and place.cells() == place.held
    compute_slices(place.warehouse, place.settings)
    removed, text = place.said(apply)
    assert removed == [] and f"{day_ago(61)}, {day_ago(60)}: what its telemetry takes is not counted" in text
    place.computed()
    removed, _ = place.said(apply)
    gone = past(place.held) - past(before)
    assert {Cell(one.table, one.day, one.retention_days) for one in removed} == gone != set()
    for one in gone:
        del place.held[one]
    assert place.cells() == place.held


def test_what_comes_later_changes_no_figure_and_is_told(cleared: Place) -> None:
    place = cleared
    figures, day = place.figures(), day_ago(31)
    request = spans(day, first=10)
    place.load(request, TODAY)
    place.inserted(31)
    late = Counter({Cell("otel_traces", day, days_of(app)): 3 for app in ("shop", "inn")})
    late += Counter({Cell("otel_traces", day, 15): 6, Cell("otel_traces", day, 7): 3})
    place.held += late
    assert place.cells() == place.held
    done, volumes = place.computed()
    assert (
        place.figures() == figures
        and not done.releases
        and not volumes.releases
        and str(day) in done.notes[0]
    )
    assert day not in telemetry_days(place.warehouse, place.settings)[1]
    (found,) = checks.retention(Look(place.warehouse, place.settings, TODAY))
    assert (
        f"files {day}: 15 record(s) of traces came after raw rows of the day were removed" in found.sentence
    )
    gone = past(place.held)
    removed, _ = place.said(apply)
    assert {Cell(one.table, one.day, one.retention_days) for one in removed} == gone
    for one in gone:
        del place.held[one]
    assert place.cells() == place.held and lost_records(place.warehouse.frame) == []


@pytest.mark.parametrize(("after", "days_later"), [("removing", 1), ("drop", 5), ("removed", 8)])
def test_a_removal_that_ends_early_is_ended_by_the_next(
    cleared: Place, monkeypatch: pytest.MonkeyPatch, after: str, days_later: int
) -> None:
    """As killed after its lines, after the partition went, and after the last line of the first one."""
    place = cleared
    now = TODAY + timedelta(days=days_later)
    stop = Stopping(after)
    figures = place.figures()
    expected = {one for one in place.held if (now.date() - one.day).days > (one.kept or 90)}
    assert len(expected) > 1, expected
    with monkeypatch.context() as patch, pytest.raises(Stopping.Stopped):
        patch.setattr(removing, "_write", stop.write)
        patch.setattr(
            Warehouse, "execute", lambda warehouse, name, /, **more: stop.execute(name, more, warehouse)
        )
        place.said(apply, now)
    assert lost_records(place.warehouse.frame) == [] and place.figures() == figures
    assert bool(begun(place.warehouse)) == (after != "removed")
    place.said(apply, now)
    for one in expected:
        del place.held[one]
    assert place.cells() == place.held and begun(place.warehouse) == []
    assert lost_records(place.warehouse.frame) == [] and place.figures() == figures
    counted = place.warehouse.frame_of(
        "SELECT table_name, day, retention_days, sumIf(rows, state = 'removed') AS gone, sumIf(rows, state = 'removing') AS listed "
        "FROM telemetry_removals GROUP BY ALL HAVING gone != listed"
    )
    assert counted.is_empty()


class Stopping:
    """Ends a removal after one of its steps."""

    class Stopped(Exception):
        pass

    def __init__(self, after: str) -> None:
        self.after = after
        self.write_lines, self.run = removing._write, Warehouse.execute

    def write(self, warehouse: Warehouse, lines: Any) -> None:
        self.write_lines(warehouse, lines)
        if lines and lines[0]["state"] == self.after:
            raise self.Stopped

    def execute(self, name: str, more: dict[str, Any], warehouse: Warehouse) -> None:
        self.run(warehouse, name, **more)
        if self.after == "drop" and name.endswith("drop_telemetry_partition"):
            raise self.Stopped
