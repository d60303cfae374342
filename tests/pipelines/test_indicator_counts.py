"""Counts of logs, points and counters by the engine, against loops over the same records, sent twice and in any order."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

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

    warehouse.insert_stream(f"otel.{table}", blocks(), "JSONEachRow", columns=list(rows[0]))  # type: ignore[arg-type]


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


def test_logs_points_and_counters_count_what_loops_over_them_count(fresh_warehouse: Warehouse) -> None:
    source = random.Random(23)
    _logs(fresh_warehouse, source)
    _points(fresh_warehouse, source)
    _counters(fresh_warehouse, source)


def _logs(warehouse: Warehouse, source: random.Random) -> None:
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
    sent(warehouse, "otel_logs", rows, source)
    question = asked(
        need("severity", "gte", number="13"),
        need("event_name", "is", "order.done", "order.lost"),
        need("attributes", "not", "y", key="shop"),
    )
    assert counted(warehouse, "logs", question) == (dict(expected), 0)


def _points(warehouse: Warehouse, source: random.Random) -> None:
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
    sent(warehouse, "otel_metrics_gauge", [*rows, *map(dict, rows)], source)
    question = asked(need("unit", "is", "1"), need("value", "lte", number="0.3"), metric="cpu")
    assert counted(warehouse, "points", question) == (dict(expected), aside)


def _counters(warehouse: Warehouse, source: random.Random) -> None:
    """Processes that restart, one that says no beginning and falls, one that falls without a restart, and a delta."""
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
    sent(warehouse, "otel_metrics_sum", [*rows, *map(dict, rows)], source)
    good = need("attributes", "is", "good", key="result")
    counts = {key: value for key, value in expected.items() if value}
    found = counted(warehouse, "counters", asked(good, metric="orders"), series_cap=20)
    assert found == (counts, aside)
    assert counted(warehouse, "counters", asked(good, metric="crowded"), series_cap=29) == ({}, 30)
    assert counted(warehouse, "counters", asked(good, metric="crowded"), series_cap=30)[1] == 0
