"""Dagster's assets and checks, made from the table of steps. Thin: open, call, report; no rule and no SQL lives here."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from pipelines.orchestration.partitions import AS_OF_TAG, PARTITIONS, wanted_periods
from pipelines.orchestration.resources import Workspace
from pipelines.steps import STEPS, Step
from pipelines.work import CHECKS, WORK, Ask, Check, Done, Figures, period_figures

OWNERS = ["team:platform"]
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
ENGINES = {"billing": {"clickhouse"}, "telemetry": {"clickhouse"}}
"""What does the work of a step, where it is not both."""


def metadata(table: str, done: Done, seconds: float) -> dict[str, Any]:
    """Metadata of a table after a step; sums are exact text, so no float comes near money."""
    said: dict[str, Any] = {
        "dagster/table_name": table,
        **figures_metadata(Figures(done.rows.get(table, 0), done.sums)),
        "seconds": round(seconds, 3),
        "published": done.published,
        "unchanged": done.unchanged,
        **done.facts,
    }
    for key, sentences in (("refused", done.refused), ("held", done.held), ("notes", done.notes)):
        if sentences:
            said[key] = dg.MetadataValue.json(list(sentences))
    return said


def figures_metadata(figures: Figures) -> dict[str, Any]:
    """Rows and sums, of a table or of one of its partitions."""
    return {
        "dagster/partition_row_count": figures.rows,
        **{f"sum {key}": format(amount, "f") for key, amount in sorted(figures.sums.items())},
    }


def asset_of(step: Step) -> dg.AssetsDefinition:
    """The tables of a step as assets that are materialised together."""
    partitions = PARTITIONS.get(step.periods)

    @dg.multi_asset(
        name=f"publish_{step.name}",
        specs=[
            dg.AssetSpec(
                table,
                deps=list(step.reads),
                description=description,
                group_name=step.group,
                kinds=ENGINES.get(step.name, {"polars", "clickhouse"}),
                owners=OWNERS,
                freshness_policy=DAILY,
            )
            for table, description in step.tables.items()
        ],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
    )
    def publish(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> Iterator[dg.MaterializeResult[None]]:
        started = time.monotonic()
        settings = workspace.settings()
        tag = context.run.tags.get(AS_OF_TAG)
        with workspace.warehouse(settings) as warehouse:
            as_of = datetime.fromisoformat(tag) if tag else None
            periods = wanted_periods(context) if partitions else None
            done = WORK[step.name](Ask(warehouse, settings, datetime.now(UTC), as_of, periods))
            figures = period_figures(warehouse, step.name) if partitions else {}
        for table in step.tables:
            for period, found in figures.items():
                if partitions and period.isoformat() in context.partition_keys:
                    context.add_asset_metadata(
                        figures_metadata(found), asset_key=table, partition_key=period.isoformat()
                    )
            yield dg.MaterializeResult(
                asset_key=table, metadata=metadata(table, done, time.monotonic() - started)
            )

    return publish


def check_of(check: Check) -> dg.AssetChecksDefinition:
    """A check that holds up what reads its table."""

    @dg.asset_check(asset=check.table, name=check.name, description=check.description, blocking=True)
    def holds(workspace: Workspace) -> dg.AssetCheckResult:
        settings = workspace.settings()
        with workspace.warehouse(settings) as warehouse:
            differences = check.differences(warehouse)
        return dg.AssetCheckResult(
            passed=not differences, metadata={"differences": dg.MetadataValue.json(differences)}
        )

    return holds


ASSETS = [asset_of(step) for step in STEPS.values()]
ASSET_CHECKS = [check_of(check) for check in CHECKS.values()]
