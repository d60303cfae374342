"""What the apps of a workspace are held to beside the defaults: its OpenSLO files, and what was published before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models import objectives, requests
from models.errors import ConfigurationError
from models.indicators import Question
from models.objectives import Assignment
from models.openslo import TimeWindow
from models.policy import burn_windows, request_slices, slo_defaults, slo_tiers
from models.settings import Settings
from pipelines.actions.targets import routing_in
from pipelines.ingest.objectives import Files, load_objectives, objectives_sha256
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class Promises:
    """Objectives that files ask for, the generations published last, and what is to be said of the files."""

    asked: Assignment
    before: pl.DataFrame
    refused: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def notes(self, seen: pl.DataFrame) -> tuple[str, ...]:
        """Everything to be said; ``seen`` holds the apps and environments there are."""
        return (*self.told, *objectives.unseen(self.asked, seen))


def promises(warehouse: Warehouse, settings: Settings, apps: pl.DataFrame) -> Promises:
    """Objectives of a workspace and of its ``apps`` by their criticality; those of a file with a mistake stay as they were published last."""
    files, found, before, kept = _told(warehouse, settings)
    return Promises(
        objectives.held((*found.lines, *kept, *objectives.tier_defaults(apps, slo_defaults(), slo_tiers()))),
        before,
        (
            *(f"{mistake}; objectives of the file stay as they were" for mistake in files.reading.mistakes),
            *found.unheeded,
        ),
        (*files.reading.warnings, *(f"{one}; the defaults stay" for one in found.refusals)),
    )


def routes_named(warehouse: Warehouse, settings: Settings) -> set[tuple[str, str]]:
    """Apps and routes that objectives of a workspace name; nothing is read where every file can be read."""
    lines = _lines(warehouse, settings)
    return {(one.app_id, one.objective.route) for one in lines if one.objective.route}


def questions_named(warehouse: Warehouse, settings: Settings) -> set[tuple[str, Question]]:
    """Apps and what objectives of a workspace count of them beside requests; nothing is read where every file can be read."""
    lines = _lines(warehouse, settings)
    return {(one.app_id, one.objective.question) for one in lines if one.objective.question is not None}


def windows_named(warehouse: Warehouse, settings: Settings) -> set[TimeWindow]:
    """Windows that objectives of a workspace are over."""
    return {one.window for one in _lines(warehouse, settings)}


def _lines(warehouse: Warehouse, settings: Settings) -> tuple[objectives.Override, ...]:
    """What the files ask for, and what stays as it was where one has a mistake."""
    if not objectives_sha256(settings):
        return ()
    files, found = _asked(settings)
    if not files.broken:
        return found.lines
    before = warehouse.frame("queries/slo/objectives")
    return (*found.lines, *objectives.as_they_were(before, files.broken, found.lines))


def targets_named(root: Path) -> frozenset[str] | None:
    """Targets that a route of ``alerts.yaml`` leads to; None where the file has a mistake, which whoever sends tells of."""
    try:
        return frozenset(routing_in(root).targets)
    except ConfigurationError:
        return None


def _told(
    warehouse: Warehouse, settings: Settings
) -> tuple[Files, objectives.Overrides, pl.DataFrame, list[objectives.Override]]:
    """The files, what they ask for, the generations before, and what stays as it was."""
    files, found = _asked(settings)
    before = warehouse.frame("queries/slo/objectives")
    return files, found, before, objectives.as_they_were(before, files.broken, found.lines)


def _asked(settings: Settings) -> tuple[Files, objectives.Overrides]:
    files = load_objectives(settings)
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    targets = targets_named(settings.root)
    found = objectives.overrides(files.reading.catalogue, slo_defaults(), burn_windows(), ladder, targets)
    return files, found
