"""The look at the newest minutes between passes: a sensor of Dagster, in the code server that is warm already, which starts no run.

One daemon of a workspace ticks it, on one machine and on a server alike. What is seen and who is told is other rooms' work.
"""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from models.newest import newest_policy
from pipelines.orchestration.resources import Workspace
from pipelines.work import looked_at_newest


@dg.sensor(
    name="newest_minutes",
    minimum_interval_seconds=int(newest_policy().look.total_seconds()),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Pages what the newest minutes prove, before a slice of five minutes is whole.",
)
def newest_minutes(workspace: Workspace) -> dg.SkipReason:
    """Looks once; what it found is said as the reason that no run is asked for."""
    settings = workspace.settings()
    with workspace.warehouse(settings) as warehouse:
        return dg.SkipReason(looked_at_newest(warehouse, settings, datetime.now(UTC)))
