"""What a measurement is, how it is taken and how all of them are printed. What is measured is not known here."""

from __future__ import annotations

import gc
import json
import resource
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

MIB = 1 << 20
_SAMPLE_SECONDS = 0.1
_WIDTH = 170


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: seconds by the clock, and CPU seconds of this process and those it started.

    ``cpu`` is None where it was not measured, never zero.
    """

    seconds: float
    cpu: float | None = None


@dataclass
class Line:
    """One measured thing; ``ratio`` by the clock and ``cpu_ratio`` by CPU seconds stand against ``against``.

    Ratios are medians over rounds; ``spread`` holds the least and the greatest by the clock: where it straddles the
    target, nothing is shown about it.
    """

    what: str
    cost: Cost | None = None
    note: str = ""
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    cpu_ratio: float | None = None
    against: str = ""
    target: str = ""


@dataclass
class Costs:
    """Rounds of one piece of work."""

    rounds: list[Cost] = field(default_factory=list)

    @property
    def median(self) -> Cost:
        """The median of each kind of seconds."""
        return Cost(
            median(one.seconds for one in self.rounds),
            median(one.cpu for one in self.rounds if one.cpu is not None),
        )

    def times(self, factor: float) -> Costs:
        """What ``factor`` times as much of the same work costs."""
        return Costs(
            [Cost(one.seconds * factor, None if one.cpu is None else one.cpu * factor) for one in self.rounds]
        )

    def measure(self, work: Callable[[], Any]) -> Any:
        """Result of one more round."""
        gc.collect()
        started, cpu = time.perf_counter(), _cpu_seconds()
        result = work()
        self.rounds.append(Cost(time.perf_counter() - started, _cpu_seconds() - cpu))
        return result


def measured(work: Callable[[], Any]) -> tuple[Cost, Any]:
    """Cost and result of a piece of work done once."""
    costs = Costs()
    result = costs.measure(work)
    return costs.rounds[0], result


def compared(what: str, work: Costs, base: Costs, against: str, target: str, note: str = "") -> Line:
    """A line whose ratios are speeds, round by round: 1 is as fast as the base, 0.5 takes twice as long."""
    return _against(what, work, base, against, target, note, over=base.rounds, under=work.rounds)


def lengthened(what: str, work: Costs, base: Costs, against: str, target: str, note: str = "") -> Line:
    """A line whose ratios are times, round by round: 1 takes as long as the base, 2 twice as long."""
    return _against(what, work, base, against, target, note, over=work.rounds, under=base.rounds)


def _against(
    what: str,
    work: Costs,
    base: Costs,
    against: str,
    target: str,
    note: str,
    over: list[Cost],
    under: list[Cost],
) -> Line:
    pairs = list(zip(over, under, strict=True))
    ratios = [one.seconds / other.seconds for one, other in pairs]
    by_cpu = [one.cpu / other.cpu for one, other in pairs if one.cpu and other.cpu]
    return Line(
        what,
        work.median,
        note,
        median(ratios),
        (min(ratios), max(ratios)),
        median(by_cpu) if by_cpu else None,
        against,
        target,
    )


def _cpu_seconds() -> float:
    """Of this process, of what it started and still runs, and of what it started and has ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for process in _family():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _family() -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


class PeakMemory:
    """Greatest resident memory of this process and of its largest child, sampled while the context is open."""

    def __init__(self) -> None:
        self.own = 0
        self.child = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(_SAMPLE_SECONDS):
            me, *children = _family()
            self.own = max(self.own, me.memory_info().rss)
            for child in children:
                try:
                    self.child = max(self.child, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


def print_lines(lines: Sequence[Line], title: str) -> None:
    """A table for people and one line of JSON."""
    table = Table(
        "what", "note", "seconds", "CPU s", "ratio", "min-max", "CPU ratio", "against", "target", title=title
    )
    for line in lines:
        table.add_row(
            line.what,
            line.note,
            f"{line.cost.seconds:.2f}" if line.cost else "",
            f"{line.cost.cpu:.2f}" if line.cost and line.cost.cpu is not None else "",
            "" if line.ratio is None else f"{line.ratio:.2f}",
            "" if line.spread is None else f"{line.spread[0]:.2f}-{line.spread[1]:.2f}",
            "" if line.cpu_ratio is None else f"{line.cpu_ratio:.2f}",
            line.against,
            line.target,
        )
    Console(width=_WIDTH).print(table)
    print(json.dumps([asdict(line) for line in lines]))
