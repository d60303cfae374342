"""What is read and counted from telemetry, cell by cell against an independent count in plain Python."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from models import requests
from models.policy import health_checks, request_errors
from sql.publish import WHOLE_TABLE, new_batch_id, publish_periods
from sql.warehouse import Warehouse
from tests.figures.counted import groups
from tests.figures.rows import Row
from tests.figures.signals import (
    ASKED,
    DAYS,
    DIRECT,
    LOADED,
    METRICS,
    REFUSED,
    SECOND,
    Signals,
    after,
    day_of,
    hour_of,
    insert,
    send,
)
from tests.figures.test_figures import differing

Answer = list[tuple[Any, ...]]
SIGNALS = ("traces", "logs", "metrics")


@pytest.fixture(scope="module")
def signals(fresh_warehouse: Warehouse) -> Signals:
    """Telemetry of all signals in the module's warehouse."""
    return send(fresh_warehouse)


def written(warehouse: Warehouse, statement: str, columns: str, **given: Any) -> pl.DataFrame:
    """What a statement writes under a batch of its own."""
    batch = new_batch_id()
    warehouse.execute(f"statements/{statement}", batch_id=batch, **given)
    text = f"SELECT {columns} FROM {statement} WHERE batch_id = {{batch:UUID}} ORDER BY ALL"
    return warehouse.frame_of(text, batch=batch)


def quantile(rows: list[Row], level: float) -> float:
    """Milliseconds below which that share of the requests with an end took."""
    took = sorted(row["duration"] for row in rows if row["what"] == "request" and row["duration"] < 2**63)
    return float(took[int(level * len(took))]) / 1e6 if took else 0.0


def daily(signals: Signals, days: tuple[date, ...]) -> Answer:
    """Activity by day, app and environment; times in nanoseconds."""
    rows = [
        {**row, "signal": signal, "day": day_of(row)}
        for signal in SIGNALS
        for row in signals.counting(signal)
        if row["app_id"]
    ]
    found = []
    for key, own in groups(
        [row for row in rows if row["day"] in days], "day", "app_id", "environment"
    ).items():
        spans = [row for row in own if row["signal"] == "traces"]
        asked = [row for row in spans if row["what"] == "request"]
        probes = [row for row in spans if row["what"] == "health"]
        counts = Counter(row["signal"] for row in own)
        found.append(
            (
                *key,
                *(counts[signal] for signal in SIGNALS),
                len(asked),
                sum(row["failed"] for row in asked),
                len(probes),
                sum(row["failed"] for row in probes),
                quantile(spans, 0.5),
                quantile(spans, 0.95),
                max(row["at"] for row in own),
                max((row["at"] for row in spans), default=None),
            )
        )
    return sorted(found)


DAILY = (
    "usage_date, app_id, toString(environment) AS environment, spans, logs, metric_points, requests, errors, health_checks,"
    " health_errors, duration_p50_ms, duration_p95_ms, toUnixTimestamp64Nano(last_seen) AS last_seen,"
    " toUnixTimestamp64Nano(last_span_at) AS last_span_at"
)
POLICY = requests.classification(request_errors(), health_checks())


@pytest.mark.parametrize("statement", ["core_app_telemetry_daily"])
def test_daily_activity_is_the_counted_one(
    fresh_warehouse: Warehouse, signals: Signals, statement: str
) -> None:
    for days in (ASKED, ASKED[:1], DAYS):
        got = written(
            fresh_warehouse,
            statement,
            DAILY,
            days=[day.isoformat() for day in days],
            slices_batch_id=new_batch_id(),
            **POLICY,
        )
        want = daily(signals, days)
        assert not differing(got, want), (days, differing(got, want))
    apps = {row[1] for row in want}
    assert {"logs alone", "points alone"} < apps and "" not in apps


