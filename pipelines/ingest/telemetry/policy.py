"""The limits of the telemetry load, read once from policy.yaml. No number of the load is typed elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import resources

import yaml

from pipelines.ingest.sources import SpoolLimits


@dataclass(frozen=True)
class LoadPolicy:
    """Limits as policy.yaml has them; times in nanoseconds since 1970 (UTC), the end exclusive."""

    time_from: int
    time_to: int
    unpacked_bytes: int
    future_seconds: int
    growing_seconds: int
    first_bytes: int


@cache
def load_policy() -> LoadPolicy:
    """The limits in force."""
    text = resources.files("pipelines.ingest.telemetry").joinpath("policy.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return LoadPolicy(
        time_from=_nanoseconds(data["accepted_times"]["from"]),
        time_to=_nanoseconds(data["accepted_times"]["to"]),
        unpacked_bytes=data["unpacked_bytes"],
        future_seconds=data["future_seconds"],
        growing_seconds=data["growing_seconds"],
        first_bytes=data["first_bytes"],
    )


def spool_limits() -> SpoolLimits:
    """What one object may unpack to."""
    return SpoolLimits(unpacked_bytes=load_policy().unpacked_bytes)


def _nanoseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
