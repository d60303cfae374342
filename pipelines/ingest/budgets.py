"""Reads ``budgets.yaml`` of a workspace; what its lines mean is decided in ``models.budgets``."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.budgets import BudgetLine, budget_lines
from models.errors import ConfigurationError
from models.settings import BUDGETS_FILE, Settings
from models.yaml_reader import documents
from sql.workspace import read_text


def load_budgets(settings: Settings) -> list[BudgetLine]:
    """The lines of a workspace's budgets; none where there is no such file.

    Raises:
        ConfigurationError: the file is wrong; names file, line and key.
    """
    path = _path(settings)
    if not path.is_file():
        return []
    name = str(path.relative_to(settings.root)) if path.is_relative_to(settings.root) else str(path)
    found = documents(read_text(path, name), name)
    if len(found) > 1:
        raise ConfigurationError(f"{name} holds {len(found)} documents; write all budgets into one")
    return [line for document in found for line in budget_lines(document)]


def budgets_sha256(settings: Settings) -> str:
    """Digest of the file, empty where there is none."""
    path = _path(settings)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _path(settings: Settings) -> Path:
    return settings.budgets or settings.root / BUDGETS_FILE
