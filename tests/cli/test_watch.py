"""What is done about a service that exits or falls silent, by a clock that is turned by hand; real ones: test_up."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from models.errors import AppfleetError
from pipelines.commands.watch import (
    LONGEST_PAUSE_SECONDS,
    REPLACED_SECONDS,
    SAID_SECONDS,
    STEADY_SECONDS,
    Watch,
)


@dataclass
class Process:
    """Stands for a process: runs until it is told to have exited."""

    name: str
    running: bool = True
    answering: bool = True
    starts: int = 0
    kills: int = 0
    refuses: str = ""

    def exited(self) -> bool:
        return not self.running

    def answers(self) -> bool:
        return self.running and self.answering

    def start(self) -> None:
        if self.refuses:
            raise AppfleetError(self.refuses)
        self.running, self.answering = True, True
        self.starts += 1

    def kill(self) -> None:
        self.kills += 1
        self.running = False


@dataclass
class Scene:
    """A watch over a warehouse and two services, its clock and what it said."""

    warehouse: Process = field(default_factory=lambda: Process("warehouse"))
    intake: Process = field(default_factory=lambda: Process("intake"))
    pages: Process = field(default_factory=lambda: Process("dashboards"))
    now: float = 1_000.0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Watch(self.warehouse, [self.intake, self.pages], self.said.append, lambda: self.now)

    def look(self, seconds: float, every: float = 0.5) -> None:
        until = self.now + seconds
        while self.now < until:
            self.watch.look()
            self.now += every

    @property
    def starts(self) -> tuple[int, int, int]:
        return self.warehouse.starts, self.intake.starts, self.pages.starts


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nothing_happens_to_what_runs(scene: Scene) -> None:
    scene.look(1_000)
    assert (scene.starts, scene.said) == ((0, 0, 0), [])


def test_only_what_has_exited_is_started_again(scene: Scene) -> None:
    scene.intake.running = False
    scene.look(3)
    assert (scene.starts, scene.warehouse.kills) == ((0, 1, 0), 0)
    assert scene.said == ["intake has ended: it is started again in 1 s"]


def test_one_that_keeps_ending_is_started_ever_more_rarely_and_ends_nothing_else(scene: Scene) -> None:
    moments = []
    for _ in range(9):
        scene.intake.running = False
        before = scene.intake.starts
        began = scene.now
        while scene.intake.starts == before:
            scene.look(0.5)
        moments.append(round(scene.now - began - 0.5))
    assert moments == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_PAUSE_SECONDS == 60
    assert scene.starts == (0, 9, 0)


def test_one_that_was_steady_again_is_started_at_once(scene: Scene) -> None:
    for _ in range(5):
        scene.intake.running = False
        scene.look(20)
    scene.look(STEADY_SECONDS)
    scene.intake.running = False
    scene.look(2)
    assert scene.intake.starts == 6


def test_a_silent_warehouse_is_said_and_waited_for(scene: Scene) -> None:
    scene.warehouse.answering = False
    scene.look(SAID_SECONDS - 1)
    assert scene.said == []
    scene.look(REPLACED_SECONDS - SAID_SECONDS - 1)
    assert len(scene.said) == 1 and "has not answered for 10 s: it is waited for" in scene.said[0]
    scene.warehouse.answering = True
    scene.look(5)
    assert scene.said[1:] == ["the warehouse answers again"]
    assert (scene.starts, scene.warehouse.kills) == ((0, 0, 0), 0)


def test_a_warehouse_that_stays_silent_is_replaced_alone(scene: Scene) -> None:
    scene.warehouse.answering = False
    scene.look(REPLACED_SECONDS + 5)
    assert (scene.starts, scene.warehouse.kills) == ((1, 0, 0), 1)
    scene.look(100)
    assert scene.warehouse.kills == 1


def test_one_that_cannot_be_started_is_said_and_tried_again(scene: Scene) -> None:
    scene.warehouse.running, scene.warehouse.refuses = False, "it is owned by process 7"
    scene.look(4)
    assert "warehouse cannot be started: it is owned by process 7" in scene.said
    scene.warehouse.refuses = ""
    scene.look(10)
    assert scene.starts == (1, 0, 0)
