"""Publishes slices of what objectives count beside requests, by whole days; the rules are ``models.indicators``.

Nothing is asked of the warehouse where no objective has a question of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from models.indicator_counts import CountReading, counted_slices, readings
from models.indicators import FRESHNESS, Question
from models.policy import indicator_sources
from models.settings import Settings
from pipelines.compute.as_of import AsOf
from pipelines.compute.objectives import questions_named
from pipelines.compute.publishing import LEASE_WAIT_SECONDS, Outcome, fingerprint, insert
from pipelines.compute.slices import kept_as_they_were
from pipelines.ingest.objectives import objectives_sha256
from sql.damage import lost_records
from sql.leases import lease
from sql.publish import collect, heads, new_batch_id, publish_periods
from sql.retention import removed_days
from sql.warehouse import Warehouse

DAY = timedelta(days=1)
TABLE = "core_indicator_slices"
SCOPE = "indicators"
_QUIET_DAYS_FILLED = 400
"""Days back for which one without any telemetry is counted too: a job that is dead sends nothing. The longest calendar
window of an objective is a year."""

_KNOWN = {
    "app_id": pl.String(),
    "environment": pl.String(),
    "indicator": pl.String(),
    "first": pl.Datetime("us", "UTC"),
}
"""Columns of ``queries/indicators/known``."""


def compute_indicators(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes good and all events of each day whose telemetry or questions changed.

    A day of which raw rows were removed stays as it was, and so does a published one that needs such a day. A question that
    needs one is not answered on a day that was never published.

    Args:
        warehouse: where telemetry is read and slices are published.
        settings: whose files of objectives hold the questions.
        as_of: end of the newest slice counted; no day behind it is.
    """
    if not objectives_sha256(settings):
        return Outcome()
    wanted = sorted(questions_named(warehouse, settings), key=lambda one: (one[0], one[1].text))
    if not wanted:
        return Outcome()
    prints = _prints(warehouse, wanted, as_of.slice_end.date())
    published = {one.period: one.sha256 for one in heads(warehouse, SCOPE) if one.scope == SCOPE}
    changed = {day: print_ for day, print_ in prints.items() if published.get(day) != print_}
    removed = set(removed_days(warehouse)) if changed else set()
    kept = {
        day
        for day in changed
        if day in removed or (day in published and any(set(_needed(one, day)) & removed for _, one in wanted))
    }
    lost = lost_records(warehouse.frame, sorted(changed)) if changed else []
    changed = {day: print_ for day, print_ in changed.items() if day not in kept}
    broken = {one.period for one in lost}
    changed = {day: print_ for day, print_ in changed.items() if not _spoilt(wanted, day, broken)}
    notes = kept_as_they_were("what objectives count beside requests", sorted(kept))
    refused = tuple(f"{one}; what objectives count of the day stays as it was" for one in lost)
    if not changed:
        return Outcome((), len(prints), notes=notes, refused=refused)
    left_out = {(one, day) for _, one in wanted for day in changed if set(_needed(one, day)) & removed}
    with lease(settings.root, SCOPE, LEASE_WAIT_SECONDS):
        read = [(one, _read(warehouse, one)) for one in readings(wanted, changed)]
        known = _known(warehouse, wanted, changed)
        slices = counted_slices(wanted, read, changed, known, left_out)
        batch = new_batch_id()
        insert(warehouse, TABLE, slices, batch)
        rows = dict(slices.group_by(pl.col("slice_start").dt.date()).len().iter_rows())
        releases = publish_periods(warehouse, SCOPE, {TABLE: batch}, changed, rows)
        collect(warehouse, releases)
    aside = int(slices["set_aside"].sum())
    if aside:
        notes = (
            *notes,
            f"{aside:,} records of what objectives count could not be counted and were set aside",
        )
    return Outcome(tuple(releases), len(prints) - len(changed), notes=notes, refused=refused)


def _needed(question: Question, day: date) -> list[date]:
    return [day - DAY * back for back in range(question.days_before + 1)]


def _spoilt(wanted: Sequence[tuple[str, Question]], day: date, broken: set[date]) -> bool:
    """Whether records of a day, or of one that is needed for it, are lost: less would be taken for quiet."""
    return any(set(_needed(one, day)) & broken for _, one in wanted)


def _prints(warehouse: Warehouse, wanted: Sequence[tuple[str, Question]], last: date) -> dict[date, str]:
    """Day -> fingerprint of the questions and of the telemetry they need.

    Where freshness is asked for, days on which nobody sent anything count too.
    """
    fed = {
        day: print_ for day, print_ in warehouse.frame("queries/telemetry/days").iter_rows() if day <= last
    }
    tables = indicator_sources().tables
    scopes = {tables[one.source].scope for _, asked in wanted for one in asked.counts if one.source in tables}
    made: dict[date, list[str]] = {}
    for release in (one for scope in sorted(scopes) for one in heads(warehouse, scope)):
        if release.scope in scopes and release.period <= last:
            made.setdefault(release.period, []).append(f"{release.scope} {release.sha256}")
    days = set(fed) | set(made)
    if fed and any(one.kind == FRESHNESS for _, one in wanted):
        first = max(min(fed), last - DAY * _QUIET_DAYS_FILLED)
        days |= {first + DAY * number for number in range((last - first).days + 1)}
    asked = [(app_id, one.text) for app_id, one in wanted]
    before = max(one.days_before for _, one in wanted)
    return {
        day: fingerprint(
            asked,
            [(fed.get(of, ""), *made.get(of, ())) for of in (day - DAY * back for back in range(before + 1))],
        )
        for day in sorted(days)
    }


def _known(
    warehouse: Warehouse, wanted: Sequence[tuple[str, Question]], days: Collection[date]
) -> pl.DataFrame:
    """What was counted before some days, of ages: further back than a record is fresh nothing can say more than the day before."""
    ages = sorted({one.text for _, one in wanted if one.kind == FRESHNESS})
    if not ages:
        return pl.DataFrame(schema=_KNOWN)
    since = min(days) - indicator_sources().oldest_fresh
    until = max(days) + DAY
    return warehouse.frame(
        "queries/indicators/known", indicators=ages, since=since.isoformat(), until=until.isoformat()
    )


def _read(warehouse: Warehouse, reading: CountReading) -> pl.DataFrame:
    more: dict[str, Any] = (
        {"series_cap": indicator_sources().series_cap} if reading.source == "counters" else {}
    )
    return warehouse.frame(
        f"queries/indicators/{reading.source}",
        days=[day.isoformat() for day in reading.days],
        asked=reading.asked,
        **more,
    )
