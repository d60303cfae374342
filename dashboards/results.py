"""Results of statements as the pages of one process share them: each is read once per release, by whoever asks first, or ahead
by a few threads while a page is drawn. Who may read what is decided before (``dashboards.queries``) and
stands in the key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

KEPT = 400
"""Results that are remembered; the longest unasked goes first."""
READERS = 4
"""Statements of all pages that are read ahead at one time: no viewer fills the places of the warehouse."""


Values = tuple[tuple[str, Hashable], ...]


@dataclass(frozen=True)
class Read:
    """What a result is remembered by: the release it is of, the statement, the viewer's scope, and its parameters."""

    mark: str
    name: str
    scope: Values
    parameters: Values

    @property
    def bound(self) -> dict[str, Any]:
        """All values of the statement."""
        return dict((*self.parameters, *self.scope))


@dataclass
class _Answer:
    is_taken: bool = False
    future: Future[pl.DataFrame] = field(default_factory=Future)


class Results:
    """Results of one workspace.

    Args:
        read: result of a statement with its values, from any thread.
    """

    def __init__(self, read: Callable[[str, dict[str, Any]], pl.DataFrame]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._answers: OrderedDict[Read, _Answer] = OrderedDict()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="appfleet-reads")

    def frame(self, asked: Read) -> pl.DataFrame:
        """The result, read here where nobody reads it yet; who comes meanwhile waits for the same.

        Raises:
            WarehouseError: the warehouse cannot be reached or refuses the statement; the next who asks tries again.
        """
        answer, _ = self._answer(asked)
        self._read_once(asked, answer)
        return answer.future.result().clone()

    def ahead(self, asked: Read) -> None:
        """Begins to read what will be asked for, unless it is known; a failure is told to who asks."""
        answer, is_new = self._answer(asked)
        if is_new:
            self._readers.submit(self._read_once, asked, answer)

    def close(self) -> None:
        """Reads nothing ahead any more."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _answer(self, asked: Read) -> tuple[_Answer, bool]:
        """The place of a result, and whether it is a new one."""
        with self._lock:
            is_new = asked not in self._answers
            answer = self._answers.setdefault(asked, _Answer())
            self._answers.move_to_end(asked)
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
            return answer, is_new

    def _read_once(self, asked: Read, answer: _Answer) -> None:
        """Reads a result that nobody has begun to read."""
        with self._lock:
            if answer.is_taken:
                return
            answer.is_taken = True
        try:
            answer.future.set_result(self._read(asked.name, asked.bound))
        except BaseException as failure:  # whatever it is, who waits is told, and it is not remembered
            with self._lock:
                if self._answers.get(asked) is answer:
                    del self._answers[asked]
            answer.future.set_exception(failure)
