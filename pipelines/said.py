"""What each step said when it last ran, in a pass or in a run of Dagster's: kept in the warehouse, so that it is said until
a later run does not say it.

A run says everything that holds, not only what is news. What is done about it does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import polars as pl

from models.errors import AppfleetError
from pipelines.work import Done
from sql.warehouse import Warehouse

Kind = Literal["refused", "held", "note", "failed"]


@dataclass(frozen=True)
class Sentence:
    """One sentence of the last run of a step."""

    step: str
    kind: str
    text: str


def said(warehouse: Warehouse) -> list[Sentence]:
    """Everything the last run of each step said, in its order."""
    frame = warehouse.frame("queries/ledger/pass_sentences")
    return [Sentence(row["step"], row["kind"], row["sentence"]) for row in frame.iter_rows(named=True)]


def sentences(done: Done) -> dict[Kind, Sequence[str]]:
    """What a step that ran to its end says."""
    return {
        "refused": (*done.refused, *done.set_aside),
        "held": done.held,
        "note": done.standing,
        "failed": done.unreached,
    }


def keep(
    warehouse: Warehouse,
    step: str,
    now: Mapping[Kind, Sequence[str]],
    before: Sequence[Sentence],
    of_some_periods: bool = False,
) -> None:
    """Keeps what a step says, where that is not what it said ``before``.

    Args:
        now: sentences by kind; of a kind that is not among them, what was said before still holds.
        of_some_periods: it was not asked for all there is, so what was said of the others still holds.
    """
    old = [one for one in before if one.step == step]
    kept: list[Sentence] = []
    for kind in get_args(Kind):
        stands = [one for one in old if one.kind == kind]
        if kind not in now:
            kept += stands
        else:
            said_now = [Sentence(step, kind, text) for text in now[kind]]
            kept += dict.fromkeys([*stands, *said_now] if of_some_periods and kind != "failed" else said_now)
    if kept == old:
        return
    moment = datetime.now(UTC)
    lines = [Sentence(step, "done", ""), *kept]
    warehouse.insert(
        "pass_sentences",
        pl.DataFrame(
            {
                "step": [one.step for one in lines],
                "place": pl.Series(range(len(lines)), dtype=pl.UInt32),
                "kind": [one.kind for one in lines],
                "sentence": [one.text for one in lines],
                "said_at": [moment] * len(lines),
            }
        ),
    )


@contextmanager
def failure_kept(warehouse: Warehouse, step: str, before: Sequence[Sentence]) -> Iterator[None]:
    """Keeps why a step failed, beside what it said before."""
    try:
        yield
    except AppfleetError as error:
        keep(warehouse, step, {"failed": (str(error),)}, before)
        raise
