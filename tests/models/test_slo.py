"""Objectives, budgets, burn and states against published numbers and an oracle in exact fractions."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest

from models import paging, slo
from models.errors import ModelError
from models.policy import (
    BurnPair,
    Environments,
    Objective,
    Objectives,
    burn_windows,
    environments,
    slo_defaults,
    state_policy,
    states,
)
from tests.models.slo_oracle import (
    MINUTES,
    PAIRS,
    UNKNOWN,
    Answer,
    Slice,
    answer,
    bound,
    counted,
    inside,
    tail,
)

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
Key = tuple[str, str, str]
BUCKETS: dict[str, Any] = {
    "app_id": pl.String,
    "environment": pl.String,
    "objective": pl.String,
    "bucket": pl.Datetime("us", "UTC"),
    "bad": pl.UInt64,
    "total": pl.UInt64,
    "bad_slices": pl.UInt64,
    "first_bad": pl.Datetime("us", "UTC"),
    "other_ladders": pl.UInt64,
    "in_maintenance": pl.UInt64,
}


CLUSTERING: dict[str, Any] = {
    **dict.fromkeys(("app_id", "environment", "objective"), pl.String),
    "clustering": pl.Float64,
}


def minutes_ago(minutes: float) -> datetime:
    return AS_OF - timedelta(minutes=minutes)


def buckets_of(slices: Mapping[Key, Iterable[Slice]], objectives: Objectives) -> pl.DataFrame:
    """What ``queries/slo/buckets`` gives for these slices."""
    edges = slo.boundaries(objectives, burn_windows(), AS_OF)
    budgets = {one.name: 1 - Fraction(one.target) for one in objectives.lines}
    recent = AS_OF - timedelta(days=3, hours=1)
    rows: dict[tuple[Any, ...], list[Any]] = {}
    for key, own in slices.items():
        for one in own:
            if not edges[0] <= one.start < AS_OF or not one.total:
                continue
            row = rows.setdefault((*key, edges[bisect_right(edges, one.start) - 1]), [0, 0, 0, None, 0, 0])
            row[0] += one.bad
            row[1] += one.total
            if one.start >= recent and Fraction(one.bad, one.total) > budgets.get(key[2], Fraction(1, 2)):
                row[2] += 1
                row[3] = min(row[3] or one.start, one.start)
    return pl.DataFrame([(*key, *row) for key, row in rows.items()], schema=BUCKETS, orient="row")


def promise(target: str = "0.99", window_days: int = 30) -> Objectives:
    return Objectives(window_days, (Objective("availability", Decimal(target)),))


def judged(
    slices: Mapping[Key, Iterable[Slice]],
    objectives: Objectives | None = None,
    *,
    apps: Iterable[str] = (),
    silences: Mapping[tuple[str, str], datetime] | None = None,
    age: timedelta = timedelta(minutes=5),
    where: Environments | None = None,
    clustering: Mapping[Key, Fraction] | None = None,
) -> slo.Judged:
    wanted = objectives or promise()
    silent = pl.DataFrame(
        [(*key, since) for key, since in (silences or {}).items()], schema=slo.SILENCES, orient="row"
    )
    return slo.status(
        buckets_of(slices, wanted),
        wanted,
        burn_windows(),
        AS_OF,
        apps,
        environments=where or environments(),
        state_policy=state_policy(),
        silences=silent,
        age=age,
        clustering=pl.DataFrame(
            [(*key, float(value)) for key, value in (clustering or {}).items()],
            schema=CLUSTERING,
            orient="row",
        ),
    )


def one(
    slices: Iterable[Slice], target: str = "0.99", environment: str = "production", **more: Any
) -> dict[str, Any]:
    """The answer for one app with these slices of availability."""
    return judged({("a", environment, "availability"): list(slices)}, promise(target), **more).status.row(
        0, named=True
    )


def steady(bad: int, total: int, minutes: int = 60, until: int = 0) -> list[Slice]:
    """The same counts in every slice of some minutes, which ended ``until`` minutes ago."""
    return [Slice(minutes_ago(until + 5 * step), bad, total) for step in range(1, minutes // 5 + 1)]


PLENTY = Slice(minutes_ago(60 * 24 * 20), 0, 10**6)
"""So many good events long ago that the budget of the window is never spent."""


def test_defaults_are_those_of_the_cited_source() -> None:
    assert slo_defaults().window_days == 30
    assert [(line.name, line.target, line.threshold_ms, line.kinds) for line in slo_defaults().lines] == [
        ("availability", Decimal("0.99"), None, ("server", "consumer")),
        ("latency", Decimal("0.99"), 500, ("server",)),
    ]


@pytest.mark.parametrize(
    ("days", "factors"),
    [
        (30, ["14.4", "14.4", "6", "3", "1"]),  # SRE workbook, table 5-8 and code listing; 1h/15m is ours
        (28, ["13.44", "13.44", "5.6", "2.8", "14/15"]),  # Sloth, windows for 28 days
    ],
)
def test_factors_are_computed_from_budget_shares(days: int, factors: list[str]) -> None:
    pairs = burn_windows().pairs
    assert [pair.factor(days) for pair in pairs] == [Fraction(factor) for factor in factors]
    assert [(p.severity, str(p.budget_share), p.long, p.short) for p in pairs] == PAIRS
    assert burn_windows().pair_windows == tuple(MINUTES)


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
    row = one([Slice(minutes_ago(60 * 24 * 9), total - good, total)], target)
    assert (row["good"], row["total"], row["sli"], row["budget_remaining"]) == (good, total, sli, remaining)


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
    slices = {("a", "", "availability"): [Slice(minutes_ago(40), bad, total)]}
    rates = dict(judged(slices, promise(target)).burn.select("window", "burn_rate").rows())
    assert rates == {name: None if name in ("5m", "15m", "30m") else burn for name in (*MINUTES, "30d")}


@pytest.mark.parametrize(
    ("minutes", "state"),
    # 15 % errors for ten minutes after silence: the 1h window crosses 1.44 % after 5.76 minutes, so with whole slices
    # after ten; the page then holds for an hour after the short windows of 15 minutes let go (20 + 60 after the begin)
    [(5, "ok"), (10, "page"), (15, "page"), (20, "page"), (80, "page"), (85, "ok"), (600, "ok")],
)
def test_page_of_the_workbook_comes_on_time_and_holds_an_hour(minutes: int, state: str) -> None:
    traffic = [Slice(minutes_ago(5 * step), 0, 5_000) for step in range(1, 9_000 // 5)]
    outage = [Slice(minutes_ago(minutes - 5 * step), 750, 750) for step in (0, 1) if minutes > 5 * step]
    assert one([*traffic, *outage, PLENTY], "0.999")["state"] == state


@pytest.mark.parametrize(
    ("target", "bad", "total", "state"),
    [
        ("0.99", 144, 1000, "ok"),  # exactly 14.4
        ("0.99", 145, 1000, "page"),
        ("0.999", 144, 10_000, "ok"),
        ("0.999", 145, 10_000, "page"),
        ("0.9999", 144, 100_000, "ok"),
        ("0.93", 999, 1000, "ok"),  # burns 14.27: this pair can never fire by its factor
        ("0.93", 1000, 1000, "ok"),  # nor is ten minutes of nothing but failures enough for a guard
    ],
)
def test_comparison_is_strict_and_exact(target: str, bad: int, total: int, state: str) -> None:
    """Two slices of one hour; around them a day of good traffic keeps the six-hour pair quiet."""
    around = [Slice(minutes_ago(65 + 5 * step), 0, 10**6) for step in range(1000)]
    short = [Slice(minutes_ago(5), bad, total), Slice(minutes_ago(10), bad, total)]
    assert one([*short, *around], target)["state"] == state


def test_both_windows_of_a_pair_must_burn() -> None:
    around = [Slice(minutes_ago(65 + 5 * step), 0, 10**6) for step in range(1000)]
    diluted = Slice(minutes_ago(30), 0, 10**5)
    assert one([*steady(50, 100, 10), diluted, *around])["state"] == "ok"  # the long one does not
    over = [*steady(500, 1000, 60, until=120), *around]
    assert one(over)["state"] == "ok"  # the short one does not, nor did it within the hold


@pytest.mark.parametrize(
    ("slices", "state"),
    [
        (steady(2, 2, 5), "ok"),  # two bad events
        ([Slice(minutes_ago(5), 3, 3)], "ok"),  # three, in one slice
        ([Slice(minutes_ago(5), 1, 1), Slice(minutes_ago(10), 2, 2)], "ok"),  # in two
        (steady(1, 1, 15), "page"),  # three slices that failed whole
        (steady(1, 1, 10) + [Slice(minutes_ago(25), 1, 1)], "page"),  # with a gap between them
        (
            steady(1, 1, 10) + [Slice(minutes_ago(15), 0, 1), Slice(minutes_ago(25), 1, 1)],
            "ok",
        ),  # one success
        (steady(20, 40, 10), "page"),  # two slices, and so many that no cluster explains them
        (steady(40, 40, 5), "ok"),  # one slice
        (steady(200, 400, 10, until=10), "page"),  # held
        (
            [*steady(9, 9, 10, until=40), Slice(minutes_ago(10), 0, 40)],
            "ok",
        ),  # no bad event in the short windows
    ],
)
def test_a_page_needs_bad_events_in_several_slices_and_now(slices: list[Slice], state: str) -> None:
    around = [Slice(minutes_ago(65 + 5 * step), 0, 500) for step in range(1000)]
    assert one([*slices, *around])["state"] == state


def test_the_bound_of_chance_is_one_and_clusters_prove_less() -> None:
    """Chernoff's bound against the exact tail in Decimal, and against itself in Decimal for clusters."""
    for bad, total, budget in [
        (3, 3, "0.01"),
        (2, 3, "0.01"),
        (6, 40, "0.05"),
        (15, 40, "0.05"),
        (40, 1000, "0.01"),
        (1, 1, "0.000001"),
        (0, 9, "0.5"),
        (2, 200, "0.01"),
        (10**4, 10**5, "0.0999"),
    ]:
        for clustering in (1.0, 2.5, 8.0):
            got = paging.log_chance(
                np.array([bad]), np.array([total]), np.array([float(budget)]), np.array([clustering])
            )[0]
            want = bound(bad, total, Fraction(budget), Fraction(clustering))
            assert got == pytest.approx(float(want.ln()), rel=1e-9, abs=1e-9)
            if clustering == 1 and bad < 1000:
                exact = tail(bad, total, Fraction(budget)) if bad else Decimal(1)
                assert want * (1 + Decimal("1e-20")) >= exact


