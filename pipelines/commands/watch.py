"""Looks after what `appfleet up` started: what has exited is started again, what is silent is waited for.

Decides by the clock it is given; what a service is and how it starts is not known here. Nothing that still runs is
ended because something else does not answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from models.errors import AppfleetError

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between the exit of a service and its next start; it doubles from the first to the longest."""

STEADY_SECONDS = 120.0
"""A service that ran so long has mended itself: its next exit is the first again."""

SAID_SECONDS = 10.0
"""A warehouse that is silent for so long is said to be."""

REPLACED_SECONDS = 300.0
"""One that is silent for so long is ended and started again: a long merge or a stopped machine is over by then."""


class Supervised(Protocol):
    """What is watched."""

    @property
    def name(self) -> str:
        """What people call it."""

    def exited(self) -> bool:
        """Whether it runs no longer."""

    def start(self) -> object:
        """Starts it (again); an ``AppfleetError`` says why that cannot be."""


class SupervisedWarehouse(Supervised, Protocol):
    """The process others depend on, which can be asked."""

    def answers(self) -> bool:
        """Whether it answers now."""

    def kill(self) -> None:
        """Ends our own process."""


@dataclass
class _Exits:
    """When a service is started again."""

    pause_seconds: float = FIRST_PAUSE_SECONDS
    started_at: float = 0.0
    next_at: float | None = None


@dataclass
class Watch:
    """One look at a time; ``say`` takes a sentence for whoever sits at the terminal."""

    warehouse: SupervisedWarehouse
    services: Sequence[Supervised]
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _exits: dict[str, _Exits] = field(default_factory=dict)
    _silent_since: float | None = None
    _said: bool = False

    def look(self) -> None:
        """Starts what has exited, when its pause is over, and judges a silent warehouse."""
        for one in (self.warehouse, *self.services):
            self._start_if_exited(one)
        self._judge_silence()

    def _start_if_exited(self, one: Supervised) -> None:
        exits = self._exits.setdefault(one.name, _Exits(started_at=self.clock()))
        if not one.exited():
            return
        now = self.clock()
        if exits.next_at is None:
            if now - exits.started_at >= STEADY_SECONDS:
                exits.pause_seconds = FIRST_PAUSE_SECONDS
            exits.next_at = now + exits.pause_seconds
            self.say(f"{one.name} has ended: it is started again in {exits.pause_seconds:.0f} s")
        if now < exits.next_at:
            return
        exits.pause_seconds = min(2 * exits.pause_seconds, LONGEST_PAUSE_SECONDS)
        exits.next_at, exits.started_at = None, now
        try:
            one.start()
        except AppfleetError as error:
            self.say(f"{one.name} cannot be started: {error}")

    def _judge_silence(self) -> None:
        if self.warehouse.exited():
            return
        if self.warehouse.answers():
            if self._said:
                self.say("the warehouse answers again")
            self._silent_since, self._said = None, False
            return
        now = self.clock()
        if self._silent_since is None:
            self._silent_since = now
        silent = now - self._silent_since
        if silent >= SAID_SECONDS and not self._said:
            self._said = True
            self.say(
                f"the warehouse has not answered for {silent:.0f} s: it is waited for,"
                f" and replaced after {REPLACED_SECONDS:.0f} s"
            )
        if silent >= REPLACED_SECONDS:
            self.say(f"the warehouse has not answered for {silent:.0f} s: it is replaced")
            self._silent_since, self._said = None, False
            self.warehouse.kill()
