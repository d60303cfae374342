"""One pass of everything, step by step, in this process, with progress; what was published is told to Dagster.

Knows the order of the steps and when a pass ends; what a step does is ``pipelines.work``. Dagster is imported only where
there is something to tell.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from models.errors import AppfleetError
from models.settings import Settings
from pipelines.commands.report import PassReport, StepReport
from pipelines.steps import STEPS, Step
from pipelines.work import CHECKS, WORK, Ask, Done
from sql.local_warehouse import open_warehouse
from sql.publish import lease
from sql.state import state_folder
from sql.warehouse import Warehouse

DAGSTER_SETTINGS = """\
# Written by appfleet. One run at a time on one machine; nothing is reported to anyone.
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
# What a step prints is nothing; keeping it costs two processes a step.
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def dagster_home(settings: Settings) -> Path:
    """Dagster's folder inside the workspace, with its settings written."""
    home = state_folder(settings.root, "dagster")
    (home / "dagster.yaml").write_text(DAGSTER_SETTINGS, encoding="utf-8")
    # Its presence tells the webserver that somebody has seen what it asks a first visitor: to leave an e-mail address.
    (home / ".nux").mkdir(exist_ok=True)
    (home / ".nux" / "nux.yaml").write_text("seen: 1\n", encoding="utf-8")
    return home


class Record(Protocol):
    """Tells Dagster what a step published: ``pipelines.orchestration.record``."""

    def __call__(self, warehouse: Warehouse, step: Step, done: Done, seconds: float, passed: bool) -> None:
        """Tells it."""


@contextmanager
def _recorded(settings: Settings) -> Iterator[Record]:
    """A record that opens Dagster's history with the first step that published something."""
    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    with ExitStack() as stack:
        opened: list[Any] = []

        def tell(warehouse: Warehouse, step: Step, done: Done, seconds: float, passed: bool) -> None:
            from pipelines.orchestration.record import history, record

            if not opened:
                opened.append(stack.enter_context(history()))
            record(opened[0], warehouse, step, done, seconds, passed)

        yield tell


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
        _recorded(settings) as record,
        open_warehouse(settings.root, role="writer") as warehouse,
    ):
        for step in STEPS.values():
            if step.name not in steps:
                continue
            done.append(_run_step(Ask(warehouse, settings, datetime.now(UTC), as_of), step, record))
            report(done[-1])
            if done[-1].failed:
                break
    return PassReport(tuple(done), time.monotonic() - started)


def _run_step(ask: Ask, step: Step, record: Record) -> StepReport:
    started = time.monotonic()
    failed, exit_code, done = None, 0, Done({}, 0, 0)
    # It stays where a step is killed between publishing and telling: the next pass tells Dagster then.
    untold = state_folder(ask.settings.root, "dagster", "untold") / step.name
    was_cut = untold.exists()
    untold.touch()
    try:
        done = WORK[step.name](ask)
        check = CHECKS.get(step.name)
        if check and check.differences(ask.warehouse):
            exit_code = 1
            failed = (
                f"the check {check.name} is red; what follows was not computed (`appfleet doctor` says more)"
            )
        if done.published or was_cut:
            record(ask.warehouse, step, done, time.monotonic() - started, not failed)
        untold.unlink()
    except AppfleetError as error:
        failed, exit_code = str(error), error.exit_code
    return StepReport(
        step=step.name,
        seconds=time.monotonic() - started,
        rows=max(done.rows.values(), default=0),
        published=done.published,
        unchanged=done.unchanged,
        refused=tuple(dict.fromkeys(done.refused)),
        held=tuple(dict.fromkeys(done.held)),
        notes=tuple(dict.fromkeys(done.notes)),
        failed=failed,
        exit_code=exit_code,
    )
