"""The Dagster code location: assets, checks, jobs and schedules put together.

Loading it opens no workspace and no warehouse; a run does. Implementations live in ``pipelines.orchestration.assets``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)

from pipelines.orchestration.assets import computed, ingest  # noqa: E402
from pipelines.orchestration.resources import Workspace  # noqa: E402
from pipelines.orchestration.schedules import schedules_of  # noqa: E402

STEPS: Mapping[str, tuple[str, ...]] = {
    "billing": ("raw_focus_costs",),
    "telemetry": ingest.TELEMETRY_TABLES,
    "slices": ("core_request_slices", "core_app_telemetry_daily", "core_app_resources"),
    "registry": ("core_apps", "core_teams"),
    "identities": ("core_identities",),
    "costs": ("core_app_costs_daily", "mart_chargeback_lines"),
    "unit_costs": ("mart_app_unit_costs_daily",),
    "slo": ("mart_slo_status", "mart_slo_burn", "mart_app_silences", "mart_as_of"),
    "anomalies": ("mart_cost_anomalies",),
    "marts": ("mart_team_costs_weekly", "mart_app_inventory"),
}
"""Steps of one pass in their order: step -> assets it materialises."""


def build_defs(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Definitions of the code location; ``resources`` replace the defaults, for tests and the command line."""
    jobs = [
        dg.define_asset_job(
            step, selection=dg.AssetSelection.assets(*assets), description=f"The {step} step of a pass."
        )
        for step, assets in STEPS.items()
    ]
    return dg.Definitions(
        assets=[ingest.raw_focus_costs, ingest.otel_signals, *computed.COMPUTED],
        asset_checks=[ingest.published_rows_equal_their_control_totals, *computed.CHECKS],
        jobs=jobs,
        schedules=schedules_of(jobs),
        resources={"workspace": Workspace(), **(resources or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
