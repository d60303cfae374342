"""The Dagster code location: assets, checks, jobs, schedules and a sensor put together.

Loading it opens no workspace and no warehouse; a run does.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)

from pipelines.orchestration.assets import ASSET_CHECKS, ASSETS  # noqa: E402
from pipelines.orchestration.log import begin_log  # noqa: E402
from pipelines.orchestration.resources import Workspace  # noqa: E402
from pipelines.orchestration.schedules import schedule_of  # noqa: E402
from pipelines.orchestration.sensors import newest_minutes  # noqa: E402
from pipelines.steps import STEPS  # noqa: E402

begin_log()  # a run's worker begins here


def build_defs(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Definitions of the code location; ``resources`` replace the defaults, for tests and the command line."""
    jobs = [
        dg.define_asset_job(
            step.name,
            selection=dg.AssetSelection.assets(*step.tables),
            description=f"The {step.name} step of a pass.",
        )
        for step in STEPS.values()
    ]
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=ASSET_CHECKS,
        jobs=jobs,
        schedules=[schedule_of(step) for step in STEPS.values()],
        sensors=[newest_minutes],
        resources={"workspace": Workspace(), **(resources or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