@pytest.mark.parametrize("statement", ["core_app_resources"])
def test_resources_are_those_that_spans_and_points_name(
    fresh_warehouse: Warehouse, signals: Signals, statement: str
) -> None:
    """By each attribute asked for, of the resource or the record, once a record; nobody else's attributes count."""
    asked = ("cloud.resource_id", "faas.id")
    found: dict[tuple[Any, ...], list[tuple[str, int]]] = {}
    for signal in ("traces", "metrics"):
        for row in signals.counting(signal):
            if day_of(row) not in ASKED or not row["app_id"]:
                continue
            named = {
                (key, row[place].get(key, "").strip().lower())
                for place in ("resource", "record")
                for key in asked
            }
            for key, value in named:
                if value:
                    found.setdefault((day_of(row), row["app_id"], key, value), []).append((signal, row["at"]))
    got = written(
        fresh_warehouse,
        statement,
        "usage_date, app_id, toString(attribute) AS attribute, resource_id, spans, points,"
        " toUnixTimestamp64Nano(first_seen) AS first_seen, toUnixTimestamp64Nano(last_seen) AS last_seen",
        days=[day.isoformat() for day in ASKED],
        attributes=list(asked),
    )
    want = sorted(
        (
            *key,
            sum(signal == "traces" for signal, _ in seen),
            sum(signal == "metrics" for signal, _ in seen),
            min(at for _, at in seen),
            max(at for _, at in seen),
        )
        for key, seen in found.items()
    )
    assert {row[2] for row in want} == set(asked)
    assert not differing(got, want), differing(got, want)


def check(warehouse: Warehouse, name: str, want: Answer, **given: Any) -> None:
    got = warehouse.frame(f"queries/{name}", **given)
    assert want, "a comparison with nothing"
    assert not differing(got, want), (given, differing(got, want))


@pytest.mark.parametrize("name", ["telemetry/counts_per_service_hour"])
def test_services_are_counted_by_hour(fresh_warehouse: Warehouse, signals: Signals, name: str) -> None:
    counts = Counter(
        (signal, row["service"], hour_of(row)) for signal in SIGNALS for row in signals.counting(signal)
    )
    check(fresh_warehouse, name, [(*key, count) for key, count in sorted(counts.items())])


@pytest.mark.parametrize("name", ["telemetry/unassigned_resources"])
def test_spans_of_nobody_are_told_by_day(fresh_warehouse: Warehouse, signals: Signals, name: str) -> None:
    lost = [row for row in signals.counting("traces") if not row["app_id"]]
    counts = Counter(day_of(row) for row in lost)
    got = fresh_warehouse.frame(f"queries/{name}")
    want = [(day, counts[day], "lost") for day in sorted(counts, reverse=True)]
    assert len(want) == len(DAYS)
    assert not differing(got.drop("example_resource"), want)
    for day, resource in got.select("day", "example_resource").iter_rows():
        there = [row["resource"] for row in lost if day_of(row) == day]
        assert pl.Series([resource]).str.json_decode(pl.Struct({})).len() == 1
        assert resource in {"{" + ",".join(f'"{k}":"{v}"' for k, v in one.items()) + "}" for one in there}


@pytest.mark.parametrize("name", ["doctor/differing_copies"])
def test_copies_that_differ_are_told(fresh_warehouse: Warehouse, signals: Signals, name: str) -> None:
    told: dict[tuple[date, str], list[tuple[str, str, int, list[str]]]] = {}
    for (trace, span, _), own in groups(signals.counting("traces"), "trace", "span", "kind").items():
        if len(own) > 1:
            apps, times = sorted({row["app_id"] for row in own}), {row["at"] for row in own}
            differs = "app" if len(apps) > 1 else "time" if len(times) > 1 else "service"
            first = min(own, key=lambda row: row["at"])
            told.setdefault((day_of(first), differs), []).append((trace, span, len(own), apps))
    want = [
        (day, differs, len(own), sum(copies for _, _, copies, _ in own), trace, span, apps)
        for (day, differs), own in told.items()
        for trace, span, _, apps in [min(own)]
    ]
    want.sort(key=lambda one: (-one[0].toordinal(), one[1]))
    assert {one[1] for one in want} == {"app", "time", "service"}
    assert any(one[3] > 2 * one[2] for one in want)
    check(fresh_warehouse, name, want)


