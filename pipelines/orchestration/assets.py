"""Dagster's assets and checks, made from the table of steps. Thin: open, call, report; no rule and no SQL lives here."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from models.settings import Settings
from pipelines.observed import StepSeen, a_step
from pipelines.orchestration.instance import SOURCE_TAG
from pipelines.orchestration.partitions import AS_OF_TAG, PARTITIONS, asked_periods
from pipelines.orchestration.record import metadata, severity
from pipelines.orchestration.resources import Workspace
from pipelines.orchestration.retries import only_what_passes_again, step_retries
from pipelines.said import Sentence, failure_kept, said, sentences
from pipelines.said import keep as keep_said
from pipelines.steps import STEPS, Step
from pipelines.told import Told, keep, take
from pipelines.work import ALL_TAKEN, CHECKS, DELIVERED_TO, WORK, Ask, Check, Done
from sql.leases import lease
from sql.logs import of_run

OWNERS = ["team:platform"]
ENGINES = {"billing": {"clickhouse"}, "telemetry": {"clickhouse"}, "access": {"clickhouse"}}
"""What does the work of a step, where it is not both."""

TELL_WAIT_SECONDS = 60.0


def asset_of(step: Step) -> dg.AssetsDefinition:
    """The tables of a step as assets that are materialised together, of the periods they are asked for."""
    partitions = PARTITIONS.get(step.periods)

    @dg.multi_asset(
        name=f"publish_{step.name}",
        specs=[
            dg.AssetSpec(
                table,
                deps=list(step.looks_at),
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
        retry_policy=step_retries(),
        pool=None if step.name == "billing" else step.name,  # a bill is limited by source, by a tag
    )
    def publish(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        run = context.run_id
        with only_what_passes_again(), of_run(run), a_step(step.name, run) as seen:
            yield from _published(context, workspace, step, seen)

    return publish


def _published(
    context: dg.AssetExecutionContext, workspace: Workspace, step: Step, seen: StepSeen
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Does a step's work and tells what it published and said."""
    started = time.monotonic()
    settings = workspace.settings()
    periods = asked_periods(context.partition_keys) if step.periods else None
    tags = context.run.tags
    as_of = datetime.fromisoformat(tags[AS_OF_TAG]) if AS_OF_TAG in tags else None
    source = _asked_source(tags, settings)
    before = take(settings.root, step.name)
    with workspace.warehouse(settings) as warehouse:
        with failure_kept(warehouse, step.name, said(warehouse)):
            sources = None if source is None else (source,)
            done = WORK[step.name](Ask(warehouse, settings, datetime.now(UTC), as_of, periods, sources))
        # Runs of two sources may end at once: what is told last is what was read last.
        with lease(settings.root, f"told/{step.name}", TELL_WAIT_SECONDS):
            spoken = said(warehouse)
            in_part = bool(periods) or source is not None
            keep_said(warehouse, step.name, sentences(done), spoken, of_some_periods=in_part)
            figures = metadata(warehouse, step, done, time.monotonic() - started, periods)
            if step.name in DELIVERED_TO:
                yield _all_taken(step, done, [] if source is None else _of_others(spoken, step, source))
            yield from _told(context, step, done, periods, figures)
    seen.ended(done, max(done.rows.values(), default=0))
    if before:
        keep(settings.root, step.name, Told(done.refused, done.held, before.wrong))


def _asked_source(tags: Mapping[str, str], settings: Settings) -> str | None:
    """The source a run is about; None where it is about all.

    Raises:
        Failure: the settings know no bill of this name, which a person may write in Dagster's pages.
    """
    name = tags.get(SOURCE_TAG)
    if name is not None and name not in {source.name for source in settings.billing}:
        raise dg.Failure(
            f"run tag {SOURCE_TAG}: no source of a bill is called {name!r} in appfleet.yaml",
            allow_retries=False,
        )
    return name


def _of_others(spoken: Sequence[Sentence], step: Step, source: str) -> list[str]:
    """What other sources refused or hold, which a run of one source does not say again."""
    return [
        one.text
        for one in spoken
        if one.step == step.name
        and one.kind in ("refused", "held")
        and not one.text.startswith((f"{source}:", f"{source}/"))
    ]


def _all_taken(step: Step, done: Done, others: Sequence[str]) -> dg.AssetCheckResult:
    wrong = [*done.refused, *done.held, *others]
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=DELIVERED_TO[step.name],
        check_name=ALL_TAKEN,
        severity=severity(is_failure=False),
        metadata={"wrong": dg.MetadataValue.json(wrong)},
    )


def _told(
    context: dg.AssetExecutionContext,
    step: Step,
    done: Done,
    periods: Sequence[date] | None,
    figures: Mapping[str, Mapping[date, dict[str, Any]]],
) -> Iterator[dg.MaterializeResult[None]]:
    """Tells Dagster the figures of each table and period; a period of which nothing is published fails the run."""
    absent = [one for one in periods or () if any(one not in found for found in figures.values())]
    for table, found in figures.items():
        for period, one in found.items():
            key = period.isoformat() if step.periods else None
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


def check_of(check: Check) -> dg.AssetChecksDefinition:
    """A check that, where it blocks, holds up what reads its table."""

    @dg.asset_check(
        asset=check.table,
        name=check.name,
        description=check.description,
        blocking=check.blocks,
        retry_policy=step_retries(),
    )
    def holds(workspace: Workspace) -> dg.AssetCheckResult:
        with only_what_passes_again():
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
