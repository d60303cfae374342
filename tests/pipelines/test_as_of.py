"""As-of and states over telemetry that was really loaded: whatever one sender adds, the others are judged as before."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import polars as pl
import pytest

from models import silence
from models.as_of import Basis
from models.policy import silence_policy
from models.settings import Settings
from pipelines import compute
from pipelines.commands.run import run_pass
from pipelines.compute import AsOf, as_of, as_of_moment, compute_slices, newest_complete, yesterday
from pipelines.ingest.telemetry import load_object
from pipelines.steps import STEPS
from sql.opening import open_warehouse
from sql.publish import new_batch_id, publish, publish_periods
from sql.warehouse import Warehouse
from tests.conftest import Migrated

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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[tuple[Path, Warehouse]]:
    """A workspace for what arrived to be written by hand, and its warehouse."""
    root = migrated(tmp_path_factory.mktemp("ledger"))
    with open_warehouse(root) as warehouse:
        yield root, warehouse


WRITTEN = (
    "otel.otel_traces",
    "period_head",
    "raw_deliveries",
    "raw_intake_heartbeats",
)
"""What decides what is read here; rows of other tables are nobody's without a head."""


@pytest.fixture
def ledger(kept: tuple[Path, Warehouse]) -> Warehouse:
    """That warehouse, emptied."""
    for table in WRITTEN:
        kept[1].execute_text(f"TRUNCATE TABLE {table}")
    return kept[1]


