"""The one Dagster resource: a workspace, its settings and its warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from models.settings import Settings
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from sql.workspace import load_settings, named_workspace


class Workspace(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The workspace a run works on; read when a run starts, so definitions load without one."""

    directory: str = ""

    def settings(self) -> Settings:
        """Settings of the workspace named here, else by the environment, else the current folder."""
        return load_settings(named_workspace(Path(self.directory) if self.directory else None))

    @contextmanager
    def warehouse(self, settings: Settings) -> Iterator[Warehouse]:
        """A writer's connection, for one unit of work."""
        with open_warehouse(settings.root, role="writer") as warehouse:
            yield warehouse
