"""People who look: the teams whose rows they may see and the rights they have by name.

A right is never a team, and a team never carries a right. Which person has which is ``models.grants``; signing in, and
reading rows, do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from datetime import timedelta
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass

from models.yaml_reader import Name, Text, one_of

SEE_WHOLE_BILLS = "see_whole_bills"
SEE_ALL_TEAMS = "see_all_teams"
SEE_STATEMENTS = "see_statements"
DOWNLOAD_STATEMENTS = "download_statements"
SEE_ACCESS_LOG = "see_access_log"
CLOSE_MONTHS = "close_months"
ACT_ON_ALERTS = "act_on_alerts"
APPROVE_ACTIONS = "approve_actions"

RIGHTS: dict[str, str] = {
    SEE_ALL_TEAMS: "rows of every team, those that appear tomorrow too, and of no team",
    SEE_WHOLE_BILLS: "figures of a bill as a whole, whichever teams it is of: whether the statement ties to it, the "
    "objects it was published from, and the rounding line of each currency",
    SEE_STATEMENTS: "the statements of their teams: what each cost centre is charged",
    DOWNLOAD_STATEMENTS: "the file of a statement, for their teams",
    SEE_ACCESS_LOG: "who saw and took what, and who was refused",
    CLOSE_MONTHS: "the button that closes a month's statement, and with all teams in sight those that decide on credits",
    ACT_ON_ALERTS: "acknowledging and silencing the alerts they may see",
    APPROVE_ACTIONS: "approving and declining what playbooks propose about the alerts they may see",
}
"""Name of a right -> what its holder sees beside the rows of their teams. Queries take a right as ``{<name>:Bool}``, or
name it in their header where without it nothing of them is for this person."""

Right = Annotated[Name, one_of(RIGHTS)]


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Viewer:
    """A person, the teams whose rows this person may see, and this person's rights; each once, sorted."""

    name: Text = "you"
    teams: Annotated[tuple[Name, ...], AfterValidator(_once)] = ()
    rights: Annotated[tuple[Right, ...], AfterValidator(_once)] = ()

    def has(self, right: str) -> bool:
        """Whether this person has a right of ``RIGHTS``."""
        return right in self.rights

    @property
    def sees_rows(self) -> bool:
        """Whether there is a team whose rows this person may see."""
        return bool(self.teams) or self.has(SEE_ALL_TEAMS)


@plain_dataclass(frozen=True)
class AccessPolicy:
    """Roles as sets of rights, and the bounds of sign-in and of the access log."""

    roles: Mapping[str, tuple[str, ...]]
    at_this_machine: tuple[str, ...]
    session: timedelta
    clock_slack: timedelta
    remembered: timedelta
    look_seconds: float
    wrong_per_minute: int
    kept_days: int
    spool_bytes: int
    waiting: int
    every_seconds: float
    refused_per_minute: int


@cache
def access_policy() -> AccessPolicy:
    """The policy of ``access.yaml`` beside this module."""
    data: Any = yaml.safe_load((resources.files("models") / "access.yaml").read_text(encoding="utf-8"))
    session, log = data["session"], data["access_log"]
    return AccessPolicy(
        roles=MappingProxyType({role: tuple(rights) for role, rights in data["roles"].items()}),
        at_this_machine=tuple(data["at_this_machine"]),
        session=timedelta(minutes=session["minutes"]),
        clock_slack=timedelta(seconds=session["clock_slack_seconds"]),
        remembered=timedelta(days=session["remembered_days"]),
        look_seconds=float(session["look_seconds"]),
        wrong_per_minute=data["break_glass"]["wrong_per_minute"],
        kept_days=log["kept_days"],
        spool_bytes=log["spool_bytes"],
        waiting=log["waiting"],
        every_seconds=float(log["every_seconds"]),
        refused_per_minute=log["refused_per_minute"],
    )