@pytest.mark.parametrize("name", ["doctor/unhidden"])
def test_what_came_directly_and_unhidden_is_counted(
    fresh_warehouse: Warehouse, signals: Signals, name: str
) -> None:
    for keys in (["Authorization", "Cookie"], ["Cook", "Cookie$"], ["no such key"]):
        counts = Counter(
            (signal, key)
            for signal in SIGNALS
            for row in signals.of(signal)
            if row["batch"] == DIRECT
            for place in ("resource", "record")
            for key, value in row[place].items()
            if any(re.search(pattern, key) for pattern in keys)
            and not (value == "" or set(value) == {"*"} or value.startswith("[redacted: "))
        )
        want = [(*key, count) for key, count in counts.items()]
        want.sort(key=lambda one: (-one[2], one[0], one[1]))
        got = fresh_warehouse.frame(f"queries/{name}", hidden_keys=keys)
        assert bool(want) == (keys != ["no such key"])
        assert not differing(got, want), differing(got, want)


TABLES = ("otel_traces", "otel_logs", *(f"otel_metrics_{kind}" for kind in METRICS))


def rows_of(signals: Signals, table: str) -> list[Row]:
    if table.startswith("otel_metrics_"):
        return [row for row in signals.points if row["table"] == table.removeprefix("otel_metrics_")]
    return signals.of(table.removeprefix("otel_"))


@pytest.mark.parametrize("name", [f"telemetry/batch_rows_{table}" for table in TABLES])
def test_rows_of_a_batch_are_those_of_its_days(
    fresh_warehouse: Warehouse, signals: Signals, name: str
) -> None:
    rows = rows_of(signals, name.removeprefix("telemetry/batch_rows_"))
    for batch in (LOADED[0], REFUSED):
        for first, last in ((DAYS[0], DAYS[-1]), ASKED, (ASKED[0], ASKED[0]), (DAYS[2], DAYS[3])):
            count = sum(row["batch"] == batch and first <= day_of(row) <= last for row in rows)
            given = {"batch_id": batch, "first_day": first, "last_day": last}
            check(fresh_warehouse, name, [(count,)], **given)


def hidden(rows: list[Row], places: tuple[str, ...]) -> Counter[tuple[date, str, str]]:
    """Records by day, attribute and rule of which something was hidden."""
    found: Counter[tuple[date, str, str]] = Counter()
    for row in rows:
        texts = [pair for place in places for pair in row[place].items()]
        marks = {
            (key, rule)
            for key, value in (*texts, ("body", row.get("body", "")))
            for rule in re.findall(r"\[redacted: ([a-z_]+)\]", value)
        }
        found.update((day_of(row), key, f"hidden by rule {rule}") for key, rule in marks)
    return found


