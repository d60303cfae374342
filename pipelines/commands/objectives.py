"""`appfleet slo validate` and `appfleet slo export`: OpenSLO files looked at, and the objectives that hold as OpenSLO."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import polars as pl
from rich.console import Console

from models import objectives, requests
from models.alert_routes import FILE_NAME as ROUTES_FILE
from models.burn_scalings import windows_of
from models.errors import ConfigurationError
from models.openslo_export import exported
from models.openslo_writer import written
from models.policy import burn_windows, request_slices, slo_defaults
from models.settings import Settings
from pipelines.compute.objectives import targets_named
from pipelines.ingest.objectives import Files, read_objectives
from sql.opening import open_warehouse


def print_validation(console: Console, location: Path, workspace: Path | None = None) -> bool:
    """Every mistake of a file or folder of OpenSLO in a sentence, then what is doubtful; whether there is no mistake.

    Whether routes lead to the targets that are named is known where the workspace has an ``alerts.yaml``.

    Raises:
        ConfigurationError: there is no such file, or nothing in the folder.
    """
    found = read_objectives(location, Path.cwd())
    if not found.files:
        raise ConfigurationError(f"{location}: there is no YAML file to look at")
    routes = None if workspace is None else workspace / ROUTES_FILE
    targets = targets_named(routes.parent) if routes is not None and routes.is_file() else None
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    asked = objectives.overrides(found.reading.catalogue, slo_defaults(), burn_windows(), ladder, targets)
    mistakes = (*found.reading.mistakes, *asked.unheeded)
    for mistake in mistakes:
        console.print(mistake, style="red")
    for sentence in (*found.reading.warnings, *asked.refusals, *_unchecked(found, targets)):
        console.print(f"Warning: {sentence}", style="yellow")
    console.print(
        f"{len(found.files)} file(s), {len(found.reading.catalogue.items)} object(s) without a mistake, "
        f"{len(mistakes)} mistake(s)."
    )
    return not mistakes


def _unchecked(found: Files, targets: Collection[str] | None) -> Iterator[str]:
    """That nobody looked whether routes lead to the targets that are named."""
    named = found.reading.catalogue.of("AlertNotificationTarget")
    if targets is None and named:
        yield f"whether routes lead to {', '.join(sorted(named))} is not known: name the workspace of alerts.yaml by --workspace"


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
