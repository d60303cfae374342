"""What each part of the benchmark is given: how much to measure, a folder to do it in, and where to put what it found.

Nothing is measured here.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import Cost, Line, measured
from bench.processes import appfleet
from models.settings import Settings

APPS = 4_200
SQL = Path(__file__).parent / "sql"
ROUNDS = 3
BILL_ROUNDS = 5


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    apps: int = APPS
    bills: tuple[int, ...] = (1_000_000,)
    month_rows: int = 50_000
    spans: int = 400_000
    live_spans: int = 200_000
    kept_spans: int = 3_000_000
    slice_days: int = 3
    anomaly_days: int = 400
    quality_seeds: tuple[int, ...] = (20250801, 20250802, 20250803)
    fleets: tuple[tuple[int, int], ...] = ((120, 90),)
    """Apps and days of the simulated fleets a pass runs over; the commands use the first."""
    pages: tuple[int, int, int] = (30, 395, 140)
    """Apps and days that are simulated for the pages, and how often each app is there."""
    page_rounds: int = 20
    clicks: int = 8
    command_rounds: int = 10
    growth_rows: int = 250_000
    growth_days: int = 1


FULL = Sizes(
    bills=(1_000_000, 5_000_000),
    month_rows=400_000,
    spans=2_000_000,
    live_spans=500_000,
    slice_days=30,
    fleets=((120, 90), (APPS, 90)),
    clicks=20,
    growth_rows=1_000_000,
    growth_days=5,
)
"""The sizes of the targets."""

TINY = Sizes(
    apps=60,
    bills=(5_000,),
    month_rows=1_000,
    spans=3_000,
    live_spans=1_000,
    kept_spans=30_000,
    slice_days=1,
    anomaly_days=60,
    quality_seeds=(20250801,),
    fleets=((6, 35),),
    pages=(7, 35, 2),
    page_rounds=2,
    clicks=2,
    command_rounds=2,
    growth_rows=5_000,
)
"""Whether everything runs; shows little."""


@dataclass(frozen=True)
class Simulated:
    """A workspace with a simulated fleet, what its first pass cost, and what that said of its steps."""

    root: Path
    first: Cost
    steps: str


@dataclass
class Bench:
    """A folder to measure in, and what was measured."""

    sizes: Sizes
    root: Path
    lines: list[Line] = field(default_factory=list)
    fleets: dict[Path, Simulated] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Keeps a line and tells it at once."""
        self.lines.append(line)
        said = (
            f"{line.cost.seconds:.2f} s" if line.cost else "",
            line.figure.unit.text(line.figure.value) if line.figure else "",
            line.note,
            line.verdict.text if line.verdict else "",
        )
        print(f"  {line.what}: {' · '.join(filter(None, said))}", file=sys.stderr, flush=True)

    def workspace(self, name: str) -> Settings:
        """Settings of a fresh, empty workspace."""
        root = self.root / name
        (root / "catalog").mkdir(parents=True)
        (root / "teams.yaml").write_text("teams: []\n", encoding="utf-8")
        return Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")

    def simulated(self, apps: int, days: int) -> Simulated:
        """A fleet of a size after its first pass; made once, whatever part asks first."""
        root = self.root / f"fleet-{apps}-{days}"
        if root not in self.fleets:
            appfleet("simulate", str(root), "--apps", str(apps), "--days", str(days))
            cost, text = measured(lambda: appfleet("run", "-w", str(root)))
            self.fleets[root] = Simulated(root, cost, steps_of(text))
        return self.fleets[root]

    def tidy(self) -> None:
        """Removes every workspace but those of simulated fleets, which other parts use."""
        for path in self.root.iterdir():
            if path not in self.fleets:
                shutil.rmtree(path, ignore_errors=True)


def statement(name: str) -> str:
    """A statement of the benchmark's own."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def rate(count: int, cost: Cost, of: str) -> str:
    """How many a second."""
    return f"{count / cost.seconds:,.0f} {of}/s"


def steps_of(text: str) -> str:
    """The steps of a pass and their seconds, from the summary's last line."""
    return next((line.split("(")[-1].rstrip(").") for line in text.splitlines() if " s in all (" in line), "")


def told(problems: Any) -> None:
    """Ends the part where its own input was refused: there is nothing to measure then."""
    if problems:
        raise RuntimeError(f"the benchmark's own input was refused: {problems}")
