"""Plants on a drawn fleet what attribution must cope with: tags under other spellings, resources that only telemetry names,
and apps that change their team.

Nothing is drawn here: what is planted follows from the fleet alone, so the same fleet gets the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pipelines.simulate.fleet import (
    DAY,
    HOUR,
    UNALLOCATED,
    App,
    FleetTeam,
    Resource,
    Transfer,
    profile,
)

OTHER_KEY = "App  NAME"
"""An app tag as some script writes it; ``appfleet.yaml`` lists ``app name`` as another spelling of app_id."""


def plant_attribution(apps: list[App], resources: list[Resource], spared: set[str]) -> dict[str, str]:
    """Plants spellings and resources named in telemetry; returns app id -> the other value some of its resources have.

    Resources of ``spared`` apps stay as they are.
    """
    free = _untouched(apps, resources, spared)
    aliases: dict[str, str] = {}
    for app, resource in _next(free, profile()["planted"]["aliases"]):
        aliases[app.app_id] = f"{app.title} (old)"
        _retag(resource, OTHER_KEY, f" {aliases[app.app_id].upper()} ")
    for attribute in profile()["planted"]["named_by"]:
        for app, resource in _next(free, 1):
            _untag(resource)
            resource.rule = "resource_id"
            app.names.append((attribute, _said(attribute, resource)))
    for (app, resource), (other, _) in zip(_next(free, 1), _next(free, 1), strict=False):
        _untag(resource)
        resource.answer, resource.rule = UNALLOCATED, UNALLOCATED
        for one in (app, other):
            one.names.append(("server.address", _said("server.address", resource)))
    return aliases


def plant_transfers(apps: Sequence[App], teams: Sequence[FleetTeam], days: int) -> list[Transfer]:
    """The largest registered app of each of some teams changes to the next team, in the midst of a day halfway."""
    size = profile()["planted"]["transfers"]
    if days < 3 or len(teams) < 2:
        return []
    names = [team.name for team in teams]
    found: dict[str, App] = {}
    for app in sorted(apps, key=lambda one: (-one.daily_cost, one.app_id)):
        if app.registered and (app.start, app.stop) == (0, days):
            found.setdefault(app.team, app)
    return [
        Transfer(
            app.app_id,
            app.team,
            names[(names.index(app.team) + 1) % len(names)],
            days // 2 * DAY + (14 + turn) * HOUR,
        )
        for turn, app in enumerate(list(found.values())[:size])
    ]


def _untouched(
    apps: Sequence[App], resources: Sequence[Resource], spared: set[str]
) -> Iterator[tuple[App, Resource]]:
    """One resource of each app that talks and has several: tagged plainly, called as no other is."""
    names = Counter(name for one in resources for name in {one.name.lower(), _tail(one)})
    used = set()
    for resource in resources:
        app = apps[resource.app] if resource.app >= 0 else None
        if app is None or resource.app in used or app.app_id in spared or not app.is_heard:
            continue
        plain = resource.rule == "app_tag" and resource.answer == app.app_id and app.registered
        if plain and resource.name != app.app_id and names[_tail(resource)] == 1:
            used.add(resource.app)
            yield app, resource


def _next(free: Iterator[tuple[App, Resource]], count: int) -> list[tuple[App, Resource]]:
    return [one for _, one in zip(range(count), free, strict=False)]


def _tail(resource: Resource) -> str:
    return re.split("[/:]", resource.resource_id)[-1].lower()


def _said(attribute: str, resource: Resource) -> str:
    """What telemetry says of a resource by an attribute."""
    name = _tail(resource)  # a provider need not tell names, and what stands last in an id is one
    return f"{name}.internal.example" if attribute == "server.address" else name.upper()


def _retag(resource: Resource, key: str, value: str) -> None:
    _untag(resource)
    resource.tags.append((key, value))


def _untag(resource: Resource) -> None:
    resource.tags[:] = [(key, value) for key, value in resource.tags if key in ("team", "environment", "env")]
