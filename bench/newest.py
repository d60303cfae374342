"""How often the newest minutes page for nothing, and how soon they page an outage, on simulated traffic looked at every moment.

Only measures: no number of the rule is chosen here. Seeds below 2,000 were looked at when it was chosen; a judgement takes seeds
from 2,000 on. Traffic, budgets and errors are those of ``bench.paging``, by moments of the policy; errors come each by itself or
in bursts, all of a burst within a moment, within a minute or within five.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import product

import numpy as np

from bench import paging as slices
from bench.paging import REQUESTS_A_DAY, TARGETS, Bars, Flags, Floats, Integers, Tier, Traffic
from models.newest import Burst, NewestPolicy, fires, newest_policy
from models.policy import burn_windows

DEFAULT_SEEDS = "2001,2002"
KINDS = {"plain": 0, "moment": 1, "minute": 4, "five": 20}
"""Kind of errors -> over how many moments a burst is spread; 0: there are none."""
DAYS = 30
OUTAGES = {"whole": 1.0, "part": 0.15}
"""An outage -> share of requests that fail in it."""
OUTAGE_MINUTES = 30


@dataclass(frozen=True)
class NewestQuality:
    """False pages per app-month; of outages of half an hour, whole and of 15 %, the share paged within 120 s less what a look
    and a message take, and pages beyond the first per outage."""

    false_pages: float
    soon_whole: float
    soon_part: float
    flapping: float


SOON = timedelta(seconds=90)
"""Left of two minutes for the rule: the rest is loading, looking and sending."""


def main() -> None:
    """Print a line per tier, whether the bars hold, and all of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=lambda text: [int(one) for one in text.split(",")], default=DEFAULT_SEEDS
    )
    parser.add_argument("--apps", type=int, default=20, help="app-months per tier and seed")
    parser.add_argument("--outages", type=int, default=200, help="outages of each kind per tier and seed")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=",".join(KINDS))
    given = parser.parse_args()
    begin, lines, failed = time.monotonic(), [], 0
    print(
        f"seeds {','.join(map(str, given.seeds))}; {given.apps} app-months and {given.outages} outages each"
    )
    print(f"{'requests  target  errors':26}|{'page':>8} {'whole':>8} {'15 %':>8} {'flap':>8}|")
    for per_day, target, kind in product(REQUESTS_A_DAY, TARGETS, given.kinds):
        found = [
            quality(seed, Tier(per_day, target, kind), newest_policy(), given.apps, given.outages)
            for seed in given.seeds
        ]
        mean = NewestQuality(*np.mean([list(asdict(one).values()) for one in found], axis=0).tolist())
        missed = mean.false_pages > Bars().false_pages or mean.flapping > Bars().flapping
        failed += missed
        cells = " ".join(f"{value:8.3f}" for value in asdict(mean).values())
        print(f"{per_day:>9,} {target:>6} {kind:>8} |{cells}| {'missed' if missed else 'ok'}", flush=True)
        lines.append({"per_day": per_day, "target": target, "kind": kind} | asdict(mean))
    print(f"{failed} tiers miss a bar; {time.monotonic() - begin:.0f} s")
    print(json.dumps({"seeds": given.seeds, "tiers": lines}))
    sys.exit(failed > 0)


def quality(seed: int, tier: Tier, policy: NewestPolicy, apps: int, outages: int) -> NewestQuality:
    """What the rule does on the traffic of one seed."""
    rng = np.random.default_rng([seed, tier.per_day, tier.allowed, list(KINDS).index(tier.kind)])
    clustering = _clustering(rng, tier, apps)
    a_day = timedelta(days=1) // policy.moment
    month = moments(rng, tier, apps, DAYS * a_day, policy)
    quiet = fired(month, tier, clustering, policy)
    own = clustering[np.arange(outages) % apps]
    lead, length = policy.windows[-1], timedelta(minutes=OUTAGE_MINUTES) // policy.moment
    soon = int(SOON / policy.moment)
    caught, again = {}, []
    for name, share in OUTAGES.items():
        seen = outage(rng, tier, outages, lead, length, share, policy)
        pages = fired(seen, tier, own, policy)
        caught[name] = pages[:, lead : lead + soon].any(axis=1).mean()
        again.append(np.maximum(begins(pages, policy) - 1, 0).mean())
    return NewestQuality(begins(quiet, policy).mean(), caught["whole"], caught["part"], max(again))


