"""Publishes cost and requests of a day side by side, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from models import unit_costs
from models.settings import Settings
from pipelines.compute.publishing import (
    LEASE_WAIT_SECONDS,
    Outcome,
    fingerprint,
    frame_fingerprint,
    insert,
    table_sha256,
)
from sql.leases import lease
from sql.publish import (
    Release,
    collect,
    heads_by_scope,
    new_batch_id,
    publish,
)
from sql.warehouse import Warehouse


def used_months(warehouse: Warehouse) -> tuple[dict[date, str], dict[date, str]]:
    """Month -> fingerprint of what feeds it: of all months with a charge or telemetry on one of their days, and of those
    that are not published as they are now.
    """
    released = heads_by_scope(warehouse)
    charged = {release.period: release.sha256 for release in released.get("costs", ())}
    # A charge of one billing month may fall on a day of another.
    charging = warehouse.frame("queries/costs/months").rows()
    slices = released.get("slices", [])
    months = {usage for _, usage in charging} | {release.period.replace(day=1) for release in slices}
    registry = table_sha256(released, "registry")
    owners = frame_fingerprint(_owners(warehouse))
    prints = {
        month: fingerprint(
            sorted((period, charged.get(period, "")) for period, usage in charging if usage == month),
            [one.sha256 for one in slices if one.period.replace(day=1) == month],
            registry,
            owners,
        )
        for month in sorted(months)
    }
    published = {release.period: release.sha256 for release in released.get("unit_costs", ())}
    return prints, {month: print_ for month, print_ in prints.items() if published.get(month) != print_}


def compute_unit_costs(
    warehouse: Warehouse, settings: Settings, months: Sequence[date] | None = None
) -> Outcome:
    """Publishes ``mart_app_unit_costs_daily`` of each month whose cost or telemetry changed."""
    with lease(settings.root, "unit_costs", LEASE_WAIT_SECONDS):
        known, new = used_months(warehouse)
        asked = [month for month in known if months is None or month in months]
        apps = _owners(warehouse) if new else pl.DataFrame()
        published = [
            _publish_unit_costs(warehouse, month, apps, new[month]) for month in asked if month in new
        ]
        collect(warehouse, published)
    return Outcome(tuple(published), len(asked) - len(published))


def _owners(warehouse: Warehouse) -> pl.DataFrame:
    """Apps and their teams: the newest team a bill names owns what the registry does not, so that a later month's bill
    may change an earlier one's."""
    return warehouse.frame("queries/inventory/apps").select("app_id", "team")


def _publish_unit_costs(warehouse: Warehouse, month: date, apps: pl.DataFrame, print_: str) -> Release:
    frame = unit_costs.daily(
        warehouse.frame("queries/costs/daily", month=month),
        warehouse.frame("queries/telemetry/daily", month=month),
        apps,
    )
    batch = new_batch_id()
    insert(warehouse, "mart_app_unit_costs_daily", frame, batch)
    return publish(
        warehouse,
        "unit_costs",
        month,
        batches={"mart_app_unit_costs_daily": batch},
        rows=frame.height,
        sha256=print_,
        version=datetime.combine(month, datetime.min.time(), UTC),
    )
