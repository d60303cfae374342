"""The steps of a pass in their order: what each publishes, when it runs by itself, and by which periods.

Names only: Dagster's jobs and schedules, the command line and the documents are made from it; what a step does is an
asset's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Periods = Literal["month", "day", ""]
"""What a step's tables are partitioned by: billing months, days of telemetry, or nothing."""


@dataclass(frozen=True)
class Step:
    """One step; ``cron`` is in UTC. Bills land over night and may change for a month, telemetry comes all the time."""

    name: str
    tables: tuple[str, ...]
    cron: str
    periods: Periods = ""


STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step("billing", ("raw_focus_costs",), "0 5 * * *", "month"),
        Step(
            "telemetry",
            (
                "otel_traces",
                "otel_logs",
                "otel_metrics_gauge",
                "otel_metrics_sum",
                "otel_metrics_histogram",
                "otel_metrics_exponential_histogram",
                "otel_metrics_summary",
            ),
            "*/5 * * * *",
        ),
        Step(
            "slices",
            ("core_request_slices", "core_app_telemetry_daily", "core_app_resources"),
            "1-59/5 * * * *",
            "day",
        ),
        Step("registry", ("core_apps", "core_teams"), "10 * * * *"),
        Step("identities", ("core_identities",), "20 * * * *"),
        Step("costs", ("core_app_costs_daily", "mart_chargeback_lines"), "25 * * * *", "month"),
        Step("unit_costs", ("mart_app_unit_costs_daily",), "30 * * * *", "month"),
        Step(
            "slo", ("mart_slo_status", "mart_slo_burn", "mart_app_silences", "mart_as_of"), "2-59/5 * * * *"
        ),
        Step("anomalies", ("mart_cost_anomalies",), "35 * * * *"),
        Step("marts", ("mart_team_costs_weekly", "mart_app_inventory"), "40 * * * *"),
    )
}
