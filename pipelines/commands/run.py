"""One pass of everything, step by step, in this process, with progress; what was published is told to Dagster.

Knows the order of the steps and when a pass ends; what a step does is ``pipelines.work``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from models.errors import AppfleetError
from models.settings import Settings
from pipelines.commands.report import PassReport, StepReport
from pipelines.commands.telling import Teller, telling
from pipelines.steps import STEPS, Step
from pipelines.told import take
from pipelines.work import CHECKS, WORK, Ask, Done
from sql.local_warehouse import open_warehouse
from sql.publish import lease


def run_pass(
    settings: Settings,
    *,
    steps: Collection[str],
    as_of: datetime | None = None,
    report: Callable[[StepReport], None] = lambda _: None,
    wait_seconds: float = 600.0,
    waiting: Callable[[str], None] = lambda _: None,
) -> PassReport:
    """Runs ``steps`` in their order; a failed step ends the pass, refused input does not.

    Raises:
        LeaseHeld: another pass runs in this workspace for longer than ``wait_seconds``.
    """
    started = time.monotonic()
    done: list[StepReport] = []
    with (
        lease(settings.root, "pass", wait_seconds, waiting),
        telling(settings) as teller,
        open_warehouse(settings.root, role="writer") as warehouse,
    ):
        for step in STEPS.values():
            if step.name not in steps:
                continue
            done.append(_run_step(Ask(warehouse, settings, datetime.now(UTC), as_of), step, teller))
            report(done[-1])
            if done[-1].failed:
                break
    return PassReport(tuple(done), time.monotonic() - started)


def _run_step(ask: Ask, step: Step, teller: Teller) -> StepReport:
    started = time.monotonic()
    failed, exit_code, done = None, 0, Done({}, 0, 0)
    before = take(ask.settings.root, step.name)
    try:
        done = WORK[step.name](ask)
        blocking = [check for check in CHECKS.get(step.name, ()) if check.blocks]
        wrong = {check.name: check.wrong(ask.warehouse, ask.clock) for check in blocking}
        for name in (name for name, sentences in wrong.items() if sentences):
            exit_code = 1
            failed = f"the check {name} is red; what follows was not computed (`appfleet doctor` says more)"
        teller.tell(ask.warehouse, step, done, time.monotonic() - started, before, wrong)
    except AppfleetError as error:
        failed, exit_code = str(error), error.exit_code
    return StepReport(
        step=step.name,
        seconds=time.monotonic() - started,
        rows=max(done.rows.values(), default=0),
        published=done.published,
        unchanged=done.unchanged,
        refused=tuple(dict.fromkeys((*done.refused, *done.set_aside))),
        held=tuple(dict.fromkeys(done.held)),
        notes=tuple(dict.fromkeys(done.notes)),
        failed=failed,
        exit_code=exit_code,
    )
