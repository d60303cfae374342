"""What pages by the newest minutes: arithmetic against loops in whole numbers and decimals, and the life of what was published."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.newest import (
    Burst,
    NewestPage,
    Promise,
    counted_until,
    fires,
    held,
    newest_policy,
    paging_now,
)
from models.policy import watermark_policy

POLICY = newest_policy()
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WIDTH = 20
"""Moments of 15 s in five minutes."""
WINDOWS = (4, 8, 20)
KEY = ("pay", "production", "availability")


def oracle(bad: list[int], total: list[int], allowed: Decimal, clustering: Decimal) -> tuple[int, int] | None:
    """The window that pages and how many moments ago it began, by the words of the policy; None where none does."""
    factor = Decimal("0.05") * 30 * 24 / 6
    with localcontext(prec=40):
        if not sum(total[-2:]) or Decimal(sum(bad[-2:])) <= sum(total[-2:]) * allowed * factor:
            return None
        for length in WINDOWS:
            x, n = Decimal(sum(bad[-length:])), Decimal(sum(total[-length:]))
            burning = [Decimal(b) > t * allowed for b, t in zip(bad[-length:], total[-length:], strict=True)]
            if sum(burning) < 4 or x <= n * allowed * factor:
                continue
            if x < (-(Decimal("0.000001").ln()) * (clustering + 1) / 2).to_integral_value("ROUND_CEILING"):
                continue
            share = x / n
            divergence = share * (share / allowed).ln()
            if share < 1:
                divergence += (1 - share) * ((1 - share) / (1 - allowed)).ln()
            if -n * divergence / clustering < Decimal("1e-8").ln():
                return length, length - burning.index(True)
    return None


def found_by(
    bad: list[list[int]], total: list[list[int]], allowed: str, clustering: float
) -> list[tuple[int, int] | None]:
    rows = len(bad)
    found = fires(
        Burst(np.array(bad, np.int64), np.array(total, np.int64)),
        np.full(rows, int(Decimal(allowed) * 10**9), np.int64),
        np.full(rows, clustering),
        np.full(rows, POLICY.factor(30)),
        POLICY,
    )
    return [
        (int(window), int(began)) if pages else None
        for pages, window, began in zip(found.fires, found.window, found.began, strict=True)
    ]


@settings(max_examples=60)
@given(
    st.data(),
    st.sampled_from(["0.01", "0.001", "0.0001"]),
    st.sampled_from([1.0, 1.5, 2.0, 5.0, 8.0]),
    st.integers(0, 20),
    st.floats(0, 1),
)
def test_what_pages_is_what_the_policy_says_in_words(
    data: st.DataObject, allowed: str, clustering: float, begun: int, share: float
) -> None:
    total = data.draw(st.lists(st.integers(0, 60), min_size=WIDTH, max_size=WIDTH))
    bad = [
        round(events * share) if place >= WIDTH - begun else int(events > 50)
        for place, events in enumerate(total)
    ]
    assert found_by([bad], [total], allowed, clustering) == [
        oracle(bad, total, Decimal(allowed), Decimal(clustering))
    ]


def test_by_hand() -> None:
    """30 requests a moment at 99 %: what a minute proves, and what it does not."""
    total = [30] * WIDTH
    cases = {
        "half fails, for a minute": ([0] * 16 + [15] * 4, 1.0, (4, 4)),
        "for three quarters of one": ([0] * 17 + [15] * 3, 1.0, None),
        "it ended half a minute ago": ([0] * 10 + [15] * 8 + [0] * 2, 1.0, None),
        "a burst": ([0] * 19 + [30], 8.0, None),
        "4 of 120, under six times the budget": ([0] * 16 + [1] * 4, 1.0, None),
        "a tenth, for two minutes": ([0] * 12 + [3] * 8, 1.0, (8, 8)),
        "the same of errors that cluster": ([0] * 12 + [3] * 8, 5.0, None),
    }
    for what, (bad, clustering, expected) in cases.items():
        assert found_by([bad], [total], "0.01", clustering) == [expected], what
    assert found_by([[0] * WIDTH], [[0] * WIDTH], "0.01", 1.0) == [None], "nothing came"


@pytest.mark.parametrize("seed", [3001, 3002])
def test_ordinary_traffic_pages_nobody(seed: int) -> None:
    """A day of 40 apps at half their budget, looked at every moment: 230,400 looks."""
    rng = np.random.default_rng(seed)
    total = rng.poisson(8, (40, 5760 + WIDTH))
    bad = rng.binomial(total, 0.005)
    for place in range(0, 5760, 97):
        part = slice(place, place + WIDTH)
        assert found_by(bad[:, part].tolist(), total[:, part].tolist(), "0.01", 1.2) == [None] * 40
    assert POLICY.least_bad_events == math.ceil(-math.log(1e-6))


def test_counts_are_placed_by_their_moment_and_what_promises_nothing_is_left_out() -> None:
    counts = pl.DataFrame(
        [
            {
                "app_id": app,
                "environment": "production",
                "objective": "availability",
                "moment": NOW - timedelta(seconds=15 * back),
                "bad": 10,
                "total": 20,
            }
            for app in ("pay", "unknown")
            for back in (1, 2, 3, 4, 21)  # the last is before the five minutes
        ]
    )
    promised = {KEY: Promise("payments", 0.99, None, 30)}
    [page] = paging_now(counts, promised, {}, 2.0, NOW, POLICY)
    assert page.key == KEY and page.team == "payments"
    assert (page.bad, page.total, page.window_seconds) == (40, 80, 60)
    assert page.since == NOW - timedelta(minutes=1) and page.fired_at == page.seen_at == NOW
    assert paging_now(counts, promised, {}, 2.0, NOW + timedelta(minutes=3), POLICY) == []
    assert paging_now(counts.clear(), promised, {}, 2.0, NOW, POLICY) == []


def page_at(moment: datetime, **changed: object) -> NewestPage:
    one = NewestPage(
        *KEY,
        team="payments",
        target=0.99,
        threshold_ms=None,
        since=moment - timedelta(minutes=1),
        fired_at=moment,
        seen_at=moment,
        bad=40,
        total=80,
        window_seconds=60,
    )
    return replace(one, **changed)  # type: ignore[arg-type]


def test_what_goes_on_is_renewed_now_and_then_and_ends_after_its_hold() -> None:
    first = page_at(NOW, route="POST /pay", version="2")
    assert first.suspects == "POST /pay, version 2"
    soon = NOW + timedelta(seconds=45)
    assert held({KEY: first}, {KEY: page_at(soon, bad=90)}, soon, POLICY) == [first], "nothing to publish"
    later = NOW + timedelta(seconds=60)
    [renewed] = held({KEY: first}, {KEY: page_at(later, bad=90)}, later, POLICY)
    assert renewed == replace(first, seen_at=later, bad=90), "its begin and its suspects stay"
    bare = page_at(NOW)
    [named] = held({KEY: bare}, {KEY: page_at(soon, version="2")}, soon, POLICY)
    assert named.suspects == "version 2", "suspects are told as soon as they are known"
    for minutes, expected in ((14, [first]), (15, [])):
        assert held({KEY: first}, {}, NOW + timedelta(minutes=minutes), POLICY) == expected
    assert held({KEY: first}, {}, None, POLICY) == [], "nobody knows of now"
    assert held({}, {KEY: first}, NOW, POLICY) == [first]


def test_how_far_is_counted_follows_the_slowest_intake_and_ends_with_it() -> None:
    def beats(*lines: tuple[float, float]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "loaded_through": [NOW - timedelta(seconds=loaded) for loaded, _ in lines],
                "recorded_at": [NOW - timedelta(seconds=said) for _, said in lines],
            },
            schema={"loaded_through": pl.Datetime("us", "UTC"), "recorded_at": pl.Datetime("us", "UTC")},
        )

    def until(*lines: tuple[float, float]) -> datetime | None:
        return counted_until(NOW, beats(*lines), watermark_policy(), POLICY)

    assert until() is None, "nothing comes in live"
    assert until((0, 0)) == NOW - timedelta(seconds=15), "five seconds to settle, then whole moments"
    assert until((-60, 0)) == NOW - timedelta(seconds=15), "never beyond the clock"
    assert until((0, 0), (31, 2)) == NOW - timedelta(seconds=45)
    assert until((0, 0), (3600, 1800)) == NOW - timedelta(seconds=15), "one that is out of use holds nobody"
    assert until((3600, 0)) is None, "what is known is too old to be of now"
