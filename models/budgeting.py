"""How the budget of an objective is counted: by events or by slices of time, and what a slice without requests is.

Values and the policy of ``timeslices.yaml``; the arithmetic is ``models.timeslices``, reading files ``models.objectives``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import yaml

from models.openslo import OCCURRENCES, RATIO_TIMESLICES, TIMESLICES

GOOD, BAD, EXCLUDED, FREEZE = MISSING = ("good", "bad", "excluded", "freeze")
"""What a missing slice is: a good one, a bad one, no slice, or no slice and the reason to decide nothing."""
QUIET = (EXCLUDED, GOOD)
"""What a quiet slice is."""

WORDS = {OCCURRENCES: "occurrences", TIMESLICES: "timeslices", RATIO_TIMESLICES: "ratio timeslices"}
"""Name of a method in OpenSLO -> what people read beside a figure."""


@dataclass(frozen=True)
class Budgeting:
    """Method of a budget. ``minutes`` and ``slice_target`` are those of a slice, None by occurrences, the target by ratio too;
    an empty ``missing`` or ``quiet`` is the policy's."""

    method: str = OCCURRENCES
    minutes: int | None = None
    slice_target: Decimal | None = None
    missing: str = ""
    quiet: str = ""

    @property
    def is_by_slices(self) -> bool:
        """Whether slices of time are counted, not events."""
        return self.method != OCCURRENCES


@dataclass(frozen=True)
class SlicePolicy:
    """The policy of ``timeslices.yaml``."""

    missing: str
    quiet: str
    coverage_floor: Decimal
    recent: timedelta
    chance: Decimal
    weeks: int

    def missing_of(self, budgeting: Budgeting) -> str:
        """What a missing slice of an objective is."""
        return budgeting.missing or self.missing

    def quiet_of(self, budgeting: Budgeting) -> str:
        """What a quiet slice of an objective is."""
        return budgeting.quiet or self.quiet

    def floor_of(self, missing: str) -> Decimal:
        """Coverage of the recent slices below which an alert stays as it is; 0 where missing slices are judged."""
        if missing in (GOOD, BAD):
            return Decimal(0)
        return Decimal(1) if missing == FREEZE else self.coverage_floor


@cache
def slice_policy() -> SlicePolicy:
    """The policy of ``timeslices.yaml`` beside this module."""
    text = (resources.files("models") / "policy" / "timeslices.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return SlicePolicy(
        missing=data["missing"],
        quiet=data["quiet"],
        coverage_floor=Decimal(data["coverage_floor"]),
        recent=timedelta(minutes=int(data["recent"].removesuffix("m"))),
        chance=Decimal(data["chance"]),
        weeks=data["weeks"],
    )
