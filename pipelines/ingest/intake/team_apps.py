"""The apps of each team by the catalogue of a workspace, read again when its files change."""

from __future__ import annotations

from collections.abc import Mapping

from models.settings import Settings
from pipelines.ingest.registry import load_registry, registry_sha256


class CatalogueTeams:
    """Apps by team (its name in lower case), for a workspace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sha256 = ""
        self._apps: Mapping[str, frozenset[str]] = {}

    def __call__(self) -> Mapping[str, frozenset[str]]:
        """As the files say now.

        Raises:
            ConfigurationError: ``teams.yaml`` is wrong.
        """
        sha256 = registry_sha256(self._settings)
        if not sha256 or sha256 != self._sha256:
            apps: dict[str, set[str]] = {}
            for app, team in load_registry(self._settings).apps.select("app_id", "team").iter_rows():
                apps.setdefault(team.casefold(), set()).add(app)
            self._apps = {team: frozenset(own) for team, own in apps.items()}
            self._sha256 = sha256
        return self._apps
