"""The speed the design must reach: each bound once, and whether a figure shows that it is met.

What is measured, and how, is the parts' business; they name their target here. No figure that was measured stands here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

DESIGN = "DESIGN.md, section 6"
ANOMALY_QUALITY = "DESIGN.md, section 6, by research/anomaly.md, section 8"
SERVER_PATH = "docs/clickhouse.md"


class Unit(StrEnum):
    """What a bound is in."""

    SECONDS = "s"
    RATIO = "x"
    MEMORY = "MiB"
    SHARE = "%"
    SCORE = ""

    def text(self, value: float) -> str:
        """A value for people; a share is given as a part of one."""
        match self:
            case Unit.SHARE:
                return f"{value:.2%}"
            case Unit.MEMORY:
                return f"{value:,.0f} MiB"
            case _:
                return f"{value:.2f} {self}".rstrip()


@dataclass(frozen=True)
class Figure:
    """What was measured; where there were rounds, with the least and the greatest of them."""

    value: float
    unit: Unit = Unit.SECONDS
    spread: tuple[float, float] | None = None


@dataclass(frozen=True)
class Target:
    """One bound: what it is for, which part measures it, and the size it holds for (empty: any)."""

    name: str
    row: str
    part: str
    bound: float
    unit: Unit = Unit.SECONDS
    at_least: bool = False
    size: Mapping[str, int] = field(default_factory=dict)
    source: str = DESIGN

    @property
    def text(self) -> str:
        """The bound for people."""
        bound = f"{self.bound:.0%}" if self.unit is Unit.SHARE else f"{self.bound:,g} {self.unit}".rstrip()
        return f"{'>=' if self.at_least else '<='} {bound}"

    def holds(self, value: float) -> bool:
        """Whether a value keeps the bound; the bound itself does."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Verdict:
    """Whether a target is met, missed or not shown by what was measured, and then why not."""

    word: Literal["met", "missed", "not shown"]
    why: str = ""

    @property
    def text(self) -> str:
        """The verdict for people."""
        return f"{self.word}: {self.why}" if self.why else self.word


def verdict(target: Target, figure: Figure | None, size: Mapping[str, int]) -> Verdict:
    """What a figure that was measured at a size says about a target.

    Raises:
        ValueError: the figure is not in the target's unit.
    """
    if figure is None or not math.isfinite(figure.value):
        return Verdict("not shown", "not measured")
    if figure.unit is not target.unit:
        raise ValueError(f"{target.name} is in {target.unit.name}, measured was {figure.unit.name}")
    if any(size.get(name) != wanted for name, wanted in target.size.items()):
        return Verdict("not shown", f"measured at {size_text(size)}, is for {size_text(target.size)}")
    sides = {target.holds(value) for value in (figure.value, *(figure.spread or ()))}
    if len(sides) == 2:
        return Verdict("not shown", "its rounds lie on both sides")
    return Verdict("met" if sides.pop() else "missed")


def worst(verdicts: list[Verdict]) -> Verdict:
    """The verdict of a target that several lines measure: missed by one is missed, met is met by all."""
    return next(
        (one for word in ("missed", "not shown") for one in verdicts if one.word == word), Verdict("met")
    )


def size_text(size: Mapping[str, int]) -> str:
    """A size for people."""
    return " x ".join(f"{count:,} {of}" for of, count in size.items()) or "no size of it"


def target(name: str) -> Target:
    """A target by its name."""
    return TARGETS[name]


_BILLING = "billing ingest"
_OTLP = "OTLP ingest"
_SLO = "SLO evaluation"
_ANOMALIES = "anomaly detection"
_PAGES = "page load"
_PASS = "one pass"
_COMMANDS = "the command line"
_MEMORY = "memory"
_GROWTH = "growth"
_SPANS = {"spans": 2_000_000}
_SLICES = {"apps": 4_200, "objectives": 2, "slices": 8_640}
_YEAR_OF_ALL = {"apps": 4_200, "days": 395}
_QUARTER_OF_ALL = {"apps": 4_200, "days": 90}
_DEMO = {"apps": 120, "days": 90}
_ALL_APPS = {"apps": 4_200}
_RATIO, _MIB, _SCORE = Unit.RATIO, Unit.MEMORY, Unit.SCORE

