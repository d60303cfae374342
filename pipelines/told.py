"""What Dagster was told last of each step, one file a step: who runs a step next knows by it what is still to be told.

The file is away while a step works. A step that is killed leaves none, and everything of it is told anew. Dagster itself
is not known here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.orchestration.instance import history_folder


@dataclass(frozen=True)
class Told:
    """What a step refused, what waits for a person, and what its blocking checks found wrong, in sentences."""

    refused: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


def take(root: Path, step: str) -> Told | None:
    """What was told last, whose file is away from now on; None where a step was cut before it could be told."""
    path = _path(root, step)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return Told(**{key: tuple(sentences) for key, sentences in said.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def keep(root: Path, step: str, told: Told) -> None:
    """Notes that Dagster knows this, and everything that is published of the step."""
    _path(root, step).write_text(json.dumps(asdict(told)), encoding="utf-8")


def _path(root: Path, step: str) -> Path:
    folder = history_folder(root) / "told"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{step}.json"
