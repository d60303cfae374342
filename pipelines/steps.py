"""The steps of a pass in their order: what each publishes and reads, when it runs by itself, and by which periods.

Names only: Dagster's assets, jobs and schedules, the command line and the documents are made from it; what a step does
is ``pipelines.work``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Periods = Literal["billing_month", "usage_month", "day", ""]
"""What a step's tables are partitioned by: months of a bill, months anything was used in, days of telemetry, or nothing."""


@dataclass(frozen=True)
class Asset:
    """A table as Dagster shows it; ``period`` is its column that says which partition a row is of."""

    description: str
    period: str = ""


@dataclass(frozen=True)
class Step:
    """One step: ``tables`` are published together and described each, ``reads`` are the tables they are made of.

    Where the step of one of these failed in a pass, this step's tables are left as they were. ``as_published`` are tables it
    takes as they stand, whatever became of the step that makes them: nobody goes untold because a bill is damaged.
    ``of_moment``: its figures are given for a moment, which rests on ``MOMENT``. ``cron`` is in UTC: bills land over night and
    may change for a month, telemetry comes all the time.
    """

    name: str
    group: str
    tables: Mapping[str, Asset]
    reads: tuple[str, ...]
    cron: str
    periods: Periods = ""
    as_published: tuple[str, ...] = ()
    of_moment: bool = False

    @property
    def looks_at(self) -> tuple[str, ...]:
        """Every table it reads."""
        return tuple(dict.fromkeys((*self.reads, *self.as_published, *(MOMENT if self.of_moment else ()))))


MOMENT = ("raw_focus_costs", "otel_traces", "core_app_telemetry_daily", "core_cost_days")
"""Tables the moment rests on that figures are given for."""

STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step(
            "billing",
            "billing",
            {
                "raw_focus_costs": Asset(
                    "The bill in FOCUS columns: each source's months loaded, verified, published as batches.",
                    "x_BillingPeriod",
                )
            },
            (),
            "0 5 * * *",
            "billing_month",
        ),
        Step(  # an object knows its days only once it is read, so loading has no partitions; what is computed has
            "telemetry",
            "telemetry",
            {
                "otel_traces": Asset("Spans of OTLP files and live requests, each object once."),
                "otel_logs": Asset("Log records of OTLP files and live requests, each object once."),
                "otel_metrics_gauge": Asset("Points of gauges."),
                "otel_metrics_sum": Asset("Points of sums."),
                "otel_metrics_histogram": Asset("Points of histograms."),
                "otel_metrics_exponential_histogram": Asset("Points of exponential histograms."),
                "otel_metrics_summary": Asset("Points of summaries."),
            },
            (),
            "*/5 * * * *",
        ),
        Step(
            "slices",
            "telemetry",
            {
                "core_request_slices": Asset(
                    "Requests per app, environment, version and route in five minutes: errors and latency.",
                    "slice_start",
                ),
                "core_request_hours": Asset("The same by the hour, of every version and route.", "hour"),
                "core_app_telemetry_daily": Asset("Activity per app and day.", "usage_date"),
                "core_app_resources": Asset(
                    "Cloud resources named in telemetry: evidence for attribution.", "usage_date"
                ),
                "core_app_usage_hours": Asset(
                    "What telemetry measures of an app in an hour: weights of shared cost rules.", "hour"
                ),
            },
            (
                "otel_traces",
                "otel_logs",
                "otel_metrics_gauge",
                "otel_metrics_sum",
                "otel_metrics_histogram",
                "otel_metrics_exponential_histogram",
            ),
            "1-59/5 * * * *",
            "day",
        ),
        Step(
            "registry",
            "registry",
            {
                "core_apps": Asset("Apps, owners and systems of the catalogue."),
                "core_teams": Asset("Teams and cost centres."),
            },
            (),
            "10 * * * *",
        ),
        Step(
            "identities",
            "attribution",
            {
                "core_identities": Asset(
                    "Which app each distinct identity of the bill belongs to, by which rule."
                )
            },
            ("raw_focus_costs", "core_apps", "core_teams", "core_app_resources"),
            "20 * * * *",
        ),
        Step(
            "costs",
            "attribution",
            {
                "core_app_costs_daily": Asset(
                    "Cost per app and day; attributed equals billed before it is published.", "billing_period"
                ),
                "core_identity_costs": Asset(
                    "What each identity of the bill cost, who it went to and why, before shared cost rules.",
                    "billing_period",
                ),
                "core_cost_allocations": Asset(
                    "What shared cost rules gave: from which app to which, by what quantity and ratio.",
                    "billing_period",
                ),
                "mart_chargeback_lines": Asset(
                    "Statement lines per cost centre, with the amount in minor units.", "billing_period"
                ),
            },
            ("raw_focus_costs", "core_identities", "core_apps", "core_teams", "core_app_usage_hours"),
            "25 * * * *",
            "billing_month",
        ),
        Step(
            "reporting",
            "marts",
            {
                "mart_reporting_rates": Asset(
                    "Rates a month is converted to the reporting currency by.", "statement_period"
                ),
                "mart_reporting_lines": Asset(
                    "Statement lines in the reporting currency.", "statement_period"
                ),
                "mart_cost_bridges": Asset(
                    "What lies between billed and effective cost, per source.", "billing_period"
                ),
                "mart_unused_commitments": Asset(
                    "Commitments that were not used whole, and who owns them.", "billing_period"
                ),
            },
            ("raw_focus_costs", "core_identities", "core_app_costs_daily", "mart_chargeback_lines"),
            "28 * * * *",
            "billing_month",
        ),
        Step(
            "completeness",
            "attribution",
            {"core_cost_days": Asset("Which days of each bill are whole, since when and why.")},
            ("raw_focus_costs",),
            "22 * * * *",
        ),
        Step(
            "unit_costs",
            "marts",
            {
                "mart_app_unit_costs_daily": Asset(
                    "Cost and requests of an app on one day, and cost per 1,000 requests.", "usage_date"
                )
            },
            ("core_app_costs_daily", "core_app_telemetry_daily", "core_apps"),
            "30 * * * *",
            "usage_month",
        ),
        Step(
            "indicators",
            "reliability",
            {
                "core_indicator_slices": Asset(
                    "What objectives count beside requests, good and all, in five minutes."
                )
            },
            ("otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum"),
            "2-59/5 * * * *",
            as_published=("core_request_slices", "core_request_hours", "core_app_telemetry_daily"),
            of_moment=True,
        ),
        Step(
            "maintenance",
            "reliability",
            {
                "mart_maintenance": Asset("When which apps are in maintenance, and why."),
                "core_maintenance_hours": Asset(
                    "What of the hours of requests is in maintenance, and counts for no objective."
                ),
            },
            ("core_apps",),
            "2-59/5 * * * *",
            as_published=("core_request_slices", "core_app_costs_daily", "core_app_telemetry_daily"),
            of_moment=True,
        ),
        Step(
            "slo",
            "reliability",
            {
                "mart_slo_status": Asset(
                    "Objectives, error budgets and states of every app and environment."
                ),
                "mart_slo_burn": Asset("Burn of every objective in every window."),
                "mart_slo_budgets": Asset(
                    "What is left of every error budget, when nothing will be, and what the traffic cannot show."
                ),
                "mart_slo_objectives": Asset("What each objective promises and since when: its generations."),
                "mart_app_silences": Asset(
                    "Apps whose requests stopped, or nearly, against their own rhythm."
                ),
                "mart_as_of": Asset("The moment figures are given for, and what it rests on."),
            },
            (
                "core_request_slices",
                "core_request_hours",
                "core_apps",
                "mart_maintenance",
                "core_maintenance_hours",
            ),
            "2-59/5 * * * *",
            as_published=("core_app_costs_daily", "core_indicator_slices"),
            of_moment=True,
        ),
        Step(
            "anomalies",
            "marts",
            {
                "mart_cost_anomalies": Asset(
                    "Days that cost far more, or nothing, against an app's own past."
                ),
                "mart_cost_causes": Asset(
                    "Why cost changed: anomalies, and the largest changes of the week."
                ),
                "mart_cost_cause_parts": Asset("What each service, account, region and SKU has of a change."),
                "mart_cost_anomaly_rollups": Asset("Anomalies of teams and services."),
                "mart_charges_apart": Asset(
                    "Charges that are in no trend: recurring, one-time, tax, credits, purchases."
                ),
            },
            (
                "core_app_costs_daily",
                "core_cost_days",
                "raw_focus_costs",
                "core_identities",
                "core_request_slices",
                "core_app_telemetry_daily",
            ),
            "35 * * * *",
            of_moment=True,
        ),
        Step(
            "forecasts",
            "marts",
            {
                "mart_cost_forecasts": Asset("Where the month will end for every app, team and the fleet."),
                "mart_budget_states": Asset("What is spent of every budget, and the day it runs out."),
            },
            ("core_app_costs_daily", "core_cost_days"),
            "37 * * * *",
            of_moment=True,
        ),
        Step(
            "marts",
            "marts",
            {
                "mart_team_costs_weekly": Asset("Cost per team, app and ISO week."),
                "mart_app_inventory": Asset("Every app known from the registry, a bill or telemetry."),
            },
            ("core_app_costs_daily", "core_app_telemetry_daily", "mart_slo_status", "core_apps"),
            "40 * * * *",
            of_moment=True,
        ),
        Step(
            "alerts",
            "reliability",
            {
                "core_alerts": Asset("What is wrong now, and what ended lately; whoever is on call is told."),
                "mart_slo_newest": Asset(
                    "Objectives that page by the newest minutes, not yet a whole slice."
                ),
            },
            (),
            "3-59/5 * * * *",
            as_published=(
                "otel_traces",
                "mart_slo_status",
                "mart_slo_budgets",
                "mart_app_silences",
                "mart_cost_anomalies",
                "mart_cost_causes",
                "mart_budget_states",
                "mart_app_inventory",
                "mart_maintenance",
                "core_cost_days",
                "core_apps",
            ),
            of_moment=True,
        ),
        Step(
            "volumes",
            "reliability",
            {
                "core_app_calls": Asset(
                    "Calls between apps on a whole day, and whom failures hurt.", "usage_date"
                ),
                "core_app_telemetry_volumes": Asset(
                    "What the telemetry of an app takes on a whole day.", "usage_date"
                ),
            },
            (
                "otel_traces",
                "otel_logs",
                "otel_metrics_gauge",
                "otel_metrics_sum",
                "otel_metrics_histogram",
                "otel_metrics_exponential_histogram",
                "otel_metrics_summary",
                "core_request_slices",
            ),
            "42 * * * *",
            "day",
            of_moment=True,
        ),
        Step(
            "worth",
            "reliability",
            {
                "mart_reliability_costs_daily": Asset(
                    "What good, failed and repeated requests of an app cost on a day."
                ),
                "mart_app_worth": Asset("What reliability and telemetry of an app were worth in a window."),
                "mart_reliability_credits": Asset(
                    "Proposal: what shared platforms owe the apps their failures hurt."
                ),
            },
            (
                "mart_app_unit_costs_daily",
                "core_app_costs_daily",
                "core_apps",
                "core_app_usage_hours",
                "core_cost_days",
                "core_app_calls",
                "core_app_telemetry_volumes",
                "mart_app_silences",
                "mart_slo_objectives",
                "mart_slo_status",
            ),
            "44 * * * *",
            of_moment=True,
        ),
        Step(
            "access",
            "access",
            {"core_access_log": Asset("Who signed in or was refused, saw which page and took which file.")},
            (),
            "*/15 * * * *",
        ),
    )
}


def ready(asked: Collection[str], begun: Collection[str], ended: Collection[str]) -> list[Step]:
    """Steps of a pass that may begin, in the order of the table: every step of the pass whose tables they read has ended."""
    makers = {table: step.name for step in STEPS.values() for table in step.tables}
    return [
        step
        for step in STEPS.values()
        if step.name in asked
        and step.name not in begun
        and all(
            makers[table] in ended or makers[table] not in asked
            for table in step.looks_at
            if makers[table] != step.name
        )
    ]
