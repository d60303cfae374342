"""Bytes to rows: the bill by month, telemetry by object. Sources are looped inside, so one that is broken does
not stop the others; what was refused is metadata of the run. Nothing is computed here.
"""

import time
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from pipelines import compute
from pipelines.ingest import billing, telemetry
from pipelines.ingest.sources import refuse_shared_objects
from pipelines.orchestration.assets.reports import OWNERS, result, total
from pipelines.orchestration.partitions import billing_months, wanted_periods
from pipelines.orchestration.resources import Workspace
from pipelines.steps import STEPS

TELEMETRY_TABLES = STEPS["telemetry"].tables

DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))


@dg.asset(
    partitions_def=billing_months,
    backfill_policy=dg.BackfillPolicy.single_run(),
    freshness_policy=DAILY,
    group_name="billing",
    kinds={"clickhouse"},
    owners=OWNERS,
)
def raw_focus_costs(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[None]:
    """The bill in FOCUS columns: each source's months loaded, verified and published as batches."""
    started = time.monotonic()
    settings = workspace.settings()
    months = wanted_periods(context)
    refuse_shared_objects(settings.billing, settings.root)
    with workspace.warehouse(settings) as warehouse:
        outcomes = [
            billing.ingest_source(warehouse, settings, source, months=months) for source in settings.billing
        ]
    return result(
        "raw_focus_costs",
        rows=sum(one.rows for one in outcomes),
        seconds=time.monotonic() - started,
        published=sum(len(one.published) for one in outcomes),
        unchanged=sum(len(one.periods) - len(one.published) for one in outcomes),
        sums=total(one.sums for one in outcomes),
        refused=[f"{one.source}: {refusal}" for one in outcomes for refusal in one.refusals],
        held=[period.reason for one in outcomes for period in one.held],
        notes=[
            *(
                f"{one.source} {period.period:%Y-%m}: {period.reason}"
                for one in outcomes
                for period in one.periods
                if period.state in ("superseded", "vanished")
            ),
            *(f"{one.source}: {note}" for one in outcomes for note in (*one.notes, *one.repairs)),
        ],
    )


@dg.asset_check(asset=raw_focus_costs, blocking=True)
def published_rows_equal_their_control_totals(workspace: Workspace) -> dg.AssetCheckResult:
    """Rows and sums in the table are those of the releases: a part lost on disk is found here."""
    settings = workspace.settings()
    with workspace.warehouse(settings) as warehouse:
        differences = compute.damaged_totals(warehouse)
    return dg.AssetCheckResult(
        passed=not differences, metadata={"differences": dg.MetadataValue.json(differences)}
    )


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name, group_name="telemetry", kinds={"clickhouse"}, owners=OWNERS, freshness_policy=DAILY
        )
        for name in TELEMETRY_TABLES
    ]
)
def otel_signals(workspace: Workspace) -> Iterator[dg.MaterializeResult[None]]:
    """OTLP objects to the tables of database ``otel``: spans, log records and metric points, each object once.

    An object knows its days only once it is read, so loading has no partitions; what is computed from it has.
    """
    started = time.monotonic()
    settings = workspace.settings()
    with workspace.warehouse(settings) as warehouse:
        outcomes = [telemetry.ingest_source(warehouse, settings, source) for source in settings.telemetry]
    refused = [
        f"{source.name}: {refusal}"
        for source, one in zip(settings.telemetry, outcomes, strict=True)
        for refusal in (*one.refusals, *one.set_aside)
    ]
    for table in TELEMETRY_TABLES:
        first = table == TELEMETRY_TABLES[0]
        yield result(
            table,
            rows=sum(one.rows.get(table, 0) for one in outcomes),
            seconds=time.monotonic() - started,
            published=sum(one.loaded for one in outcomes),
            unchanged=sum(one.already for one in outcomes),
            refused=refused if first else (),
            facts={"rejected": sum(one.rejected for one in outcomes)} if first else None,
        )
