"""Reads the catalogue and ``teams.yaml`` of a workspace; what they mean is decided in ``models.registry``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from models.errors import ConfigurationError
from models.registry import Document, app_frame, team_frame, teams
from pipelines.settings import Settings

# The C parser is ten times as fast and composes the same nodes; a PyYAML built without it still works.
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ENDINGS = (".yaml", ".yml")

DEEPEST = 50
"""Levels a description may nest; the C parser composes by recursion and would crash the process on 100,000."""


@dataclass(frozen=True)
class Registry:
    """Columns of ``core_apps`` and ``core_teams`` without ``batch_id``, and what is wrong, in sentences."""

    apps: pl.DataFrame
    teams: pl.DataFrame
    problems: list[str]


def load_registry(settings: Settings) -> Registry:
    """The registry of a workspace; a file or document that cannot be used is set aside and named.

    Raises:
        ConfigurationError: ``teams.yaml`` is wrong; names file, line and key.
    """
    listed = [team for document in _teams_document(settings) for team in teams(document)]
    documents: list[Document] = []
    problems: list[str] = []
    for path in catalog_files(settings.catalog):
        try:
            documents.extend(_documents(path, settings.root))
        except ConfigurationError as error:
            problems.append(f"{error}; the file is set aside")
    apps, found = app_frame(documents, listed)
    return Registry(apps, team_frame(listed), problems + found)


def catalog_files(location: Path) -> list[Path]:
    """Files of a catalogue that is a file, a folder (searched to its depths) or a glob, in a fixed order."""
    if location.is_file():
        return [location]
    if location.is_dir():
        return sorted(path for path in location.rglob("*") if path.suffix in ENDINGS and path.is_file())
    below = Path(location.anchor)
    return sorted(path for path in below.glob(str(location.relative_to(below))) if path.is_file())


def _teams_document(settings: Settings) -> list[Document]:
    if not settings.teams.is_file():
        return []
    documents = list(_documents(settings.teams, settings.root))
    if len(documents) > 1:
        raise ConfigurationError(
            f"{documents[0].file} holds {len(documents)} documents; write all teams into one"
        )
    return documents


def _documents(path: Path, root: Path) -> Iterator[Document]:
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        _check_depth(text)
        nodes = list(yaml.compose_all(text, Loader=Loader))
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}, byte {error.start}: this is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            f"{name}{line}: this is not YAML ({getattr(error, 'problem', None) or 'unreadable'})"
        ) from None
    return (Document(name, number, node) for number, node in enumerate(nodes, start=1))


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise yaml.MarkedYAMLError(
                    problem=f"nested deeper than {DEEPEST} levels", problem_mark=event.start_mark
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