@pytest.mark.parametrize(
    "statement", ["telemetry_hidden_traces", "telemetry_hidden_logs", "telemetry_hidden_metrics"]
)
def test_what_was_hidden_is_counted_by_day(
    fresh_warehouse: Warehouse, signals: Signals, statement: str
) -> None:
    signal = statement.rpartition("_")[2]
    places = ("resource", "record") if signal == "traces" else ("resource", "record", "scope")
    for first, last in ((DAYS[0], DAYS[-1]), ASKED):
        rows = [
            row for row in signals.of(signal) if row["batch"] == LOADED[0] and first <= day_of(row) <= last
        ]
        name = str(new_batch_id())
        given = {
            "batch_id": LOADED[0],
            "first_day": first,
            "last_day": last,
            "source_name": "files",
            "sha256": "s",
        }
        fresh_warehouse.execute(f"statements/{statement}", object_name=name, **given)
        want = [(*key, count, "") for key, count in hidden(rows, places).items()]
        if signal == "traces":
            late = [row for row in rows if row["duration"] >= 2**63]
            for day in {day_of(row) for row in late}:
                told = [f"{row['app_id']} at {stamp(row['at'])}" for row in late if day_of(row) == day]
                want.append(
                    (day, "endTimeUnixNano", "end before the start read as no end", len(told), min(told))
                )
        got = fresh_warehouse.frame_of(
            "SELECT period, toString(subject) AS subject, toString(reason) AS reason, records, example FROM raw_repairs"
            " WHERE object_name = {name:String} AND kind = 'telemetry' AND source_name = 'files' AND object_sha256 = 's'"
            " AND empty(amounts) ORDER BY ALL",
            name=name,
        )
        assert len(want) > 3
        assert not differing(got, sorted(want)), differing(got, sorted(want))


def stamp(nanoseconds: int) -> str:
    return (
        f"{datetime.fromtimestamp(nanoseconds // SECOND, UTC):%Y-%m-%d %H:%M:%S}.{nanoseconds % SECOND:09d}"
    )


@pytest.mark.parametrize("statement", ["telemetry_delivery"])
def test_lines_of_a_delivery_are_written_as_given(fresh_warehouse: Warehouse, statement: str) -> None:
    source = str(new_batch_id())
    lines: list[dict[str, Any]] = [
        {
            "object_names": f"o{number}",
            "sha256s": f"sha {number}",
            "modified": f"2026-03-0{1 + number} 01:02:03.123456789",
            "signals": ("traces", "logs", "metrics")[number],
            "content_sha256s": f"content {number}",
            "content_heads": f"head {number}",
            "object_bytes": 10 + number,
            "rows": 20 + number,
            "rejected": 30 + number,
            "content_bytes": 40 + number,
            "waiting_bytes": 50 + number,
            "days": DAYS[number],
        }
        for number in range(3)
    ]
    columns = {name: [line[name] for line in lines] for name in lines[0]}
    batch = new_batch_id()
    given = {"source_name": source, "state": "unchanged", "reason": "because", "batch_id": batch}
    before = datetime.now(UTC) - timedelta(seconds=1)
    fresh_warehouse.execute(f"statements/{statement}", **given, **columns)
    got = fresh_warehouse.frame_of(
        "SELECT object_name, object_sha256, toString(modified_at) AS modified, toString(signal) AS signal, content_sha256,"
        " content_head, object_bytes, rows, rejected, content_bytes, waiting_bytes, period, toString(kind) AS kind,"
        " toString(state) AS state, reason, toString(batch_id) AS batch, recorded_at FROM raw_deliveries"
        " WHERE source_name = {source:String} ORDER BY object_name",
        source=source,
    )
    want = [(*line.values(), "telemetry", "unchanged", "because", str(batch)) for line in lines]
    assert not differing(got.drop("recorded_at"), want), differing(got.drop("recorded_at"), want)
    assert all(before <= at <= datetime.now(UTC) for at in got["recorded_at"])


def written_by_day(warehouse: Warehouse) -> tuple[dict[str, Any], Counter[date]]:
    """Rows of a batch of each table that is computed by day, beside a batch that nobody asks for; and how many a day has."""
    counts: Counter[date] = Counter()
    batches: dict[str, Any] = {}
    for place, (table, column) in enumerate(
        (
            ("core_request_slices", "slice_start"),
            ("core_request_hours", "hour"),
            ("core_app_telemetry_daily", "usage_date"),
            ("core_app_resources", "usage_date"),
            ("core_app_usage_hours", "hour"),
        )
    ):
        batches[f"{table}_batch"] = new_batch_id()
        days = [
            day for number, day in enumerate(DAYS) for _ in range((1 + place + number) * (number != place))
        ]
        counts.update(days)
        for batch, some in ((batches[f"{table}_batch"], days), (new_batch_id(), list(DAYS))):
            at = [datetime(day.year, day.month, day.day, 23, 55, tzinfo=UTC) for day in some]
            rows = pl.DataFrame({column: some if column == "usage_date" else at})
            warehouse.insert(table, rows.with_columns(batch_id=pl.lit(str(batch))))
    return batches, counts


