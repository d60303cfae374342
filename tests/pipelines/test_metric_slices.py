"""Requests told by histograms of durations, against a count of the requests they were made of: delta and cumulative, explicit
and exponential, through restarts, beside spans and beside a sample of them.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl
import pytest

from dashboards.counted_from import sentence
from models import requests
from models.policy import health_checks, request_errors, request_slices, shared_cost_policy, slo_defaults
from sql.publish import WHOLE_TABLE, new_batch_id, publish, publish_periods
from sql.warehouse import Warehouse
from tests.pipelines.test_slices import TEXTS, Case, Drawn, insert

DAY = datetime(2026, 5, 5, tzinfo=UTC)
SECOND = 10**9
LADDER = requests.ladder_ms(request_slices(), slo_defaults())
BOUNDS = [bound / 1000 for bound in LADDER]
COARSE = [0.1, 0.5, 1.0]
SCALE = 5
GIVEN: dict[str, Any] = {
    **requests.classification(request_errors(), health_checks()),
    **requests.slicing(request_slices(), slo_defaults()),
    **requests.sampling(request_slices()),
}
MINUTES = 2 * 24 * 60


class Request(NamedTuple):
    minute: int
    app: str
    route: str
    status: int
    milliseconds: float


class Point(NamedTuple):
    """A point of a histogram: what is said of it, and the requests it is made of."""

    app: str
    metric: str
    route: str
    status: int
    began: int
    at: int
    is_delta: bool
    bounds: list[float]
    milliseconds: list[float]


APPS = {
    "delta": True,
    "total": False,
    "restarts": False,
    "older": True,
    "coarse": True,
    "told": True,
    "sampled": True,
}


def drawn(seed: int) -> list[Request]:
    """Requests of two days of every app, a few at the very bounds."""
    source = random.Random(seed)
    found = []
    for app in (*APPS, "fine", "rough", "late"):
        for _ in range(220):
            route = source.choice(("/items/{id}", "/cart", "/healthz"))
            took = source.choice((*LADDER, source.uniform(0.5, 12_000)))
            found.append(
                Request(source.randrange(MINUTES), app, route, source.choice((200, 200, 404, 503)), took)
            )
    return found


def series(ones: list[Request]) -> dict[tuple[str, str, int], list[Request]]:
    found = defaultdict(list)
    for one in ones:
        found[one.app, one.route, one.status].append(one)
    return found


def nanoseconds(minute: int) -> int:
    return int((DAY + timedelta(minutes=minute)).timestamp()) * SECOND


def points_of(ones: list[Request]) -> Iterator[Point]:
    """A point of every minute with a request, at its end: of that minute, or of everything since the series began."""
    for (app, route, status), own in series(ones).items():
        if app not in APPS:
            continue
        metric, unit = (
            ("http.server.duration", 1.0) if app == "older" else ("http.server.request.duration", 1000.0)
        )
        bounds = COARSE if app == "coarse" else [bound * 1000 / unit for bound in BOUNDS]
        restarts = sorted({0, 1_000, 1_441, 2_000} if app == "restarts" else {0})
        for minute in sorted({one.minute for one in own}):
            began = 0 if APPS[app] else max(one for one in restarts if one <= minute)
            counted = [
                one for one in own if one.minute == minute or not APPS[app] and began <= one.minute <= minute
            ]
            took = [one.milliseconds / unit for one in counted]
            at = nanoseconds(minute) + 59 * SECOND
            yield Point(app, metric, route, status, nanoseconds(began) - SECOND, at, APPS[app], bounds, took)
            if app == "older":  # an SDK that sends the stable metric beside it
                yield Point(
                    app, "http.server.request.duration", route, status, nanoseconds(began) - SECOND, at, True,
                    BOUNDS, [one / 1000 for one in took],
                )  # fmt: skip


def attributes(frame: list[dict[str, str]]) -> pl.Series:
    pairs = [[{"key": key, "value": value} for key, value in one.items()] for one in frame]
    return pl.Series(pairs, dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.String}))).cast(TEXTS)


def common(points: list[Any]) -> dict[str, Any]:
    return {
        "ResourceAttributes": attributes(
            [{"service.name": one.app, "service.version": "7"} for one in points]
        ),
        "ServiceName": [one.app for one in points],
        "MetricName": [one.metric for one in points],
        "Attributes": attributes(
            [
                {
                    "http.request.method": "GET",
                    "http.route": one.route,
                    "http.response.status_code": str(one.status),
                }
                for one in points
            ]
        ),
        "StartTimeUnix": pl.Series([one.began for one in points], dtype=pl.Datetime("ns", "UTC")),
        "TimeUnix": pl.Series([one.at for one in points], dtype=pl.Datetime("ns", "UTC")),
        "Count": pl.Series([len(one.milliseconds) for one in points], dtype=pl.UInt64),
        "AggregationTemporality": pl.Series([1 if one.is_delta else 2 for one in points], dtype=pl.Int32),
    }


def buckets(values: list[float], bounds: list[float]) -> list[int]:
    """Values per bucket, a bound in the bucket below it."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[next((place for place, bound in enumerate(bounds) if value <= bound), len(bounds))] += 1
    return counts


