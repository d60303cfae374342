"""How often the paging rule wakes people for nothing, and what it sees, on simulated traffic beside the textbook rule.

Only measures: no number of the rule is chosen here. Seeds below 200 were looked at when the rule was chosen; a judgement takes
seeds from 200 on, and a new choice of numbers takes new ones. Requests come by chance with a daily rhythm, three times as many
at the busiest hour as at the quietest; errors are half the budget, each by itself or in bursts of three on average.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import product

import numpy as np
import numpy.typing as npt

from models import paging
from models.policy import BurnWindows, burn_windows, duration

DEFAULT_SEEDS = "201,202"
CHOOSING_BELOW = 200
"""Seeds below this were used to choose the rule and judge nothing."""

SLICE = timedelta(minutes=5)
SLICES_A_DAY = timedelta(days=1) // SLICE
SLICES_AN_HOUR = SLICES_A_DAY // 24
WINDOW_DAYS = 30
DAYS = 30
LEAD = 3 * SLICES_A_DAY
"""Slices before the first one that is judged: the longest burn window."""
AFTER = 7 * SLICES_AN_HOUR
"""Slices after an outage in which it is watched whether the page comes again."""
CAUGHT_AFTER = SLICES_AN_HOUR // 2
BURST = 3
"""Mean size of a burst of errors; sizes are geometric."""
KINDS = ("plain", "bursts", "spread")
"""Errors each by itself; in bursts within a slice; in bursts spread over three slices (outside the bars: shown, not judged)."""

REQUESTS_A_DAY = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
TARGETS = ("0.99", "0.999")

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bars:
    """What must hold: at most, or at least from so many requests a day on."""

    false_pages: float = 0.05
    flapping: float = 0.05
    caught: float = 0.85
    caught_from: int = 1_000
    ticketed: float = 0.85
    ticketed_at: int = 100


@dataclass(frozen=True)
class Tier:
    """A kind of app: requests a day, target, how its errors come."""

    per_day: int
    target: str
    kind: str

    @property
    def allowed(self) -> int:
        """Budget in parts per billion."""
        return paging.PARTS - int(float(self.target) * paging.PARTS + 0.5)

    @property
    def errors(self) -> float:
        """Share of requests that fail on an ordinary day: half the budget."""
        return self.allowed / paging.PARTS / 2


@dataclass(frozen=True)
class Traffic:
    """Bad and all events of many apps, a column per slice."""

    bad: Integers
    total: Integers


@dataclass(frozen=True)
class Fired:
    """Whether each app pages or tickets at the end of every slice from the lead on."""

    page: Flags
    ticket: Flags


@dataclass(frozen=True)
class Quality:
    """False pages and tickets per app-month; shares of outages of half an hour paged by their end plus half an hour and of six hours told
    within them; pages per outage beyond the first."""

    false_pages: float
    false_tickets: float
    caught: float
    ticketed: float
    flapping: float


def main() -> None:
    """Print a line per tier, rule beside textbook, whether the bars hold, and all of it as one line of JSON."""
    options = _options()
    begin, lines, failed = time.monotonic(), [], 0
    print(
        f"seeds {','.join(map(str, options.seeds))}; {options.apps} app-months and {options.outages} outages of each length per seed"
    )
    print(f"{'':26}| {'small_apps':^44}| {'textbook':^44}")
    names = ("page", "ticket", "30 min", "6 h", "flap")
    print(f"{'requests  target  errors':26}|" + (" ".join(f"{name:>8}" for name in names) + "|") * 2)
    for tier in tiers(options.kinds):
        by_rule = {
            rule: mean(
                [
                    quality(seed, tier, burn_windows(rule), options.apps, options.outages)
                    for seed in options.seeds
                ]
            )
            for rule in ("small_apps", "textbook")
        }
        missed = below(tier, by_rule["small_apps"])
        failed += bool(missed)
        cells = "|".join(
            " ".join(f"{value:8.3f}" for value in asdict(one).values()) for one in by_rule.values()
        )
        print(
            f"{tier.per_day:>9,} {tier.target:>6} {tier.kind:>8} |{cells}| {', '.join(missed) or 'ok'}",
            flush=True,
        )
        lines.append(asdict(tier) | {rule: asdict(one) for rule, one in by_rule.items()} | {"missed": missed})
    print(f"{failed} tiers miss a bar; {time.monotonic() - begin:.0f} s")
    print(json.dumps({"seeds": options.seeds, "tiers": lines}))
    sys.exit(failed > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=DEFAULT_SEEDS
    )
    parser.add_argument("--apps", type=int, default=100, help="app-months per tier and seed")
    parser.add_argument("--outages", type=int, default=200, help="outages of each length per tier and seed")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=",".join(KINDS))
    return parser.parse_args()


def tiers(kinds: Sequence[str] = KINDS) -> Iterator[Tier]:
    """Every tier the bars are for, and those that are only shown."""
    return (Tier(*one) for one in product(REQUESTS_A_DAY, TARGETS, kinds))


def below(tier: Tier, found: Quality, bars: Bars | None = None) -> list[str]:
    """Names of the bars a tier misses."""
    bars = bars or Bars()
    if tier.kind == "spread":
        return []
    missed = {
        "false pages": found.false_pages > bars.false_pages,
        "flapping": found.flapping > bars.flapping,
        "30 min": tier.per_day >= bars.caught_from and found.caught < bars.caught,
        "6 h": tier.per_day >= bars.ticketed_at and found.ticketed < bars.ticketed,
    }
    return [name for name, is_missed in missed.items() if is_missed]


def mean(found: Sequence[Quality]) -> Quality:
    """Mean over seeds."""
    rows = [list(asdict(one).values()) for one in found]
    return Quality(*(float(value) for value in np.mean(rows, axis=0)))


def quality(seed: int, tier: Tier, policy: BurnWindows, apps: int, outages: int) -> Quality:
    """What a rule does on the traffic of one seed: the same traffic for every rule."""
    rng = np.random.default_rng([seed, tier.per_day, tier.allowed, KINDS.index(tier.kind)])
    past = traffic(rng, tier, apps, policy.clustering.days * SLICES_A_DAY)
    clustering = clustering_of(past, tier, policy)
    month = traffic(rng, tier, apps, LEAD + DAYS * SLICES_A_DAY)
    quiet = fired(month, tier, clustering, policy)
    own = clustering[np.arange(outages) % apps]
    short, long = (outage(rng, tier, outages, hours) for hours in (0.5, 6.0))
    paged = fired(short, tier, own, policy)
    told = fired(long, tier, own, policy)
    end = SLICES_AN_HOUR // 2
    return Quality(
        false_pages=begins(quiet.page, policy).mean(),
        false_tickets=begins(quiet.page | quiet.ticket, policy).mean(),
        caught=paged.page[:, : end + CAUGHT_AFTER].any(axis=1).mean(),
        ticketed=(told.page | told.ticket)[:, : 6 * SLICES_AN_HOUR].any(axis=1).mean(),
        flapping=max(
            np.maximum(begins(one, policy) - 1, 0).mean()
            for one in (paged.page, told.page, told.page | told.ticket)
        ),
    )


def traffic(
    rng: np.random.Generator, tier: Tier, apps: int, slices: int, first: Integers | None = None
) -> Traffic:
    """Ordinary requests and errors of so many slices; ``first`` is the slice of the day each app begins at."""
    start = np.zeros(apps, np.int64) if first is None else first
    phase = (start[:, None] + np.arange(slices)[None, :]) % SLICES_A_DAY / SLICES_A_DAY
    rate = tier.per_day / SLICES_A_DAY * (1 + 0.5 * np.sin(2 * np.pi * phase))
    good = rng.poisson(rate * (1 - tier.errors))
    bad = (
        rng.poisson(rate * tier.errors)
        if tier.kind == "plain"
        else _bursts(rng, rate * tier.errors, tier.kind)
    )
    return Traffic(bad, good + bad)


def _bursts(rng: np.random.Generator, rate: Floats, kind: str) -> Integers:
    """Bad events in bursts of geometric size; spread: each but the first falls into its own slice or the two after it."""
    bursts = rng.poisson(rate / BURST)
    more = np.zeros_like(bursts)
    some = bursts > 0
    more[some] = rng.negative_binomial(bursts[some], 1 / BURST)
    if kind == "bursts":
        return np.asarray(bursts + more, np.int64)
    later = rng.binomial(more, 2 / 3)
    last = rng.binomial(later, 1 / 2)
    bad = bursts + more - later
    bad[:, 1:] += (later - last)[:, :-1]
    bad[:, 2:] += last[:, :-2]
    return np.asarray(bad, np.int64)


def outage(rng: np.random.Generator, tier: Tier, outages: int, hours: float) -> Traffic:
    """Everything fails for so long, from a moment within the first slice after the lead, at any hour of the day."""
    long = int(hours * SLICES_AN_HOUR)
    seen = traffic(rng, tier, outages, LEAD + long + AFTER, rng.integers(0, SLICES_A_DAY, outages))
    good = seen.total - seen.bad
    failing = np.zeros(good.shape[1])
    failing[LEAD : LEAD + long + 1] = 1
    share = np.broadcast_to(failing, good.shape).copy()
    late = rng.random(outages)
    share[:, LEAD] = 1 - late
    share[:, LEAD + long] = late
    return Traffic(seen.bad + rng.binomial(good, share), seen.total)


def clustering_of(past: Traffic, tier: Tier, policy: BurnWindows) -> Floats:
    """How much the errors of each app cluster, from its hours, as the pipeline measures it."""
    bad, total = (
        one.reshape(len(one), -1, SLICES_AN_HOUR).sum(axis=2).astype(np.float64)
        for one in (past.bad, past.total)
    )
    budget = np.full(bad.shape, tier.allowed / paging.PARTS)
    kept = ~paging.outage_hours(bad, total, budget, policy.clustering)
    parts = (bad, total, bad * bad, bad * total, total * total)
    return paging.clustering_of([(one * kept).sum(axis=1) for one in parts], policy.clustering)


def fired(seen: Traffic, tier: Tier, clustering: Floats, policy: BurnWindows) -> Fired:
    """What fires at the end of every slice from the lead on."""
    ends = seen.total.shape[1] - LEAD
    is_bad = seen.bad * paging.PARTS > seen.total * tier.allowed
    sums = [
        np.concatenate([np.zeros((len(one), 1), np.int64), one.cumsum(axis=1, dtype=np.int64)], axis=1)
        for one in (seen.bad, seen.total, is_bad)
    ]

    def window(name: str) -> paging.Counts:
        length = duration(name) // SLICE
        return paging.Counts(
            *((one[:, LEAD + 1 :] - one[:, LEAD + 1 - length : -length]).ravel() for one in sums)
        )

    counts = {name: window(name) for name in policy.windows}
    allowed = np.full(len(clustering) * ends, tier.allowed, np.int64)
    spread = np.repeat(clustering, ends)
    found = {severity: np.zeros(allowed.size, np.bool_) for severity in policy.severities}
    for pair in policy.pairs:
        found[pair.severity] |= paging.pair_fires(
            counts[pair.long],
            counts[pair.short],
            allowed,
            spread,
            pair.factor(WINDOW_DAYS),
            pair.severity,
            policy,
        )
    for guard in policy.guards:
        found[guard.severity] |= paging.guard_fires(counts[guard.window], allowed, guard, policy)
    return Fired(*(found[name].reshape(len(clustering), ends) for name in ("page", "ticket")))


def held(fires: Flags, policy: BurnWindows) -> Flags:
    """Whether it fired at this slice end or within the hold before it."""
    back = policy.hold // SLICE
    running = np.concatenate([np.zeros((len(fires), back + 1), np.int64), fires.cumsum(axis=1)], axis=1)
    return np.asarray(running[:, back + 1 :] > running[:, : -back - 1])


def begins(fires: Flags, policy: BurnWindows) -> Integers:
    """How often each app begins to fire."""
    stays = held(fires, policy)
    first = stays & ~np.pad(stays, ((0, 0), (1, 0)))[:, :-1]
    return np.asarray(first.sum(axis=1), np.int64)


if __name__ == "__main__":
    main()