def _clustering(rng: np.random.Generator, tier: Tier, apps: int) -> Floats:
    """As the pipeline measures it, from hours of the past."""
    like = Tier(tier.per_day, tier.target, "plain" if tier.kind == "plain" else "bursts")
    past = slices.traffic(rng, like, apps, burn_windows().clustering.days * slices.SLICES_A_DAY)
    return slices.clustering_of(past, like, burn_windows())


def moments(
    rng: np.random.Generator,
    tier: Tier,
    apps: int,
    length: int,
    policy: NewestPolicy,
    first: Integers | None = None,
) -> Traffic:
    """Ordinary requests and errors of so many moments; ``first`` is the moment of the day each app begins at."""
    a_day = timedelta(days=1) // policy.moment
    start = np.zeros(apps, np.int64) if first is None else first
    phase = (start[:, None] + np.arange(length)[None, :]) % a_day / a_day
    rate = tier.per_day / a_day * (1 + 0.5 * np.sin(2 * np.pi * phase))
    good = rng.poisson(rate * (1 - tier.errors))
    bad = (
        rng.poisson(rate * tier.errors)
        if not KINDS[tier.kind]
        else _bursts(rng, rate * tier.errors, KINDS[tier.kind])
    )
    return Traffic(bad, good + bad)


def _bursts(rng: np.random.Generator, rate: Floats, spread: int) -> Integers:
    """Bad events in bursts of geometric size, each event at a moment of the burst's stretch, by chance."""
    bursts = rng.poisson(rate / slices.BURST)
    bad = np.zeros(bursts.shape, np.int64)
    rows, at = np.nonzero(bursts)
    rows, at = (np.repeat(one, bursts[np.nonzero(bursts)]) for one in (rows, at))
    sizes = rng.geometric(1 / slices.BURST, rows.size)
    rows, at = np.repeat(rows, sizes), np.repeat(at, sizes) + rng.integers(0, spread, sizes.sum())
    inside = at < bursts.shape[1]
    np.add.at(bad, (rows[inside], at[inside]), 1)
    return bad


def outage(
    rng: np.random.Generator,
    tier: Tier,
    outages: int,
    lead: int,
    length: int,
    share: float,
    policy: NewestPolicy,
) -> Traffic:
    """A share of everything fails for so many moments after the lead, begun within one, at any hour of the day."""
    a_day = timedelta(days=1) // policy.moment
    after = int(policy.hold / policy.moment) + lead
    seen = moments(rng, tier, outages, lead + length + after, policy, rng.integers(0, a_day, outages))
    failing = np.zeros((outages, seen.total.shape[1]))
    failing[:, lead : lead + length] = share
    failing[:, lead] *= 1 - rng.random(outages)
    good = seen.total - seen.bad
    return Traffic(seen.bad + rng.binomial(good, failing), seen.total)


def fired(seen: Traffic, tier: Tier, clustering: Floats, policy: NewestPolicy) -> Flags:
    """Whether each app pages at the end of each moment; before the longest window is whole nothing does."""
    width = policy.windows[-1]
    sums = [
        np.concatenate([np.zeros((len(one), 1), np.int64), one.cumsum(axis=1)], axis=1)
        for one in (seen.bad, seen.total)
    ]
    factor = policy.factor(slices.WINDOW_DAYS)
    ends = np.arange(width, seen.bad.shape[1] + 1)
    may = np.zeros((len(seen.bad), ends.size), np.bool_)
    for length in policy.windows:
        bad, total = (one[:, ends] - one[:, ends - length] for one in sums)
        may |= (bad >= policy.least_bad_events) & (bad * 1e9 > total * tier.allowed * factor)
    pages = np.zeros(seen.bad.shape, np.bool_)
    apps, places = np.nonzero(may)
    for part in np.array_split(np.arange(apps.size), apps.size // 200_000 + 1):
        rows, last = apps[part], ends[places[part]]
        columns = last[:, None] - width + np.arange(width)[None, :]
        burst = Burst(seen.bad[rows[:, None], columns], seen.total[rows[:, None], columns])
        allowed = np.full(rows.size, tier.allowed, np.int64)
        found = fires(burst, allowed, clustering[rows], np.full(rows.size, factor), policy)
        pages[rows, last - 1] = found.fires
    return pages


def begins(pages: Flags, policy: NewestPolicy) -> Integers:
    """How often each app begins to page; what fired within the hold is one."""
    back = int(policy.hold / policy.moment)
    counts: list[int] = []
    for row in pages:
        at = np.flatnonzero(row)
        counts.append(int(at.size > 0) + int((np.diff(at) >= back).sum()))
    return np.array(counts, np.int64)


if __name__ == "__main__":
    main()
