"""The only way a page reads: a named statement under ``sql/queries``, always bound to the viewer's teams.

A statement that does not take the teams is refused, and so is a viewer without any. What was read is remembered until
the next release, under a key that holds the teams; how it is drawn does not belong here.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from models.errors import ConfigurationError, WarehouseError
from sql.catalog import statement
from sql.local_warehouse import open_warehouse
from sql.warehouse import Warehouse

TEAMS_PARAMETER = "{teams:Array(String)}"

_KEPT_RESULTS = 400


@dataclass(frozen=True)
class TeamReads:
    """Reads of one viewer at one release."""

    workspace: Path
    teams: tuple[str, ...]
    mark: str

    def frame(self, name: str, /, **parameters: Hashable) -> pl.DataFrame:
        """Result of ``sql/queries/<name>.sql`` for the viewer's teams; lists are given as tuples.

        Raises:
            ConfigurationError: the statement does not take the viewer's teams, or there are none.
            WarehouseError: the warehouse cannot be reached or refuses the statement.
        """
        _refuse_unscoped(name, self.teams)
        return _remembered(
            str(self.workspace), self.mark, self.teams, name, tuple(sorted(parameters.items()))
        )

    def narrowed(self, teams: tuple[str, ...]) -> TeamReads:
        """The same reads for some of the viewer's teams; a team the viewer does not have is left out."""
        return TeamReads(self.workspace, tuple(team for team in teams if team in self.teams), self.mark)


def reads_of(workspace: Path, teams: tuple[str, ...]) -> TeamReads:
    """Reads of a viewer at the newest release.

    Raises:
        ConfigurationError: the viewer has no teams.
        WarehouseError: the warehouse cannot be reached.
    """
    name = "dashboards/release_mark"
    _refuse_unscoped(name, teams)
    mark = _connection(str(workspace)).frame(name, teams, {})
    return TeamReads(workspace, teams, mark["mark"].item() if mark.height else "")


def _refuse_unscoped(name: str, teams: tuple[str, ...]) -> None:
    if TEAMS_PARAMETER not in statement(f"queries/{name}"):
        raise ConfigurationError(
            f"sql/queries/{name}.sql does not take the viewer's teams: no page may read it"
        )
    if not teams:
        raise ConfigurationError("the viewer has no team, so there is nothing this viewer may read")


@st.cache_data(max_entries=_KEPT_RESULTS, show_spinner=False)
def _remembered(
    workspace: str,
    mark: str,  # in the key: a new release is a new key
    teams: tuple[str, ...],
    name: str,
    parameters: tuple[tuple[str, Any], ...],
) -> pl.DataFrame:
    return _connection(workspace).frame(name, teams, dict(parameters))


class _Connection:
    """A reader's connection that is opened when needed and once more when the warehouse was restarted."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._warehouse: Warehouse | None = None

    def frame(self, name: str, teams: tuple[str, ...], parameters: dict[str, Any]) -> pl.DataFrame:
        """Result of a statement, on a fresh connection where the one at hand fails."""
        bound = {**parameters, "teams": list(teams)}
        warehouse = self._open()
        try:
            return warehouse.frame(f"queries/{name}", **bound)
        except WarehouseError:
            self._drop(warehouse)
        return self._open().frame(f"queries/{name}", **bound)

    def _open(self) -> Warehouse:
        with self._lock:
            if self._warehouse is None:
                self._warehouse = self._stack.enter_context(open_warehouse(self._workspace, role="reader"))
            return self._warehouse

    def _drop(self, failed: Warehouse) -> None:
        with self._lock:
            if self._warehouse is failed:
                self._warehouse = None
                self._stack.close()


@st.cache_resource(show_spinner="Opening the warehouse")
def _connection(workspace: str) -> _Connection:
    return _Connection(Path(workspace))