def test_a_share_at_the_limit_is_decided_in_whole_numbers() -> None:
    """Where floats cannot tell two shares apart: totals beyond their 53 bits."""
    total = np.array([10**17, 10**17, 10**17], np.int64)
    bad = np.array([144 * 10**14 + step for step in (-1, 0, 1)], np.int64)
    allowed = np.full(3, 10**7, np.int64)
    assert paging.burns_faster(bad, total, allowed, Fraction("14.4")).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("slices", "kind", "state"),
    [
        # a nightly job that failed thirty of thirty nights
        ([Slice(minutes_ago(60 * 24 * day + 600), 1, 1) for day in range(30)], {}, "spent"),
        # one that failed twice in thirty nights: nobody can say
        (
            [Slice(minutes_ago(60 * 24 * day + 600), int(day in (11, 20)), 1) for day in range(30)],
            {},
            "too_few",
        ),
        ([Slice(minutes_ago(60 * 24 * day + 600), 0, 1) for day in range(30)], {}, "too_few"),
        # enough events, exactly: the budget holds one
        ([Slice(minutes_ago(60 * 24 * 9), 0, 100)], {}, "ok"),
        ([Slice(minutes_ago(60 * 24 * 9), 0, 99)], {}, "too_few"),
        ([Slice(minutes_ago(60 * 24 * 9), 3, 300)], {}, "spent"),
        ([Slice(minutes_ago(60 * 24 * 9), 3, 301)], {}, "ok"),
        ([Slice(minutes_ago(60 * 24 * 9), 2, 200)], {}, "too_few"),
        ([Slice(minutes_ago(60 * 24 * 31), 9, 9)], {}, "no_data"),
        ([PLENTY], {"silences": {("a", "production"): minutes_ago(900)}}, "silent"),
        ([PLENTY], {"silences": {("a", "staging"): minutes_ago(900)}}, "ok"),
        (
            [Slice(minutes_ago(60 * 24 * 9), 9, 9)],
            {"silences": {("a", "production"): minutes_ago(900)}},
            "spent",
        ),
        ([PLENTY], {"age": timedelta(hours=36)}, "ok"),
        ([PLENTY], {"age": timedelta(hours=36, seconds=1)}, "stale"),
        (steady(9, 9), {}, "page"),
        (steady(9, 9), {"age": timedelta(days=24)}, "stale"),
        (steady(9, 9), {"silences": {("a", "production"): minutes_ago(2)}}, "page"),
    ],
)
def test_a_state_is_a_claim(slices: list[Slice], kind: dict[str, Any], state: str) -> None:
    row = one(slices, apps=["a"], **kind)
    assert row["state"] == state
    assert row["state_rank"] == [line.name for line in states()].index(state) + 1
    if state == "silent":
        assert row["since"] == row["silent_since"] == minutes_ago(900)


