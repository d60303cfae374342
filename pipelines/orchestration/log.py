"""The log of Dagster's processes, the workers of its runs among them: as Dagster writes it, or JSON like everybody's."""

from __future__ import annotations

from sql.logs import is_json, start_log


def begin_log() -> None:
    """Sets up the log of this process where lines of JSON are asked for; else Dagster does so itself."""
    if is_json():
        start_log("%(message)s")
