"""Counts of logs, points and counters by the engine, against loops over the same records, sent twice and in any order."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from models.schemas import SCHEMAS
from sql.publish import publish
from sql.warehouse import Warehouse

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = ["2026-03-02"]
Counts = dict[tuple[str, datetime], int]


def need(field: str, op: str, *texts: str, key: str = "", number: str = "") -> dict[str, Any]:
    return {"field": field, "key": key, "op": op, "texts": list(texts), "number": number}


def asked(*needs: dict[str, Any], app: str = "a", metric: str = "") -> str:
    return json.dumps([{"place": 1, "app": app, "metric": metric, "by_end": False, "needs": list(needs)}])


def sent(warehouse: Warehouse, table: str, rows: list[dict[str, Any]], source: random.Random) -> None:
    """Inserts rows as a collector does, in any order."""
    source.shuffle(rows)

    def blocks() -> Iterator[bytes]:
        yield "\n".join(json.dumps(one) for one in rows).encode()

    warehouse.insert_stream(
        warehouse.form.text(f"{{{{otel}}}}.{table}"), blocks(), "JSONEachRow", columns=list(rows[0])
    )  # type: ignore[arg-type]


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.000000000"


def of_slice(at: datetime) -> datetime:
    return at - timedelta(minutes=at.minute % 5, seconds=at.second)


def counted(warehouse: Warehouse, name: str, question: str, **more: Any) -> tuple[Counts, int]:
    """Events by environment and slice, and how many records were set aside."""
    frame = warehouse.frame(f"queries/indicators/{name}", days=DAYS, asked=question, **more)
    rows = frame.iter_rows(named=True)
    counts = {(one["environment"], one["slice_start"]): one["counted"] for one in rows if one["counted"]}
    return counts, int(frame["set_aside"].sum())


def resource(app: str, environment: str = "production", **more: str) -> dict[str, str]:
    return {"app_id": app, "deployment.environment.name": environment, **more}


TABLES = {
    "core_request_slices": "slice_start",
    "core_request_hours": "hour",
    "core_app_telemetry_daily": "usage_date",
}
STEPS = {"slice_start": timedelta(minutes=5), "hour": timedelta(hours=1), "usage_date": timedelta(days=1)}


def test_rows_of_published_tables_count_what_loops_count(fresh_warehouse: Warehouse) -> None:
    """Rows of each published table of two days and two apps; a batch nobody published holds others."""
    source = random.Random(23)
    batches: dict[str, uuid.UUID] = {}
    expected: dict[str, tuple[Counts, Counts]] = {}
    for table, time in TABLES.items():
        by_rows, by_errors = Counter[tuple[str, datetime]](), Counter[tuple[str, datetime]]()
        batches[table] = uuid.uuid4()
        rows = []
        for number in range(300):
            row = {name: drawn(kind, source) for name, kind in SCHEMAS[table].items()}
            at = BEGIN + STEPS[time] * source.randrange(-5, int(timedelta(days=1) / STEPS[time]))
            row |= {time: at.date() if time == "usage_date" else at, "app_id": source.choice("ab")}
            row |= {"environment": source.choice(["production", "test"])}
            is_ours = number % 9 != 0
            rows.append({**row, "batch_id": str(batches[table] if is_ours else uuid.uuid4())})
            is_asked = is_ours and row["app_id"] == "a" and at.date() == BEGIN.date() and row["requests"] >= 3
            if is_asked and row.get("kind", "x") == "x":
                by_rows[row["environment"], at] += 1
                by_errors[row["environment"], at] += row["errors"]
        frame = pl.DataFrame(rows, schema={**SCHEMAS[table], "batch_id": pl.String()})
        fresh_warehouse.insert(table, frame)
        expected[table] = dict(by_rows), {key: value for key, value in by_errors.items() if value}
    publish(fresh_warehouse, "slices", BEGIN.date(), batches=batches, rows=1, sha256="one", version=BEGIN)
    for table, (by_rows, by_errors) in expected.items():
        needs = [need("requests", "gte", number="3")]
        if "kind" in SCHEMAS[table]:
            needs.append(need("kind", "is", "x"))
        one = {"place": 1, "app": "a", "metric": "", "by_end": False, "needs": needs}
        assert counted(fresh_warehouse, table, json.dumps([{**one, "summed": ""}])) == (by_rows, 0)
        assert counted(fresh_warehouse, table, json.dumps([{**one, "summed": "errors"}])) == (by_errors, 0)
        assert by_rows and by_errors


def drawn(kind: pl.DataType, source: random.Random) -> Any:
    """A small value of a column."""
    if kind.is_nested():
        return []
    if isinstance(kind, pl.Datetime):
        return BEGIN
    if kind.is_decimal():
        return Decimal(1)
    if kind == pl.Boolean:
        return source.random() < 0.5
    return source.randrange(6) if kind.is_numeric() else source.choice("xy")


def test_logs_count_what_loops_count(fresh_warehouse: Warehouse) -> None:
    source = random.Random(23)
    rows, expected = [], Counter[tuple[str, datetime]]()
    for _ in range(400):
        at = BEGIN + timedelta(seconds=source.randrange(-3_600, 90_000))
        app, place = source.choice("ab"), source.choice(["production", "test"])
        severity, event = source.choice([9, 13, 17, 21]), source.choice(["order.done", "order.lost", ""])
        attribute = source.choice(["", "x", "y"])
        rows.append(
            {
                "Timestamp": moment(at),
                "SeverityNumber": severity,
                "EventName": event,
                "ResourceAttributes": resource(app, place),
                "LogAttributes": {"shop": attribute} if attribute else {},
            }
        )
        if app == "a" and at.date() == BEGIN.date() and severity >= 13 and event and attribute != "y":
            expected[place, of_slice(at)] += 1
    sent(fresh_warehouse, "otel_logs", rows, source)
    question = asked(
        need("severity", "gte", number="13"),
        need("event_name", "is", "order.done", "order.lost"),
        need("attributes", "not", "y", key="shop"),
    )
    assert expected
    assert counted(fresh_warehouse, "logs", question) == (dict(expected), 0)


def test_points_count_what_loops_count(fresh_warehouse: Warehouse) -> None:
    source = random.Random(23)
    rows, expected, aside = [], Counter[tuple[str, datetime]](), 0
    for number in range(300):
        at = BEGIN + timedelta(seconds=300 * number % 80_000 + number)
        value: Any = source.choice([0.1 + 0.2, 0.3, 0.79, 0.8, 0.81])
        is_none = number % 50 == 0
        unit = source.choice(["1", "%"])
        rows.append(
            {
                "TimeUnix": moment(at),
                "MetricName": source.choice(["cpu", "memory"]),
                "MetricUnit": unit,
                "Value": "nan" if is_none else value,
                "ResourceAttributes": resource("a"),
            }
        )
        if rows[-1]["MetricName"] == "cpu" and unit == "1":
            aside += is_none
            if not is_none and value <= 0.3:
                expected["production", of_slice(at)] += 1
    sent(fresh_warehouse, "otel_metrics_gauge", [*rows, *map(dict, rows)], source)
    question = asked(need("unit", "is", "1"), need("value", "lte", number="0.3"), metric="cpu")
    assert expected and aside
    assert counted(fresh_warehouse, "points", question) == (dict(expected), aside)


def test_counters_count_what_loops_count(fresh_warehouse: Warehouse) -> None:
    """Processes that restart, one that says no beginning and falls, one that falls without a restart, and a delta."""
    source = random.Random(23)
    rows, expected, aside = [], Counter[tuple[str, datetime]](), 0

    def point(process: str, at: datetime, began: datetime, value: float, temporality: int = 2) -> None:
        rows.append(
            {
                "TimeUnix": moment(at),
                "StartTimeUnix": moment(began),
                "MetricName": "orders",
                "Value": value,
                "IsMonotonic": True,
                "AggregationTemporality": temporality,
                "ResourceAttributes": resource("a", **{"service.instance.id": process}),
                "Attributes": {"result": "good"},
            }
        )

    never = datetime(1970, 1, 1, tzinfo=UTC)
    for process in ("restarts", "silent-restarts", "delta", "falls"):
        value, began = 0, BEGIN - timedelta(hours=1)
        if process == "silent-restarts":
            began = never
        for step in range(-3, 100):
            at = BEGIN + timedelta(minutes=7 * step)
            growth, restarts = source.randint(0, 9), step in (20, 60) and process != "delta"
            before = value
            value = growth if restarts else value + growth
            has_fallen = process == "falls" and restarts and value < before
            if restarts and process == "restarts":
                began = at - timedelta(minutes=1)
            if process == "delta":
                point(process, at, at - timedelta(minutes=7), growth, 1)
            else:
                point(process, at, began, value)
            if step < 0:
                continue
            if has_fallen:
                aside += 1
            elif process == "falls" and restarts:
                expected["production", of_slice(at)] += value - before
            else:
                # A process that says a beginning which did not change went on; one that says none and rose did too.
                went_on = process == "silent-restarts" and restarts and value >= before
                expected["production", of_slice(at)] += value - before if went_on else growth
    for number in range(30):  # an id of a request among the attributes
        rows.append({**rows[0], "TimeUnix": moment(BEGIN + timedelta(minutes=1)), "MetricName": "crowded"})
        rows[-1]["Attributes"] = {"request": str(number), "result": "good"}
    sent(fresh_warehouse, "otel_metrics_sum", [*rows, *map(dict, rows)], source)
    good = need("attributes", "is", "good", key="result")
    counts = {key: value for key, value in expected.items() if value}
    found = counted(fresh_warehouse, "counters", asked(good, metric="orders"), series_cap=20)
    assert counts and aside
    assert found == (counts, aside)
    assert counted(fresh_warehouse, "counters", asked(good, metric="crowded"), series_cap=29) == ({}, 30)
    assert counted(fresh_warehouse, "counters", asked(good, metric="crowded"), series_cap=30)[1] == 0