TARGETS = {
    one.name: one
    for one in (
        Target("billing-1m", _BILLING, "billing", 0.6, _RATIO, True, {"rows": 1_000_000}),
        Target("billing-5m", _BILLING, "billing", 0.6, _RATIO, True, {"rows": 5_000_000}),
        Target("server-1m", _BILLING, "server", 0.7, _RATIO, True, {"rows": 1_000_000}, source=SERVER_PATH),
        Target("memory-relay", _MEMORY, "server", 512, _MIB, size={"rows": 1_000_000}, source=SERVER_PATH),
        Target("spans-bare", _OTLP, "spans", 0.7, _RATIO, True, _SPANS),
        Target("spans-decode", _OTLP, "spans", 3, _RATIO, True, _SPANS),
        Target("restated", "restating one month of twelve", "restated", 1.3, _RATIO),
        Target("slo", _SLO, "slo", 10, size=_SLICES),
        Target("slo-tick", _SLO, "slo", 2, size=_SLICES),
        Target("slo-memory", _SLO, "slo", 4_096, _MIB, size=_SLICES),
        Target("attribution", "attribution", "attribution", 5, size={"apps": 4_200, "days": 31}),
        Target("anomalies", _ANOMALIES, "anomalies", 3, size={"apps": 4_200, "days": 400}),
        Target("anomaly-f1", _ANOMALIES, "anomalies", 0.85, _SCORE, True, source=ANOMALY_QUALITY),
        Target("anomaly-precision", _ANOMALIES, "anomalies", 0.84, _SCORE, True, source=ANOMALY_QUALITY),
        Target("anomaly-recall", _ANOMALIES, "anomalies", 0.85, _SCORE, True, source=ANOMALY_QUALITY),
        Target("anomaly-dollars", _ANOMALIES, "anomalies", 0.95, _SCORE, True, source=ANOMALY_QUALITY),
        Target("anomaly-alarms", _ANOMALIES, "anomalies", 2.5, _SCORE, source=ANOMALY_QUALITY),
        Target("anomaly-stress", _ANOMALIES, "anomalies", 0.79, _SCORE, True, source=ANOMALY_QUALITY),
        Target("page-server", _PAGES, "pages", 0.3, size=_YEAR_OF_ALL),
        Target("page-browser", _PAGES, "pages", 0.7, size=_YEAR_OF_ALL),
        Target("pass-first", _PASS, "pass", 40, size=_QUARTER_OF_ALL),
        Target("pass-unchanged-120", _PASS, "pass", 4, size=_DEMO),
        Target("pass-unchanged-4200", _PASS, "pass", 4, size=_QUARTER_OF_ALL),
        Target("command-sql", _COMMANDS, "commands", 1, size=_DEMO),
        Target("command-status", _COMMANDS, "commands", 1, size=_DEMO),
        Target("command-slo", _COMMANDS, "commands", 1, size=_DEMO),
        Target("up-pages", _COMMANDS, "commands", 12, size=_DEMO),
        Target(
            "one-hour",
            "one app's hour of traces",
            "traces",
            0.01,
            Unit.SHARE,
            size={"apps": 4_200, "days": 3, "spans": 3_000_000},
        ),
        Target("memory-billing", _MEMORY, "billing", 2_048, _MIB, size={"rows": 5_000_000}),
        Target("memory-spans", _MEMORY, "spans", 2_048, _MIB, size=_SPANS),
        # twice as much in at most twice the time, and a tenth
        Target("growth-billing", _GROWTH, "growth", 2.2, _RATIO, size=_ALL_APPS),
        Target("growth-attribution", _GROWTH, "growth", 2.2, _RATIO, size=_ALL_APPS),
        Target("growth-slo", _GROWTH, "growth", 2.2, _RATIO, size=_ALL_APPS),
    )
}
"""All bounds by name; ``row`` is how the work of its row of the design's table begins."""
