"""Dagster's assets and checks, made from the table of steps. Thin: open, call, report; no rule and no SQL lives here."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from pipelines.orchestration.partitions import AS_OF_TAG, PARTITIONS, asked_periods
from pipelines.orchestration.record import metadata, severity
from pipelines.orchestration.resources import Workspace
from pipelines.said import failure_kept, said, sentences
from pipelines.said import keep as keep_said
from pipelines.steps import STEPS, Step
from pipelines.told import Told, keep, take
from pipelines.work import ALL_TAKEN, CHECKS, DELIVERED_TO, WORK, Ask, Check

OWNERS = ["team:platform"]
ENGINES = {"billing": {"clickhouse"}, "telemetry": {"clickhouse"}, "access": {"clickhouse"}}
"""What does the work of a step, where it is not both."""


def asset_of(step: Step) -> dg.AssetsDefinition:
    """The tables of a step as assets that are materialised together, of the periods they are asked for."""
    partitions = PARTITIONS.get(step.periods)

    @dg.multi_asset(
        name=f"publish_{step.name}",
        specs=[
            dg.AssetSpec(
                table,
                deps=list(step.reads),
                description=asset.description,
                group_name=step.group,
                kinds=ENGINES.get(step.name, {"polars", "clickhouse"}),
                owners=OWNERS,
            )
            for table, asset in step.tables.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                ALL_TAKEN,
                asset=DELIVERED_TO[step.name],
                description="No object that is delivered is refused, and none waits for a person.",
            )
        ]
        if step.name in DELIVERED_TO
        else [],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run() if partitions else None,
    )
    def publish(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        started = time.monotonic()
        settings = workspace.settings()
        periods = asked_periods(context.partition_keys) if partitions else None
        tag = context.run.tags.get(AS_OF_TAG)
        as_of = datetime.fromisoformat(tag) if tag else None
        before = take(settings.root, step.name)
        with workspace.warehouse(settings) as warehouse:
            spoken = said(warehouse)
            with failure_kept(warehouse, step.name, spoken):
                done = WORK[step.name](Ask(warehouse, settings, datetime.now(UTC), as_of, periods))
            keep_said(warehouse, step.name, sentences(done), spoken, of_some_periods=bool(periods))
            figures = metadata(warehouse, step, done, time.monotonic() - started, periods)
        if step.name in DELIVERED_TO:
            wrong = [*done.refused, *done.held]
            yield dg.AssetCheckResult(
                passed=not wrong,
                asset_key=DELIVERED_TO[step.name],
                check_name=ALL_TAKEN,
                severity=severity(is_failure=False),
                metadata={"wrong": dg.MetadataValue.json(wrong)},
            )
        absent = [one for one in periods or () if any(one not in found for found in figures.values())]
        for table, found in figures.items():
            for period, one in found.items():
                key = period.isoformat() if partitions else None
                if absent:  # the run fails, and what it published is told all the same
                    context.log_event(dg.AssetMaterialization(table, metadata=one, partition=key))
                else:
                    context.add_asset_metadata(one, asset_key=table, partition_key=key)
        if absent:
            raise dg.Failure(
                f"nothing is published of {', '.join(str(one) for one in absent)}: "
                + ("; ".join([*done.refused, *done.held]) or "there is nothing of it"),
                allow_retries=False,
            )
        for table in step.tables:
            yield dg.MaterializeResult(asset_key=table)
        if before:
            keep(settings.root, step.name, Told(done.refused, done.held, before.wrong))

    return publish


def check_of(check: Check) -> dg.AssetChecksDefinition:
    """A check that, where it blocks, holds up what reads its table."""

    @dg.asset_check(asset=check.table, name=check.name, description=check.description, blocking=check.blocks)
    def holds(workspace: Workspace) -> dg.AssetCheckResult:
        settings = workspace.settings()
        with workspace.warehouse(settings) as warehouse:
            wrong = check.wrong(warehouse, datetime.now(UTC))
        return dg.AssetCheckResult(
            passed=not wrong,
            severity=severity(check.blocks),
            metadata={"wrong": dg.MetadataValue.json(list(wrong))},
        )

    return holds


ASSETS = [asset_of(step) for step in STEPS.values()]
ASSET_CHECKS = [check_of(check) for checks in CHECKS.values() for check in checks]
