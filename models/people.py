"""People who look: the teams whose rows they may see and the rights they have by name.

A right is never a team, and a team never carries a right. Signing in, and reading rows, do not belong here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict
from pydantic.dataclasses import dataclass

from models.yaml_reader import Name, Text, one_of

SEE_WHOLE_BILLS = "see_whole_bills"
SEE_ALL_TEAMS = "see_all_teams"

RIGHTS: dict[str, str] = {
    SEE_ALL_TEAMS: "rows of every team, those that appear tomorrow too, and of no team",
    SEE_WHOLE_BILLS: "figures of a bill as a whole, whichever teams it is of: whether the statement ties to it, the "
    "objects it was published from, and the rounding line of each currency",
}
"""Name of a right -> what its holder sees beside the rows of their teams. Queries take a right as ``{<name>:Bool}``."""

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
