"""Where a workspace is and what its files say, for everything that works on one: commands, Dagster and pages.

Reads bytes and looks at paths; what the text of ``appfleet.yaml`` means is decided in ``models.settings``.
"""

from __future__ import annotations

import os
from pathlib import Path

from models.errors import ConfigurationError
from models.grants import FILE_NAME as PEOPLE_FILE
from models.settings import FILE_NAME, Settings, SettingsPath, parse_settings

WORKSPACE_VARIABLE = "APPFLEET_WORKSPACE"

_NOT_IN_A_PATH = frozenset("*?{}\\%&")
"""The engine reads the first four as patterns, and another file than the one that is meant, or none; the others cut the
addresses by which the engine and Dagster open what they keep."""


def named_workspace(explicit: Path | None = None) -> Path:
    """The workspace named on the command line, else by the environment, else the current folder."""
    return (explicit or Path(os.environ.get(WORKSPACE_VARIABLE, "."))).resolve()


def refuse_unusable(workspace: Path) -> None:
    """Refuses a folder as a workspace whose path the engine or Dagster would read as another one.

    Raises:
        ConfigurationError: its path, links followed, has a character that means something to one of them.
    """
    path = str(workspace.resolve())
    wrong = sorted(
        {character for character in path if character in _NOT_IN_A_PATH or not character.isprintable()}
    )
    if wrong:
        named = " ".join(character if character.isprintable() else ascii(character) for character in wrong)
        raise ConfigurationError(
            f"{path}: a path of a workspace may not hold {named}: files below it could not be told from others; rename the "
            "folder, or move the workspace"
        )


def load_settings(workspace: Path) -> Settings:
    """Settings of a workspace.

    Raises:
        ConfigurationError: no such file, a path that cannot be one of a workspace, or a wrong key, type or path; names
            file, line and key.
    """
    refuse_unusable(workspace)
    return settings_of(workspace, settings_text(workspace))


def settings_text(workspace: Path) -> str:
    """The text of the settings of a workspace.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read.
    """
    path = workspace / FILE_NAME
    if not path.exists():
        raise ConfigurationError(
            f"there is no {FILE_NAME} in {workspace}: make one with `appfleet init {workspace}`, or name a workspace with -w"
        )
    return read_text(path, str(path))


def settings_of(workspace: Path, text: str) -> Settings:
    """What the text of the settings of a workspace says.

    Raises:
        ConfigurationError: a wrong key, type or path; names file, line and key.
    """
    root = workspace.resolve()

    def locate(text: str) -> SettingsPath:
        place = root / text
        try:
            place = place.resolve()
            return SettingsPath(
                place, "file" if place.is_file() else "folder" if place.exists() else "nothing"
            )
        except (OSError, RuntimeError):  # a name too long, links in a circle
            return SettingsPath(place, "nothing")

    return parse_settings(text, str(workspace / FILE_NAME), root, locate)


def people_text(settings: Settings) -> str:
    """The text of the file that says who may see what.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read.
    """
    path = settings.people or settings.root / PEOPLE_FILE
    if not path.is_file():
        raise ConfigurationError(
            f"there is no {path}: it grants people what they may see, and without it nobody sees anything"
        )
    return read_text(path, str(path))


def read_text(path: Path, name: str) -> str:
    """Text of a file a user wrote, which sentences call ``name``.

    Raises:
        ConfigurationError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}, byte {error.start}: this is not UTF-8 text") from None
