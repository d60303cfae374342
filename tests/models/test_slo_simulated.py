"""How often the paging rule wakes people for nothing and how often it sees an outage, by simulation on fresh seeds.

The traffic and the bars are those of ``make bench-paging``; here a few tiers, and whether it judges as the pipeline does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bench import paging as simulated
from models import slo
from models.policy import burn_windows

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
JUDGING = (401, 402, 403)
"""Never looked at when the rule was chosen (bench/paging.py)."""


@pytest.mark.parametrize(
    "tier",
    [
        simulated.Tier(100, "0.99", "plain"),
        simulated.Tier(1_000, "0.99", "bursts"),
        simulated.Tier(10_000, "0.999", "bursts"),
    ],
)
def test_pages_are_rare_and_outages_are_seen(tier: simulated.Tier) -> None:
    """A few app-months, so with room for chance: the bars themselves need hundreds."""
    found = simulated.quality(JUDGING[0], tier, burn_windows(), apps=8, outages=80)
    assert found.false_pages <= 1 / 8
    assert found.flapping <= 0.1
    assert found.ticketed >= 0.95
    if tier.per_day >= simulated.Bars().caught_from:
        assert found.caught >= 0.8


def test_the_textbook_rule_pages_small_apps_for_nothing() -> None:
    """The reason for the other: at 1,000 requests a day and 99.9 % one failed request burns a hundred times too fast."""
    found = simulated.quality(
        JUDGING[0], simulated.Tier(1_000, "0.999", "plain"), burn_windows("textbook"), apps=4, outages=20
    )
    assert found.false_pages > 3


@pytest.mark.slow
@pytest.mark.parametrize("tier", list(simulated.tiers(("plain", "bursts"))), ids=str)
def test_every_tier_meets_its_bars(tier: simulated.Tier) -> None:
    found = simulated.mean(
        [simulated.quality(seed, tier, burn_windows(), apps=100, outages=400) for seed in JUDGING]
    )
    assert not simulated.below(tier, found), found


@pytest.mark.parametrize("rule", ["small_apps", "textbook"])
def test_the_simulation_judges_as_the_pipeline_does(rule: str) -> None:
    """Severity of every slice end of a day, hold included: the arrays of the benchmark against the model's windows."""
    policy, tier = burn_windows(rule), simulated.Tier(1_000, "0.99", "bursts")
    rng = np.random.default_rng(11)
    seen = simulated.traffic(rng, tier, 8, simulated.LEAD + simulated.SLICES_A_DAY)
    outage = slice(simulated.LEAD + 90, simulated.LEAD + 97)
    seen.bad[::2, outage] = seen.total[::2, outage]
    clustering = np.linspace(1, 8, 8)
    fired = simulated.fired(seen, tier, clustering, policy)
    paged = simulated.held(fired.page, policy)
    told = simulated.held(fired.page | fired.ticket, policy)
    allowed = np.full(8, tier.allowed, np.int64)
    is_bad = seen.bad * slo.PARTS > seen.total * tier.allowed
    ends = range(40, simulated.SLICES_A_DAY, 7)
    for end in ends:
        edges = [
            AS_OF - slo.SLICE * back for back in range(simulated.LEAD + policy.hold // slo.SLICE + 1, -1, -1)
        ]
        upto = slice(simulated.LEAD + end + 1 - len(edges) + 1, simulated.LEAD + end + 1)
        sums = {
            name: np.concatenate([np.zeros((8, 1), np.int64), one[:, upto].cumsum(axis=1)], axis=1)
            for name, one in (("bad", seen.bad), ("total", seen.total), ("bad_slices", is_bad))
        }
        whole = slo.Counts(*(sums[name][:, -1] for name in ("bad", "total", "bad_slices")))
        windows = slo.Windows(edges, sums, np.full((8, len(edges)), slo.NEVER, np.int64), whole)
        severity = slo.fired(windows, allowed, clustering, simulated.WINDOW_DAYS, policy).severity
        want = [
            "page" if page else "ticket" if any_ else None
            for page, any_ in zip(paged[:, end], told[:, end], strict=True)
        ]
        assert severity == want, end
    assert paged[:, ends].any() and not paged[:, ends].all()


def test_a_hole_in_the_past_is_no_clustering() -> None:
    """Hours of an outage are left out: an app that failed for an hour last week is judged as before."""
    policy, tier = burn_windows(), simulated.Tier(10_000, "0.99", "plain")
    past = simulated.traffic(np.random.default_rng(3), tier, 4, 28 * simulated.SLICES_A_DAY)
    before = simulated.clustering_of(past, tier, policy)
    past.bad[:, 1200:1212] = past.total[:, 1200:1212]
    assert np.abs(simulated.clustering_of(past, tier, policy) - before).max() < 0.02
    assert (np.abs(before - 1) < 0.2).all()
    assert policy.hold == timedelta(hours=1)
