"""OpenSLO's three ways to count an error budget, exact: occurrences, time slices and the ratio of time slices.

Source: the OpenSLO specification v1, ``budgetingMethod``, and its example of the three (examples/budgeting-method).
Slices come as counts of good and of all events; no slice is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from models.errors import ModelError
from models.openslo import OCCURRENCES, RATIO_TIMESLICES, TIMESLICES

Missing = Literal["good", "bad", "exclude"]
"""What a slice without events counts as."""

Slices = Iterable[tuple[int, int]]
"""Good and all events of each slice of a window."""


@dataclass(frozen=True)
class MethodBudget:
    """An indicator over a window, its budget and what is left of it; ``unit`` is what budget and spent count."""

    sli: Fraction | None
    allowed: Fraction
    spent: Fraction
    unit: Literal["events", "slices"]

    @property
    def remaining(self) -> Fraction | None:
        """Share of the budget that is left, negative once overspent; None where nothing was measured."""
        return None if self.sli is None or not self.allowed else 1 - self.spent / self.allowed


def budget(
    method: str,
    slices: Slices,
    target: Fraction,
    slice_target: Fraction | None = None,
    missing: Missing = "exclude",
) -> MethodBudget:
    """Budget of a window by a method.

    Args:
        method: a budgeting method of OpenSLO.
        slices: of the whole window; one without events is ``missing``.
        target: share that must be good.
        slice_target: of time slices, the share of events that makes one good.
        missing: what a slice without events counts as; occurrences have none.

    Raises:
        ModelError: more good events than events, or time slices without their target.
    """
    counted = list(slices)
    if any(not 0 <= good <= total for good, total in counted):
        raise ModelError("a slice counts more good events than events: its counts are not sound")
    if method == TIMESLICES and slice_target is None:
        raise ModelError("time slices are counted against a share of events, and none is given")
    return _METHODS[method](counted, target, slice_target, missing)


def _occurrences(
    slices: list[tuple[int, int]], target: Fraction, slice_target: Fraction | None, missing: Missing
) -> MethodBudget:
    good, total = (sum(column) for column in zip(*slices, strict=True)) if slices else (0, 0)
    return MethodBudget(
        Fraction(good, total) if total else None, (1 - target) * total, Fraction(total - good), "events"
    )


def _timeslices(
    slices: list[tuple[int, int]], target: Fraction, slice_target: Fraction | None, missing: Missing
) -> MethodBudget:
    assert slice_target is not None
    wanted = slice_target
    return _of_slices([Fraction(share >= wanted) for share in _shares(slices, missing)], target)


def _ratio_timeslices(
    slices: list[tuple[int, int]], target: Fraction, slice_target: Fraction | None, missing: Missing
) -> MethodBudget:
    return _of_slices(_shares(slices, missing), target)


def _shares(slices: list[tuple[int, int]], missing: Missing) -> list[Fraction]:
    """Share of good events of each slice that counts."""
    empty = {"good": [Fraction(1)], "bad": [Fraction(0)], "exclude": []}[missing]
    return [share for good, total in slices for share in ([Fraction(good, total)] if total else empty)]


def _of_slices(shares: list[Fraction], target: Fraction) -> MethodBudget:
    number = len(shares)
    good = sum(shares, Fraction(0))
    return MethodBudget(good / number if number else None, (1 - target) * number, number - good, "slices")


_METHODS: Mapping[
    str, Callable[[list[tuple[int, int]], Fraction, Fraction | None, Missing], MethodBudget]
] = {
    OCCURRENCES: _occurrences,
    TIMESLICES: _timeslices,
    RATIO_TIMESLICES: _ratio_timeslices,
}


def slices_until_spent(
    method: str,
    slices: int,
    target: Fraction,
    usual: Fraction,
    during: Fraction,
    slice_target: Fraction | None = None,
) -> Fraction:
    """How many slices of a window an outage may last until the budget is spent, with even traffic.

    Args:
        method: a budgeting method of OpenSLO.
        slices: of the whole window.
        target: share that must be good.
        usual: share of good events outside the outage.
        during: share of good events within it.
        slice_target: of time slices, the share of events that makes one good.

    Raises:
        ModelError: an outage as good as the rest, which spends nothing.
    """
    if method == TIMESLICES:
        if slice_target is None:
            raise ModelError("time slices are counted against a share of events, and none is given")
        usual, during = Fraction(usual >= slice_target), Fraction(during >= slice_target)
    if during >= usual:
        raise ModelError("an outage as good as the rest spends no budget")
    # What may be bad in the whole window, less what is bad in any case, at the rate an outage adds to it.
    return (slices * (1 - target) - slices * (1 - usual)) / (usual - during)
