"""What the last pass of each step said: kept in the warehouse, so that it is said until a later pass does not say it.

A pass says everything that holds, not only what is news. What is done about it does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from pipelines.commands.report import StepReport
from sql.warehouse import Warehouse

Kind = Literal["refused", "held", "note", "failed"]


@dataclass(frozen=True)
class Sentence:
    """One sentence of the last pass of a step."""

    step: str
    kind: str
    text: str


def said(warehouse: Warehouse) -> list[Sentence]:
    """Everything the last pass of each step said, in its order."""
    frame = warehouse.frame("queries/ledger/pass_sentences")
    return [Sentence(row["step"], row["kind"], row["sentence"]) for row in frame.iter_rows(named=True)]


def keep(warehouse: Warehouse, report: StepReport, before: Sequence[Sentence]) -> None:
    """Keeps what a step says, where that is not what it said ``before``; a step that failed still says that too."""
    old = [one for one in before if one.step == report.step]
    now = [
        Sentence(report.step, kind, text)
        for kind, texts in (("refused", report.refused), ("held", report.held), ("note", report.standing))
        for text in texts
    ]
    if report.failed:
        now = [*(one for one in old if one.kind != "failed"), Sentence(report.step, "failed", report.failed)]
    if now == old:
        return
    moment = datetime.now(UTC)
    lines = [Sentence(report.step, "done", ""), *now]
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
