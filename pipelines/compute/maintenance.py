"""Publishes when which apps are in maintenance, and what of their hours is; the rules are ``models.maintenance``.

Nothing is computed where no window was ever said. What is judged without these slices is ``pipelines.compute.slo``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from models.maintenance import (
    TABLE,
    HeldWindows,
    Maintenance,
    as_they_were,
    maintenance_frame,
    maintenance_policy,
    scoped_slices,
    slice_parameters,
    strange_names,
)
from models.settings import Settings
from models.slo import EPOCH
from models.slo_windows import period_at
from pipelines.compute.as_of import AsOf
from pipelines.compute.objectives import windows_named
from pipelines.compute.publishing import (
    LEASE_WAIT_SECONDS,
    Outcome,
    fingerprint,
    frame_fingerprint,
    publish_frames,
    table_sha256,
)
from pipelines.ingest.maintenance import held_windows
from sql.leases import lease
from sql.publish import WHOLE_TABLE, Release, collect, heads_by_scope, new_batch_id, publish_periods
from sql.warehouse import Warehouse

SCOPE = "maintenance"
HOURS = "core_maintenance_hours"
DAY = timedelta(days=1)
_APPS = {"app_id": pl.String(), "team": pl.String()}


def compute_maintenance(warehouse: Warehouse, settings: Settings, as_of: AsOf, clock: datetime) -> Outcome:
    """Publishes the stretches of every window from as far back as anything is judged to some days ahead, and the hours of each day
    whose slices or stretches changed.

    Args:
        warehouse: where slices are read and stretches are published.
        settings: whose windows.
        as_of: end of the newest slice counted.
        clock: now: newest minutes are looked at by it, whatever moment figures are given for.
    """
    held = held_windows(warehouse, settings)
    released = heads_by_scope(warehouse)
    before = released.get(SCOPE, [])
    if not held.windows and not held.refused and not before:
        return Outcome()
    since, until = _horizon(warehouse, settings, as_of.slice_end, clock)
    apps = _apps(warehouse, held)
    rows = _rows(warehouse, since) if held.refused or before else None
    kept = as_they_were(rows, held) if held.refused and rows is not None else None
    print_ = fingerprint(
        [repr(one) for one in held.windows],
        since,
        until,
        frame_fingerprint(apps),
        "" if kept is None else frame_fingerprint(kept),
    )
    stretches = Outcome()
    if rows is None or table_sha256(released, SCOPE) != print_:
        rows = maintenance_frame(held.windows, apps, since, until)
        rows = rows if kept is None else pl.concat([rows, kept]).sort(rows.columns)
        stretches = publish_frames(warehouse, settings, SCOPE, {TABLE: rows}, print_, as_of)
    days = published_hours(warehouse, settings, rows, released, until.date())
    refused = tuple(
        f"{one}; windows of the file that cannot be read stay as they were" for one in held.refused
    )
    return Outcome(
        (*stretches.releases, *days),
        0 if stretches.releases or days else 1,
        notes=tuple(strange_names(held.windows, apps)),
        refused=refused,
    )


def _horizon(
    warehouse: Warehouse, settings: Settings, as_of: datetime, clock: datetime
) -> tuple[datetime, datetime]:
    """From which midnight to which windows are known."""
    policy = maintenance_policy()
    begins = [period_at(one, as_of).begin for one in windows_named(warehouse, settings)]
    since = min(as_of - policy.back, *(begin - DAY for begin in begins), as_of)
    until = max(as_of, clock.astimezone(UTC)) + policy.ahead
    first, last = (
        moment.replace(hour=0, minute=0, second=0, microsecond=0) for moment in (max(EPOCH, since), until)
    )
    return first, last


def _apps(warehouse: Warehouse, held: HeldWindows) -> pl.DataFrame:
    """Known apps and their teams; read only where a window names some."""
    if not any(one.apps or one.teams for one in held.windows):
        return pl.DataFrame(schema=_APPS)
    return warehouse.frame("queries/inventory/apps").select(*_APPS).sort("app_id")


def _rows(warehouse: Warehouse, since: datetime) -> pl.DataFrame:
    return warehouse.frame("queries/maintenance/current", since=since).with_columns(
        pl.col("begins_at", "ends_at").cast(pl.Datetime("us", "UTC"))
    )


def published_hours(
    warehouse: Warehouse,
    settings: Settings,
    rows: pl.DataFrame,
    released: Mapping[str, Sequence[Release]],
    last: date,
) -> list[Release]:
    """Publishes what is in maintenance of each day up to one whose slices or stretches changed; of a day with none any more, nothing.

    Args:
        warehouse: where slices are.
        settings: whose lease.
        rows: columns of ``mart_maintenance``.
        released: the releases of every scope.
        last: the day.
    """
    scoped = scoped_slices(rows)
    slices = {one.period: one.sha256 for one in released.get("slices", ()) if one.period <= last}
    prints = _day_prints(scoped, slices)
    known = {
        one.period: one.sha256
        for one in released.get(SCOPE, ())
        if one.period != WHOLE_TABLE and one.period <= last
    }
    nothing = fingerprint()
    gone = {day: nothing for day, print_ in known.items() if day not in prints and print_ != nothing}
    changed = {day: print_ for day, print_ in prints.items() if known.get(day) != print_}
    if not changed and not gone:
        return []
    with lease(settings.root, SCOPE, LEASE_WAIT_SECONDS):
        batch = new_batch_id()
        counted: dict[date, int] = {}
        if changed:
            first, last = (
                datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (min(changed), max(changed))
            )
            warehouse.execute(
                f"statements/{HOURS}",
                days=[day.isoformat() for day in sorted(changed)],
                batch_id=batch,
                **slice_parameters(scoped, first, last + DAY),
            )
            counted = dict(warehouse.frame("queries/maintenance/batch_rows", batch_id=batch).iter_rows())
        releases = publish_periods(warehouse, SCOPE, {HOURS: batch}, {**gone, **changed}, counted)
        collect(warehouse, releases)
    return releases


def _day_prints(scoped: pl.DataFrame, slices: Mapping[date, str]) -> dict[date, str]:
    """Fingerprint of the slices and the stretches of each day that has both."""
    seconds = int(DAY.total_seconds())
    cut = [
        (pl.col(name).clip(pl.col("day") * seconds, (pl.col("day") + 1) * seconds))
        for name in ("begin", "end")
    ]
    by_day = (
        scoped.with_columns(day=pl.int_ranges(pl.col("begin") // seconds, (pl.col("end") - 1) // seconds + 1))
        .explode("day")
        .group_by("day", maintain_order=True)
        .agg(text=pl.concat_str("app_id", "environment", *cut, separator=" ").str.join("\n"))
    )
    days = ((EPOCH.date() + DAY * number, text) for number, text in by_day.iter_rows())
    return {day: fingerprint(slices[day], text) for day, text in days if day in slices}


class LeftOut(NamedTuple):
    """What is left out before a moment, and the fingerprints of its hours by day."""

    maintenance: Maintenance
    prints: tuple[tuple[date, str], ...] = ()


def maintenance_before(
    warehouse: Warehouse, settings: Settings, released: Mapping[str, Sequence[Release]], as_of: datetime
) -> LeftOut:
    """What is published of the time before a moment, with the hours of slices as they are now, whoever published these meanwhile.

    Nothing is read where no window was ever said.
    """
    own = released.get(SCOPE, ())
    if not own:
        return LeftOut(Maintenance.none())
    rows = _rows(warehouse, EPOCH)
    last = as_of.date()
    days = {one.period: one.sha256 for one in own if one.period != WHOLE_TABLE and one.period <= last}
    days |= {one.period: one.sha256 for one in published_hours(warehouse, settings, rows, released, last)}
    return LeftOut(Maintenance(rows.filter(pl.col("begins_at") < as_of)), tuple(sorted(days.items())))


def maintenance_since(warehouse: Warehouse, since: datetime) -> Maintenance:
    """What is published of stretches that end after a moment, those ahead too."""
    return Maintenance(_rows(warehouse, max(EPOCH, since)))
