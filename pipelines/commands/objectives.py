"""`appfleet slo validate` and `appfleet slo export`: OpenSLO files looked at, and the objectives that hold as OpenSLO."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl
from rich.console import Console

from models import objectives, requests
from models.burn_scalings import windows_of
from models.errors import ConfigurationError
from models.openslo_export import exported
from models.openslo_writer import written
from models.policy import burn_windows, request_slices, slo_defaults
from models.settings import Settings
from pipelines.ingest.objectives import read_objectives
from sql.opening import open_warehouse


def print_validation(console: Console, location: Path) -> bool:
    """Every mistake of a file or folder of OpenSLO in a sentence, then what is doubtful; whether there is no mistake.

    Raises:
        ConfigurationError: there is no such file, or nothing in the folder.
    """
    found = read_objectives(location, Path.cwd())
    if not found.files:
        raise ConfigurationError(f"{location}: there is no YAML file to look at")
    for mistake in found.reading.mistakes:
        console.print(mistake, style="red")
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    unmeasured = objectives.overrides(
        found.reading.catalogue, slo_defaults(), burn_windows(), ladder
    ).refusals
    for sentence in (*found.reading.warnings, *unmeasured):
        console.print(f"Warning: {sentence}", style="yellow")
    console.print(
        f"{len(found.files)} file(s), {len(found.reading.catalogue.items)} object(s) without a mistake, "
        f"{len(found.reading.mistakes)} mistake(s)."
    )
    return not found.reading.mistakes


def exported_text(settings: Settings, app_id: str | None) -> str:
    """The objectives that hold now, of every app or one, as OpenSLO.

    Raises:
        ConfigurationError: none is published.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        frame = warehouse.frame("queries/slo/objectives")
    held = frame.filter(pl.col("valid_to").is_null())
    if app_id:
        held = held.filter(pl.col("app_id") == app_id.strip().lower())
    if held.is_empty():
        raise ConfigurationError(
            "no objective is published"
            + (f" for app {app_id}" if app_id else "; `appfleet run` computes them")
        )
    return written(exported(held.iter_rows(named=True), partial(windows_of, settings.burn_windows)))
