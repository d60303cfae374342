"""Who may read what on a server, as SQL: the pages' user everything, a team's role its rows of the current views.

Accounts are the server's own: users and passwords are made by whoever runs it, roles and limits here. The embedded
warehouse has no accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from sql.catalog import statement
from sql.forms import filled


@dataclass(frozen=True)
class Accounts:
    """Names a server's rights are given by: the database, its users, the cluster (empty: none)."""

    database: str
    reader: str
    writer: str
    cluster: str = ""

    @property
    def pages_role(self) -> str:
        """Role of the pages."""
        return f"{self.database}_pages"

    @property
    def telemetry_database(self) -> str:
        """Database of telemetry."""
        return f"{self.database}_otel"

    def team_role(self, team: str) -> str:
        """Role of a team's people."""
        return f"{self.database}_team_{team}"


def writer_grants(accounts: Accounts) -> list[str]:
    """The statements that give whoever loads the rights it needs: an administrator's, for it cannot give them to itself."""
    words = _words(accounts)
    return [
        filled(_body("writer_rows"), {**words, "user": words["definer"], "database": _quoted(database)})
        for database in (accounts.database, accounts.telemetry_database)
    ]


def grants(accounts: Accounts, views: pl.DataFrame, teams: Sequence[str]) -> list[str]:
    """The statements that give a server's rights, in their order; each may be run again.

    Args:
        accounts: names.
        views: ``view, has_teams``, of ``queries/ledger/team_views``.
        teams: teams that get a role of their own.
    """
    words = _words(accounts)
    return [
        filled(_body(name), {**words, **own})
        for name, own in (
            ("profile", {}),
            ("pages_role", {}),
            ("pages_rows", {}),
            ("pages_rows", {"database": _quoted(accounts.telemetry_database)}),
            ("pages_user", {}),
            *_of_views(accounts, views, teams),
        )
    ]


def _words(accounts: Accounts) -> dict[str, str]:
    """What the statements say of a server as a whole."""
    return {
        "profile": _quoted(f"{accounts.database}_reader"),
        "on_cluster": f" ON CLUSTER {_quoted(accounts.cluster)}" if accounts.cluster else "",
        "database": _quoted(accounts.database),
        "definer": _quoted(accounts.writer),
        "user": _quoted(accounts.reader),
        "role": _quoted(accounts.pages_role),
        "policy": _quoted(f"{accounts.database}_all"),
    }


def _of_views(
    accounts: Accounts, views: pl.DataFrame, teams: Sequence[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    scoped = [{"view": _quoted(view)} for view in views.filter(pl.col("has_teams") == 1)["view"]]
    for view in scoped:
        yield "view_definer", view
        yield "all_rows", view
    for team in teams:
        role = {"role": _quoted(accounts.team_role(team)), "team": _text(team)}
        yield "team_role", role
        for view in scoped:
            yield "team_view", {**role, **view}
            yield "team_rows", {**role, **view}


def _body(name: str) -> str:
    """A statement without its header: people run what is printed."""
    lines = statement(f"grants/{name}").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
