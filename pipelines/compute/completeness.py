"""Publishes which days of each bill are whole; the rule is ``models.completeness``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import polars as pl

from models.completeness import SourceDays, completeness_policy, judged_days
from models.settings import Settings
from pipelines.compute.as_of import arrived_days, yesterday
from pipelines.compute.publishing import Outcome, fingerprint, is_current, publish_frames
from sql.publish import Release, heads
from sql.warehouse import Warehouse

SCOPE, TABLE = "completeness", "core_cost_days"
BILLS = "billing/"

INVOICED_IS_FINAL = ("aws-cur",)
"""Formats whose charges are final once they are on an invoice: AWS fills ``bill/InvoiceId`` when it closes the month
(docs.aws.amazon.com/cur, "Viewing your finalized report"). Elsewhere an invoice may be numbered before it is issued."""


def compute_completeness(warehouse: Warehouse, settings: Settings, clock: datetime) -> Outcome:
    """Publishes ``core_cost_days``: every day that is over at ``clock``, of every source that is published."""
    until, bills = yesterday(clock), heads(warehouse, BILLS)
    settled = {one.name: one.settled_after_days for one in settings.billing}
    manifests = warehouse.frame("queries/freshness/final_months")
    print_ = fingerprint(
        until,
        [(one.scope, one.period, one.seq, one.fence, str(one.version)) for one in bills],
        sorted(settled.items()),
        manifests.rows(),
    )
    if is_current(warehouse, SCOPE, print_):
        return Outcome(unchanged=1)
    days = days_at(warehouse, settings, clock)
    return publish_frames(warehouse, settings, SCOPE, {TABLE: days}, print_, None)


def days_at(warehouse: Warehouse, settings: Settings, clock: datetime) -> pl.DataFrame:
    """The columns of ``core_cost_days`` as they are at a moment, by what is published now."""
    bills, manifests = heads(warehouse, BILLS), warehouse.frame("queries/freshness/final_months")
    return judged_days(_sources(warehouse, settings, bills, manifests, yesterday(clock)), clock)


def days_not_whole(warehouse: Warehouse, until: date) -> pl.DataFrame:
    """``app_id, billing_currency, usage_date``: days up to one whose cost is not known whole, as a source that charged
    the app lately is open."""
    return warehouse.frame(
        "queries/freshness/open_series", until=until, awaited_days=completeness_policy().awaited_days
    )


def _sources(
    warehouse: Warehouse,
    settings: Settings,
    bills: Iterable[Release],
    manifests: pl.DataFrame,
    until: date,
) -> dict[str, SourceDays]:
    """What is known of each published source."""
    reach = arrived_days(warehouse, until)
    usage: dict[str, dict[date, int]] = {}
    for source, day, rows in warehouse.frame("queries/freshness/usage_days", until=until).iter_rows():
        usage.setdefault(source, {})[day] = rows
    final = _final_months(warehouse, settings, manifests)
    versions: dict[str, dict[date, datetime]] = {}
    for one in bills:
        versions.setdefault(one.scope.removeprefix(BILLS), {})[one.period] = one.version
    settled = {one.name: one.settled_after_days for one in settings.billing}
    return {
        source: SourceDays(
            months, final.get(source, {}), reach.get(source), usage.get(source, {}), settled.get(source)
        )
        for source, months in versions.items()
    }


def _final_months(
    warehouse: Warehouse, settings: Settings, manifests: pl.DataFrame
) -> dict[str, dict[date, str]]:
    """Source -> month -> why its provider calls it final."""
    final: dict[str, dict[date, str]] = {}
    for source, month, reason in manifests.iter_rows():
        final.setdefault(source, {})[month] = reason
    invoiced = [one.name for one in settings.billing if one.format in INVOICED_IS_FINAL]
    if invoiced:
        frame = warehouse.frame("queries/freshness/invoiced_months", sources=invoiced)
        for source, month, charges in frame.iter_rows():
            final.setdefault(source, {}).setdefault(
                month, f"each of its {charges:,} charges is on an invoice of its provider"
            )
    return final
