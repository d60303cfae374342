"""Published rows to published answers, one asset group per question. Each asset opens the warehouse, calls one
function of ``pipelines.compute`` and reports; the graph between the tables is written here and nowhere else.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import polars as pl

from models.settings import Settings
from pipelines import compute
from pipelines.compute import AsOf, Outcome
from pipelines.orchestration.assets.reports import OWNERS, result, total
from pipelines.orchestration.partitions import AS_OF_TAG, billing_months, telemetry_days, wanted_periods
from pipelines.orchestration.resources import Workspace
from sql.warehouse import Warehouse

DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))

Compute = Callable[[dg.AssetExecutionContext, Warehouse, Settings], Outcome]


def computed(
    name: str,
    group: str,
    tables: dict[str, str],
    deps: Sequence[str],
    work: Compute,
    partitions: dg.PartitionsDefinition | None = None,
) -> dg.AssetsDefinition:
    """An asset definition that publishes ``tables`` (name -> description) together, from ``deps``."""

    @dg.multi_asset(
        name=f"publish_{name}",
        specs=[
            dg.AssetSpec(
                table,
                deps=list(deps),
                description=description,
                group_name=group,
                kinds={"polars", "clickhouse"},
                owners=OWNERS,
                freshness_policy=DAILY,
            )
            for table, description in tables.items()
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
    )
    def publish(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> Iterator[dg.MaterializeResult[None]]:
        started = time.monotonic()
        settings = workspace.settings()
        with workspace.warehouse(settings) as warehouse:
            outcome = work(context, warehouse, settings)
        for table in tables:
            yield result(
                table,
                rows=outcome.rows,
                seconds=time.monotonic() - started,
                published=len(outcome.releases),
                unchanged=outcome.unchanged,
                sums=total(release.sums for release in outcome.releases),
                notes=outcome.notes,
            )

    return publish


def moment(context: dg.AssetExecutionContext, warehouse: Warehouse) -> AsOf:
    """The run's as-of, else the newest complete slice and cost day of the data. Here and below the clock is read."""
    clock = datetime.now(UTC)
    tag = context.run.tags.get(AS_OF_TAG)
    if tag is None:
        return compute.newest_complete(warehouse, clock)
    return compute.as_of_moment(warehouse, datetime.fromisoformat(tag), clock)


def asked(context: dg.AssetExecutionContext) -> datetime:
    """The moment the run asks about: its as-of, else now."""
    tag = context.run.tags.get(AS_OF_TAG)
    return datetime.now(UTC) if tag is None else datetime.fromisoformat(tag)


def _months(context: dg.AssetExecutionContext) -> Sequence[date] | None:
    return wanted_periods(context)


slices = computed(
    "telemetry_by_day",
    "telemetry",
    {
        "core_request_slices": "Requests per app, environment, version and route in five minutes: errors by class, latency.",
        "core_app_telemetry_daily": "Activity per app and day.",
        "core_app_resources": "Cloud resources named in telemetry: evidence for attribution.",
    },
    ["otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram"],
    lambda context, warehouse, settings: compute.compute_slices(warehouse, settings, _months(context)),
    telemetry_days,
)

registry = computed(
    "registry",
    "registry",
    {"core_apps": "Apps, owners and systems of the catalogue.", "core_teams": "Teams and cost centres."},
    [],
    lambda context, warehouse, settings: compute.compute_registry(warehouse, settings),
)

identities = computed(
    "identities",
    "attribution",
    {"core_identities": "Which app each distinct identity of the bill belongs to, by which rule."},
    ["raw_focus_costs", "core_apps", "core_teams", "core_app_resources"],
    lambda context, warehouse, settings: compute.compute_identities(warehouse, settings),
)

costs = computed(
    "costs",
    "attribution",
    {
        "core_app_costs_daily": "Cost per app and day; attributed equals billed before it is published.",
        "mart_chargeback_lines": "Statement lines per cost centre, with the amount in minor units.",
    },
    ["raw_focus_costs", "core_identities"],
    lambda context, warehouse, settings: compute.compute_costs(warehouse, settings, _months(context)),
    billing_months,
)

unit_costs = computed(
    "unit_costs",
    "marts",
    {"mart_app_unit_costs_daily": "Cost and requests of an app on one day, and cost per 1,000 requests."},
    ["core_app_costs_daily", "core_app_telemetry_daily"],
    lambda context, warehouse, settings: compute.compute_unit_costs(warehouse, settings, _months(context)),
    billing_months,
)

slo_status = computed(
    "slo_status",
    "reliability",
    {
        "mart_slo_status": "Objectives, error budgets and states of every app and environment.",
        "mart_slo_burn": "Burn of every objective in every window.",
        "mart_app_silences": "Apps whose requests stopped, or nearly, against their own rhythm.",
        "mart_as_of": "The moment figures are given for, and what it rests on.",
    },
    ["core_request_slices", "core_apps"],
    lambda context, warehouse, settings: compute.compute_slo(
        warehouse, settings, moment(context, warehouse), asked(context)
    ),
)

anomalies = computed(
    "anomalies",
    "marts",
    {"mart_cost_anomalies": "Days that cost far more, or nothing, against an app's own past."},
    ["core_app_costs_daily"],
    lambda context, warehouse, settings: compute.compute_anomalies(
        warehouse, settings, moment(context, warehouse)
    ),
)

overview = computed(
    "overview",
    "marts",
    {
        "mart_team_costs_weekly": "Cost per team, app and ISO week.",
        "mart_app_inventory": "Every app known from the registry, a bill or telemetry.",
    },
    ["core_app_costs_daily", "core_app_telemetry_daily", "mart_slo_status", "core_apps"],
    lambda context, warehouse, settings: compute.compute_marts(
        warehouse, settings, moment(context, warehouse)
    ),
)


@dg.asset_check(asset="core_app_costs_daily", blocking=True)
def attributed_equals_billed(workspace: Workspace) -> dg.AssetCheckResult:
    """Per source, period, currency and metric the attributed sum is the billed one, to the last digit."""
    settings = workspace.settings()
    with workspace.warehouse(settings) as warehouse:
        totals = warehouse.frame("queries/billing/control_totals")
    wrong = totals.filter(totals["difference"] != 0)
    return dg.AssetCheckResult(
        passed=wrong.is_empty(),
        metadata={
            "compared": totals.height,
            "differences": dg.MetadataValue.json(wrong.cast(pl.String).to_dicts() if wrong.height else []),
        },
    )


COMPUTED = [slices, registry, identities, costs, unit_costs, slo_status, anomalies, overview]
CHECKS = [attributed_equals_billed]
