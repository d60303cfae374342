"""Objects on the local disk: one file, a folder with all below it, or a glob."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from models.errors import ConfigurationError, InputRefused, ObjectRefused
from pipelines.ingest.sources.objects import (
    SourceObject,
    SpooledObject,
    checked_name,
    name_pattern,
    split_pattern,
)
from pipelines.ingest.sources.spool import CHUNK_BYTES, SpoolLimits, spool


class DiskStore:
    """Files below ``base`` whose relative name matches ``glob`` (all of them without one)."""

    def __init__(self, base: Path, glob: str | None = None, only: str | None = None) -> None:
        self._base = base
        self._pattern = name_pattern(glob) if glob else None
        self._depth = None if glob is None or "**" in glob else glob.count("/")
        self._only = only

    @classmethod
    def at(cls, location: str, root: Path) -> DiskStore:
        """The store of a location, relative to ``root``.

        Raises:
            ConfigurationError: there is no such file or folder.
        """
        folder, glob = split_pattern(location)
        base = (root / folder) if folder or glob else root
        if glob is None and base.is_file():
            return cls(base.parent, only=base.name)
        if not base.is_dir():
            raise ConfigurationError(
                f"{location}: there is no such file or folder; create it or correct the path"
            )
        return cls(base, glob)

    def objects(self) -> list[SourceObject]:
        """Regular files, sorted by name; those behind a link to a folder too, so that one that leaves is refused by name."""
        if self._only is not None:
            path = self._base / self._only
            return [_listed(self._only, path)] if path.is_file() else []
        found = []
        for folder, folders, files in _folders(self._base):
            if self._depth is not None and len(Path(folder).relative_to(self._base).parts) >= self._depth:
                folders.clear()
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self._base).as_posix()
                if (self._pattern is None or self._pattern.match(name)) and path.is_file():
                    found.append(_listed(name, path))
        return sorted(found, key=lambda item: item.name)

    def fetch(
        self, item: SourceObject, target: Path, limits: SpoolLimits | None = None, may_grow: bool = False
    ) -> SpooledObject:
        """Copies a file to ``target``, unpacked; it must be the file that was listed, before and after."""
        path = self._path(item.name)
        try:
            before = _listed(item.name, path)
            with path.open("rb") as file:
                done = spool(item.name, _chunks(file.fileno(), item.size), target, limits or SpoolLimits())
            after = _listed(item.name, path)
        except FileNotFoundError:
            raise ObjectRefused(item.name, "it is gone since it was listed: deliver it again") from None
        except OSError as error:
            raise ObjectRefused(item.name, f"it cannot be read ({error.strerror})") from None
        grown = may_grow and _has_grown(item, before) and _has_grown(before, after)
        if not grown and not item.etag == before.etag == after.etag:
            raise ObjectRefused(item.name, "it changed while it was read: run again")
        return SpooledObject(target, done.sha256, done.bytes, done.unpacked_bytes)

    def identity(self, item: SourceObject) -> str:
        """The file itself, whatever name or link leads to it."""
        stat = (self._base / item.name).stat()
        return f"file {stat.st_dev}/{stat.st_ino}"

    def name_of(self, reference: str, manifest: str) -> str:
        """A copy of an export lies anywhere: the file a reference names beside the manifest, else by its end."""
        parts = checked_name(reference.removeprefix("s3://")).split("/")
        folder = manifest.rpartition("/")[0]
        beside = f"{folder}/{parts[-1]}" if folder else parts[-1]
        ends = ["/".join(parts[start:]) for start in range(len(parts))]
        for name in [*ends[:-1], beside, ends[-1]] if len(parts) > 1 else [beside, *ends]:
            if (self._base / name).is_file():
                return name
        there = (name for name in ends[:-1] if (self._base / name).parent.is_dir())
        return next(there, ends[0])

    def _path(self, name: str) -> Path:
        path = self._base / checked_name(name)
        if not path.resolve().is_relative_to(self._base.resolve()):
            raise ObjectRefused(name, "it is a link that leaves its folder: deliver the file itself")
        return path


def _folders(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``os.walk``, and through links to folders, but not through links behind these."""
    for folder, folders, files in os.walk(top, onerror=_unlisted):
        yield folder, folders, files
        for name in folders:
            if Path(folder, name).is_symlink():
                yield from os.walk(Path(folder, name), onerror=_unlisted)


def _unlisted(error: OSError) -> None:
    raise InputRefused(
        f"{error.filename} cannot be listed ({error.strerror}): nothing of its source is read"
    ) from None


def _listed(name: str, path: Path) -> SourceObject:
    stat = path.stat()
    modified_at = datetime.fromtimestamp(stat.st_mtime_ns // 1000 / 1_000_000, UTC)
    return SourceObject(
        name, stat.st_size, modified_at, f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_ctime_ns}"
    )


def _has_grown(before: SourceObject, after: SourceObject) -> bool:
    """Whether a file is still the same one, with no byte less."""
    return before.etag.split("-")[0] == after.etag.split("-")[0] and before.size <= after.size


def _chunks(descriptor: int, size: int) -> Iterator[bytes]:
    left = size
    while left > 0 and (chunk := os.read(descriptor, min(left, CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk
