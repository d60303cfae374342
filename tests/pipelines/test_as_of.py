"""As-of and states over telemetry that was really loaded: whatever one sender adds, the others are judged as before."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from models import silence
from models.policy import silence_policy
from models.settings import Settings
from pipelines.compute import AsOf, compute_slices, newest_complete
from pipelines.ingest.telemetry import load_object
from sql.warehouse import Warehouse

END = datetime(2026, 3, 2, 12, 3, tzinfo=UTC)
"""Inside a slice."""
CLOCK = END + timedelta(days=40)
APPS = ("a", "b", "c", "d")
NANOSECOND = 10**9


def spans(app: str, moments: Iterable[datetime], failing: bool = False) -> bytes:
    """A request of OTLP/JSON, a SERVER span at each moment."""
    found = []
    for number, at in enumerate(moments):
        start = int(at.timestamp()) * NANOSECOND
        identity = hashlib.sha256(f"{app}{number}{at}".encode()).hexdigest()
        found.append(
            {
                "traceId": identity[:32],
                "spanId": identity[32:48],
                "name": "GET /",
                "kind": 2,
                "startTimeUnixNano": str(start),
                "endTimeUnixNano": str(start + 1_000_000),
                "status": {"code": 2} if failing else {},
            }
        )
    resource = {"attributes": [{"key": "app_id", "value": {"stringValue": app}}]}
    return (
        json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": found}]}]}).encode()
        + b"\n"
    )


def log_record(app: str, at: datetime) -> bytes:
    """A request of OTLP/JSON with a log record."""
    resource = {"attributes": [{"key": "app_id", "value": {"stringValue": app}}]}
    records = [{"timeUnixNano": str(int(at.timestamp()) * NANOSECOND), "body": {"stringValue": "tick"}}]
    return (
        json.dumps(
            {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
        ).encode()
        + b"\n"
    )


class Workspace:
    """A warehouse that telemetry is loaded into, and what is judged from it."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse, self.folder = warehouse, folder
        self.settings = Settings(folder, folder, folder)
        self.objects = 0

    def load(self, content: bytes, written_at: datetime, source: str = "files") -> None:
        self.objects += 1
        path = self.folder / f"{self.objects}.jsonl"
        path.write_bytes(content)
        outcome = load_object(
            self.warehouse,
            source_name=source,
            object_name=path.name,
            path=path,
            sha256=hashlib.sha256(content).hexdigest(),
            modified_at=written_at,
        )
        assert outcome.state == "loaded", outcome
        compute_slices(self.warehouse, self.settings)

    def as_of(self, clock: datetime = CLOCK) -> AsOf:
        return newest_complete(self.warehouse, clock)

    def judged(self) -> tuple[datetime, list[tuple[object, ...]]]:
        """As-of, and everything that the states of the honest apps are made of: whole slices only."""
        moment = self.as_of().slice_end
        slices = self.warehouse.frame_of(
            "SELECT app_id, toDateTime64(slice_start, 0, 'UTC') AS slice_start, sum(requests), sum(errors)"
            " FROM core_request_slices_current WHERE slice_start < {moment:DateTime('UTC')} AND app_id != 'liar'"
            " GROUP BY ALL ORDER BY ALL",
            moment=moment,
        )
        return moment, slices.rows()


@pytest.fixture
def workspace(fresh_warehouse: Warehouse, tmp_path: Path) -> Workspace:
    return Workspace(fresh_warehouse, tmp_path)


def test_no_sender_moves_as_of_or_what_others_are_judged_by(workspace: Workspace) -> None:
    five = timedelta(minutes=5)
    for number, app in enumerate(APPS):
        at = [END - number * timedelta(seconds=20) - back * five for back in range(48)]
        workspace.load(spans(app, at, failing=app == "d"), CLOCK)
    moment, judged = workspace.judged()
    assert moment == END.replace(minute=0)
    assert max(row[1] for row in judged) == moment - five
    assert (workspace.as_of().basis, workspace.as_of().note) == ("past", "")
    chance = random.Random("any clock")
    hours, days = timedelta(hours=1), timedelta(days=1)
    lies = {
        "an hour ahead": [END + hours],
        "a zone ahead": [END + 14 * hours],
        "for days on end": [END + turn * hours for turn in range(120)],
        "a month ahead": [END + 30 * days],
        "long ago": [END - 9 * 365 * days],
        "very many": [END + timedelta(milliseconds=turn * 300) for turn in range(20_000)],
        "any clock": [END + timedelta(seconds=chance.randint(-(10**8), 3 * 10**6)) for _ in range(500)],
    }
    contents = {lie: spans("liar", moments) for lie, moments in lies.items()} | {
        "nonsense": b'{"resourceSpans": 5}\n{\x00\xff}\n' + spans("liar", [END + 2 * days]) * 2,
        "logs of everybody": b"".join(log_record(app, END + 2 * hours) for app in (*APPS, "liar")),
    }
    for lie, content in contents.items():
        workspace.load(content, CLOCK)
        assert workspace.judged() == (moment, judged), lie
    assert "liar alone" in workspace.as_of().note

    hour = workspace.warehouse.frame(
        "queries/silence/hours", as_of=moment, since=moment - silence.hours_needed(silence_policy())
    ).filter(pl.col("app_id") == "a")
    want = {END.replace(minute=0) - turn * hours: 12 for turn in range(1, 4)}
    found = dict(hour.select("hour", "requests").iter_rows())
    assert {at: found[at] for at in want} == want
    assert hour["last_slice_end"].max() == moment
