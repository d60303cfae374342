"""The limits of an intake that tokens open, read once from policy.yaml. No number of them is typed elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources

import yaml

from models.settings import SenderLimits


@dataclass(frozen=True)
class IntakePolicy:
    """What policy.yaml says; ``sender`` is complete."""

    sender: SenderLimits
    tokens_look_seconds: float
    catalogue_look_seconds: float
    warehouse_away_seconds: float
    retired_lifecycles: frozenset[str]
    ends_soon: timedelta


@cache
def intake_policy() -> IntakePolicy:
    """The limits in force where the settings say nothing else."""
    text = resources.files("pipelines.ingest.intake").joinpath("policy.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return IntakePolicy(
        sender=SenderLimits(
            requests_per_second=data["requests_per_second"],
            requests_burst=data["requests_burst"],
            bytes_per_second=data["bytes_per_second"],
            bytes_burst=data["bytes_burst"],
            request_bytes=data["request_bytes"],
        ),
        tokens_look_seconds=float(data["tokens_look_seconds"]),
        catalogue_look_seconds=float(data["catalogue_look_seconds"]),
        warehouse_away_seconds=float(data["warehouse_away_seconds"]),
        retired_lifecycles=frozenset(data["retired_lifecycles"]),
        ends_soon=timedelta(days=data["ends_soon_days"]),
    )


def retired_lifecycle(lifecycle: str) -> str:
    """A lifecycle of the catalogue in lower case where an app of it is gone; empty where it is not."""
    plain = lifecycle.strip().lower()
    return plain if plain in intake_policy().retired_lifecycles else ""
