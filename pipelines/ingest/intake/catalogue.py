"""What the catalogue of a workspace says of apps that may be sent for, read again when its files change: whose each is, and
which are gone. What follows from it for a sender is decided in ``gate`` and ``claims``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.settings import Settings
from pipelines.ingest.intake.policy import retired_lifecycle
from pipelines.ingest.registry import load_registry, registry_sha256


@dataclass(frozen=True)
class Described:
    """Apps by team (its name in lower case, ``str.casefold``), and the lifecycle of each app that is gone."""

    apps_of_team: Mapping[str, frozenset[str]] = field(default_factory=dict)
    retired: Mapping[str, str] = field(default_factory=dict)


class Catalogue:
    """The catalogue of a workspace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sha256 = ""
        self._described = Described()

    def __call__(self) -> Described:
        """As the files say now.

        Raises:
            ConfigurationError: ``teams.yaml`` is wrong.
        """
        sha256 = registry_sha256(self._settings)
        if not sha256 or sha256 != self._sha256:
            self._described = described(self._settings)
            self._sha256 = sha256
        return self._described


def described(settings: Settings) -> Described:
    """As ``Catalogue``, once.

    Raises:
        ConfigurationError: ``teams.yaml`` is wrong.
    """
    apps: dict[str, set[str]] = {}
    retired: dict[str, str] = {}
    registry = load_registry(settings).apps.select("app_id", "team", "lifecycle")
    for app, team, lifecycle in registry.iter_rows():
        apps.setdefault(team.casefold(), set()).add(app)
        if gone := retired_lifecycle(lifecycle):
            retired[app] = gone
    return Described({team: frozenset(own) for team, own in apps.items()}, retired)
