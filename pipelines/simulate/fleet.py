"""What a simulated fleet consists of, and the tables it is drawn from.

Plain data: nothing here draws, reads a clock or writes a file. Days are indices from the first simulated day;
the number of days, an index no day has, stands for "never".
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

PLATFORM = "platform"
UNALLOCATED = "unallocated"

CURRENCIES = {"aws": "USD", "azure": "EUR"}
REGIONS = {"aws": ("eu-central-1", "Europe (Frankfurt)"), "azure": ("westeurope", "EU West")}
HOUR = 3600
DAY = 24 * HOUR
BILLING_ACCOUNTS = {"aws": "210987654321", "azure": "/providers/microsoft.billing/billingaccounts/70112233"}


@cache
def profile() -> dict[str, Any]:
    """The shares and sizes of ``profile.yaml``."""
    return dict(yaml.safe_load((files(__package__) / "profile.yaml").read_text(encoding="utf-8")))


@cache
def words() -> dict[str, list[str]]:
    """The words of ``names.yaml``."""
    return dict(yaml.safe_load((files(__package__) / "names.yaml").read_text(encoding="utf-8")))


@cache
def services(cloud: str) -> list[dict[str, str]]:
    """The services of one cloud, lines of ``services.csv``; meters are separated by ``|``."""
    text = (files(__package__) / "services.csv").read_text(encoding="utf-8")
    return [line for line in csv.DictReader(text.splitlines()) if line["provider"] == cloud]


def pick(rng: np.random.Generator, shares: dict[str, float], count: int) -> list[str]:
    """``count`` draws of the names in ``shares``, weighted."""
    weights = np.array(list(shares.values()), dtype=float)
    return [list(shares)[i] for i in rng.choice(len(shares), count, p=weights / weights.sum())]


@dataclass
class FleetTeam:
    """A team of ``teams.yaml``; the cost centre is text, leading zeros count."""

    name: str
    lead: str
    cost_center: str
    members: list[str]


@dataclass
class App:
    """One app and how it behaves; days are indices, ``stop`` and ``idle_from`` the first day it no longer does."""

    app_id: str
    title: str
    team: str
    system: str
    cloud: str
    environment: str
    lifecycle: str
    daily_cost: float
    noise: float
    weekend: float
    trend: float
    start: int
    stop: int
    registered: bool
    telemetry: str
    kind: str
    requests_weight: float
    idle_from: int
    patterns: dict[str, str] = field(default_factory=dict)
    resource_ids: list[str] = field(default_factory=list)
    spanned_resource: str = ""
    names: list[tuple[str, str]] = field(default_factory=list)
    """Attributes of its telemetry that name resources by something else than their id."""

    @property
    def is_heard(self) -> bool:
        """Sends telemetry on at least one day."""
        return self.telemetry != "none" and min(self.stop, self.idle_from) > self.start


@dataclass
class Resource:
    """A resource of the bill; ``answer`` and ``rule`` are what attribution must find."""

    cloud: str
    app: int
    service: dict[str, str]
    resource_id: str
    name: str
    group: str
    account: str
    tags: list[tuple[str, str]]
    answer: str
    rule: str


@dataclass
class Lines:
    """Charges that recur every day: arrays of equal length, one entry per (resource, meter)."""

    resource: np.ndarray
    service: np.ndarray
    meter: np.ndarray
    share: np.ndarray
    covered: np.ndarray


@dataclass
class CostAnomaly:
    """A planted change of an app's cost; the last day is ``end``."""

    app_id: str
    kind: str
    start: int
    end: int
    factor: float


@dataclass
class Incident:
    """A planted breach: from ``start`` to ``end`` (seconds of the simulated time) ``share`` of requests are bad."""

    app_id: str
    objective: str
    start: int
    end: int
    every: int
    share: float
    state: str


@dataclass
class Habit:
    """An app that sends by the clock: a request every so many seconds between two hours of the days it works.

    ``stop`` is when it ends for good and ``fails_from`` when every request begins to fail, seconds of the simulated time;
    ``state`` is what its objective must be called at the end.
    """

    app_id: str
    kind: str
    every: int
    from_hour: float
    to_hour: float
    weekends: bool
    stop: int
    fails_from: int
    state: str

    def pieces(self, day: int, weekday: int) -> list[Incident]:
        """Its requests of one day: those that are good, and those that are not."""
        if weekday >= 5 and not self.weekends:
            return []
        start = day * DAY + round(self.from_hour * HOUR)
        end = min(day * DAY + round(self.to_hour * HOUR), self.stop)
        turn = min(max(self.fails_from, start), max(end, start))
        parts = ((start, turn, 0.0), (turn, end, 1.0))
        return [
            Incident(self.app_id, "availability", first, last, self.every, share, self.state)
            for first, last, share in parts
            if first < last
        ]


@dataclass(frozen=True)
class Transfer:
    """An app that changes its team at a second of the simulated time."""

    app_id: str
    before: str
    after: str
    at: int


@dataclass
class Fleet:
    """Everything the writers need."""

    seed: int
    days: int
    first_day: date
    teams: list[FleetTeam]
    apps: list[App]
    resources: list[Resource]
    lines: dict[str, Lines]
    anomalies: list[CostAnomaly]
    incidents: list[Incident]
    habits: list[Habit]
    aliases: dict[str, str] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)

    @property
    def end(self) -> date:
        """The last simulated day."""
        return self.first_day + timedelta(days=self.days - 1)

    def months(self) -> Iterator[tuple[date, int, int]]:
        """First day of every billing period, with the day indices [from, to) simulated in it."""
        day = 0
        while day < self.days:
            today = self.first_day + timedelta(days=day)
            month = today.replace(day=1)
            following = (month + timedelta(days=32)).replace(day=1)
            stop = min(self.days, (following - self.first_day).days)
            yield month, day, stop
            day = stop

    def rng(self, *stream: int) -> np.random.Generator:
        """An independent stream of random numbers: the same for the same seed and stream."""
        return np.random.default_rng([self.seed, *stream])
