"""Opens the store a source's location names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from models.billing_apis import SCHEME as HTTPS
from models.errors import AppfleetError, ConfigurationError
from pipelines.ingest.sources.disk import DiskStore
from pipelines.ingest.sources.objects import Location, ObjectStore
from pipelines.ingest.sources.s3 import SCHEME, S3Store

AZURE_SCHEME = "az://"
GOOGLE_SCHEME = "gs://"
BIGQUERY_SCHEME = "bigquery://"


def open_store(source: Location, root: Path) -> ObjectStore:
    """The objects of a source; a local location is relative to ``root``.

    Raises:
        ConfigurationError: the location names nothing that exists or is allowed.
    """
    if source.location.startswith(SCHEME):
        return S3Store.at(source)
    if source.location.startswith(AZURE_SCHEME):
        # Imported where it is asked for: it takes three quarters of a second, and most workspaces need it not.
        from pipelines.ingest.sources.azure_blob import AzureBlobStore

        return AzureBlobStore.at(source)
    if source.location.startswith(GOOGLE_SCHEME):
        # Imported where it is asked for: it takes half a second, and most workspaces need it not.
        from pipelines.ingest.sources.gcs import GcsStore

        return GcsStore.at(source)
    if source.location.startswith(BIGQUERY_SCHEME):
        from pipelines.ingest.sources.bigquery import BigQueryStore

        return BigQueryStore.at(source)
    if source.location.startswith(HTTPS):
        from pipelines.ingest.sources.https import HttpsStore

        return HttpsStore.at(source, root)
    return DiskStore.at(source.location, root)


def refuse_shared_objects(sources: Collection[Location], root: Path) -> None:
    """Refuses settings by which one object is in two sources, whatever names, links and globs lead to it.

    A source that cannot be listed is left to its own ingest to report; one that is pulled is not asked for that.

    Raises:
        ConfigurationError: an object lies in two of them; the message names both.
    """
    if len(sources) < 2:
        return
    seen: dict[str, tuple[Location, str]] = {}
    for source in sources:
        if source.location.startswith(HTTPS):
            continue
        try:
            store = open_store(source, root)
            found = {store.identity(item): item.name for item in store.objects()}
        except (AppfleetError, OSError):
            continue
        for identity, name in found.items():
            other, other_name = seen.setdefault(identity, (source, name))
            if other.name != source.name:
                raise ConfigurationError(
                    f"sources.billing: {name} of source {source.name} ({source.location}) is also {other_name} of source "
                    f"{other.name} ({other.location}), so its charges would count twice: change one of the locations"
                )
