"""The moment figures are given for, from what is published; never from the events' own claims alone.

Which moment follows from what was seen is a model's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sql.warehouse import Warehouse


@dataclass(frozen=True)
class AsOf:
    """The moment figures are given for: the end of a slice, and the last day of cost."""

    slice_end: datetime
    cost_day: date

    @property
    def telemetry_day(self) -> date:
        """Day of the last slice: at midnight, the day that ended."""
        return (self.slice_end - timedelta(microseconds=1)).date()


STALE_DAYS = 3
"""A billing source this many days behind the newest one is stale: it no longer holds back what is complete."""


def cost_days(warehouse: Warehouse) -> dict[str, date]:
    """Newest complete day of cost of every billing source."""
    return dict(warehouse.frame("queries/freshness/cost_days").rows())


def newest_complete(warehouse: Warehouse) -> AsOf:
    """End of the newest slice and the newest day of cost that every source still delivered holds whole.

    From the published data, never the clock; 1970 where there is none.
    """
    days = cost_days(warehouse).values()
    cost_day = min(
        (day for day in days if max(days) - day <= timedelta(STALE_DAYS)), default=date(1970, 1, 1)
    )
    slice_end = warehouse.frame("queries/freshness/newest_slice").item()
    if slice_end is None:
        slice_end = datetime.combine(cost_day + timedelta(days=1), datetime.min.time(), UTC)
    return AsOf(slice_end.astimezone(UTC), cost_day)


def as_of_moment(warehouse: Warehouse, moment: datetime) -> AsOf:
    """A named moment, cut to the slice and the cost day that were complete then."""
    newest = newest_complete(warehouse)
    slice_end = moment.astimezone(UTC)
    slice_end -= timedelta(
        minutes=slice_end.minute % 5, seconds=slice_end.second, microseconds=slice_end.microsecond
    )
    last_whole_day = slice_end.date() - timedelta(days=1)
    return AsOf(slice_end, min(last_whole_day, newest.cost_day))