def test_failing_then_silent_is_never_ok() -> None:
    """An app that failed for twenty minutes and then stopped: a page for an hour, and what is left of it after."""
    fine = [Slice(minutes_ago(60 * 24 * 5 + 5 * step), 0, 40) for step in range(2000)]
    for quiet, state in ((0, "page"), (60, "page"), (300, "ticket"), (500, "silent")):
        stopped = {("a", "production"): minutes_ago(quiet)} if quiet > 60 else None
        assert one([*fine, *steady(10, 10, 20, until=quiet)], silences=stopped)["state"] == state


@pytest.mark.parametrize(
    ("environment", "own", "state", "is_production"),
    [
        ("production", None, "page", True),
        ("prd", None, "page", True),
        ("", None, "page", True),
        ("staging", None, "ticket", False),
        ("staging", ["staging"], "page", True),
        ("production", ["staging"], "ticket", False),
        ("", ["staging"], "page", True),
    ],
)
def test_only_production_pages(
    environment: str, own: list[str] | None, state: str, is_production: bool
) -> None:
    where = replace(environments(), production=frozenset(own)) if own else environments()
    row = one([*steady(5, 10), PLENTY], environment=environment, where=where)
    assert (row["state"], row["is_production"]) == (state, is_production)


def test_environments_are_judged_apart() -> None:
    found = judged(
        {
            ("a", "production", "availability"): [PLENTY],
            ("a", "staging", "availability"): steady(5, 5),
            ("b", "", "availability"): steady(0, 100),
        },
        apps=["a", "b", "c"],
    ).status
    assert found.select("app_id", "environment", "state").rows() == [
        ("a", "production", "ok"),
        ("a", "staging", "ticket"),
        ("b", "", "ok"),
        ("c", "", "no_data"),
    ]


