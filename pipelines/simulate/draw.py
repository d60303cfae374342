"""Draws a fleet from a seed: teams, apps, and the surprises planted among them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from pipelines.simulate.fleet import (
    DAY,
    HOUR,
    PLATFORM,
    App,
    CostAnomaly,
    Fleet,
    FleetTeam,
    Habit,
    Incident,
    pick,
    profile,
    words,
)
from pipelines.simulate.plant import plant_attribution, plant_transfers
from pipelines.simulate.resources import draw_resources


def draw_fleet(apps: int, days: int, seed: int, end: date) -> Fleet:
    """The fleet of a seed; the same arguments give the same fleet."""
    rng = np.random.default_rng([seed, 0])
    teams = _teams(rng, apps)
    drawn = _apps(rng, apps, days, teams)
    anomalies = _plant_anomalies(drawn, days)
    incidents = _plant_incidents(drawn, days, taken={one.app_id for one in anomalies})
    troubled = {one.app_id for one in anomalies} | {one.app_id for one in incidents}
    habits = _plant_habits(drawn, days, taken=troubled)
    resources, lines = draw_resources(rng, drawn, spared={one.app_id for one in anomalies})
    aliases = plant_attribution(drawn, resources, spared={one.app_id for one in anomalies})
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
        habits=habits,
        aliases=aliases,
        transfers=plant_transfers(drawn, teams, days),
    )


def _teams(rng: np.random.Generator, apps: int) -> list[FleetTeam]:
    count = min(len(words()["teams"]), max(2, round(apps / 12)))
    people = words()["people"]
    return [
        FleetTeam(
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


def _uniform(rng: np.random.Generator, bounds: Sequence[float], count: int) -> np.ndarray:
    low, high = bounds
    return rng.uniform(low, high, count)


def _apps(rng: np.random.Generator, count: int, days: int, teams: Sequence[FleetTeam]) -> list[App]:
    share, cost = profile()["apps"], profile()["cost"]
    daily = np.clip(np.exp(rng.normal(np.log(cost["median"]), cost["sigma"], count)), *cost["bounds"])
    weights = 1 / np.arange(1, len(teams) + 1) ** 0.6
    owners = rng.choice(len(teams), count, p=weights / weights.sum())
    clouds = pick(rng, profile()["clouds"], count)
    signals = pick(rng, share["telemetry"], count)
    chosen = {
        name: rng.permutation(count) < round(part * count)
        for name, part in share.items()
        if name != "telemetry"
    }
    noise = _uniform(rng, cost["noise"], count)
    weekend = np.where(rng.random(count) < cost["follows_week"], _uniform(rng, cost["weekend"], count), 1.0)
    trend = _uniform(rng, cost["yearly_trend"], count)
    requests = daily**0.5 * np.exp(rng.normal(0, 0.8, count))
    moments = rng.random((3, count))
    apps = []
    for index, app_id in enumerate(_names(count)):
        start = 1 + int(moments[0, index] * (days - 2)) if chosen["launched"][index] and days > 3 else 0
        # The catalogue says that an app ends, so one that is in none does not.
        retires = chosen["retired"][index] and not chosen["unregistered"][index] and days - start > 3
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


def _steady(apps: list[App], days: int) -> list[App]:
    """Apps with nothing special about them, so that what is planted is all there is; biggest first."""
    found = [
        app
        for app in apps
        if app.registered
        and (app.start, app.stop, app.idle_from) == (0, days, days)
        and (app.environment, app.kind, app.telemetry) == ("production", "server", "app_id")
    ]
    return sorted(found, key=lambda app: (-app.daily_cost, app.app_id))


def _plant_anomalies(apps: list[App], days: int) -> list[CostAnomaly]:
    """Plants cost anomalies on apps that are big and have run long enough before, one each."""
    plan = profile()["anomalies"]
    feasible = [one for one in plan["list"] if days - one["first"] >= plan["history_days"]]
    planted = []
    for one, app in zip(feasible, _steady(apps, days)[::2], strict=False):
        app.daily_cost = max(app.daily_cost, plan["least_daily_cost"])
        app.noise, app.trend = min(profile()["cost"]["noise"]), 0.0
        start, end = days - 1 - one["first"], days - 1 - one["last"]
        planted.append(CostAnomaly(app.app_id, one["kind"], start, end, one["factor"]))
    return planted


def _plant_incidents(apps: list[App], days: int, taken: set[str]) -> list[Incident]:
    """Plants breaches of objectives on apps without other surprises, one each."""
    feasible = [one for one in profile()["incidents"] if one["first"] <= days * DAY // HOUR]
    free = [app for app in _steady(apps, days) if app.app_id not in taken]
    return [
        Incident(
            app_id=app.app_id,
            objective=one["objective"],
            start=days * DAY - one["first"] * HOUR,
            end=days * DAY - one["last"] * HOUR,
            every=one["every"],
            share=one["bad"],
            state=one["state"],
        )
        for one, app in zip(feasible, free, strict=False)
    ]


def _plant_habits(apps: list[App], days: int, taken: set[str]) -> list[Habit]:
    """Plants stops, nightly jobs and pauses on apps without other surprises, the smallest first, one each."""
    plan = profile()["habits"]
    if days < plan["least_days"]:
        return []
    free = [app for app in _steady(apps, days) if app.app_id not in taken]
    end = days * DAY
    return [
        Habit(
            app_id=app.app_id,
            kind=one["kind"],
            every=one["every"],
            from_hour=one["from_hour"],
            to_hour=one["to_hour"],
            weekends=one["weekends"],
            stop=end - one["stops"] * HOUR,
            fails_from=0 if one["fails"] == "always" else end - one["fails"] * HOUR,
            state=one["state"],
        )
        for one, app in zip(plan["list"], reversed(free), strict=False)
    ]
