"""Publishes weeks and inventory as of a moment."""

from __future__ import annotations

from models import inventory, team_costs
from models.settings import Settings
from pipelines.compute.as_of import AsOf
from pipelines.compute.publishing import Outcome, fingerprint, is_current, publish_frames
from sql.publish import heads_by_scope
from sql.warehouse import Warehouse


def compute_marts(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_team_costs_weekly`` and ``mart_app_inventory`` as of a moment."""
    released = heads_by_scope(warehouse)
    print_ = fingerprint(
        as_of.cost_day,
        as_of.telemetry_day,
        [
            (one.scope, one.period, one.sha256)
            for scope in ("costs", "slices", "registry", "slo")
            for one in released.get(scope, ())
        ],
    )
    if is_current(warehouse, "marts", print_):
        return Outcome(unchanged=1)
    weekly = team_costs.weekly(warehouse.frame("queries/costs/daily_by_team", as_of=as_of.cost_day))
    apps = inventory.inventory(
        apps=warehouse.frame("queries/inventory/apps"),
        costs=warehouse.frame("queries/inventory/costs", as_of=as_of.cost_day),
        telemetry=warehouse.frame("queries/inventory/telemetry", as_of=as_of.telemetry_day),
        slo_status=warehouse.frame("queries/inventory/slo_states"),
    )
    tables = {"mart_team_costs_weekly": weekly, "mart_app_inventory": apps}
    return publish_frames(warehouse, settings, "marts", tables, print_, as_of)
