"""Reads ``rules.yaml`` of a workspace; what its rules mean is decided in ``models.shared_rules``."""

from __future__ import annotations

from pathlib import Path

from models.errors import ConfigurationError
from models.settings import RULES_FILE, Settings
from models.shared_rules import Rules, shared_rules
from models.yaml_reader import documents
from sql.workspace import read_text


def load_rules(settings: Settings, file: Path | None = None) -> Rules:
    """The shared cost rules of a workspace, or of another ``file``; none where the workspace has no such file.

    Raises:
        ConfigurationError: the file is wrong, or a named one is not there; names file, line and key.
    """
    path = file or rules_path(settings)
    if not path.is_file():
        if file is not None:
            raise ConfigurationError(f"{file}: there is no such file of rules")
        return Rules()
    name = str(path.relative_to(settings.root)) if path.is_relative_to(settings.root) else str(path)
    return rules_text(read_text(path, name), name)


def rules_text(text: str, name: str) -> Rules:
    """The rules of a text; ``name`` is what sentences call it.

    Raises:
        ConfigurationError: it is wrong; names line and key.
    """
    found = documents(text, name)
    if len(found) > 1:
        raise ConfigurationError(f"{name} holds {len(found)} documents; write all rules into one")
    return shared_rules(found[0]) if found else Rules()


def written_rules(settings: Settings) -> str:
    """The text of a workspace's rules as it is, empty where there is none."""
    path = rules_path(settings)
    return read_text(path, path.name) if path.is_file() else ""


def rules_path(settings: Settings) -> Path:
    """Where the rules of a workspace are looked for."""
    return settings.rules or settings.root / RULES_FILE