def index(value: float, scale: int) -> int:
    """The bucket (base^index, base^(index + 1)] a value lies in, by trying."""
    place = 0
    while 2.0 ** ((place + 1) / 2**scale) < value:
        place += 1
    while 2.0 ** (place / 2**scale) >= value:
        place -= 1
    return place


@pytest.fixture(scope="module")
def ones(fresh_warehouse: Warehouse) -> list[Request]:
    """The requests, and the warehouse that was given them twice."""
    ones = drawn(20261128)
    points = list(points_of(ones))
    explicit = pl.DataFrame(
        {
            **common(points),
            "BucketCounts": pl.Series(
                [buckets(one.milliseconds, one.bounds) for one in points], dtype=pl.List(pl.UInt64)
            ),
            "ExplicitBounds": pl.Series([one.bounds for one in points], dtype=pl.List(pl.Float64)),
        }
    )
    fine = [
        Point(one.app, "http.server.request.duration", one.route, one.status, nanoseconds(one.minute), nanoseconds(one.minute)
              + number + 1, True, [], [one.milliseconds / 1000])
        for number, one in enumerate(one for one in ones if one.app in ("fine", "rough"))
    ]  # fmt: skip
    scales = [SCALE if one.app == "fine" else 1 for one in fine]
    exponential = pl.DataFrame(
        {
            **common(fine),
            "Scale": pl.Series(scales, dtype=pl.Int32),
            "PositiveOffset": pl.Series(
                [index(one.milliseconds[0], scale) for one, scale in zip(fine, scales, strict=True)],
                dtype=pl.Int32,
            ),
            "PositiveBucketCounts": pl.Series([[1] for _ in fine], dtype=pl.List(pl.UInt64)),
        }
    )
    late = [  # a series that began long ago: nobody knows when what its first point counts came
        Point("late", "http.server.request.duration", "/cart", 200, nanoseconds(-600), nanoseconds(10), False, BOUNDS, [0.1] * 50),
        Point("late", "http.server.request.duration", "/cart", 200, nanoseconds(-600), nanoseconds(11), False, BOUNDS, [0.1] * 53),
        Point("late", "http.server.request.duration", "/cart", 200, nanoseconds(-600), nanoseconds(12), False, BOUNDS, [0.1] * 2),
    ]  # fmt: skip
    for _ in range(2):
        fresh_warehouse.insert("otel.otel_metrics_histogram", explicit)
        fresh_warehouse.insert("otel.otel_metrics_exponential_histogram", exponential)
    fresh_warehouse.insert(
        "otel.otel_metrics_histogram",
        pl.DataFrame(
            {
                **common(late),
                "BucketCounts": pl.Series(
                    [buckets(one.milliseconds, one.bounds) for one in late], dtype=pl.List(pl.UInt64)
                ),
                "ExplicitBounds": pl.Series([one.bounds for one in late], dtype=pl.List(pl.Float64)),
            }
        ),
    )
    insert(fresh_warehouse, [Drawn(Case("server", ""), "told", "", "7", "/cart", nanoseconds(0), 1)])
    kept = Case("server", "", attributes={"sampler.type": "probabilistic"})
    insert(fresh_warehouse, [Drawn(kept, "sampled", "", "7", "/cart", nanoseconds(1_440), 1)])
    insert(fresh_warehouse, [Drawn(kept, "alone", "", "7", "/cart", nanoseconds(5), 1)])
    return ones


