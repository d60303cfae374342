"""Telemetry: OTLP objects to rows of the ``otel`` database, each object once.

The live intake and the scan of configured sources share ``load_object``; no other way leads into the tables.
"""

from pipelines.ingest.telemetry.load import ObjectLoad, load_object
from pipelines.ingest.telemetry.source import TelemetryOutcome, TelemetryRefusal, ingest_source

__all__ = ["ObjectLoad", "TelemetryOutcome", "TelemetryRefusal", "ingest_source", "load_object"]
