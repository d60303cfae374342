"""When the steps run by themselves, in UTC: a schedule per step, on while `appfleet up` is.

Bills land over night and the month before may still change; telemetry is looked at every five minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from pipelines.orchestration.partitions import EVERYTHING_TAG
from pipelines.steps import STEPS


def schedules_of(jobs: Sequence[dg.JobDefinition | object]) -> list[dg.ScheduleDefinition]:
    """One schedule per step; a partitioned one covers the newest two periods and whatever else changed."""
    return [_schedule(job) for job in jobs]


def _schedule(job: object) -> dg.ScheduleDefinition:
    step: str = job.name  # type: ignore[attr-defined]

    @dg.schedule(
        name=f"{step}_schedule",
        job=job,  # type: ignore[arg-type]
        cron_schedule=STEPS[step].cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.date()
        tags = {EVERYTHING_TAG: "true"}
        if STEPS[step].periods == "month":
            this_month = today.replace(day=1)
            last_month = (this_month - timedelta(days=1)).replace(day=1)
            tags |= {
                ASSET_PARTITION_RANGE_START_TAG: last_month.isoformat(),
                ASSET_PARTITION_RANGE_END_TAG: this_month.isoformat(),
            }
        elif STEPS[step].periods == "day":
            tags |= {
                ASSET_PARTITION_RANGE_START_TAG: (today - timedelta(days=1)).isoformat(),
                ASSET_PARTITION_RANGE_END_TAG: today.isoformat(),
            }
        return dg.RunRequest(tags=tags)

    return tick
