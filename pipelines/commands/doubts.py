"""Sentences about what is old, silent or cannot be known, for every command that shows figures.

The rules are ``models.age``, ``models.as_of`` and ``models.silence``; nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import polars as pl

from models import age
from models.alerts import UNHEARD
from models.policy import watermark_policy
from sql.alerts import current_alerts
from sql.damage import failures, lost_rows, marks
from sql.warehouse import Warehouse

SILENT_SHOWN = 20


def headline(warehouse: Warehouse) -> dict[str, Any]:
    """The headline counts of what is published, by the columns of ``summary/counts``."""
    return warehouse.frame("queries/summary/counts").row(0, named=True)


def doubts(warehouse: Warehouse, counts: Mapping[str, Any], clock: datetime) -> Iterator[str]:
    """What stands beside the published figures at a moment, of which ``counts`` are; nothing where all is well."""
    with ThreadPoolExecutor(2, "doubts") as beside:  # people wait for the slower one, not for both
        broken = beside.submit(lambda: list(broken_sentences(warehouse)))
        silent = beside.submit(lambda: list(silent_sentences(warehouse)))
    yield from broken.result()
    yield from age.warnings(
        cost_day=counts["cost_day"],
        telemetry_end=counts["telemetry_until"],
        clock=clock,
        policy=watermark_policy(),
    )
    yield from silent.result()


def broken_sentences(warehouse: Warehouse) -> Iterator[str]:
    """What is published and not whole any more, and what the last pass failed at."""
    lost = lost_rows(warehouse.frame)
    yield from marks(lost)
    yield from failures(warehouse.frame, lost)


def silent_sentences(warehouse: Warehouse) -> Iterator[str]:
    """That no app at all is heard; who fell silent: many at once in one sentence, the others in one each."""
    yield from (
        f"{one.sentence}." for one in current_alerts(warehouse) if one.kind == UNHEARD and one.is_open
    )
    silent = warehouse.frame("queries/silence/silent")
    together = silent.filter(pl.col("apps_together") > 0)
    if together.height:
        moments = together["silent_since"].sort().dt.strftime("%Y-%m-%d %H:%M")
        yield (
            f"{together['app_id'].n_unique()} apps fell silent between {moments[0]} and {moments[-1]} "
            f"UTC: one cause, such as a collector that stopped or a holiday ({_some(together['app_id'])})."
        )
    alone = silent.filter(pl.col("apps_together") == 0)
    for row in alone.head(SILENT_SHOWN).iter_rows(named=True):
        where = f" in {row['environment']}" if row["environment"] else ""
        yield (
            f"{row['app_id']} is silent{where} since {row['silent_since']:%Y-%m-%d %H:%M} UTC: "
            f"{row['received']:,} of {row['expected']:,.0f} requests expected since then came."
        )
    if alone.height > SILENT_SHOWN:
        yield f"{alone.height - SILENT_SHOWN} more are silent: see mart_app_silences_current."


def _some(apps: pl.Series) -> str:
    names = apps.unique().sort()
    return ", ".join(names.head(3)) + (", ..." if len(names) > 3 else "")
