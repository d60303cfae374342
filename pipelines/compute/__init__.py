"""From published rows to published answers: reads current views, asks the pure models, publishes batches.

One module per release, one function each, which leaves the warehouse untouched when its inputs are those of what is
already published; nothing here decides a number.
"""

from pipelines.compute.alerts import compute_alerts, compute_newest
from pipelines.compute.anomalies import compute_anomalies
from pipelines.compute.as_of import (
    STALE_DAYS,
    AsOf,
    as_of_moment,
    cost_days,
    cost_days_at,
    newest_complete,
    yesterday,
)
from pipelines.compute.completeness import compute_completeness, days_at
from pipelines.compute.costs import billed_months, changed_totals, compute_costs, damaged_totals
from pipelines.compute.forecasts import compute_forecasts
from pipelines.compute.identities import compute_identities
from pipelines.compute.indicators import compute_indicators
from pipelines.compute.maintenance import compute_maintenance
from pipelines.compute.marts import compute_marts
from pipelines.compute.publishing import Outcome, fingerprint
from pipelines.compute.registry import compute_registry
from pipelines.compute.reporting import compute_reporting, reported_months
from pipelines.compute.slices import compute_slices, telemetry_days
from pipelines.compute.slo import compute_slo
from pipelines.compute.unit_costs import compute_unit_costs, used_months
from pipelines.compute.worth import compute_volumes, compute_worth, volume_days, volumes_due

__all__ = [
    "STALE_DAYS",
    "AsOf",
    "Outcome",
    "as_of_moment",
    "billed_months",
    "changed_totals",
    "compute_alerts",
    "compute_anomalies",
    "compute_completeness",
    "compute_costs",
    "compute_forecasts",
    "compute_identities",
    "compute_maintenance",
    "compute_marts",
    "compute_newest",
    "compute_registry",
    "compute_reporting",
    "compute_indicators",
    "compute_slices",
    "compute_slo",
    "compute_unit_costs",
    "compute_volumes",
    "compute_worth",
    "cost_days",
    "cost_days_at",
    "damaged_totals",
    "days_at",
    "fingerprint",
    "newest_complete",
    "reported_months",
    "telemetry_days",
    "used_months",
    "volume_days",
    "volumes_due",
    "yesterday",
]