def written(warehouse: Warehouse, days: list[date]) -> tuple[Any, list[tuple[Any, ...]]]:
    """The batch of the slices of some days, in the order the pipeline writes them, and those of the statement of metrics."""
    batch = new_batch_id()
    asked = [day.isoformat() for day in days]
    warehouse.execute(
        "statements/core_request_slices_of_metrics",
        days=asked,
        batch_id=batch,
        **GIVEN,
        **requests.of_metrics(request_slices()),
    )
    warehouse.execute("statements/core_request_slices", days=asked, batch_id=batch, **GIVEN)
    found = warehouse.frame_of(
        "SELECT toUnixTimestamp(slice_start), app_id, toString(route), toString(kind), requests, errors, timed, within,"
        " toString(version) FROM core_request_slices WHERE batch_id = {batch:UUID} AND counted_from = 'metrics' AND app_id != 'late'",
        batch=batch,
    )
    return batch, found.rows()


def expected(ones: list[Request], days: list[date]) -> dict[tuple[int, str, str, str], tuple[Any, ...]]:
    """Slices by counting the requests themselves."""
    found: dict[tuple[int, str, str, str], Counter[Any]] = defaultdict(Counter)
    for one in ones:
        day = (DAY + timedelta(minutes=one.minute)).date()
        if day not in days or one.app == "late" or one.app == "told" and day == DAY.date():
            continue
        # 405 milliseconds of the coarse histogram may be anything from 100 to 500
        at = nanoseconds(one.minute) // SECOND
        key = (
            at // 300 * 300,
            one.app,
            f"GET {one.route}",
            "health" if one.route == "/healthz" else "server",
        )
        found[key]["requests"] += 1
        found[key]["errors"] += one.status >= 500
        if one.app in ("coarse", "rough"):
            continue
        found[key]["timed"] += 1
        upper = one.milliseconds
        if one.app == "fine":
            upper = 2.0 ** ((index(one.milliseconds / 1000, SCALE) + 1) / 2**SCALE) * 1000
        for place, bound in enumerate(LADDER):
            found[key][place] += upper <= bound * (1 + 1e-9)
    return {
        key: (
            count["requests"],
            count["errors"],
            count["timed"],
            [count[place] for place in range(len(LADDER))],
        )
        for key, count in found.items()
    }


@pytest.mark.parametrize("days", [[0], [1], [0, 1]])
def test_histograms_count_what_they_are_made_of(
    fresh_warehouse: Warehouse, ones: list[Request], days: list[int]
) -> None:
    asked = [(DAY + timedelta(days=number)).date() for number in days]
    _, found = written(fresh_warehouse, asked)
    assert {row[:4]: row[4:8] for row in found} == expected(ones, asked)
    assert len(found) > 300 and {row[8] for row in found} == {"7"}


def test_a_series_is_counted_from_what_is_known_of_it(
    fresh_warehouse: Warehouse, ones: list[Request]
) -> None:
    """Fifty that came some time, three more within a minute, and two after it began anew without saying so."""
    batch, _ = written(fresh_warehouse, [DAY.date()])
    late = (
        "SELECT sum(requests) AS n FROM core_request_slices WHERE batch_id = {batch:UUID} AND app_id = 'late'"
    )
    assert fresh_warehouse.frame_of(late, batch=batch).item() == 3 + 2


def test_spans_and_metrics_count_once_and_it_is_said_which(
    fresh_warehouse: Warehouse, ones: list[Request]
) -> None:
    """Spans where they are whole; where they are a sample, metrics if there are any."""
    days = [(DAY + timedelta(days=number)).date() for number in (0, 1)]
    batch, _ = written(fresh_warehouse, days)
    said = fresh_warehouse.frame_of(
        "SELECT DISTINCT app_id, toDate(slice_start) AS day, toString(counted_from) AS said FROM core_request_slices"
        " WHERE batch_id = {batch:UUID} AND app_id IN ('told', 'sampled', 'alone') ORDER BY ALL",
        batch=batch,
    ).rows()
    first, second = days
    assert said == [
        ("alone", first, "sampled_spans"),
        ("sampled", first, "metrics"),
        ("sampled", second, "metrics"),
        ("told", first, "spans"),
        ("told", second, "metrics"),
    ]
    daily = new_batch_id()
    policy = requests.classification(request_errors(), health_checks())
    asked = [day.isoformat() for day in days]
    fresh_warehouse.execute(
        "statements/core_app_telemetry_daily", days=asked, batch_id=daily, slices_batch_id=batch, **policy
    )
    for table, of in (("core_request_slices", batch), ("core_app_telemetry_daily", daily)):
        day, probes = (
            ("usage_date", "health_checks")
            if of == daily
            else ("toDate(slice_start)", "sumIf(requests, kind = 'health')")
        )
        asked_for = "sum(requests)" if of == daily else "sumIf(requests, kind != 'health')"
        rows = fresh_warehouse.frame_of(
            f"SELECT app_id, {day} AS day, toUInt64({asked_for}), toUInt64({'sum(' + probes + ')' if of == daily else probes})"
            f" FROM {table} WHERE batch_id = {{batch:UUID}} GROUP BY app_id, day HAVING app_id != 'late' ORDER BY ALL",
            batch=of,
        ).rows()
        if of == batch:
            want = rows
    assert rows == want and len(rows) == 2 * 9 + 1


