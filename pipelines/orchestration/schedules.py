"""When the steps run by themselves, in UTC: a schedule per step, on while `appfleet up` is.

A step with partitions is asked for those in which there is something to do, one run each; where there is none, no run is
made. Whether there is, the step itself says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from pipelines.orchestration.instance import SOURCE_TAG
from pipelines.orchestration.partitions import learn
from pipelines.orchestration.record import evaluation
from pipelines.orchestration.resources import Workspace
from pipelines.said import Kind, keep, said
from pipelines.steps import Step
from pipelines.work import ALL_TAKEN, DELIVERED_TO, DUE, Ask, Due

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def schedule_of(step: Step) -> dg.ScheduleDefinition:
    """The schedule of a step, for the job of its name."""

    @dg.schedule(
        name=f"{step.name}_schedule",
        job_name=step.name,
        cron_schedule=step.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(
        context: dg.ScheduleEvaluationContext, workspace: Workspace
    ) -> list[dg.RunRequest] | dg.RunRequest | dg.SkipReason:
        if not step.periods:
            return dg.RunRequest()
        asked = dg.RunsFilter(job_name=step.name, statuses=UNDER_WAY)
        if context.instance.get_runs(asked, limit=1):
            return dg.SkipReason("runs of the tick before are still under way")
        settings = workspace.settings()
        with workspace.warehouse(settings) as warehouse:
            due = DUE[step.name](Ask(warehouse, settings, datetime.now(UTC)))
            now = _holds(step, due)
            if now:
                keep(warehouse, step.name, now, said(warehouse))
        _tell(context.instance, step, due)
        if not due.periods:
            return dg.SkipReason("nothing changed" if not due.refused else "; ".join(due.refused))
        return list(requests(due, context.scheduled_execution_time))

    return tick


def _holds(step: Step, due: Due) -> Mapping[Kind, Sequence[str]]:
    """What is known to hold of a step now, of which runs of single periods say only their own; nothing is known of some."""
    if step.name in DELIVERED_TO:  # the look has seen everything that is delivered
        return {"refused": due.refused, "note": due.standing}
    return {} if due.periods else {"refused": (), "note": ()}  # what is refused stays due


def requests(due: Due, tick: datetime) -> Iterator[dg.RunRequest]:
    """A run for each period, and for each source of a bill in it: sources are loaded side by side.

    Each has a key of its own, which no tick repeats: of several runs Dagster takes none without.
    """
    for period in due.periods:
        for source in due.sources.get(period, ("",)):
            key = f"{period} {source} {tick.isoformat()}"
            tags = {SOURCE_TAG: source} if source else None
            yield dg.RunRequest(key, partition_key=period.isoformat(), tags=tags)


def _tell(instance: dg.DagsterInstance, step: Step, due: Due) -> None:
    """Makes partitions of what is new, and tells what was said while it was looked for: no run says it again."""
    learn(instance, step.periods, due.periods)
    if step.name in DELIVERED_TO and due.refused:
        instance.report_runless_asset_event(evaluation(DELIVERED_TO[step.name], ALL_TAKEN, due.refused))
    if step.name in DELIVERED_TO and due.notes:
        instance.report_runless_asset_event(
            dg.AssetObservation(
                DELIVERED_TO[step.name], metadata={"notes": dg.MetadataValue.json(list(due.notes))}
            )
        )
