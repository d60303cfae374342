"""Opens the store a source's location names."""

from __future__ import annotations

from pathlib import Path

from pipelines.ingest.sources.disk import DiskStore
from pipelines.ingest.sources.objects import Location, ObjectStore
from pipelines.ingest.sources.s3 import SCHEME, S3Store


def open_store(source: Location, root: Path) -> ObjectStore:
    """The objects of a source; a local location is relative to ``root``.

    Raises:
        ConfigurationError: the location names nothing that exists or is allowed.
    """
    if source.location.startswith(SCHEME):
        return S3Store.at(source)
    return DiskStore.at(source.location, root)
