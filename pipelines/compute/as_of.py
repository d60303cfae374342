"""The moment figures are given for, from what arrived and what is published; the clock is an argument.

Which moment follows from what was seen is the business of ``models.as_of``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import polars as pl

from models.as_of import Basis, watermark, whole_slice
from models.policy import watermark_policy
from pipelines.ingest import LIVE_SOURCE
from sql.publish import heads
from sql.warehouse import Warehouse

NO_COST_DAY = date(1970, 1, 1)
"""The day of cost where there is no bill."""


@dataclass(frozen=True)
class AsOf:
    """The moment figures are given for: the end of a slice, and the last day of cost.

    ``basis`` says what the slice's end rests on (``models.as_of.Basis``, or ``named`` by a person), ``note`` what cannot
    be known about it, in a sentence or empty.
    """

    slice_end: datetime
    cost_day: date
    basis: Basis | Literal["named"] = "named"
    note: str = ""

    @property
    def known_cost_day(self) -> date | None:
        """The last day of cost, or None where there is no bill."""
        return self.cost_day if self.cost_day > NO_COST_DAY else None

    @property
    def telemetry_day(self) -> date:
        """Day of the last slice: at midnight, the day that ended."""
        return (self.slice_end - timedelta(microseconds=1)).date()


STALE_DAYS = 3
"""A billing source this many days behind the newest one is stale: it no longer holds back what is complete."""


def cost_days(warehouse: Warehouse, until: date) -> dict[str, date]:
    """Newest whole day of cost of every billing source, none later than ``until``, the last day that can be over.

    ``core_cost_days`` decides; of a source that was published since it was judged, what arrived.
    """
    judged = warehouse.frame("queries/freshness/whole_days", until=until)
    known = dict(judged.filter(pl.col("is_newer") == 0).select("source_name", "newest_day").rows())
    published = {one.scope.removeprefix("billing/") for one in heads(warehouse, "billing/") if one.rows}
    if published <= set(known):
        return known
    return dict(sorted((arrived_days(warehouse, until) | known).items()))


def cost_days_at(warehouse: Warehouse, clock: datetime) -> dict[str, date]:
    """The same as far as a day can be over at a moment; days judged by a clock ahead of it are not believed."""
    until = yesterday(clock)
    judged_to = warehouse.frame("queries/freshness/judged_to")["judged_to"].item()
    if judged_to is not None and judged_to > until:
        return arrived_days(warehouse, until)
    return cost_days(warehouse, until)


def arrived_days(warehouse: Warehouse, until: date) -> dict[str, date]:
    """Newest day of every billing source that usage was charged to the end of, none later than ``until``."""
    return dict(warehouse.frame("queries/freshness/cost_days", until=until).rows())


def yesterday(clock: datetime) -> date:
    """The last day (UTC) that is over at a moment: a charge dated later makes nothing complete."""
    return clock.astimezone(UTC).date() - timedelta(days=1)


def newest_complete(warehouse: Warehouse, clock: datetime) -> AsOf:
    """The watermark of telemetry and the newest day of cost that every source still delivered holds whole.

    Without telemetry the slice's end is that of the cost day; without either, of 1970-01-01.
    """
    days = cost_days_at(warehouse, clock).values()
    cost_day = min((day for day in days if max(days) - day <= timedelta(STALE_DAYS)), default=NO_COST_DAY)
    mark = watermark(
        clock=clock,
        heartbeats=warehouse.frame("queries/freshness/heartbeats", live_source=LIVE_SOURCE),
        receipts=warehouse.frame("queries/freshness/receipts", live_source=LIVE_SOURCE),
        senders=warehouse.frame("queries/freshness/senders"),
        policy=watermark_policy(),
    )
    midnight = datetime.combine(cost_day + timedelta(days=1), datetime.min.time(), UTC)
    return AsOf(mark.moment or midnight, cost_day, mark.basis, mark.note)


def as_of_moment(warehouse: Warehouse, moment: datetime, clock: datetime) -> AsOf:
    """A named moment, cut to the slice and the cost day that were complete then."""
    newest = newest_complete(warehouse, clock)
    slice_end = whole_slice(moment, watermark_policy())
    last_whole_day = slice_end.date() - timedelta(days=1)
    late = slice_end > newest.slice_end and newest.basis != "none"
    note = f"telemetry is complete only until {newest.slice_end:%Y-%m-%d %H:%M} UTC" if late else ""
    return AsOf(slice_end, min(last_whole_day, newest.cost_day), "named", note)
