"""Publishes cost and requests of a day side by side, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from models import unit_costs
from models.settings import Settings
from pipelines.compute.publishing import (
    LEASE_WAIT_SECONDS,
    Outcome,
    fingerprint,
    frame_fingerprint,
    insert,
    release_sha256,
)
from sql.publish import (
    collect,
    heads,
    lease,
    new_batch_id,
    publish,
)
from sql.warehouse import Warehouse


def compute_unit_costs(
    warehouse: Warehouse, settings: Settings, months: Sequence[date] | None = None
) -> Outcome:
    """Publishes ``mart_app_unit_costs_daily`` of each month whose cost or telemetry changed."""
    charged = {release.period: release.sha256 for release in heads(warehouse, "costs")}
    # A charge of one billing month may fall on a day of another.
    charging = warehouse.frame("queries/costs/months").rows()
    slices = heads(warehouse, "slices")
    current = {release.period: release for release in heads(warehouse, "unit_costs")}
    usage_months = {usage for _, usage in charging} | {release.period.replace(day=1) for release in slices}
    # The newest team a bill names owns what the registry does not: a later month's bill may change an earlier one's.
    apps = warehouse.frame("queries/inventory/apps").select("app_id", "team")
    owners = frame_fingerprint(apps)
    published, unchanged = [], 0
    with lease(settings.root, "unit_costs", LEASE_WAIT_SECONDS):
        for month in sorted(usage_months):
            if months is not None and month not in months:
                continue
            print_ = fingerprint(
                sorted((period, charged.get(period, "")) for period, usage in charging if usage == month),
                [one.sha256 for one in slices if one.period.replace(day=1) == month],
                release_sha256(warehouse, "registry"),
                owners,
            )
            if month in current and current[month].sha256 == print_:
                unchanged += 1
                continue
            frame = unit_costs.daily(
                warehouse.frame("queries/costs/daily", month=month),
                warehouse.frame("queries/telemetry/daily", month=month),
                apps,
            )
            batch = new_batch_id()
            insert(warehouse, "mart_app_unit_costs_daily", frame, batch)
            published.append(
                publish(
                    warehouse,
                    "unit_costs",
                    month,
                    batches={"mart_app_unit_costs_daily": batch},
                    rows=frame.height,
                    sha256=print_,
                    version=datetime.combine(month, datetime.min.time(), UTC),
                )
            )
        collect(warehouse, published)
    return Outcome(tuple(published), unchanged)
