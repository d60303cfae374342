"""The folder where appfleet keeps everything of a workspace: its user's alone, from its first file on.

Whoever writes below ``.appfleet`` asks here for the folder; what lies in it is the business of others.
"""

from __future__ import annotations

from pathlib import Path

from models.errors import ConfigurationError
from models.workspace import STATE_FOLDER

_OF_OTHERS = 0o077


def state_folder(workspace: Path, *below: str) -> Path:
    """A folder below ``.appfleet`` of a workspace, made where it is missing; nobody else may enter ``.appfleet``.

    Raises:
        ConfigurationError: it cannot be made.
    """
    state = workspace / STATE_FOLDER
    folder = state.joinpath(*below)
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if state.stat().st_mode & _OF_OTHERS:  # made by an earlier version
            state.chmod(0o700)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename}: cannot be made ({error.strerror}): choose a workspace you may write to"
        ) from None
    return folder