def at(text: str) -> datetime:
    """A moment of March 2026, ``<day> <hour>:<minute>``."""
    return datetime.strptime(f"2026-03-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def deliver(warehouse: Warehouse, *lines: dict[str, object]) -> None:
    """Lines of the ledger on an object with traces that was loaded, but for what they say."""
    usual = {
        "kind": "telemetry",
        "signal": "traces",
        "state": "loaded",
        "source_name": "files",
        "object_name": "a",
        "object_sha256": "",
        "batch_id": str(UUID(int=1)),
        "rows": 1,
    }
    warehouse.insert("raw_deliveries", pl.DataFrame([{**usual, **line} for line in lines]))


NOT_LOADED: list[dict[str, object]] = [{"kind": "billing"}, {"state": "refused"}, {"rows": 0}]


def test_receipts_are_when_objects_with_traces_arrived_and_their_median(ledger: Warehouse) -> None:
    """Each object has hours of its own, so that no line passes for another."""

    def spans_of(batch: int, *moments: str) -> None:
        rows = {"Timestamp": [at(one) for one in moments], "x_BatchId": str(UUID(int=batch))}
        ledger.insert("otel.otel_traces", pl.DataFrame(rows))

    def arrives(batch: int, written: str, *days: tuple[int, int], recorded: str = "", **more: object) -> None:
        for day, rows in days:
            line = {"period": date(2026, 3, day), "rows": rows, "modified_at": at(written), **more}
            line = {"object_name": str(batch), "batch_id": str(UUID(int=batch)), **line}
            deliver(ledger, {**line, "recorded_at": at(recorded or "31 00:00")})

    # half of ten rows are reached on the second day; the ledger has the days in any order
    arrives(1, "05 09:00", (3, 5), (1, 4), (2, 1))
    # a clock ahead: when the first of its lines was written counts
    arrives(2, "30 00:00", (4, 7), recorded="06 10:00")
    arrives(2, "30 00:00", (5, 1), recorded="06 11:00")
    # of the day before, after all that came on their own day: the hour is that of its spans of that day
    arrives(3, "21 08:00", (20, 4), (19, 1))
    spans_of(3, "19 01:00", "20 20:00", "20 21:00", "20 22:00", "20 23:00")
    # the same, but as early as the newest that came on its own day; those two; and one of two days before
    arrives(8, "10 06:00", (10, 3))
    arrives(4, "16 06:00", (15, 2))
    arrives(5, "16 06:00", (16, 2))
    arrives(6, "22 07:00", (20, 2))
    for batch, moment in ((4, "15 20:00"), (5, "16 05:00"), (6, "20 20:00")):
        spans_of(batch, moment, moment)
    # two in one batch
    arrives(9, "21 09:00", (20, 2))
    arrives(9, "21 09:00", (18, 3), object_name="beside")
    spans_of(9, "20 18:00", "20 18:00")
    # one that claims days to come takes nobody's hour away
    arrives(7, "23 05:00", (29, 1))
    for other in (*NOT_LOADED, {"signal": "logs"}, {"source_name": "live"}):
        moments = {"period": date(2026, 3, 24), "modified_at": at("24 00:00"), "recorded_at": at("24 00:00")}
        deliver(ledger, {**moments, **other})
    assert ledger.frame("queries/freshness/receipts", live_source="live").rows() == [
        (at("05 09:00"), at("02 12:00")),
        (at("06 10:00"), at("04 12:00")),
        (at("10 06:00"), at("10 12:00")),
        (at("16 06:00"), at("15 12:00")),
        (at("16 06:00"), at("16 12:00")),
        (at("21 08:00"), at("20 21:30")),
        (at("21 09:00"), at("18 12:00")),
        (at("21 09:00"), at("20 18:00")),
        (at("22 07:00"), at("20 12:00")),
        (at("23 05:00"), at("29 12:00")),
    ]


def test_heartbeats_count_where_live_telemetry_ever_came_in(ledger: Warehouse) -> None:
    beats = [("b", "02 10:00", "02 10:01"), ("a", "02 09:00", "02 10:03"), ("b", "02 10:05", "02 10:06")]
    for intake, loaded, recorded in beats:
        row = {"intake": [intake], "loaded_through": [at(loaded)], "recorded_at": [at(recorded)]}
        ledger.insert("raw_intake_heartbeats", pl.DataFrame(row))

    def heard() -> list[tuple[object, ...]]:
        return ledger.frame("queries/freshness/heartbeats", live_source="live").rows()

    live = {"source_name": "live", "signal": "logs"}
    deliver(ledger, {"source_name": "files"}, *({**live, **other} for other in NOT_LOADED))
    assert heard() == []
    deliver(ledger, live)
    assert heard() == [("a", at("02 09:00"), at("02 10:03")), ("b", at("02 10:05"), at("02 10:06"))]


def test_senders_are_apps_with_spans_by_day(ledger: Warehouse) -> None:
    lines: list[tuple[str, int, int, str, str | None]] = [
        ("b", 2, 1, "test", "02 10:00"),
        ("b", 2, 9, "prod", "02 11:00"),
        ("b", 1, 1, "", "01 09:00"),
        ("a", 2, 2, "", "02 08:00"),
        ("logs alone", 2, 0, "", None),
    ]
    batch = new_batch_id()
    rows = [
        {
            "app_id": app,
            "usage_date": date(2026, 3, day),
            "spans": spans,
            "environment": environment,
            "last_span_at": at(last) if last else None,
            "last_seen": at("02 23:00"),
            "batch_id": str(batch),
        }
        for app, day, spans, environment, last in lines
    ]
    ledger.insert("core_app_telemetry_daily", pl.DataFrame(rows))
    days = {row["usage_date"]: "" for row in rows}
    publish_periods(ledger, "slices", {"core_app_telemetry_daily": batch}, days, {})
    assert ledger.frame("queries/freshness/senders").rows() == [
        ("a", date(2026, 3, 2), at("02 08:00")),
        ("b", date(2026, 3, 1), at("01 09:00")),
        ("b", date(2026, 3, 2), at("02 11:00")),
    ]


@pytest.mark.parametrize("with_hours", [False, True])
def test_requests_per_hour_are_those_before_a_moment_without_health_checks(
    ledger: Warehouse, with_hours: bool
) -> None:
    lines = [
        ("a", "prod", "server", "02 09:55", 1),  # before all that is asked for
        ("a", "prod", "server", "02 10:00", 2),
        ("a", "prod", "consumer", "02 10:25", 4),
        ("a", "prod", "health", "02 10:55", 8),
        ("a", "prod", "server", "02 11:55", 16),
        ("a", "prod", "server", "02 12:00", 32),  # the slice after the moment
        ("a", "", "server", "02 11:05", 64),
        ("b", "", "server", "02 10:30", 1),
        ("b", "prod", "health", "02 10:00", 128),
        ("b", "prod", "server", "02 11:00", 0),
    ]
    batch = new_batch_id()
    names = ("app_id", "environment", "kind", "slice_start", "requests")
    rows = [dict(zip(names, (*line[:3], at(line[3]), line[4]), strict=True)) for line in lines]
    ledger.insert("core_request_slices", pl.DataFrame(rows).with_columns(batch_id=pl.lit(str(batch))))
    batches = {"core_request_slices": batch}
    if with_hours:
        batches["core_request_hours"] = new_batch_id()
        for slices, hours in ((batch, batches["core_request_hours"]), (batch, new_batch_id())):
            ledger.execute(
                "statements/core_request_hours", days=["2026-03-02"], slices_batch_id=slices, batch_id=hours
            )
    publish_periods(ledger, "slices", batches, {date(2026, 3, 2): ""}, {})
    found = ledger.frame("queries/silence/hours", since=at("02 09:58"), as_of=at("02 12:00"))
    assert requests_by_hour(found) == {
        ("a", ""): ({at("02 11:00"): 64}, at("02 11:10")),
        ("a", "prod"): ({at("02 10:00"): 6, at("02 11:00"): 16}, at("02 12:00")),
        ("b", ""): ({at("02 10:00"): 1}, at("02 10:35")),
    }


def requests_by_hour(found: pl.DataFrame) -> dict[tuple[str, str], tuple[dict[datetime, int], datetime]]:
    """(app, environment) -> its requests by hour and the end of its last slice, of ``queries/silence/hours``."""
    by_app = {}
    for app_id, environment, hours, requests, last_slice_end in found.rows():
        by_hour: Counter[datetime] = Counter()
        for hour, count in zip(hours, requests, strict=True):
            by_hour[datetime.fromtimestamp(hour * 3600, UTC)] += count
        by_app[app_id, environment] = dict(by_hour), last_slice_end
    return by_app


FEW_CHARGES: dict[str, tuple[list[tuple[str, str, str]], int]] = {
    "one usage of a month": ([("Usage", "01 00:00", "31 00:00")], 1),
    "one usage of a day": ([("Usage", "05 00:00", "06 00:00")], 5),
    "one usage of an hour": ([("Usage", "05 10:00", "05 11:00")], 4),
    "one usage that ends a day": ([("Usage", "05 23:00", "06 00:00")], 5),
    "one usage of a day and a minute": ([("Usage", "05 00:00", "06 00:01")], 5),
    "a day and a month": ([("Usage", "03 00:00", "04 00:00"), ("Usage", "06 00:00", "20 00:00")], 3),
    "a later tax": ([("Usage", "01 00:00", "31 00:00"), ("Tax", "09 00:00", "10 00:00")], 1),
    "one tax of a day": ([("Tax", "07 00:00", "08 00:00")], 7),
    "one tax of an hour": ([("Tax", "07 00:00", "07 01:00")], 6),
    "one purchase of a month": ([("Purchase", "08 00:00", "30 00:00")], 8),
    "a tax of a day and a purchase": (
        [("Tax", "03 00:00", "04 00:00"), ("Purchase", "06 00:00", "30 00:00")],
        3,
    ),
}
"""Category, begin and end of every charge of a source in March, and the newest day that is whole by them."""


def test_one_charge_is_enough_to_say_which_day_is_whole(ledger: Warehouse) -> None:
    march = date(2026, 3, 1)
    for number, (source, (charges, _)) in enumerate(FEW_CHARGES.items()):
        batch = new_batch_id()
        rows = [
            {
                "x_SourceName": source,
                "x_BillingPeriod": march,
                "x_BatchId": str(batch),
                "ChargeCategory": category,
                "ChargePeriodStart": at(start),
                "ChargePeriodEnd": at(end),
            }
            for category, start, end in charges
        ]
        ledger.insert("raw_focus_costs", pl.DataFrame(rows))
        given = {"rows": len(rows), "sha256": f"{number}", "version": END}
        publish(ledger, f"billing/{source}", march, batches={"raw_focus_costs": batch}, **given)
    # of the two newest months only, and of none that is to come, whatever days their charges have
    batch = new_batch_id()
    for month, charged in ((1, "25 00:00"), (2, "01 00:00"), (3, "03 00:00"), (4, "20 00:00")):
        period = date(2026, month, 1)
        row = {
            "x_SourceName": "s",
            "x_BillingPeriod": period,
            "x_BatchId": str(batch),
            "ChargeCategory": "Usage",
        }
        times = {"ChargePeriodStart": at(charged), "ChargePeriodEnd": at(charged) + timedelta(days=1)}
        ledger.insert("raw_focus_costs", pl.DataFrame([{**row, **times}]))
        given = {"rows": 1, "sha256": "s", "version": END}
        publish(ledger, "billing/s", period, batches={"raw_focus_costs": batch}, **given)
    found = ledger.frame("queries/freshness/cost_days", until=date(2026, 3, 31)).rows()
    days = {source: day for source, (_, day) in FEW_CHARGES.items()} | {"s": 3}
    assert found == sorted((source, date(2026, 3, day)) for source, day in days.items())


@pytest.mark.parametrize(
    ("source_days", "whole"),
    [
        ((20, 20), 20),
        ((20, 17), 17),  # three days late: still waited for
        ((20, 16), 20),  # four: stale
        ((20, 17, 16), 17),
    ],
)
def test_a_source_holds_cost_back_until_it_is_more_than_three_days_behind(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, source_days: tuple[int, ...], whole: int
) -> None:
    days = {str(number): date(2026, 2, day) for number, day in enumerate(source_days)}
    monkeypatch.setattr(as_of, "cost_days", lambda warehouse, until: days)
    assert workspace.as_of().cost_day == date(2026, 2, whole)


@pytest.mark.parametrize(
    ("clock", "day"),
    [
        (datetime(2026, 3, 2, tzinfo=UTC), 1),
        (datetime(2026, 3, 2, 23, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 3, 1, tzinfo=timezone(timedelta(hours=2))), 1),
        (datetime(2026, 3, 2, 23, tzinfo=timezone(-timedelta(hours=2))), 2),
    ],
)
def test_a_day_of_cost_may_be_over_until_the_one_before_the_clock_s(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, clock: datetime, day: int
) -> None:
    asked: list[date] = []
    monkeypatch.setattr(as_of, "cost_days", lambda warehouse, until: asked.append(until) or {})
    assert workspace.as_of(clock).cost_day == date(1970, 1, 1)
    assert asked == [yesterday(clock)] == [date(2026, 3, day)]


@pytest.mark.parametrize(
    ("moment", "cost_day"),
    [
        (datetime(2026, 2, 20, 23, 59, tzinfo=UTC), 19),
        (datetime(2026, 2, 21, tzinfo=UTC), 20),
        (datetime(2026, 2, 22, tzinfo=UTC), 20),
        (datetime(2026, 3, 5, 12, tzinfo=UTC), 20),
    ],
)
def test_no_named_moment_has_costs_that_have_not_come(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, moment: datetime, cost_day: int
) -> None:
    monkeypatch.setattr(as_of, "cost_days", lambda warehouse, until: {"aws": date(2026, 2, 20)})
    named = as_of_moment(workspace.warehouse, moment, CLOCK)
    assert (named.cost_day, named.basis) == (date(2026, 2, cost_day), "named")


@pytest.mark.parametrize(
    ("minutes", "basis", "is_late"),
    [
        (-5, "live", False),
        (0, "live", False),
        (4, "live", False),
        (5, "live", True),
        (5, "past", True),
        (5, "none", False),
    ],
)
def test_a_named_moment_after_the_newest_complete_one_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, minutes: int, basis: Basis, is_late: bool
) -> None:
    newest = AsOf(datetime(2026, 2, 20, 10, 5, tzinfo=UTC), date(2026, 2, 19), basis, "")
    monkeypatch.setattr(as_of, "newest_complete", lambda warehouse, clock: newest)
    named = as_of_moment(workspace.warehouse, newest.slice_end + timedelta(minutes=minutes), CLOCK)
    assert named.note == ("telemetry is complete only until 2026-02-20 10:05 UTC" if is_late else "")


