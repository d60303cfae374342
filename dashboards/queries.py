"""The only way a page reads: a named statement under ``sql/queries``, always bound to the viewer's teams and rights.

A statement that does not take the teams is refused, and so is a viewer without any. No page hands in teams or rights of
its own. What was read is remembered until the next release, under a key that holds both (``dashboards.results``); how it is
drawn does not belong here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

from dashboards.results import Read, Results, Values
from dashboards.shared import SharedReads
from models.errors import ConfigurationError, NotAdmitted, WarehouseError
from models.identity import UNASSIGNED
from models.people import RIGHTS, SEE_ALL_TEAMS, Viewer
from sql.catalog import statement
from sql.damage import ANYBODY
from sql.evidence import copyable
from sql.forms import Form
from sql.opening import open_warehouse
from sql.warehouse import Warehouse

TEAMS = "teams"
TEAMS_PARAMETER = f"{{{TEAMS}:Array(String)}}"

NO_TEAM = "the viewer has no team, so there is nothing this viewer may read"

_NEEDED = re.compile(r"^-- right: (\w+)$", re.MULTILINE)
"""In the header of a statement: the right without which nothing of it is for a viewer."""

_TAKEN = re.compile(r"\{(\w+):")
"""A parameter in the text of a statement."""


def _unchecked() -> None:
    """Who reads without a sign-in is asked nothing again."""


@dataclass(frozen=True)
class TeamReads:
    """Reads of one viewer, of some of the viewer's teams, at one release."""

    workspace: Path
    viewer: Viewer
    mark: str
    check: Callable[[], None] = field(default=_unchecked, compare=False)
    """Raises ``NotAdmitted`` where whoever reads may not any more; asked before every read."""

    @property
    def teams(self) -> tuple[str, ...]:
        """Teams whose rows are read."""
        return self.viewer.teams

    def frame(self, name: str, /, **parameters: Hashable) -> pl.DataFrame:
        """Result of ``sql/queries/<name>.sql`` for the viewer; lists are given as tuples.

        Raises:
            ConfigurationError: the statement does not take the viewer's teams, there are none, or a parameter would
                stand in for the viewer's teams or rights.
            NotAdmitted: the viewer lacks the right the statement needs, or may not read any more.
            WarehouseError: the warehouse cannot be reached or refuses the statement.
        """
        self.check()
        return _results(str(self.workspace)).frame(self._asked(name, parameters))

    def ahead(self, names: Sequence[str], /, **values: Hashable) -> None:
        """Begins to read statements that will be asked for, each with those of the values that it takes.

        What the viewer has no right to is left out: who asks for it is told.

        Raises:
            ConfigurationError: as for ``frame``.
        """
        self.check()
        for name in names:
            taken = set(_TAKEN.findall(statement(f"queries/{name}")))
            with suppress(NotAdmitted):
                asked = self._asked(name, {one: value for one, value in values.items() if one in taken})
                _results(str(self.workspace)).ahead(asked)

    def text(self, name: str, /, **parameters: Any) -> str:
        """The statement with its values and the viewer's scope written in, to be copied; nothing is read.

        Raises:
            ConfigurationError, NotAdmitted: as for ``frame``.
        """
        self.check()
        scope = self._scope(name, parameters)
        return copyable(_connection(str(self.workspace)).form(), name, dict((*parameters.items(), *scope)))

    def of_anybody(self, name: str, /) -> pl.DataFrame:
        """Result of a statement of no team, one of ``dashboards.shared.SHARED``.

        Raises:
            WarehouseError: the warehouse cannot be reached or refuses the statement.
        """
        self.check()
        return _shared(str(self.workspace)).frame(name, self.mark)

    def _asked(self, name: str, parameters: Mapping[str, Hashable]) -> Read:
        return Read(self.mark, name, self._scope(name, parameters), tuple(sorted(parameters.items())))

    def _scope(self, name: str, parameters: Collection[str]) -> Values:
        scope = _scope(name, self.viewer)
        taken = sorted(({TEAMS} | set(RIGHTS)) & set(parameters))
        if taken:
            raise ConfigurationError(
                f"{', '.join(taken)} of sql/queries/{name}.sql comes from the viewer: no page may set it"
            )
        return scope

    def narrowed(self, teams: tuple[str, ...]) -> TeamReads:
        """The same reads for some of the viewer's teams; a team the viewer does not have is left out."""
        kept = tuple(team for team in teams if team in self.teams)
        return replace(self, viewer=replace(self.viewer, teams=kept))


def reads_of(workspace: Path, viewer: Viewer, check: Callable[[], None] = _unchecked) -> TeamReads:
    """Reads of a viewer at the newest release, of every team for who has the right to; ``check`` goes before each read.

    Raises:
        ConfigurationError: the viewer has neither teams nor the right to see all of them.
        WarehouseError: the warehouse cannot be reached.
    """
    if not viewer.sees_rows:
        raise ConfigurationError(NO_TEAM)
    mark = _mark(str(workspace))
    if viewer.has(SEE_ALL_TEAMS):
        anybody = replace(viewer, teams=viewer.teams or (UNASSIGNED,))
        scope = _scope("dashboards/teams", anybody)
        seen = _results(str(workspace)).frame(Read(mark, "dashboards/teams", scope, ()))
        viewer = replace(viewer, teams=tuple(seen["team"]))
    return TeamReads(workspace, viewer, mark, check)


def _scope(name: str, viewer: Viewer) -> Values:
    """What a statement takes of the viewer: the teams, and each right it names."""
    text = statement(f"queries/{name}")
    if TEAMS_PARAMETER not in text:
        raise ConfigurationError(
            f"sql/queries/{name}.sql does not take the viewer's teams: no page may read it"
        )
    if not viewer.teams:
        raise ConfigurationError(NO_TEAM)
    for right in _NEEDED.findall(text):
        if not viewer.has(right):
            raise NotAdmitted(f"This needs the right {right}, which you do not have.")
    rights = ((right, viewer.has(right)) for right in RIGHTS if f"{{{right}:Bool}}" in text)
    return ((TEAMS, viewer.teams), *rights)


class _Connection:
    """A reader's connection that is opened when needed and once more when the warehouse was restarted."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._warehouse: Warehouse | None = None

    def frame(self, name: str, parameters: dict[str, Any]) -> pl.DataFrame:
        """Result of a statement, on a fresh connection where the one at hand fails."""
        warehouse = self._open()
        try:
            return warehouse.frame(f"queries/{name}", **parameters)
        except WarehouseError:
            self._drop(warehouse)
        return self._open().frame(f"queries/{name}", **parameters)

    def form(self) -> Form:
        """The kind of warehouse it is."""
        return self._open().form

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


def _mark(workspace: str) -> str:
    found = _connection(workspace).frame("dashboards/release_mark", {TEAMS: ANYBODY})  # a mark is of no team
    return str(found["mark"].item()) if found.height else ""


@st.cache_resource(show_spinner=False, on_release=Results.close)
def _results(workspace: str) -> Results:
    return Results(lambda name, parameters: _connection(workspace).frame(name, parameters))


@st.cache_resource(show_spinner=False, on_release=SharedReads.close)
def _shared(workspace: str) -> SharedReads:
    return SharedReads(
        lambda name, parameters: _connection(workspace).frame(name, parameters),
        lambda: _mark(workspace),
    )
