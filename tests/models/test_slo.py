"""Objectives, budgets and burn against published numbers, exact fractions and an independent count of slices."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import slo
from models.errors import ModelError
from models.policy import BurnPair, Objective, Objectives, burn_windows, duration, slo_defaults
from sql.publish import publish
from sql.warehouse import Warehouse

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "1d": 1440, "3d": 4320}


def counts(
    good: int,
    total: int,
    recent: dict[str, tuple[int, int]] | None = None,
    app_id: str = "a",
    objective: str = "availability",
) -> pl.DataFrame:
    """A line as ``queries/slo/windows`` gives it; ``recent`` is window -> (bad, total)."""
    recent = recent or {}
    line: dict[str, object] = {"app_id": app_id, "objective": objective, "good": good, "total": total}
    for window in MINUTES:
        line[f"bad_{window}"], line[f"total_{window}"] = recent.get(window, (0, 0))
    for window in ("1h", "6h", "1d", "3d"):
        line[f"first_bad_{window}"] = AS_OF - timedelta(minutes=MINUTES[window])
    return pl.DataFrame(line).with_columns(pl.col("good", "total").cast(pl.UInt64))


def judged(windows: pl.DataFrame, target: str = "0.99", window_days: int = 30) -> dict[str, object]:
    wanted = Objectives(window_days, (Objective("availability", Decimal(target)),))
    return slo.status(windows, wanted, burn_windows(), AS_OF, ["a"]).row(0, named=True)


def test_defaults_are_those_of_the_cited_source() -> None:
    assert slo_defaults().window_days == 30
    assert [(one.name, one.target, one.threshold_ms) for one in slo_defaults().lines] == [
        ("availability", Decimal("0.99"), None),
        ("latency", Decimal("0.99"), 500),
    ]
    assert [one.kinds for one in slo_defaults().lines] == [("server", "consumer"), ("server",)]


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, ["14.4", "6", "3", "1"]),  # SRE workbook, table 5-8 and code listing
        (28, ["13.44", "5.6", "2.8", "14/15"]),  # Sloth, windows for 28 days
    ],
)
def test_factors_are_computed_from_budget_shares(days: int, factors: list[str]) -> None:
    pairs = burn_windows().pairs
    assert [pair.factor(days) for pair in pairs] == [Fraction(factor) for factor in factors]
    assert [(p.severity, p.long, p.short) for p in pairs] == [
        ("page", "1h", "5m"),
        ("page", "6h", "30m"),
        ("ticket", "1d", "2h"),
        ("ticket", "3d", "6h"),
    ]


@pytest.mark.parametrize(
    ("share", "long", "days", "factor"),
    [
        ("0.08", "1h", 7, "13.44"),  # Sloth, example of a 7 day window
        ("0.125", "6h", 7, "3.5"),
        ("0.2", "1d", 7, "1.4"),
        ("0.42", "3d", 7, "0.98"),
        ("0.1", "1h", 7, "16.8"),  # OpenObserve and Datadog, 7 and 90 days
        ("0.01", "1h", 90, "21.6"),
        ("0.03", "6h", 90, "10.8"),
        ("0.05", "1d", 90, "4.5"),
    ],
)
def test_factor_of_other_windows(share: str, long: str, days: int, factor: str) -> None:
    assert BurnPair("page", Decimal(share), long, "5m").factor(days) == Fraction(factor)


@pytest.mark.parametrize(
    ("good", "total", "target", "sli", "remaining"),
    [
        (9900, 10000, "0.999", 0.99, -9.0),  # Kibana: SLI .99
        (995, 1000, "0.999", 0.995, -4.0),  # Kibana: -400 %
        (999, 1000, "0.999", 0.999, 0.0),  # OpenObserve: 99.9
        (998, 1000, "0.999", 0.998, -1.0),  # OpenObserve: -100 %
        (1000, 1000, "0.99", 1.0, 1.0),
        (995, 1000, "0.99", 0.995, 0.5),
    ],
)
def test_indicator_and_budget_by_occurrences(
    good: int, total: int, target: str, sli: float, remaining: float
) -> None:
    row = judged(counts(good, total), target)
    assert (row["sli"], row["budget_remaining"]) == (sli, remaining)


@pytest.mark.parametrize(
    ("bad", "total", "target", "burn"),
    [
        (10, 1000, "0.999", 10.0),  # Kibana: target .999, SLI .99
        (1000, 1000, "0.99", 100.0),  # OpenObserve: the fastest burn there is
        (1000, 1000, "0.999", 1000.0),
        (1, 10, "0.999", 100.0),  # the workbook's low-traffic example, its misprint set right
    ],
)
def test_burn_rate(bad: int, total: int, target: str, burn: float) -> None:
    row = judged(counts(10**6, 10**6, {"1h": (bad, total)}), target)
    assert row["burn_rate_1h"] == burn
    assert row["burn_rate_5m"] is None


def after_minutes(minutes: int, outage: int = 10, per_minute: int = 1000) -> dict[str, tuple[int, int]]:
    """The workbook's example: 15 % errors for ten minutes after silence, seen ``minutes`` after they began."""
    seen = {}
    for name, length in MINUTES.items():
        bad_minutes = max(0, min(minutes, outage) - max(0, minutes - length))
        seen[name] = (per_minute * 15 // 100 * bad_minutes, per_minute * length)
    return seen


@pytest.mark.parametrize(
    ("minutes", "state"),
    # the 1h window crosses 1.44 % after 5.76 minutes; the 5m window falls below 4.52 minutes after the end
    [(0, "ok"), (5, "ok"), (6, "page"), (10, "page"), (14, "page"), (15, "ok"), (60, "ok")],
)
def test_page_of_the_workbook_comes_and_goes_on_time(minutes: int, state: str) -> None:
    assert judged(counts(43_200_000, 43_200_000, after_minutes(minutes)), "0.999")["state"] == state


@pytest.mark.parametrize(
    ("target", "bad", "total", "state"),
    [
        ("0.99", 144, 1000, "ok"),  # exactly 14.4
        ("0.99", 145, 1000, "page"),
        ("0.999", 144, 10_000, "ok"),
        ("0.999", 145, 10_000, "page"),
        ("0.9999", 144, 100_000, "ok"),
        ("0.93", 1000, 1000, "ok"),  # burns 14.29 at most: this pair can never fire
    ],
)
def test_comparison_is_strict_and_exact(target: str, bad: int, total: int, state: str) -> None:
    recent = {"5m": (bad, total), "1h": (bad, total)}
    assert judged(counts(10**6, 10**6, recent), target)["state"] == state


def test_both_windows_of_a_pair_must_burn() -> None:
    assert judged(counts(10**6, 10**6, {"5m": (50, 100), "1h": (10, 1000)}))["state"] == "ok"
    assert judged(counts(10**6, 10**6, {"5m": (0, 100), "1h": (500, 1000)}))["state"] == "ok"
    assert judged(counts(10**6, 10**6, {"5m": (0, 0), "1h": (500, 1000)}))["state"] == "ok"


@pytest.mark.parametrize(("bad", "state"), [(1, "ok"), (2, "ok"), (3, "page")])
def test_a_page_needs_three_bad_events(bad: int, state: str) -> None:
    assert judged(counts(90, 100, {"5m": (bad, bad), "1h": (bad, 4)}))["state"] == state


@pytest.mark.parametrize(
    ("recent", "state", "since_minutes"),
    [
        ({"1d": (40, 1000), "2h": (40, 1000)}, "ticket", 1440),
        ({"3d": (11, 1000), "6h": (11, 1000)}, "ticket", 4320),
        ({"6h": (70, 1000), "30m": (70, 1000)}, "page", 360),
        ({"1h": (150, 1000), "5m": (150, 1000), "3d": (150, 1000), "6h": (150, 1000)}, "page", 60),
        ({"1d": (2, 10), "2h": (2, 10)}, "ok", None),
    ],
)
def test_state_is_the_worst_severity_and_since_belongs_to_it(
    recent: dict[str, tuple[int, int]], state: str, since_minutes: int | None
) -> None:
    row = judged(counts(10**6, 10**6, recent))
    since = None if since_minutes is None else AS_OF - timedelta(minutes=since_minutes)
    assert (row["state"], row["since"]) == (state, since)


def test_no_events_is_no_data_and_never_zero() -> None:
    status = slo.status(counts(0, 0), slo_defaults(), burn_windows(), AS_OF, ["quiet"])
    assert status.select("app_id", "objective").rows() == [
        ("a", "availability"),
        ("a", "latency"),
        ("quiet", "availability"),
        ("quiet", "latency"),
    ]
    for row in status.iter_rows(named=True):
        assert row["state"] == "no_data"
        assert (row["good"], row["total"]) == (0, 0)
        ratios = [row["sli"], row["budget_remaining"], *(row[f"burn_rate_{w}"] for w in MINUTES)]
        assert ratios == [None] * 9


def test_counts_nobody_asked_for_are_refused() -> None:
    with pytest.raises(ModelError, match="app a has counts but no objective named freshness"):
        slo.status(counts(1, 1, objective="freshness"), slo_defaults(), burn_windows(), AS_OF, [])
    with pytest.raises(ModelError, match="more good events"):
        slo.status(counts(2, 1), slo_defaults(), burn_windows(), AS_OF, [])


@pytest.mark.parametrize(
    ("target", "days", "problem"),
    [("1", 30, "between 0 and 1"), ("0.9999999999", 30, "nine places"), ("0.99", 1, "needs 3 at least")],
)
def test_unusable_objectives_are_refused(target: str, days: int, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        slo.window_parameters(Objectives(days, (Objective("availability", Decimal(target)),)), AS_OF, ())


windows_of_events = st.fixed_dictionaries(
    {
        name: st.integers(0, 10**9).flatmap(
            lambda total: st.tuples(st.integers(0, min(total, total // 8 + 5)), st.just(total))
        )
        for name in MINUTES
    }
)
targets = st.decimals("0.9", "0.99999", places=5)


@settings(max_examples=200, deadline=None)
@given(windows_of_events, targets)
def test_state_equals_exact_fractions(recent: dict[str, tuple[int, int]], target: Decimal) -> None:
    fired = set()
    for severity, factor, long, short in [
        ("page", Fraction("14.4"), "1h", "5m"),
        ("page", Fraction(6), "6h", "30m"),
        ("ticket", Fraction(3), "1d", "2h"),
        ("ticket", Fraction(1), "3d", "6h"),
    ]:
        burns = [
            recent[w][1] > 0 and Fraction(*recent[w]) / (1 - Fraction(target)) > factor for w in (long, short)
        ]
        if all(burns) and recent[long][0] >= 3:
            fired.add(severity)
    expected = "page" if "page" in fired else "ticket" if "ticket" in fired else "ok"
    assert judged(counts(10**6, 10**6, recent), str(target))["state"] == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10**12), st.integers(0, 10**12), targets)
def test_budget_equals_exact_fractions_and_falls_with_each_bad_event(
    total: int, bad: int, target: Decimal
) -> None:
    bad = min(bad, total)
    remaining = judged(counts(total - bad, total), str(target))["budget_remaining"]
    exact = 1 - Fraction(bad, total) / (1 - Fraction(target))
    assert remaining == pytest.approx(float(exact), rel=1e-12, abs=1e-12)
    if bad < total:
        assert judged(counts(total - bad - 1, total), str(target))["budget_remaining"] <= remaining


LADDER = (100, 500)
Slice = tuple[datetime, str, str, str, int, int]


def planted_slices(seed: int) -> list[Slice]:
    """Slices of three apps over 40 days, more of them near the end, one hour of it bad."""
    source = random.Random(seed)
    slices: list[Slice] = []
    for app in ("a", "b", "c"):
        for environment in ("prod", "test"):
            for step in [*range(1, 900), *range(900, 11_520, 37)]:
                if source.random() < 0.2:
                    continue
                total = source.randrange(0, 60)
                outage = app == "b" and step <= 14
                bad = total if outage else min(total, int(source.random() < 0.02))
                start = AS_OF - timedelta(minutes=5 * step)
                for objective in ("availability", "latency"):
                    slices.append((start, app, environment, objective, total - bad, total))
    for late in (0, 1):  # slices that begin at as_of or later are not counted
        slices.append((AS_OF + timedelta(minutes=5 * late), "a", "prod", "availability", 0, 1000))
    return slices


@pytest.fixture(scope="module")
def slices() -> list[Slice]:
    return planted_slices(7)


@pytest.fixture(scope="module")
def warehouse(slices: list[Slice], fresh_warehouse: Warehouse) -> Iterator[Warehouse]:
    store = fresh_warehouse
    days: dict[object, list[Slice]] = {}
    for one in slices:
        days.setdefault(one[0].date(), []).append(one)
    names = ["slice_start", "app_id", "environment", "objective", "good", "requests"]
    for day, rows in days.items():
        current, stale = uuid.uuid4(), uuid.uuid4()
        for batch in (current, stale):  # the rows of an attempt that nobody published are read by nobody
            frame = (
                pl.DataFrame(rows, schema=names, orient="row")
                .filter(pl.col("objective") == "availability")
                .with_columns(
                    kind=pl.lit("server"),
                    errors=pl.col("requests") - pl.col("good"),
                    timed="requests",
                    within=pl.concat_list(pl.lit(0), "good"),
                )
                .drop("objective", "good")
                .cast(
                    {
                        "requests": pl.UInt32,
                        "errors": pl.UInt32,
                        "timed": pl.UInt32,
                        "within": pl.List(pl.UInt32),
                    }
                )
            )
            for step in range(0, frame.height, 5_000):
                store.insert(
                    "core_request_slices",
                    frame[step : step + 5_000].with_columns(
                        pl.col("slice_start").cast(pl.Datetime("ms", "UTC")),
                        pl.lit(str(batch)).alias("batch_id"),
                    ),
                )
        publish(
            store,
            "slices",
            day,
            batches={"core_request_slices": current},
            rows=len(rows),
            sha256="",
            version=AS_OF,
        )
    yield store


def test_engine_counts_what_an_independent_loop_counts(warehouse: Warehouse, slices: list[Slice]) -> None:
    counted = warehouse.frame("queries/slo/windows", **slo.window_parameters(slo_defaults(), AS_OF, LADDER))
    lengths = {**{name: timedelta(minutes=m) for name, m in MINUTES.items()}, "30d": timedelta(days=30)}
    assert {name: duration(name) for name in MINUTES} == {n: lengths[n] for n in MINUTES}
    assert counted.height == 6
    for row in counted.iter_rows(named=True):
        mine = [one for one in slices if (one[1], one[3]) == (row["app_id"], row["objective"])]
        for name, length in lengths.items():
            inside = [one for one in mine if AS_OF - length <= one[0] < AS_OF]
            good, total = sum(one[4] for one in inside), sum(one[5] for one in inside)
            if name == "30d":
                assert (row["good"], row["total"]) == (good, total)
            else:
                assert (row[f"bad_{name}"], row[f"total_{name}"]) == (total - good, total)
            if f"first_bad_{name}" in row:
                bad = [one[0] for one in inside if (one[5] - one[4]) * 100 > one[5]]
                assert row[f"first_bad_{name}"] == min(bad, default=None)


def test_status_finds_the_outage_and_fits_its_table(warehouse: Warehouse) -> None:
    counted = warehouse.frame("queries/slo/windows", **slo.window_parameters(slo_defaults(), AS_OF, LADDER))
    status = slo.status(counted, slo_defaults(), burn_windows(), AS_OF, ["a", "silent"])
    states = {(r["app_id"], r["objective"]): r["state"] for r in status.iter_rows(named=True)}
    assert states["b", "availability"] == states["b", "latency"] == "page"
    assert states["silent", "latency"] == "no_data"
    assert "page" not in {state for (app, _), state in states.items() if app in "ac"}

    batch = uuid.uuid4()
    warehouse.insert("mart_slo_status", status.with_columns(team=pl.lit("t"), batch_id=pl.lit(str(batch))))
    publish(
        warehouse, "slo", AS_OF.date(), batches={"mart_slo_status": batch}, rows=8, sha256="", version=AS_OF
    )
    text = "SELECT * EXCEPT (team) REPLACE (toDateTime64(as_of, 6, 'UTC') AS as_of, toDateTime64(since, 6, 'UTC') AS since, toString(objective) AS objective, toString(state) AS state) FROM mart_slo_status_current ORDER BY app_id, objective"
    assert warehouse.frame_of(text).equals(status)
