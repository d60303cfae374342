"""How sure an indicator is and what traffic cannot show, against loops and published numbers; rules as rows of policy."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from models import paging
from models.policy import burn_windows


def test_the_interval_is_that_of_wilson() -> None:
    """81 of 263: 0.2553 to 0.3662, R. G. Newcombe, Statistics in Medicine 17 (1998), table I; 0 of 20: 0 to 0.1611."""
    low, high = paging.interval(
        np.array([263 - 81, 20, 0, 0]), np.array([263, 20, 20, 0]), np.array([1.0, 1.0, 1.0, 1.0])
    )
    assert low[:3] == pytest.approx([0.2553, 0.0, 1 - 0.1611], abs=5e-5)
    assert high[:3] == pytest.approx([0.3662, 0.1611, 1.0], abs=5e-5)
    assert np.isnan([low[3], high[3]]).all()
    wide = paging.interval(np.array([40]), np.array([400]), np.array([4.0]))
    narrow = paging.interval(np.array([10]), np.array([100]), np.array([1.0]))
    assert wide == narrow  # four events that come together prove as much as one


def test_clustering_is_the_variance_of_the_past_over_its_mean() -> None:
    """Sums of hours in exact fractions, of plain apps and of such whose errors come in threes."""
    policy, source = burn_windows().clustering, random.Random(2)
    rows = []
    for size, hours in ((1, 300), (2, 300), (3, 300), (5, 300), (30, 300), (3, 5), (1, 0)):
        rows.append([(size * (source.random() < 0.1), source.randint(20, 60)) for _ in range(hours)])
    want = []
    for past in rows:
        bad, total = sum(one for one, _ in past), sum(of for _, of in past)
        share = Fraction(bad, total) if total else Fraction(0)
        square = sum(((one - share * of) ** 2 for one, of in past), Fraction(0))
        weight, unknown = Fraction(policy.weight_bad_events), Fraction(policy.unknown)
        want.append(min(max((square + weight * unknown) / (bad + weight), Fraction(1)), Fraction(policy.cap)))
    sums = pl.DataFrame(
        [
            (
                f"app-{place}",
                "",
                "availability",
                sum(one for one, _ in past),
                sum(of for _, of in past),
                float(sum(one * one for one, _ in past)),
                float(sum(one * of for one, of in past)),
                float(sum(of * of for _, of in past)),
            )
            for place, past in enumerate(rows)
        ],
        schema=["app_id", "environment", "objective", *paging.SUMS],
        orient="row",
    )
    found = paging.clusterings(sums, policy)
    assert found["clustering"].to_list() == pytest.approx([float(one) for one in want], rel=1e-9)
    assert len({round(float(one), 3) for one in want}) > 3


@pytest.mark.parametrize(
    ("a_day", "words"),
    [
        (1_000, ""),
        (227, ""),  # 4.72 events in half an hour: three or more come with 85 %
        (
            220,
            "At 220 requests a day half an hour holds 4.6 of them: an outage shorter than about 31 minutes can pass unseen.",
        ),
        (
            96,
            "At 96 requests a day half an hour holds 2.0 of them: an outage shorter than about 71 minutes can pass unseen.",
        ),
        (
            10,
            "At 10 requests a day half an hour holds 0.2 of them: an outage shorter than about 11 hours can pass unseen.",
        ),
        (1, "At 1 requests a day half an hour holds 0.0 of them: no outage can be told from chance here."),
    ],
)
def test_what_a_tier_cannot_see_is_a_sentence(a_day: float, words: str) -> None:
    hours = paging.shortest_outage(np.array([float(a_day)]), burn_windows())[0]
    assert paging.unseen(a_day, hours) == words
    if not math.isnan(hours) and hours > 0.25:
        mean = a_day * hours / 24
        at_least_three = 1 - math.exp(-mean) * (1 + mean + mean * mean / 2)
        assert at_least_three == pytest.approx(0.85, abs=1e-6)


def test_the_textbook_is_a_row_of_policy() -> None:
    """SRE workbook, table 5-8 and the listing below it: four pairs, no floor, no hold."""
    rule = burn_windows("textbook")
    assert [(one.severity, one.long, one.short, one.factor(30)) for one in rule.pairs] == [
        ("page", "1h", "5m", Fraction("14.4")),
        ("page", "6h", "30m", 6),
        ("ticket", "1d", "2h", 3),
        ("ticket", "3d", "6h", 1),
    ]
    assert (rule.guards, rule.hold.total_seconds()) == ((), 0)
    one = paging.Counts(*(np.array([value]) for value in (1, 10, 1)))
    clustering, allowed = np.array([8.0]), np.array([10**7])
    fires = {
        name: paging.pair_fires(
            one, one, allowed, clustering, Fraction(9), "page", burn_windows(name)
        ).tolist()
        for name in ("textbook", "small_apps")
    }
    assert fires == {"textbook": [True], "small_apps": [False]}
    assert burn_windows() == burn_windows("small_apps")
    assert burn_windows().guards[0].least_bad_slices == burn_windows().least_bad_events == 3
    assert all(one.chance < Decimal("0.00001") for one in burn_windows().evidence)