@pytest.mark.parametrize("name", ["telemetry/batch_rows"])
def test_rows_of_a_day_are_those_of_all_its_tables(fresh_warehouse: Warehouse, name: str) -> None:
    batches, counts = written_by_day(fresh_warehouse)
    check(fresh_warehouse, name, sorted(counts.items()), **batches)


@pytest.mark.parametrize("name", ["doctor/nameless_senders"])
def test_senders_without_a_name_are_told(fresh_warehouse: Warehouse, name: str) -> None:
    """Those whom nothing tells apart first, then by how much they send; others are not meant."""
    lines = [
        ("unknown_service:java", 2, 3, 4, 9),
        ("unknown_service:java", 5, 1, 1, 5),
        ("unknown_service", 9, 9, 9, 1),
        ("unknown_service:a", 9, 9, 9, 1),
        ("unknown_service@third", 0, 43, 0, 4),
        ("unknown_service@other", 0, 0, 41, 2),
        ("unknown_service@host", 42, 0, 0, 3),
        ("shop", 7, 7, 7, 7),
        ("my unknown_service", 7, 7, 7, 7),
    ]
    first = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        {
            "app_id": app,
            "usage_date": DAYS[number % 2],
            "spans": spans,
            "logs": logs,
            "metric_points": points,
            "last_seen": first + timedelta(hours=hours),
        }
        for number, (app, spans, logs, points, hours) in enumerate(lines)
    ]
    batch = new_batch_id()
    fresh_warehouse.insert(
        "core_app_telemetry_daily", pl.DataFrame(rows).with_columns(batch_id=pl.lit(str(batch)))
    )
    publish_periods(
        fresh_warehouse, "slices", {"core_app_telemetry_daily": batch}, dict.fromkeys(DAYS[:2], ""), {}
    )
    at = {hours: first + timedelta(hours=hours) for hours in (9, 1, 3, 2, 4)}
    want = [
        ("unknown_service", False, 9, 9, 9, at[1]),
        ("unknown_service:a", False, 9, 9, 9, at[1]),
        ("unknown_service:java", False, 7, 4, 5, at[9]),
        ("unknown_service@third", True, 0, 43, 0, at[4]),
        ("unknown_service@host", True, 42, 0, 0, at[3]),
        ("unknown_service@other", True, 0, 0, 41, at[2]),
    ]
    check(fresh_warehouse, name, want)


@pytest.mark.parametrize("name", ["summary/counts"])
def test_telemetry_is_told_until_a_moment_that_was_seen(fresh_warehouse: Warehouse, name: str) -> None:
    moment = datetime(2026, 3, 4, 12, tzinfo=UTC)
    for basis, until in (("past", moment), ("none", None), ("live", moment)):
        batch = new_batch_id()
        row = {"slice_end": moment, "cost_day": DAYS[0], "basis": basis, "note": "", "batch_id": str(batch)}
        fresh_warehouse.insert("mart_as_of", pl.DataFrame([row]))
        publish_periods(fresh_warehouse, "slo", {"mart_as_of": batch}, {WHOLE_TABLE: basis}, {})
        assert fresh_warehouse.frame(f"queries/{name}")["telemetry_until"].to_list() == [until], basis


