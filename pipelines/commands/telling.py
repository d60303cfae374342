"""Tells Dagster what a command published, refused or held: a pass, or a person's decision on a delivery.

Dagster is imported only where there is something to tell, for its import takes longer than a pass that changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from models.settings import Settings
from pipelines.orchestration.instance import enter_history
from pipelines.steps import Step
from pipelines.told import Told, keep
from pipelines.work import Done
from sql.warehouse import Warehouse


@dataclass
class Teller:
    """Opens Dagster's history with the first step there is something to tell of; of two steps that end at once, one waits."""

    settings: Settings
    stack: ExitStack
    opened: list[Any] = field(default_factory=list)
    guard: Lock = field(default_factory=Lock)

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
            if before is None or (done.published and not step.periods):
                periods = None
            else:
                periods = done.periods if done.published else ()
            with self.guard:
                from pipelines.orchestration.record import history, record

                if not self.opened:
                    self.opened.append(self.stack.enter_context(history()))
                record(self.opened[0], warehouse, step, done, seconds, periods, wrong)
        keep(self.settings.root, step.name, now)


@contextmanager
def telling(settings: Settings) -> Iterator[Teller]:
    """A teller for the length of a command."""
    enter_history(settings)
    with ExitStack() as stack:
        yield Teller(settings, stack)
