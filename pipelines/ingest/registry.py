"""Reads the catalogue and ``teams.yaml`` of a workspace; what they mean is decided in ``models.registry``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models.errors import ConfigurationError
from models.registry import CRITICALITY, app_frame, criticalities, team_frame, teams
from models.retention import Retention, retention
from models.settings import Settings
from models.yaml_reader import Document, documents
from sql.workspace import read_text

ENDINGS = (".yaml", ".yml")


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
    described: list[Document] = []
    problems: list[str] = []
    for path in catalog_files(settings.catalog):
        try:
            described.extend(_documents(path, settings.root))
        except ConfigurationError as error:
            problems.append(f"{error}; the file is set aside")
    apps, found = app_frame(described, listed)
    return Registry(apps, team_frame(listed), problems + found)


def registry_retention(settings: Settings) -> Retention:
    """How long raw telemetry of a workspace is kept: by its settings, and by how critical its catalogue says apps are.

    Only files that say so of any app are read whole; one that cannot be used says nothing here, as the registry names it.
    """
    return retention(settings.retention, criticalities(_saying(settings, CRITICALITY)))


class CurrentRetention:
    """The retention of a workspace, as its catalogue says it now: looked at again after a minute, as a loader of live
    telemetry asks several times a second."""

    SECONDS = 60.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sha256 = ""
        self._asked_at = float("-inf")
        self._kept = retention(settings.retention)

    def __call__(self) -> Retention:
        """As it was found a minute ago at most."""
        now = time.monotonic()
        if now - self._asked_at >= self.SECONDS:
            self._asked_at = now
            sha256 = registry_sha256(self._settings)
            if not sha256 or sha256 != self._sha256:
                self._kept = registry_retention(self._settings)
                self._sha256 = sha256
        return self._kept


def _saying(settings: Settings, word: str) -> Iterator[Document]:
    """Documents of the files of the catalogue that hold a word."""
    for path in catalog_files(settings.catalog):
        try:
            if word in read_text(path, path.name):
                yield from _documents(path, settings.root)
        except ConfigurationError:
            continue


def registry_sha256(settings: Settings) -> str:
    """Digest of every file the registry of a workspace is read from, with its name, and of this code that reads them; empty
    where one cannot be read."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    paths = [*catalog_files(settings.catalog), *([settings.teams] if settings.teams.is_file() else [])]
    try:
        for path in paths:
            content = path.read_bytes()
            digest.update(f"{path}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
    except OSError:
        return ""
    return digest.hexdigest()


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
    found = _documents(settings.teams, settings.root)
    if len(found) > 1:
        raise ConfigurationError(f"{found[0].file} holds {len(found)} documents; write all teams into one")
    return found


def _documents(path: Path, root: Path) -> list[Document]:
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    return documents(read_text(path, name), name)
