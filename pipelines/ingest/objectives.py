"""Reads the OpenSLO files of a workspace, or of any path; what they mean is decided in ``models``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from models.errors import ConfigurationError
from models.openslo_reader import Reading, read
from models.settings import OBJECTIVES_FOLDER, Settings
from models.yaml_reader import Document, documents
from pipelines.ingest.registry import catalog_files
from sql.workspace import read_text


@dataclass(frozen=True)
class Files:
    """What files say, and the names of those with a mistake."""

    reading: Reading
    files: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()


def load_objectives(settings: Settings) -> Files:
    """The OpenSLO files of a workspace; none where it has no such folder."""
    digest = objectives_sha256(settings)
    if not digest or digest == _UNREADABLE:
        return read_objectives(objectives_path(settings), settings.root)
    location = objectives_path(settings)
    return _of_digest(location, settings.root, tuple(catalog_files(location)), digest)


_UNREADABLE = "unreadable"


@lru_cache(maxsize=2)
def _of_digest(location: Path, root: Path, files: tuple[Path, ...], digest: str) -> Files:
    """The same for the same files: three steps of a pass read them, and hundreds take a second."""
    return read_objectives(location, root)


def read_objectives(location: Path, root: Path) -> Files:
    """OpenSLO files of a file, folder (to its depths) or glob, read as one; ``root`` is what sentences name them below."""
    found: list[Document] = []
    unreadable: list[str] = []
    names: list[str] = []
    for path in catalog_files(location):
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        names.append(name)
        try:
            found.extend(documents(read_text(path, name), name))
        except ConfigurationError as error:
            unreadable.append(str(error))
    reading = read(found)
    mistakes = (*unreadable, *reading.mistakes)
    broken = tuple(
        name
        for name in names
        if any(one.startswith((f"{name}, ", f"{name}:", f"{name} ")) for one in mistakes)
    )
    return Files(Reading(reading.catalogue, mistakes, reading.warnings), tuple(names), broken)


def objectives_sha256(settings: Settings) -> str:
    """Digest of every OpenSLO file of a workspace with its name; empty where there is none, one word where one cannot be read."""
    paths = catalog_files(objectives_path(settings))
    digest = hashlib.sha256()
    try:
        for path in paths:
            content = path.read_bytes()
            digest.update(f"{path.name}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
    except OSError:
        return _UNREADABLE
    return digest.hexdigest() if paths else ""


def objectives_path(settings: Settings) -> Path:
    """Where the OpenSLO files of a workspace are looked for."""
    return settings.objectives or settings.root / OBJECTIVES_FOLDER
