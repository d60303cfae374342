"""Publishes the registry: apps and teams of the workspace's files."""

from __future__ import annotations

from models.settings import Settings
from pipelines.compute.publishing import Outcome, fingerprint, frame_fingerprint, publish_frames
from pipelines.ingest.registry import load_registry
from sql.warehouse import Warehouse


def compute_registry(warehouse: Warehouse, settings: Settings) -> Outcome:
    """Publishes ``core_apps`` and ``core_teams`` from the catalogue and teams files."""
    registry = load_registry(settings)
    print_ = fingerprint(frame_fingerprint(registry.apps), frame_fingerprint(registry.teams))
    tables = {"core_apps": registry.apps, "core_teams": registry.teams}
    outcome = publish_frames(warehouse, settings, "registry", tables, print_, as_of=None)
    return Outcome(outcome.releases, outcome.unchanged, tuple(registry.problems))
