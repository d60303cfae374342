"""What a workspace's warehouse lacks, in a word, for the services that need it (``sql.probe`` answers for them)."""

from __future__ import annotations

from pathlib import Path

from models.errors import AppfleetError
from sql.opening import refuse_unreachable
from sql.probe import word_of


def warehouse_missing(workspace: Path) -> list[str]:
    """What a workspace's warehouse lacks for a reader: nothing, ``settings``, ``warehouse`` or ``schema``.

    An embedded warehouse that nobody owns is not started for this.
    """
    try:
        refuse_unreachable(workspace)
    except AppfleetError as error:
        return [word_of(error)]
    return []
