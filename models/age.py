"""How old figures are, in words, and from when on that must be said; the clock is an argument.

Ages are measured from the end of the newest whole slice and the newest complete day of cost (``models.as_of``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from models.policy import WatermarkPolicy

_UNITS = (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1)))


def in_words(age: timedelta) -> str:
    """The age in its largest whole unit from two on: ``24 days``, ``47 hours``, ``90 minutes``; never negative."""
    for name, unit in _UNITS:
        if age >= 2 * unit:
            return f"{age // unit} {name}s"
    return "a minute" if age >= _UNITS[-1][1] else "now"


def telemetry_age(telemetry_end: datetime, clock: datetime) -> timedelta:
    """From the end of the newest whole slice."""
    return clock - telemetry_end


def cost_age(cost_day: date, clock: datetime) -> timedelta:
    """From the end of the newest complete day of cost."""
    end = datetime.combine(cost_day + timedelta(days=1), datetime.min.time(), UTC)
    return clock - end


def warnings(
    *, cost_day: date | None, telemetry_end: datetime | None, clock: datetime, policy: WatermarkPolicy
) -> Iterator[str]:
    """A sentence for each kind of figure that is older than the policy allows; nothing where there is none."""
    if telemetry_end and telemetry_age(telemetry_end, clock) > policy.telemetry_old:
        yield (
            f"Telemetry ends {in_words(telemetry_age(telemetry_end, clock))} ago, on {telemetry_end:%Y-%m-%d %H:%M} UTC: "
            "pages, tickets and states are those of that moment, not of now."
        )
    if cost_day and cost_age(cost_day, clock) > policy.bills_old:
        yield (
            f"Bills end {in_words(cost_age(cost_day, clock))} ago, with {cost_day:%Y-%m-%d}: "
            "costs since then are not known."
        )
