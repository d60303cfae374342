"""Which objects of a delivery one statement loads: those that follow each other and are read in exactly the same way.

Planning the statement of a bill costs as much as reading thousands of its rows, and a month of many part files is
loaded whole whenever one of them changes. Nothing is loaded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from pipelines.ingest.billing.formats import ReadableObject
from pipelines.ingest.billing.plan import Candidate
from sql.bill_files import path_of_all

MOST_BYTES = 256 << 20
"""Bytes that are loaded together: beside reading so many, planning costs nothing that is noticed."""


@dataclass(frozen=True)
class Loadable:
    """An object as the engine reads it, and the months to load from it."""

    candidate: Candidate
    readable: ReadableObject
    periods: tuple[date, ...]

    @property
    def name(self) -> str:
        return self.candidate.item.name

    @cached_property
    def bytes(self) -> int:
        """Bytes the engine reads; 0 where they are gone, as what was not asked for lately may be."""
        return self.readable.path.stat().st_size if self.is_there else 0

    @property
    def is_there(self) -> bool:
        """Whether its bytes are still on disk."""
        return self.readable.path.exists()

    @cached_property
    def shape(self) -> tuple[Any, ...]:
        """Everything but its name and its rows that decides what is loaded."""
        bound = {name: value for name, value in self.readable.bound.items() if name != "path"}
        return self.readable.path.parent, bound, self.readable.file.settings, self.periods


def together(objects: Iterable[Loadable]) -> Iterator[tuple[Loadable, ...]]:
    """The objects in their order, in runs of one shape of at most ``MOST_BYTES``; a larger one stands alone."""
    run: list[Loadable] = []
    for one in objects:
        if run and (one.shape != run[0].shape or sum(each.bytes for each in run) + one.bytes > MOST_BYTES):
            yield tuple(run)
            run = []
        run.append(one)
        if one.bytes >= MOST_BYTES:
            yield tuple(run)
            run = []
    if run:
        yield tuple(run)


def bound(run: tuple[Loadable, ...]) -> dict[str, Any]:
    """Parameters by which a statement reads all objects of a run, and names the one each row is of."""
    paths = [one.readable.path for one in run]
    return {
        **run[0].readable.bound,
        "path": path_of_all(paths),
        "periods": list(run[0].periods),
        "file_names": [path.name for path in paths],
        "object_names": [one.name for one in run],
    }