def test_no_sender_moves_as_of_or_what_others_are_judged_by(workspace: Workspace) -> None:
    five = timedelta(minutes=5)
    honest = {
        app: [END - number * timedelta(seconds=20) - back * five for back in range(48)]
        for number, app in enumerate(APPS)
    }
    workspace.load(b"".join(spans(app, at, failing=app == "d") for app, at in honest.items()), CLOCK)
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
        "very many": [END + timedelta(seconds=turn * 3) for turn in range(2_000)],
        "any clock": [END + timedelta(seconds=chance.randint(-(10**8), 3 * 10**6)) for _ in range(40)],
    }
    contents = {lie: spans("liar", moments) for lie, moments in lies.items()} | {
        "nonsense": b'{"resourceSpans": 5}\n{\x00\xff}\n' + spans("liar", [END + 2 * days]) * 2,
        "logs of everybody": b"".join(log_record(app, END + 2 * hours) for app in (*APPS, "liar")),
    }
    for lie, content in contents.items():
        workspace.load(content, CLOCK)
        assert workspace.judged() == (moment, judged), lie
    assert "liar alone" in workspace.as_of().note

    traffic = workspace.warehouse.frame(
        "queries/silence/hours", as_of=moment, since=moment - silence.hours_needed(silence_policy())
    ).filter(pl.col("app_id") == "a")
    ((found, last_slice_end),) = requests_by_hour(traffic).values()
    want = {END.replace(minute=0) - turn * hours: 12 for turn in range(1, 4)}
    assert {at: found[at] for at in want} == want
    assert last_slice_end == moment


def test_a_pass_answers_for_one_moment(
    kept: tuple[Path, Warehouse], ledger: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objectives, anomalies and inventory of one pass are of the same moment, found once."""
    root, _ = kept
    (root / "catalog").mkdir()
    (root / "teams.yaml").write_text("teams: []\n")
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")
    found: list[datetime] = []
    newest = compute.newest_complete

    def counted(warehouse: Warehouse, clock: datetime) -> AsOf:
        found.append(clock)
        return newest(warehouse, clock)

    monkeypatch.setattr(compute, "newest_complete", counted)
    # Dagster, which asks how old the data is, is not told.
    monkeypatch.setattr("pipelines.commands.telling.Teller.tell", lambda *_: None)
    done = run_pass(settings, steps=[*STEPS])
    assert [step.failed for step in done.steps] == [None] * len(STEPS)
    assert len(found) == 1