@pytest.mark.parametrize("name", ["dashboards/as_of"])
def test_where_no_day_of_cost_is_whole_the_newest_of_the_newest_month_is_told(
    fresh_warehouse: Warehouse, name: str
) -> None:
    """That of the newest month which holds anything, not a day that an older bill is ahead with."""
    moment = {"slice_end": datetime(2026, 3, 4, 12, tzinfo=UTC), "basis": "past", "note": ""}

    def told(cost_day: date) -> date:
        batch = new_batch_id()
        fresh_warehouse.insert(
            "mart_as_of", pl.DataFrame([{**moment, "cost_day": cost_day, "batch_id": str(batch)}])
        )
        publish_periods(fresh_warehouse, "slo", {"mart_as_of": batch}, {WHOLE_TABLE: f"{cost_day}"}, {})
        (row,) = fresh_warehouse.frame(f"queries/{name}", teams=["a"]).iter_rows(named=True)
        return row["cost_day"]

    days = {
        date(2025, 11, 1): (date(2025, 11, 3), date(2025, 12, 30)),
        date(2025, 12, 1): (date(2025, 12, 9),),
    }
    batches = {month: new_batch_id() for month in (*days, date(2026, 1, 1))}
    for month, own in days.items():
        lines = [
            {"billing_period": month, "usage_date": day, "app_id": "a", "batch_id": str(batches[month])}
            for day in own
        ]
        fresh_warehouse.insert("core_app_costs_daily", pl.DataFrame(lines))
    once = dict.fromkeys(("core_app_costs_daily", "mart_chargeback_lines"), new_batch_id())
    publish_periods(fresh_warehouse, "costs", once, {date(2026, 1, 1): "held"}, {date(2026, 1, 1): 3})
    for month, batch in batches.items():
        table = {"core_app_costs_daily": batch, "mart_chargeback_lines": batch}
        rows = {month: len(days.get(month, ()))}
        publish_periods(fresh_warehouse, "costs", table, {month: "x"}, rows)
    assert told(date(1970, 1, 1)) == date(2025, 12, 9)
    assert told(date(2025, 11, 2)) == date(2025, 11, 2)


@pytest.mark.parametrize("name", ["telemetry/days"])
def test_a_day_looks_new_when_what_feeds_it_changed_and_only_then(
    fresh_warehouse: Warehouse, name: str
) -> None:
    """Whatever counts changes the fingerprint of its own day; what does not count changes nothing."""

    def prints() -> dict[date, str]:
        return dict(fresh_warehouse.frame(f"queries/{name}").iter_rows())

    def line(day: date, **more: Any) -> None:
        usual = {
            "kind": "telemetry",
            "state": "loaded",
            "signal": "traces",
            "rows": 1,
            "batch_id": str(LOADED[0]),
        }
        fresh_warehouse.insert("raw_deliveries", pl.DataFrame([{**usual, "period": day, **more}]))

    def direct(day: date, table: str, batch: Any = DIRECT) -> None:
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        row = {
            "at": midnight * SECOND,
            "service": "s",
            "resource": {},
            "record": {},
            "scope": {},
            "batch": batch,
        }
        extra = {
            "trace": "",
            "span": "",
            "name": "",
            "kind": "",
            "status": "",
            "duration": 1,
            "hash": 1,
            "body": "",
        }
        insert(fresh_warehouse, table, [{**row, **extra}])

    before = prints()
    day = after(max([*before, DAYS[-1]]))
    for nothing in ({"kind": "billing"}, {"state": "refused"}, {"rows": 0}):
        line(day, **nothing)
    for table in TABLES:
        direct(day, table, LOADED[0])
    assert prints() == before
    line(after(day))
    steps = [
        lambda: line(day),
        lambda: line(day),  # more rows of a batch
        lambda: line(day, signal="logs"),
        lambda: line(day, batch_id=str(LOADED[1])),
        *(lambda table=table: direct(day, table) for table in TABLES),
    ]
    others = prints()
    own = []
    for step in steps:
        step()
        now = prints()
        own.append(now.pop(day))
        assert now == others
        assert list(prints()) == sorted({*others, day})
    assert len(set(own)) == len(steps)
