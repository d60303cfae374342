"""Budgets and forecasts against published numbers and loops over exact fractions that share nothing with the model."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import error_budget

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
PARTS = 10**9


@pytest.mark.parametrize(
    ("bad", "total", "target", "remaining", "left"),
    [
        (100, 10_000, "0.999", -9.0, -90),  # Kibana: 9900 of 10000 good
        (5, 1_000, "0.999", -4.0, -4),  # Kibana: -400 %
        (2, 1_000, "0.999", -1.0, -1),  # OpenObserve: -100 %
        (1, 1_000, "0.999", 0.0, 0),
        (0, 1_000, "0.99", 1.0, 10),
        (
            1,
            720,
            "0.999",
            -0.388888888888889,
            -0.28,
        ),  # workbook: one failure of 10 an hour takes 13.9 % of 30 days' 7.2
    ],
)
def test_occurrences(bad: int, total: int, target: str, remaining: float, left: float) -> None:
    allowed = np.array([int((1 - Fraction(target)) * PARTS)])
    found = error_budget.occurrences(np.array([bad]), np.array([total]), allowed, timedelta(days=30))
    assert found.remaining[0] == pytest.approx(remaining, abs=1e-9)
    assert found.events_left[0] == pytest.approx(left, abs=1e-9)
    assert found.minutes_spent[0] == pytest.approx(float(Fraction(bad, total) * 43_200), rel=1e-12)
    assert found.minutes_allowed[0] == pytest.approx(float((1 - Fraction(target)) * 43_200), rel=1e-12)


def test_without_events_nothing_is_known() -> None:
    found = error_budget.occurrences(np.array([0]), np.array([0]), np.array([10**7]), timedelta(days=30))
    assert np.isnan(found.remaining[0]) and np.isnan(found.minutes_spent[0])
    assert found.events_left[0] == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5_000), st.integers(0, 200_000), st.sampled_from([10**6, 10**7, 5 * 10**7]),
            st.integers(0, 500), st.integers(0, 900),
        ),
        min_size=1, max_size=20,
    ),
    st.integers(0, 31 * 86_400),
)  # fmt: skip
def test_a_period_runs_out_at_the_root_of_a_line(rows: list[tuple[int, ...]], rest: int) -> None:
    """B + r t = (1 - T) (N + s t), by fractions: nothing ages out of a month, and what lies beyond its end is not told."""
    lines = [(min(bad, total), total, allowed, min(r, s), s) for bad, total, allowed, r, s in rows]
    bad, total, allowed = (np.array([one[place] for one in lines], np.int64) for place in range(3))
    coming = tuple(np.array([one[place] / 1_000 for one in lines]) for place in (3, 4))
    found = error_budget.exhaustion_in_period(bad, total, allowed, *coming, timedelta(seconds=rest))
    for got, (b, n, parts, r, s) in zip(found, lines, strict=True):
        budget = Fraction(parts, PARTS)
        left, speed = budget * n - b, (Fraction(r) - budget * s) / 1_000
        if n and left <= 0:
            assert got == 0
        elif speed > 0 and left / speed <= rest:
            assert got == pytest.approx(float(left / speed), rel=1e-9, abs=1e-6)
        elif speed <= 0 or left / speed > rest * (1 + Fraction(1, 10**9)):
            assert np.isnan(got)


def seconds_left(
    buckets: list[tuple[int, int, int]], budget: Fraction, recent_bad: Fraction, recent_total: Fraction
) -> Fraction | None:
    """By exact roots between the moments at which a bucket has aged out."""
    passed, aged_bad, aged_total = Fraction(0), Fraction(0), Fraction(0)
    all_bad, all_total = (sum(bucket[place] for bucket in buckets) for place in (1, 2))
    if all_total and Fraction(all_bad) >= budget * all_total:
        return Fraction(0)
    for length, bad, total in buckets:
        slope = (recent_bad - Fraction(bad, length)) - budget * (recent_total - Fraction(total, length))
        level = (all_bad - aged_bad + recent_bad * passed) - budget * (
            all_total - aged_total + recent_total * passed
        )
        if slope > 0 and level + slope * length >= 0 and (all_total or recent_total):
            return passed + max(-level / slope, Fraction(0))
        passed, aged_bad, aged_total = passed + length, aged_bad + bad, aged_total + total
    return None


@pytest.mark.parametrize("seed", range(4))
def test_exhaustion_equals_exact_roots(seed: int) -> None:
    source = random.Random(seed)
    lengths = [300 * source.choice((1, 3, 12, 288)) for _ in range(25)]
    edges = [BEGIN + timedelta(seconds=sum(lengths[:place])) for place in range(len(lengths) + 1)]
    rows, rates, budgets = [], [], []
    for _ in range(120):
        share = source.choice((0.0, 0.002, 0.008, 0.03))
        totals = [source.choice((0, 5, source.randint(1, 90_000))) for _ in lengths]
        rows.append(
            [
                (length, sum(source.random() < share for _ in range(min(total, 40))) * -(-total // 40), total)
                for length, total in zip(lengths, totals, strict=True)
            ]
        )
        rates.append((Fraction(source.randint(0, 300), 40_000), Fraction(source.randint(1, 900), 1_000)))
        budgets.append(source.choice((10**6, 10**7, 5 * 10**7)))
    rows = [[(length, min(bad, total), total) for length, bad, total in row] for row in rows]
    sums = [
        np.array([[0, *np.cumsum([bucket[place] for bucket in row])] for row in rows], np.int64)
        for place in (1, 2)
    ]
    found = error_budget.exhaustion(
        edges,
        *sums,
        np.array(budgets),
        *(np.array([float(rate[place]) for rate in rates]) for place in (0, 1)),
    )
    kinds = set()
    for got, row, rate, budget in zip(found, rows, rates, budgets, strict=True):
        want = seconds_left(row, Fraction(budget, PARTS), *rate)
        kinds.add("never" if want is None else "spent" if want == 0 else "later")
        if want is None:
            assert np.isnan(got)
        else:
            assert got == pytest.approx(float(want), rel=1e-9, abs=1e-6)
    assert kinds == {"never", "spent", "later"}


def test_what_is_spent_already_counts_and_what_ages_out_comes_back() -> None:
    """30 days, 1,000 requests a day, 99 %: 200 of 300 spent. At 20 bad ones a day the rest lasts five days, and fifteen where
    what was spent is about to age out; ``window / burn``, which forgets both, says fifteen and fifteen.
    """
    edges = [BEGIN + timedelta(days=day) for day in range(31)]
    total = np.arange(31)[None, :] * 1_000
    late = np.where(np.arange(31) > 20, 200, 0)[None, :]
    early = np.where(np.arange(31) > 0, 200, 0)[None, :]
    rate = (np.array([20 / 86_400]), np.array([1_000 / 86_400]))
    days = [
        error_budget.exhaustion(edges, bad, total, np.array([10**7]), *rate)[0] / 86_400
        for bad in (late, early)
    ]
    assert days == pytest.approx([5.0, 15.0])
