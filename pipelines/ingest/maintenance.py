"""Reads the maintenance windows of a workspace: those of ``maintenance.yaml``, and those said by command."""

from __future__ import annotations

from pathlib import Path

from models.errors import ConfigurationError
from models.maintenance import HeldWindows
from models.maintenance_file import read_windows
from models.settings import MAINTENANCE_FILE, Settings
from models.yaml_reader import documents
from sql.maintenance import said_windows
from sql.warehouse import Warehouse
from sql.workspace import read_text


def held_windows(warehouse: Warehouse, settings: Settings) -> HeldWindows:
    """Every window that holds, and a sentence for each of the file that cannot be read."""
    read = load_windows(settings.root / MAINTENANCE_FILE, MAINTENANCE_FILE)
    return HeldWindows((*read.windows, *said_windows(warehouse)), read.refused)


def load_windows(path: Path, name: str) -> HeldWindows:
    """Windows of a file that sentences call ``name``; none where there is no such file."""
    if not path.exists():
        return HeldWindows()
    try:
        found = documents(read_text(path, name), name)
    except ConfigurationError as error:
        return HeldWindows((), (str(error),))
    if len(found) > 1:
        return HeldWindows((), (f"{name} holds {len(found)} documents; write all windows into one",))
    return read_windows(found[0]) if found else HeldWindows()
