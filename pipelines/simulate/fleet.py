"""Draws the fleet: apps, teams, resources, and what is planted in them.

Everything comes from one seed; nothing here reads a clock or writes a file. Days are counted from the first
simulated day; a day no app has ever reached stands for "never".
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
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
    """The services of one cloud, lines of ``services.csv``."""
    text = (files(__package__) / "services.csv").read_text(encoding="utf-8")
    return [line for line in csv.DictReader(text.splitlines()) if line["provider"] == cloud]


@dataclass
class Team:
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

    @property
    def steady(self) -> bool:
        """Nothing special about it yet: something may be planted."""
        return (
            self.registered
            and self.start == 0
            and self.environment == "production"
            and self.kind == "server"
            and self.telemetry == "app_id"
        )


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
class Fleet:
    """Everything the writers need."""

    seed: int
    days: int
    first_day: date
    teams: list[Team]
    apps: list[App]
    resources: list[Resource]
    lines: dict[str, Lines]
    anomalies: list[CostAnomaly]
    incidents: list[Incident]

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


def draw_fleet(apps: int, days: int, seed: int, end: date) -> Fleet:
    """The fleet of a seed; the same arguments give the same fleet."""
    rng = np.random.default_rng([seed, 0])
    teams = _teams(rng, apps)
    drawn = _apps(rng, apps, days, teams)
    anomalies = _plant_anomalies(drawn, days)
    incidents = _plant_incidents(drawn, days, taken={one.app_id for one in anomalies})
    resources, lines = _resources(rng, drawn, spared={one.app_id for one in anomalies})
    return Fleet(
        seed=seed,
        days=days,
        first_day=end - timedelta(days=days - 1),
        teams=teams,
        apps=drawn,
        resources=resources,
        lines=lines,
        anomalies=anomalies,
        incidents=incidents,
    )


def _teams(rng: np.random.Generator, apps: int) -> list[Team]:
    count = min(len(words()["teams"]), max(2, round(apps / 12)))
    people = words()["people"]
    return [
        Team(
            name=name,
            lead=people[index % len(people)],
            cost_center=f"{int(rng.integers(100, 9900)):06d}",
            members=[people[(index * 3 + step) % len(people)] for step in range(int(rng.integers(2, 6)))],
        )
        for index, name in enumerate([PLATFORM, *words()["teams"]][:count])
    ]


def _names(count: int) -> list[str]:
    subjects, roles = words()["subjects"], words()["roles"]
    return [
        f"{subjects[index % len(subjects)]}-{roles[(index // len(subjects) + 7 * index) % len(roles)]}"
        + (f"-{index // (len(subjects) * len(roles)) + 1}" if index >= len(subjects) * len(roles) else "")
        for index in range(count)
    ]


def _pick(rng: np.random.Generator, shares: dict[str, float], count: int) -> list[str]:
    weights = np.array(list(shares.values()), dtype=float)
    return [list(shares)[i] for i in rng.choice(len(shares), count, p=weights / weights.sum())]


def _apps(rng: np.random.Generator, count: int, days: int, teams: Sequence[Team]) -> list[App]:
    share, cost = profile()["apps"], profile()["cost"]
    daily = np.clip(np.exp(rng.normal(np.log(cost["median"]), cost["sigma"], count)), *cost["bounds"])
    weights = 1 / np.arange(1, len(teams) + 1) ** 0.6
    owners = rng.choice(len(teams), count, p=weights / weights.sum())
    clouds = _pick(rng, profile()["clouds"], count)
    signals = _pick(rng, share["telemetry"], count)
    chosen = {
        name: rng.permutation(count) < round(part * count)
        for name, part in share.items()
        if name != "telemetry"
    }
    noise = rng.uniform(*cost["noise"], count)
    weekend = np.where(rng.random(count) < cost["follows_week"], rng.uniform(*cost["weekend"], count), 1.0)
    trend = rng.uniform(*cost["yearly_trend"], count)
    requests = daily**0.5 * np.exp(rng.normal(0, 0.8, count))
    moments = rng.random((3, count))
    apps = []
    for index, app_id in enumerate(_names(count)):
        start = 1 + int(moments[0, index] * (days - 2)) if chosen["launched"][index] and days > 3 else 0
        retires = chosen["retired"][index] and days - start > 3
        stop = start + 1 + int(moments[1, index] * (days - start - 2)) if retires else days
        is_idle = chosen["idle"][index] and signals[index] != "none" and not retires
        kind = "server"
        if chosen["consumer"][index]:
            kind = "consumer"
        elif chosen["no_indicator"][index]:
            kind = "internal"
        team = teams[owners[index]].name
        apps.append(
            App(
                app_id=app_id,
                title=app_id.replace("-", " ").capitalize(),
                team=team,
                system=f"{team}-{app_id.split('-')[0]}",
                cloud=clouds[index],
                environment="staging" if chosen["staging"][index] else "production",
                lifecycle="deprecated" if retires else "experimental" if start else "production",
                daily_cost=float(daily[index]),
                noise=float(noise[index]),
                weekend=float(weekend[index]),
                trend=float(trend[index]),
                start=start,
                stop=stop,
                registered=not chosen["unregistered"][index],
                telemetry=signals[index],
                kind=kind,
                requests_weight=float(requests[index]),
                # An idle app went quiet more than 30 days before the end, where there are that many.
                idle_from=max(0, int((days - 31) * moments[2, index])) if is_idle else days,
            )
        )
    return apps


PLANS = (
    # kind, first and last day counted back from the end, factor on the app's cost (a ramp ends at it)
    ("spike", 1, 0, 4.0),
    ("step", 9, 0, 2.2),
    ("ramp", 20, 0, 3.2),
    ("zero", 4, 0, 0.01),
    ("spike", 24, 23, 5.0),
)
HISTORY_DAYS = 30
MATERIAL_DAILY_COST = 40.0


def _plant_anomalies(apps: list[App], days: int) -> list[CostAnomaly]:
    """Plants cost anomalies on apps that have run long enough before, one each, biggest apps first."""
    steady = sorted((a for a in apps if a.steady and a.stop == days and a.idle_from == days), key=_by_cost)
    planted = []
    for (kind, first, last, factor), app in zip(PLANS, steady[::2], strict=False):
        if days - first < HISTORY_DAYS:
            continue
        app.daily_cost = max(app.daily_cost, MATERIAL_DAILY_COST)
        app.noise, app.trend = profile()["cost"]["noise"][0], 0.0
        planted.append(CostAnomaly(app.app_id, kind, days - 1 - first, days - 1 - last, factor))
    return planted


def _by_cost(app: App) -> tuple[float, str]:
    return -app.daily_cost, app.app_id


HOUR = 3600
DAY = 86400

BREACHES = (
    # objective, hours before the end it starts and stops, one request every .. s, share bad, state at the end
    ("availability", 2, 0, 20, 0.45, "page"),
    ("availability", 72, 0, 60, 0.025, "ticket"),
    ("latency", 3, 0, 20, 0.5, "page"),
    ("availability", 12 * 24, 12 * 24 - 3, 60, 0.6, "ok"),
)


def _plant_incidents(apps: list[App], days: int, taken: set[str]) -> list[Incident]:
    """Plants breaches of objectives on apps with regular telemetry, one each."""
    steady = sorted(
        (a for a in apps if a.steady and a.stop == days and a.idle_from == days and a.app_id not in taken),
        key=_by_cost,
    )
    planted = []
    for (objective, first, last, every, share, state), app in zip(BREACHES, steady, strict=False):
        start, end = days * DAY - first * HOUR, days * DAY - last * HOUR
        if start >= 0:
            planted.append(Incident(app.app_id, objective, start, end, every, share, state))
    return planted


def _resources(
    rng: np.random.Generator, apps: list[App], spared: set[str]
) -> tuple[list[Resource], dict[str, Lines]]:
    resources: list[Resource] = []
    columns: dict[str, dict[str, list[Any]]] = {
        cloud: {"resource": [], "service": [], "share": [], "covered": []} for cloud in CURRENCIES
    }
    low, high = profile()["rows"]["lines_per_app"]
    mean = float(np.clip(profile()["rows"]["lines_per_day"] / len(apps), low, high))
    for index, app in enumerate(apps):
        bigger = np.clip(app.daily_cost / profile()["cost"]["median"], 0.5, 2.0) ** 0.5
        count = max(
            1, int(rng.poisson(mean * bigger)) if mean > low + 1 else 1 + int(rng.random() < mean - 1)
        )
        shares = rng.dirichlet(np.full(count, 2.0))
        for place, (resource, service) in enumerate(
            _app_resources(rng, app, index, count, len(resources), app.app_id in spared)
        ):
            if isinstance(resource, Resource):
                resources.append(resource)
            covered = (
                services(app.cloud)[service]["compute"] == "1"
                and app.app_id not in spared
                and rng.random() < profile()["commitment"]["covered"]
            )
            _add(columns[app.cloud], len(resources) - 1, service, shares[place], covered)
    for cloud, column in columns.items():
        _add_platform(rng, cloud, column, resources, apps)
    return resources, {
        cloud: Lines(
            resource=np.array(column["resource"], dtype=np.int64),
            service=np.array(column["service"], dtype=np.int64),
            share=np.array(column["share"], dtype=float),
            covered=np.array(column["covered"], dtype=bool),
        )
        for cloud, column in columns.items()
    }


def _add(column: dict[str, list[Any]], resource: int, service: int, share: float, covered: bool) -> None:
    for name, value in zip(column, (resource, service, share, covered), strict=True):
        column[name].append(value)


LINES_PER_RESOURCE = 3


def _app_resources(
    rng: np.random.Generator, app: App, index: int, count: int, number: int, plain: bool
) -> Iterator[tuple[Resource | None, int]]:
    """One entry per line: a new resource every few lines, else None for "the same one", and its service."""
    catalogue = services(app.cloud)
    service = 0
    for place in range(count):
        if place % LINES_PER_RESOURCE:
            yield None, service
            continue
        compute = [i for i, line in enumerate(catalogue) if line["compute"] == "1"]
        service = int(rng.choice(compute) if place == 0 else rng.integers(len(catalogue)))
        yield (
            _resource(
                rng, app, index, catalogue[service], place // LINES_PER_RESOURCE, number + place, plain
            ),
            service,
        )


def _account(cloud: str, number: int) -> str:
    if cloud == "aws":
        return f"{310000000000 + number:012d}"
    return f"5e1f{number:04x}-0000-4000-8000-{number:012d}"


def _resource(
    rng: np.random.Generator,
    app: App,
    index: int,
    service: dict[str, str],
    place: int,
    number: int,
    plain: bool,
) -> Resource:
    """One resource of an app; a ``plain`` one carries its app tag."""
    name = app.app_id if place == 0 else f"{app.app_id}-{service['code'].lower()}-{place}"
    way = _pick(rng, profile()["resources"]["ways"], 1)[0]
    if (
        plain
        or (way == "in_telemetry" and (place or app.telemetry == "none" or app.kind == "internal"))
        or (way in ("in_registry", "by_pattern") and not app.registered)
    ):
        way = "tagged"
    team_number = sum(map(ord, app.team)) % 900
    group = f"rg-{app.team}"
    account = _account(app.cloud, team_number)
    if way == "by_pattern":
        group, account, name = _by_pattern(app, index, name)
    resource_id = service["resource_id"].format(
        region=REGIONS[app.cloud][0],
        account=account,
        group=group,
        name=name,
        hex=f"{int(rng.integers(16**8)):08x}{number:08x}",
    )
    tags = [("team", app.team), ("environment" if index % 3 else "env", app.environment)]
    answer, rule = app.app_id, "app_tag"
    if way == "tagged":
        tags.append(_app_tag(rng, app.app_id))
    elif way == "mistagged":
        answer = app.app_id.replace("-", "", 1) if index % 2 else app.app_id + "s"
        tags.append(("app_id", answer))
    elif way == "in_telemetry":
        rule = "resource_id"
    elif way == "in_registry":
        rule = "resource_id"
        app.resource_ids.append(resource_id)
    elif way == "by_pattern":
        rule = "pattern"
    else:
        tags, answer, rule = [] if index % 2 else [("app_id", " ")], UNALLOCATED, UNALLOCATED
    if place == 0 and app.telemetry != "none" and way in ("tagged", "in_telemetry", "in_registry"):
        app.spanned_resource = resource_id
    return Resource(app.cloud, index, service, resource_id, name, group, account, tags, answer, rule)


def _by_pattern(app: App, index: int, name: str) -> tuple[str, str, str]:
    """Group, account and name of a resource that only a pattern of the catalogue finds."""
    team_account = _account(app.cloud, sum(map(ord, app.team)) % 900)
    if app.cloud == "aws":
        own = _account("aws", 100000 + index)
        app.patterns["project"] = own
        return f"rg-{app.team}", own, name
    if index % 2:
        app.patterns["resource_group"] = f"rg-{app.app_id}"
        return f"rg-{app.app_id}", team_account, name
    app.patterns["name"] = f"{app.app_id}.*"
    return f"rg-{app.team}", team_account, f"{app.app_id}.{name}"


def _app_tag(rng: np.random.Generator, app_id: str) -> tuple[str, str]:
    key = _pick(rng, profile()["resources"]["tag_keys"], 1)[0]
    if rng.random() < profile()["resources"]["odd_values"]:
        app_id = app_id.upper() if rng.random() < 0.5 else f" {app_id} "
    return key, app_id


def _add_platform(
    rng: np.random.Generator,
    cloud: str,
    column: dict[str, list[Any]],
    resources: list[Resource],
    apps: list[App],
) -> None:
    """Shared cost: resources of the platform team that no app tag, telemetry or pattern names."""
    catalogue = services(cloud)
    total = sum(app.daily_cost for app in apps if app.cloud == cloud) or 1.0
    count = len(catalogue)
    for service, share in enumerate(rng.dirichlet(np.full(count, 3.0))):
        line = catalogue[service]
        account = _account(cloud, 999)
        name = f"shared-{line['code'].lower()}"
        resource_id = line["resource_id"].format(
            region=REGIONS[cloud][0], account=account, group="rg-shared", name=name, hex=f"{service:016x}"
        )
        tags = [("team", PLATFORM), ("environment", "production")]
        resources.append(
            Resource(cloud, -1, line, resource_id, name, "rg-shared", account, tags, UNALLOCATED, UNALLOCATED)
        )
        _add(column, len(resources) - 1, service, share * total * profile()["platform_share"], False)