def test_no_events_is_no_data_and_never_zero() -> None:
    found = judged({}, slo_defaults(), apps=["quiet"])
    assert found.status.select("app_id", "environment", "objective", "state").rows() == [
        ("quiet", "", "availability", "no_data"),
        ("quiet", "", "latency", "no_data"),
    ]
    for row in found.status.iter_rows(named=True):
        assert (row["good"], row["total"], row["sli"], row["budget_remaining"]) == (0, 0, None, None)
    assert set(found.burn["burn_rate"]) == {None}


def test_two_thresholds_of_latency_are_two_objectives() -> None:
    both = Objectives(
        30,
        (
            Objective("fast", Decimal("0.9"), 100, ("server",)),
            Objective("bearable", Decimal("0.99"), 2500, ("server",)),
        ),
    )
    parameters = slo.bucket_parameters(both, burn_windows(), AS_OF, (100, 500, 2500))
    assert parameters["names"] == ["fast", "bearable", slo.HEALTH]
    assert parameters["rungs"] == [1, 3, 0]
    assert (parameters["server"], parameters["consumer"], parameters["health"]) == (
        [1, 2],
        [],
        [3],
    )
    found = judged({("a", "", "fast"): steady(9, 10), ("a", "", "bearable"): steady(0, 10)}, both).status
    assert found.select("objective", "threshold_ms", "state").rows() == [
        ("bearable", 2500, "ok"),
        ("fast", 100, "page"),
    ]


def test_health_checks_stand_beside_and_decide_nothing() -> None:
    found = judged({("a", "", "availability"): [PLENTY], ("a", "", slo.HEALTH): steady(10, 10)}).status
    assert found.select("objective", "state", "health_checks", "health_errors").rows() == [
        ("availability", "ok", 120, 120)
    ]


