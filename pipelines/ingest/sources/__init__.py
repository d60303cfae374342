"""Where input comes from: objects of a file, a folder, a glob or an S3 prefix, listed and spooled to disk.

Nothing here knows a format or the warehouse. An object's name is data: it is checked before anything is read
and never becomes a local path of ours.
"""

from pipelines.ingest.sources.objects import (
    Location,
    ObjectStore,
    SourceObject,
    SpooledObject,
    checked_name,
)
from pipelines.ingest.sources.open import open_store, refuse_shared_objects
from pipelines.ingest.sources.spool import SpoolLimits

__all__ = [
    "Location",
    "ObjectStore",
    "SourceObject",
    "SpoolLimits",
    "SpooledObject",
    "checked_name",
    "open_store",
    "refuse_shared_objects",
]
