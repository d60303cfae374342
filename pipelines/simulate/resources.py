"""Draws the resources of a fleet and their daily charges, each with the answer attribution must give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipelines.simulate.fleet import (
    CURRENCIES,
    PLATFORM,
    REGIONS,
    UNALLOCATED,
    App,
    Lines,
    Resource,
    pick,
    profile,
    services,
)

LINES_PER_RESOURCE = 3
"""As many as a service has meters."""

RULES = {
    "tagged": "app_tag",
    "mistagged": "app_tag",
    "in_telemetry": "resource_id",
    "in_registry": "resource_id",
    "by_pattern": "pattern",
    "untagged": UNALLOCATED,
}
"""Way of a resource in ``profile.yaml`` -> the attribution rule that finds its app."""


def draw_resources(
    rng: np.random.Generator, apps: list[App], spared: set[str]
) -> tuple[list[Resource], dict[str, Lines]]:
    """Resources and daily charges of all apps and of the platform; ``spared`` apps get plain ones only.

    Apps learn which of their resources the catalogue lists, which patterns fit, and which their spans name.
    """
    resources: list[Resource] = []
    columns: dict[str, dict[str, list[Any]]] = {
        cloud: {"resource": [], "service": [], "meter": [], "share": [], "covered": []}
        for cloud in CURRENCIES
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
            meter = place % LINES_PER_RESOURCE
            _add(columns[app.cloud], (len(resources) - 1, service, meter, shares[place], covered))
    for cloud, column in columns.items():
        _add_platform(rng, cloud, column, resources, apps)
    return resources, {
        cloud: Lines(
            resource=np.array(column["resource"], dtype=np.int64),
            service=np.array(column["service"], dtype=np.int64),
            meter=np.array(column["meter"], dtype=np.int64),
            share=np.array(column["share"], dtype=float),
            covered=np.array(column["covered"], dtype=bool),
        )
        for cloud, column in columns.items()
    }


def _add(column: dict[str, list[Any]], line: tuple[int, int, int, float, bool]) -> None:
    for name, value in zip(column, line, strict=True):
        column[name].append(value)


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
                rng,
                app,
                index,
                catalogue[service],
                place // LINES_PER_RESOURCE,
                number + place // LINES_PER_RESOURCE,
                plain,
            ),
            service,
        )


def _account(cloud: str, number: int) -> str:
    if cloud == "aws":
        return f"{310000000000 + number:012d}"
    return f"5e1f{number:04x}-0000-4000-8000-{number:012d}"


def _way(rng: np.random.Generator, app: App, place: int) -> str:
    """How the app of a resource can be found; ways that cannot work for this app become a plain tag."""
    way = pick(rng, profile()["resources"]["ways"], 1)[0]
    if way == "in_telemetry" and (place or not app.is_heard):
        return "tagged"
    if way in ("in_registry", "by_pattern") and not app.registered:
        return "tagged"
    return way


def _resource(
    rng: np.random.Generator,
    app: App,
    index: int,
    service: dict[str, str],
    place: int,
    number: int,
    plain: bool,
) -> Resource:
    """One resource of an app, the ``place``-th; a ``plain`` one carries its app tag."""
    way = "tagged" if plain else _way(rng, app, place)
    name = app.app_id if place == 0 else f"{app.app_id}-{service['code'].lower()}-{place}"
    group, account = f"rg-{app.team}", _team_account(app)
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
    answer, rule = app.app_id, RULES[way]
    if way == "tagged":
        tags.append(_app_tag(rng, app.app_id))
    elif way == "mistagged":
        answer = app.app_id.replace("-", "", 1) if index % 2 else app.app_id + "s"
        tags.append(("app_id", answer))
    elif way == "in_registry":
        app.resource_ids.append(resource_id)
    elif way == "untagged":
        answer, tags = UNALLOCATED, [] if index % 2 else [("app_id", " ")]
    if place == 0 and app.telemetry != "none" and way in ("tagged", "in_telemetry", "in_registry"):
        app.spanned_resource = resource_id
    return Resource(app.cloud, index, service, resource_id, name, group, account, tags, answer, rule)


def _team_account(app: App) -> str:
    return _account(app.cloud, sum(map(ord, app.team)) % 900)


def _by_pattern(app: App, index: int, name: str) -> tuple[str, str, str]:
    """Group, account and name of a resource that only a pattern of the catalogue finds."""
    if app.cloud == "aws":
        own = _account("aws", 100000 + index)
        app.patterns["project"] = own
        return f"rg-{app.team}", own, name
    if index % 2:
        app.patterns["resource_group"] = f"rg-{app.app_id}"
        return f"rg-{app.app_id}", _team_account(app), name
    app.patterns["name"] = f"{app.app_id}.*"
    return f"rg-{app.team}", _team_account(app), f"{app.app_id}.{name}"


def _app_tag(rng: np.random.Generator, app_id: str) -> tuple[str, str]:
    key = pick(rng, profile()["resources"]["tag_keys"], 1)[0]
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
        _add(column, (len(resources) - 1, service, 0, share * total * profile()["platform_share"], False))
