"""Publishes the registry: apps and teams of the workspace's files.

Thousands of entities take longer to parse than everything else that an unchanged pass does, so what files of some bytes
came to is remembered. That is a shortcut: without it they are read again.
"""

from __future__ import annotations

import json
from pathlib import Path

from models.settings import Settings
from pipelines.compute.publishing import (
    Outcome,
    fingerprint,
    frame_fingerprint,
    is_current,
    publish_frames,
)
from pipelines.ingest.registry import load_registry, registry_sha256
from sql.state import state_folder
from sql.warehouse import Warehouse

SCOPE = "registry"


def compute_registry(warehouse: Warehouse, settings: Settings) -> Outcome:
    """Publishes ``core_apps`` and ``core_teams`` from the catalogue and teams files."""
    files = registry_sha256(settings)
    given = fingerprint(files) if files else ""
    remembered = state_folder(settings.root) / "registry.json"
    print_, problems = _known(remembered, given)
    if print_ and is_current(warehouse, SCOPE, print_):
        return Outcome(unchanged=1, notes=problems)
    registry = load_registry(settings)
    print_ = fingerprint(frame_fingerprint(registry.apps), frame_fingerprint(registry.teams))
    tables = {"core_apps": registry.apps, "core_teams": registry.teams}
    outcome = publish_frames(warehouse, settings, SCOPE, tables, print_, as_of=None)
    if registry_sha256(settings) == files:  # else what was read is not what was looked at
        draft = remembered.with_suffix(".new")
        draft.write_text(json.dumps({"given": given, "print": print_, "problems": registry.problems}))
        draft.replace(remembered)
    return Outcome(outcome.releases, outcome.unchanged, tuple(registry.problems))


def _known(remembered: Path, given: str) -> tuple[str, tuple[str, ...]]:
    """Fingerprint of the registry that files of a digest were read as, and what was wrong in them; empty if not known."""
    try:
        known = json.loads(remembered.read_text(encoding="utf-8"))
        if given and known["given"] == given:
            return str(known["print"]), tuple(map(str, known["problems"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nobody wrote it yet, or it is of another version
    return "", ()
