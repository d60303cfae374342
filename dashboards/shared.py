"""What pages read that is no team's: how far the data goes, what of it is lost, which step failed.

Every viewer waits for these, so they are read once for everybody, and by a thread before anybody asks. Rows of a team must
not be read here: what is kept is kept for whoever comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import polars as pl

from models.errors import WarehouseError
from sql.damage import ANYBODY, SETTLED_SECONDS

_LOOK_SECONDS = 5.0
_UNSEEN_SECONDS = 600.0
"""How long what nobody looks at is still read ahead."""


@dataclass(frozen=True)
class SharedRead:
    """A statement of no team: its parameters, and how long an answer holds where no release ends it."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    holds_seconds: float = float("inf")


SHARED: Mapping[str, SharedRead] = MappingProxyType(
    {
        "dashboards/as_of": SharedRead(),
        "dashboards/first_cost_days": SharedRead(),
        "dashboards/open_days": SharedRead(),
        "reporting/currencies": SharedRead(),
        "damage/lost_rows": SharedRead(
            {"with_slices": False, "settled_seconds": SETTLED_SECONDS}, holds_seconds=60
        ),
        "damage/failed_steps": SharedRead(holds_seconds=60),
    }
)


@dataclass(frozen=True)
class _Answer:
    frame: pl.DataFrame
    mark: str
    good_until: float


class SharedReads:
    """Answers of the statements of no team at the newest release, of one workspace.

    Args:
        read: result of a statement with its parameters.
        read_mark: the mark of the newest release.
    """

    def __init__(
        self, read: Callable[[str, dict[str, Any]], pl.DataFrame], read_mark: Callable[[], str]
    ) -> None:
        self._read = read
        self._read_mark = read_mark
        self._answers: dict[str, _Answer] = {}
        self._locks = {name: threading.Lock() for name in SHARED}
        self._starting = threading.Lock()
        self._ended = threading.Event()
        self._ahead: threading.Thread | None = None
        self._seen = 0.0

    def frame(self, name: str, mark: str) -> pl.DataFrame:
        """Result of one of ``SHARED`` at the release of a mark, no older than it holds.

        Raises:
            WarehouseError: the warehouse cannot be reached or refuses the statement.
        """
        self._seen = time.monotonic()
        answer = self._answer(name, mark, time.monotonic())
        self._read_ahead()
        return answer

    def close(self) -> None:
        """Reads nothing ahead any more."""
        self._ended.set()

    def _answer(self, name: str, mark: str, needed_until: float) -> pl.DataFrame:
        with self._locks[name]:  # many who come at once wait for one answer
            kept = self._answers.get(name)
            if kept is None or kept.mark != mark or kept.good_until < needed_until:
                asked_at, shared = time.monotonic(), SHARED[name]
                frame = self._read(name, {**shared.parameters, "teams": ANYBODY})
                kept = self._answers[name] = _Answer(frame, mark, asked_at + shared.holds_seconds)
            return kept.frame

    def _read_ahead(self) -> None:
        with self._starting:
            if self._ahead is None and not self._ended.is_set():
                self._ahead = threading.Thread(target=self._keep, name="appfleet-read-ahead", daemon=True)
                self._ahead.start()

    def _keep(self) -> None:
        """Reads again what the next look would find too old or of an older release, while somebody looks at pages."""
        while not self._ended.wait(_LOOK_SECONDS):
            if time.monotonic() - self._seen > _UNSEEN_SECONDS:
                break
            try:
                mark = self._read_mark()
                for name in tuple(self._answers):
                    self._answer(name, mark, time.monotonic() + 2 * _LOOK_SECONDS)
            except WarehouseError:
                continue  # who looks at a page reads it then, and is told
        with self._starting:
            self._ahead = None
