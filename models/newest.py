"""What pages before a slice of five minutes is whole: counts of the newest minutes against an objective's budget.

Arithmetic over counts by moments of some seconds, a row per objective; what is asked of a window is policy
(``newest_minutes.yaml``), chance and clustering are ``models.paging``. States, budgets and tickets rest on whole slices alone
(``models.slo``): nothing here changes them. Reading counts and telling people do not belong here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml

from models import paging
from models.as_of import slowest_intake
from models.paging import PARTS, Flags, Floats, Integers
from models.policy import BurnPair, WatermarkPolicy, duration

Key = tuple[str, str, str]
"""App, environment and objective."""

METHOD = "newest minutes, not yet a whole slice"
"""How a person is told what a page of these counts rests on."""


@dataclass(frozen=True)
class NewestPolicy:
    """The policy of ``newest_minutes.yaml``; ``windows`` and ``short`` are in moments."""

    moment: timedelta
    settle: timedelta
    look: timedelta
    windows: tuple[int, ...]
    short: int
    budget_share: Decimal
    of: str
    least_bad_moments: int
    chance: Decimal
    chance_burst: Decimal
    hold: timedelta
    silent: timedelta
    renew: timedelta
    suspects: int

    @property
    def reach(self) -> timedelta:
        """How far back the longest window reaches."""
        return self.windows[-1] * self.moment

    @property
    def least_bad_events(self) -> int:
        """Bad events without which no window pages, of errors that come each by itself."""
        return int(beyond_one_burst(np.ones(1), self)[0])

    def factor(self, window_days: int) -> float:
        """Burn that must be exceeded, of an objective whose window has so many days."""
        return float(BurnPair("page", self.budget_share, self.of, self.of).factor(window_days))


@cache
def newest_policy() -> NewestPolicy:
    """The policy of ``newest_minutes.yaml`` beside this module."""
    data: dict[str, Any] = yaml.safe_load(
        (resources.files("models") / "policy" / "newest_minutes.yaml").read_text("utf-8")
    )
    moment = data["moment_seconds"]
    return NewestPolicy(
        moment=timedelta(seconds=moment),
        settle=timedelta(seconds=data["settle_seconds"]),
        look=timedelta(seconds=data["look_seconds"]),
        windows=tuple(seconds // moment for seconds in data["windows_seconds"]),
        short=data["short_seconds"] // moment,
        budget_share=Decimal(data["budget_share"]),
        of=data["of"],
        least_bad_moments=data["least_bad_moments"],
        chance=Decimal(data["chance"]),
        chance_burst=Decimal(data["chance_burst"]),
        hold=duration(data["hold"]),
        silent=duration(data["silent"]),
        renew=timedelta(seconds=data["renew_seconds"]),
        suspects=data["suspects"],
    )


def counted_until(
    clock: datetime, heartbeats: pl.DataFrame, watermark: WatermarkPolicy, policy: NewestPolicy
) -> datetime | None:
    """The end of the newest moment that is counted: over, loaded by the slowest intake in use, and settled.

    None where nothing comes in live, or the intake has said nothing for so long that nobody knows.

    Args:
        clock: now, an aware datetime.
        heartbeats: ``loaded_through, recorded_at`` of the intakes (``queries/freshness/heartbeats``).
        watermark: which intakes are in use.
        policy: of ``newest_policy()``.
    """
    loaded = slowest_intake(heartbeats, watermark)
    if loaded is None:
        return None
    seconds = int((min(clock, loaded) - policy.settle).timestamp())
    length = int(policy.moment.total_seconds())
    until = datetime.fromtimestamp(seconds - seconds % length, UTC)
    return until if clock - until <= policy.silent else None


@dataclass(frozen=True)
class Burst:
    """Bad and all events of many objectives by moment, a row each, the newest moment last."""

    bad: Integers
    total: Integers


@dataclass(frozen=True)
class FoundBurst:
    """Which rows page, in which window (in moments), and how many moments before the end it began; 0 where none pages."""

    fires: Flags
    window: Integers
    began: Integers


def fires(
    seen: Burst, allowed: Integers, clustering: Floats, factors: Floats, policy: NewestPolicy
) -> FoundBurst:
    """Which objectives page by their newest minutes.

    A window pages when it holds the least moments that burn and more bad events than one burst of the app's has
    (``beyond_one_burst``), when it and the short one burn strictly faster than the factor, and when chance, at the budget and
    clustered as the app's own errors, explains so many bad events with less than the policy's probability. The shortest window
    that pages is named.

    Args:
        seen: counts, at least as many moments as the longest window has.
        allowed: share of events that may be bad, in parts per billion.
        clustering: variance over mean of bad events, 1 or more.
        factors: burn that must be exceeded.
        policy: of ``newest_policy()``.
    """
    rows, width = seen.bad.shape
    burning = seen.bad * PARTS > seen.total * allowed[:, None]
    last = slice(width - policy.short, width)
    is_now = _burns(seen.bad[:, last].sum(axis=1), seen.total[:, last].sum(axis=1), allowed, factors)
    least = beyond_one_burst(clustering, policy)
    window, began = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for length in policy.windows:
        part = slice(width - length, width)
        bad, total = seen.bad[:, part].sum(axis=1), seen.total[:, part].sum(axis=1)
        in_many = burning[:, part].sum(axis=1) >= policy.least_bad_moments
        places = np.flatnonzero(
            is_now & in_many & (window == 0) & (bad >= least) & _burns(bad, total, allowed, factors)
        )
        by_chance = paging.log_chance(bad[places], total[places], allowed[places] / PARTS, clustering[places])
        places = places[by_chance < math.log(policy.chance)]
        window[places] = length
        began[places] = length - np.argmax(burning[places, part], axis=1)
    return FoundBurst(window > 0, window, began)


def beyond_one_burst(clustering: Floats, policy: NewestPolicy) -> Floats:
    """Least bad events that one burst of errors would hold with less than the policy's probability.

    Bursts of geometric size, m on average, give a variance over mean of 2 m - 1, and hold x or more with about exp(-x / m). The
    bound of ``paging.log_chance`` alone takes a single large burst for many small ones.
    """
    mean = (clustering + 1) / 2
    return np.ceil(-math.log(policy.chance_burst) * mean)


def _burns(bad: Integers, total: Integers, allowed: Integers, factors: Floats) -> npt.NDArray[np.bool_]:
    """Whether bad events are a larger share than the budget times a factor."""
    return np.asarray(bad * float(PARTS) > total * allowed * factors)


@dataclass(frozen=True)
class Promise:
    """What an objective promises, and whose it is."""

    team: str
    target: float
    threshold_ms: int | None
    window_days: int

    @property
    def allowed(self) -> int:
        """Share of events that may be bad, in parts per billion."""
        return PARTS - round(self.target * PARTS)


@dataclass(frozen=True)
class NewestPage:
    """An objective that pages by the newest minutes (columns of ``mart_slo_newest``).

    ``since`` is the first moment that burnt, ``fired_at`` the end of the minutes it paged by first, ``seen_at`` of those it was
    renewed by last; ``bad`` of ``total`` events of the window then. ``route`` and ``version`` are the likeliest suspects, empty
    where none stands out.
    """

    app_id: str
    environment: str
    objective: str
    team: str
    target: float
    threshold_ms: int | None
    since: datetime
    fired_at: datetime
    seen_at: datetime
    bad: int
    total: int
    window_seconds: int
    route: str = ""
    version: str = ""

    @property
    def key(self) -> Key:
        """App, environment and objective."""
        return self.app_id, self.environment, self.objective

    @property
    def suspects(self) -> str:
        """Route and version in words, empty where neither is known."""
        return ", ".join(
            [*([self.route] if self.route else []), *([f"version {self.version}"] if self.version else [])]
        )


def paging_now(
    counts: pl.DataFrame,
    promised: Mapping[Key, Promise],
    clustering: Mapping[Key, float],
    unknown: float,
    until: datetime,
    policy: NewestPolicy,
) -> list[NewestPage]:
    """The objectives that page at a moment, the most bad events first.

    Args:
        counts: ``app_id, environment, objective, moment, bad, total``: moments from ``until`` less the reach on.
        promised: what each of them promises; one that promises nothing is left out.
        clustering: of each whose past says how its bad events cluster.
        unknown: of the others.
        until: end of the newest moment.
        policy: of ``newest_policy()``.
    """
    keys = sorted(set(counts.select("app_id", "environment", "objective").rows()) & set(promised))
    place = {key: number for number, key in enumerate(keys)}
    width = policy.windows[-1]
    bad, total = (np.zeros((len(keys), width), np.int64) for _ in range(2))
    for row in counts.iter_rows(named=True):
        line = place.get((row["app_id"], row["environment"], row["objective"]))
        back = (until - row["moment"]) // policy.moment
        if line is not None and 1 <= back <= width:
            bad[line, width - back] += row["bad"]
            total[line, width - back] += row["total"]
    found = fires(
        Burst(bad, total),
        np.array([promised[key].allowed for key in keys], np.int64),
        np.array([clustering.get(key, unknown) for key in keys], np.float64),
        np.array([policy.factor(promised[key].window_days) for key in keys], np.float64),
        policy,
    )
    pages = []
    for line in np.flatnonzero(found.fires).tolist():
        key, length = keys[line], int(found.window[line])
        pages.append(
            NewestPage(
                app_id=key[0],
                environment=key[1],
                objective=key[2],
                team=promised[key].team,
                target=promised[key].target,
                threshold_ms=promised[key].threshold_ms,
                since=until - int(found.began[line]) * policy.moment,
                fired_at=until,
                seen_at=until,
                bad=int(bad[line, -length:].sum()),
                total=int(total[line, -length:].sum()),
                window_seconds=int(length * policy.moment.total_seconds()),
            )
        )
    return sorted(pages, key=lambda one: (-one.bad, one.key))


def held(
    before: Mapping[Key, NewestPage],
    now: Mapping[Key, NewestPage],
    until: datetime | None,
    policy: NewestPolicy,
) -> list[NewestPage]:
    """What pages by the newest minutes, in the order of its keys: what fires now, and what fired within the hold.

    One that goes on keeps its begin and its suspects, and its counts are renewed at most every ``renew``. Where nobody knows
    of now nothing is held.

    Args:
        before: what was published.
        now: of ``paging_now``, with suspects where they were looked for.
        until: end of the newest moment; None: nobody knows.
        policy: of ``newest_policy()``.
    """
    if until is None:
        return []
    kept = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if new is None:
            if old is not None and until - old.seen_at < policy.hold:
                kept.append(old)
        elif old is None:
            kept.append(new)
        elif until - old.seen_at < policy.renew and (old.suspects or not new.suspects):
            kept.append(old)
        else:
            kept.append(
                replace(
                    new,
                    since=min(old.since, new.since),
                    fired_at=old.fired_at,
                    route=new.route if new.suspects else old.route,
                    version=new.version if new.suspects else old.version,
                )
            )
    return kept
