"""Tells Dagster what a command published, refused or held: a pass, or a person's decision on a delivery.

Dagster is imported only where there is something to tell, for its import takes longer than a pass that changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.settings import Settings
from pipelines.steps import Step
from pipelines.told import Told, keep
from pipelines.work import Done
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
# A schedule that counts a new bill holds up no other.
schedules:
  use_threads: true
  num_workers: 2
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


@dataclass
class Teller:
    """Opens Dagster's history with the first step there is something to tell of."""

    settings: Settings
    stack: ExitStack
    opened: list[Any] = field(default_factory=list)

    def tell(
        self,
        warehouse: Warehouse,
        step: Step,
        done: Done,
        seconds: float,
        before: Told | None,
        wrong: Mapping[str, Sequence[str]],
    ) -> None:
        """Tells what a step did, where it did anything Dagster does not know.

        Args:
            before: what was told last; None where a pass was cut before, and all there is of the step is told.
            wrong: sentences of the blocking checks, by name.
        """
        now = Told(done.refused, done.held, tuple(one for sentences in wrong.values() for one in sentences))
        if done.published or now != before:
            from pipelines.orchestration.record import history, record

            if not self.opened:
                self.opened.append(self.stack.enter_context(history()))
            if before is None or (done.published and not step.periods):
                periods = None
            else:
                periods = done.periods if done.published else ()
            record(self.opened[0], warehouse, step, done, seconds, periods, wrong)
        keep(self.settings.root, step.name, now)


@contextmanager
def telling(settings: Settings) -> Iterator[Teller]:
    """A teller for the length of a command."""
    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    with ExitStack() as stack:
        yield Teller(settings, stack)
