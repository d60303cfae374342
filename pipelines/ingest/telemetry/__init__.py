"""Telemetry: OTLP objects to rows of the ``otel`` database, each object once.

The live intake and the scan of configured sources share ``load_object``; no other way leads into the tables, and what was lost from them is loaded again the same way.
"""

from pipelines.ingest.telemetry.again import LoadedAgain, load_again
from pipelines.ingest.telemetry.load import ObjectLoad, load_object
from pipelines.ingest.telemetry.source import TelemetryOutcome, TelemetryRefusal, ingest_source

__all__ = [
    "LoadedAgain",
    "ObjectLoad",
    "TelemetryOutcome",
    "TelemetryRefusal",
    "ingest_source",
    "load_again",
    "load_object",
]