def test_shared_cost_is_weighed_by_the_same_requests(fresh_warehouse: Warehouse, ones: list[Request]) -> None:
    """Of a server told by metrics the spans of a sample count no more; what it does beside requests is not known of it."""
    days = [(DAY + timedelta(days=number)).date() for number in (0, 1)]
    batch, _ = written(fresh_warehouse, days)
    hours = new_batch_id()
    fresh_warehouse.execute(
        "statements/core_app_usage_hours",
        rate_attributes=list(request_slices().rate_attributes),
        days=[day.isoformat() for day in days],
        batch_id=hours,
        slices_batch_id=batch,
        **requests.measuring(
            requests.classification(request_errors(), health_checks()), shared_cost_policy()
        ),
    )
    found = fresh_warehouse.frame_of(
        "SELECT toUnixTimestamp(hour), app_id, quantity, toUInt64(counted) FROM core_app_usage_hours"
        " WHERE batch_id = {batch:UUID} AND measure = 'requests' AND app_id NOT IN ('late', 'alone')",
        batch=hours,
    ).rows()
    want = Counter(
        (nanoseconds(one.minute) // SECOND // 3_600 * 3_600, one.app)
        for one in ones
        if one.route != "/healthz" and one.app != "late" and not (one.app == "told" and one.minute < 1_440)
    )
    want[nanoseconds(0) // SECOND, "told"] = 1  # by its span
    assert {row[:2]: (row[2], row[3]) for row in found} == {
        key: (count, count) for key, count in want.items()
    }


def test_a_page_is_told_what_no_whole_span_told(fresh_warehouse: Warehouse, ones: list[Request]) -> None:
    days = [(DAY + timedelta(days=number)).date() for number in (0, 1)]
    batch, _ = written(fresh_warehouse, days)
    publish_periods(fresh_warehouse, "slices", {"core_request_slices": batch}, dict.fromkeys(days, ""), {})
    inventory = new_batch_id()
    apps = pl.DataFrame({"app_id": ["told", "alone"], "team": "t", "batch_id": str(inventory)})
    fresh_warehouse.insert("mart_app_inventory", apps)
    publish(
        fresh_warehouse, "marts", WHOLE_TABLE, batches={"mart_app_inventory": inventory}, rows=2, sha256="", version=DAY
    )  # fmt: skip

    def shown(app: str, first: date, last: date, teams: tuple[str, ...] = ("t",)) -> list[tuple[Any, ...]]:
        given = {"teams": teams, "app_id": app, "first_day": first, "last_day": last}
        return fresh_warehouse.frame("queries/app/counted_from", **given).rows()

    second = sum(one.app == "told" and one.minute >= 1_440 for one in ones)
    assert shown("told", days[0], days[1]) == [("", "metrics", second, days[1])]
    row = dict(
        zip(
            ("environment", "counted_from", "requests", "last_day"),
            ("", "metrics", 1_234, days[1]),
            strict=True,
        )
    )
    assert sentence(row).startswith("1,234 requests of no environment, until ") and "histogram" in sentence(
        row
    )
    assert "sample of spans" in sentence({**row, "counted_from": "sampled_spans"})
    assert shown("told", days[0], days[0]) == []
    assert shown("alone", days[0], days[1]) == [("", "sampled_spans", 1, days[0])]
    assert shown("alone", days[0], days[1], ("another",)) == shown("coarse", days[0], days[1]) == []