def test_counts_nobody_asked_for_are_refused() -> None:
    with pytest.raises(ModelError, match="app a has counts but no objective named freshness"):
        judged({("a", "", "freshness"): [PLENTY]})
    with pytest.raises(ModelError, match="more bad events"):
        judged({("a", "", "availability"): [Slice(minutes_ago(5), 2, 1)]})


def test_slices_of_another_ladder_are_refused() -> None:
    """Their counts would be read at the wrong bound."""
    buckets = buckets_of({("a", "", "availability"): [PLENTY]}, promise()).with_columns(
        other_ladders=pl.lit(1, pl.UInt64)
    )
    with pytest.raises(ModelError, match="another latency ladder"):
        slo.status(
            buckets,
            promise(),
            burn_windows(),
            AS_OF,
            [],
            environments=environments(),
            state_policy=state_policy(),
            silences=pl.DataFrame(schema=slo.SILENCES),
            age=timedelta(0),
        )


@pytest.mark.parametrize(
    ("target", "days", "problem"),
    [("1", 30, "between 0 and 1"), ("0.9999999999", 30, "nine places"), ("0.99", 2, "needs 3 at least")],
)
def test_unusable_objectives_are_refused(target: str, days: int, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        slo.bucket_parameters(promise(target, days), burn_windows(), AS_OF, ())


def test_part_of_a_slice_never_counts() -> None:
    with pytest.raises(ModelError, match="inside a slice"):
        slo.bucket_parameters(promise(), burn_windows(), AS_OF + timedelta(minutes=3), ())


def drawn(source: random.Random) -> list[Slice]:
    """Slices of one app: plain traffic, an outage or a slow burn now and then, edges of windows by preference."""
    edges = [minutes for length in MINUTES.values() for minutes in (length, length + 60, length + 5)]
    rate = source.choice((0, 1, 3, 20, 400))
    error = source.choice((0.0, 0.004, 0.02, 0.1))
    found: dict[datetime, Slice] = {}

    def add(minutes: int, bad: int, total: int) -> None:
        found[minutes_ago(minutes)] = Slice(minutes_ago(minutes), min(bad, total), total)

    for _ in range(source.choice((5, 60, 250))):
        total = source.randint(0, 2 * rate)
        add(5 * source.randint(-2, 900), sum(source.random() < error for _ in range(min(total, 60))), total)
    for _ in range(source.randint(0, 3)):  # an outage of some slices that ended some time ago
        begin, length = 5 * source.choice((0, 1, 2, 5, 11, 12, 13, 14, 40, 300)), source.randint(1, 24)
        for step in range(1, length + 1):
            total = source.choice((1, 1, 2, max(rate, 1)))
            add(begin + 5 * step, source.choice((total, total, total // 2, 1)), total)
    for _ in range(source.randint(0, 6)):
        total = source.choice((1, 7, 100))
        add(source.choice(edges), source.choice((0, 1, total)), total)
    if source.random() < 0.5:
        add(60 * 24 * source.randint(4, 31), source.choice((0, 1, 40)), source.choice((90, 4_000, 400_000)))
    return list(found.values())


@pytest.mark.parametrize("seed", range(3))
def test_states_equal_an_oracle_in_fractions(seed: int) -> None:
    """Many apps of every shape in one call, each compared with loops over its own slices."""
    source = random.Random(seed)
    target = ("0.99", "0.999", "0.9")[seed]
    slices: dict[Key, list[Slice]] = {}
    silences: dict[tuple[str, str], datetime] = {}
    clusters: dict[Key, Fraction] = {}
    for number in range(100):
        key = (f"app-{number}", source.choice(("production", "", "staging")), "availability")
        slices[key] = drawn(source)
        if source.random() < 0.7:
            clusters[key] = Fraction(source.choice((4, 7, 20, 32)), 4)
        if source.random() < 0.2:
            silences[key[:2]] = minutes_ago(source.randint(1, 5_000))
    found = judged(
        slices, promise(target), silences=silences, apps=[key[0] for key in slices], clustering=clusters
    )
    rows = {
        (row["app_id"], row["environment"], "availability"): row for row in found.status.iter_rows(named=True)
    }
    burn: dict[Key, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in found.burn.iter_rows(named=True):
        burn[row["app_id"], row["environment"], "availability"][row["window"]] = row
    seen = set()
    for key, own in slices.items():
        want = answer(
            own,
            AS_OF,
            Decimal(target),
            production=key[1] != "staging",
            silent_since=silences.get(key[:2]),
            clustering=clusters.get(key, UNKNOWN),
        )
        # an app without any event is in no environment
        row = rows.get(key) or rows[key[0], "", "availability"]
        assert _answered(row) == want, key
        seen.add(want.state)
        if key in rows:
            _assert_burn(burn[key], own, Decimal(target))
    assert seen >= {"page", "ticket", "spent", "silent", "ok"}, seen


def _answered(row: Mapping[str, Any]) -> Answer:
    bad = row["total"] - row["good"]
    remaining = row["budget_remaining"]
    exact = 1 - Fraction(bad, row["total"]) / (1 - Fraction(str(row["target"]))) if row["total"] else None
    assert (remaining is None) == (exact is None)
    if exact is not None:
        assert remaining == pytest.approx(float(exact), rel=1e-12, abs=1e-12)
    return Answer(row["state"], row["since"], bad, row["total"], exact, row["is_spent"])


def _assert_burn(rows: Mapping[str, Mapping[str, Any]], slices: Sequence[Slice], target: Decimal) -> None:
    assert list(rows) == [*MINUTES, "30d"]
    for name, row in rows.items():
        length = timedelta(minutes=MINUTES.get(name, 30 * 24 * 60))
        own = inside(slices, AS_OF, length)
        bad, total = counted(own)
        assert (row["bad"], row["total"], row["window_seconds"]) == (bad, total, length.total_seconds())
        if total:
            assert row["burn_rate"] == pytest.approx(
                float(Fraction(bad, total) / (1 - Fraction(target))), rel=1e-12
            )
        else:
            assert row["burn_rate"] is None
        if name != "30d":
            over = [
                each.start
                for each in own
                if each.total and Fraction(each.bad, each.total) > 1 - Fraction(target)
            ]
            assert (row["bad_slices"], row["first_bad"]) == (len(over), min(over, default=None))


def test_worst_first_is_by_state_production_burn_and_budget() -> None:
    """Lines in their right order, each later than the one before for one reason; given in other orders, sorted back."""
    keys = ("state", "is_production", "burn_rate_1h", "burn_rate_6h", "burn_rate_3d", "budget_remaining", "app_id", "environment", "objective")  # fmt: skip
    lines = [
        ("page", True, 1.0, 30.0, None, 0.5, "z", "p", "a"),
        ("page", True, 20.0, 1.0, 1.0, -3.0, "a", "p", "a"),
        ("page", True, 2.0, 2.0, 20.0, -2.0, "a", "p", "a"),
        ("page", True, None, None, None, -9.0, "a", "p", "a"),
        ("page", False, 99.0, 99.0, 99.0, -99.0, "a", "p", "a"),
        ("ticket", True, 3.0, 1.0, 1.0, 0.9, "a", "p", "a"),
        ("ticket", False, 9.0, 1.0, 1.0, 0.9, "a", "p", "a"),
        ("spent", True, 1.0, 1.0, 1.0, -2.0, "b", "p", "a"),
        ("spent", True, 50.0, 50.0, 50.0, -1.0, "a", "p", "a"),
        ("silent", True, 0.0, 0.0, 0.0, 0.1, "a", "p", "a"),
        ("silent", True, 0.0, 0.0, 0.0, None, "a", "p", "a"),
        ("too_few", True, None, None, None, 0.1, "a", "p", "a"),
        ("stale", False, None, None, None, -5.0, "a", "p", "a"),
        ("ok", True, 0.5, 0.5, 0.5, 0.2, "a", "p", "a"),
        ("ok", True, 0.5, 0.5, 0.5, 0.2, "b", "o", "b"),
        ("ok", True, 0.9, 0.9, 0.9, 0.2, "b", "p", "a"),
        ("ok", True, 0.1, 0.1, 0.1, 0.2, "b", "p", "b"),
        ("no_data", True, None, None, None, None, "a", "p", "a"),
    ]
    source = random.Random(3)
    for _ in range(20):
        given = source.sample(lines, len(lines))
        frame = pl.DataFrame(given, keys, orient="row", infer_schema_length=None)
        assert slo.worst_first(frame).rows() == lines
