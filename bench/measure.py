"""What a measurement is, how it is taken and how all of them are printed. What is measured is not known here."""

from __future__ import annotations

import gc
import json
import math
import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.targets import TARGETS, Figure, Target, Unit, Verdict, size_text, verdict, worst

MIB = 1 << 20
_SAMPLE_SECONDS = 0.1
_WIDTH = 200


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: seconds by the clock, and CPU seconds of this process and those it started.

    ``cpu`` is None where it was not measured, never zero.
    """

    seconds: float
    cpu: float | None = None


@dataclass
class Line:
    """One measured thing, and the target it is held against.

    Without a ``figure`` the seconds are what is judged. A ratio is the median over rounds by the clock, ``cpu_ratio`` by
    CPU seconds, both against ``against``. ``doubt`` says why the figure, whatever it is, does not show the target.
    """

    what: str
    cost: Cost | None = None
    note: str = ""
    figure: Figure | None = None
    cpu_ratio: float | None = None
    against: str = ""
    target: Target | None = None
    size: Mapping[str, int] = field(default_factory=dict)
    doubt: str = ""

    @property
    def judged(self) -> Figure | None:
        """What is held against the target."""
        return self.figure or (Figure(self.cost.seconds) if self.cost else None)

    @property
    def verdict(self) -> Verdict | None:
        """Met, missed or not shown; None without a target."""
        if self.target is None:
            return None
        return (
            Verdict("not shown", self.doubt) if self.doubt else verdict(self.target, self.judged, self.size)
        )


@dataclass
class Costs:
    """Rounds of one piece of work."""

    rounds: list[Cost] = field(default_factory=list)

    @property
    def median(self) -> Cost:
        """The median of each kind of seconds."""
        cpu = [one.cpu for one in self.rounds if one.cpu is not None]
        return Cost(median(one.seconds for one in self.rounds), median(cpu) if cpu else None)

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


def compared(what: str, work: Costs, base: Costs, against: str, **more: Any) -> Line:
    """A line whose ratios are speeds, round by round: 1 is as fast as the base, 0.5 takes twice as long."""
    return _against(base.rounds, work.rounds, what=what, cost=work.median, against=against, **more)


def lengthened(what: str, work: Costs, base: Costs, against: str, **more: Any) -> Line:
    """A line whose ratios are times, round by round: 1 takes as long as the base, 2 twice as long."""
    return _against(work.rounds, base.rounds, what=what, cost=work.median, against=against, **more)


def _against(over: list[Cost], under: list[Cost], **more: Any) -> Line:
    pairs = list(zip(over, under, strict=True))
    ratios = [one.seconds / other.seconds for one, other in pairs]
    by_cpu = [one.cpu / other.cpu for one, other in pairs if one.cpu and other.cpu]
    return Line(
        figure=Figure(median(ratios), Unit.RATIO, (min(ratios), max(ratios))),
        cpu_ratio=median(by_cpu) if by_cpu else None,
        **more,
    )


def repeated(what: str, work: Costs, **more: Any) -> Line:
    """A line of the median seconds of several rounds, with the least and the greatest."""
    seconds = [one.seconds for one in work.rounds]
    figure = Figure(median(seconds), spread=(min(seconds), max(seconds)))
    return Line(what, work.median, figure=figure, **more)


def p95(seconds: Sequence[float]) -> Figure:
    """The 95th percentile by the nearest rank."""
    return Figure(sorted(seconds)[math.ceil(len(seconds) * 0.95) - 1])


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
    """Greatest resident memory, in bytes, sampled while the context is open.

    ``engine`` is the largest child, ``beside`` all but it, ``together`` both at one moment, ``own`` this process alone.
    """

    def __init__(self) -> None:
        self.engine = 0
        self.beside = 0
        self.together = 0
        self.own = 0
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
            own, *children = sizes = [_resident(process) for process in _family()]
            engine, together = max(children, default=0), sum(sizes)
            self.own = max(self.own, own)
            self.engine = max(self.engine, engine)
            self.beside = max(self.beside, together - engine)
            self.together = max(self.together, together)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def memory_line(what: str, used: int, **more: Any) -> Line:
    """A line of so many bytes."""
    return Line(what, figure=Figure(used / MIB, Unit.MEMORY), **more)


Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""The heads of a table, and its cells for people."""


def print_lines(lines: Sequence[Line], parts: Sequence[str], title: str, markdown: bool = False) -> None:
    """A table of what was measured, one of the targets of these parts, and one line of JSON."""
    shown = {title: _measured_rows(lines), "targets": _target_rows(lines, parts)}
    if markdown:
        print("\n\n".join(f"## {name}\n\n{_markdown(*rows)}" for name, rows in shown.items()))
        return
    console = Console(width=_WIDTH)
    for name, (heads, cells) in shown.items():
        table = Table(*heads, title=name)
        for row in cells:
            table.add_row(*row)
        console.print(table)
    print(json.dumps([asdict(line) | {"verdict": line.verdict and asdict(line.verdict)} for line in lines]))


def _measured_rows(lines: Sequence[Line]) -> Rows:
    heads = (
        "what",
        "seconds",
        "CPU s",
        "figure",
        "min-max",
        "CPU ratio",
        "against",
        "target",
        "verdict",
        "note",
    )
    return heads, [_cells(line) for line in lines]


def _cells(line: Line) -> tuple[str, ...]:
    figure = line.figure
    return (
        line.what,
        f"{line.cost.seconds:.2f}" if line.cost else "",
        f"{line.cost.cpu:.2f}" if line.cost and line.cost.cpu is not None else "",
        figure.unit.text(figure.value) if figure else "",
        f"{figure.spread[0]:.2f}-{figure.spread[1]:.2f}" if figure and figure.spread else "",
        "" if line.cpu_ratio is None else f"{line.cpu_ratio:.2f}",
        line.against,
        line.target.text if line.target else "",
        line.verdict.text if line.verdict else "",
        line.note,
    )


def _target_rows(lines: Sequence[Line], parts: Sequence[str]) -> Rows:
    """Every target of these parts with what shows it, in the order of the design's table."""
    cells: list[tuple[str, ...]] = []
    for one in TARGETS.values():
        if one.part not in parts:
            continue
        own = [line for line in lines if line.target == one]
        figures = [line.judged for line in own]
        answer = worst(
            [line.verdict for line in own if line.verdict] or [Verdict("not shown", "not measured")]
        )
        said = ", ".join(figure.unit.text(figure.value) for figure in figures if figure)
        size = size_text(one.size) if one.size else "any"
        cells.append((one.row, one.name, one.text, size, said, answer.text))
    return ("work", "name", "target", "size", "measured", "verdict"), cells


def _markdown(heads: tuple[str, ...], cells: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
