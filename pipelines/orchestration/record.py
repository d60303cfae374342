"""Tells Dagster what a pass of the command line published, as its assets would have: no run is made for it.

Rows and sums are those of the partition alone. Nothing is computed here, and a pass that published nothing says nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from sqlalchemy import Engine, event

from pipelines.orchestration.assets import figures_metadata, metadata
from pipelines.orchestration.partitions import PARTITIONS
from pipelines.steps import Step
from pipelines.work import CHECKS, Done, period_figures
from sql.warehouse import Warehouse


@contextmanager
def history() -> Iterator[dg.DagsterInstance]:
    """Dagster's history of the workspace that ``DAGSTER_HOME`` names, without a sync per event.

    It holds no figure. A pass over ninety days writes some three hundred events, each of them two syncs: measured, two
    thirds of the time. A killed process loses nothing by this; a power cut may lose history.
    """

    def relax(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", relax)
    try:
        with dg.DagsterInstance.get() as instance:
            yield instance
    finally:
        event.remove(Engine, "connect", relax)


def record(
    instance: dg.DagsterInstance, warehouse: Warehouse, step: Step, done: Done, seconds: float, passed: bool
) -> None:
    """Writes the materialisations of a step that published something, and the answer of its check."""
    for table in step.tables:
        said = metadata(table, done, seconds)
        if not step.periods:
            instance.report_runless_asset_event(dg.AssetMaterialization(table, metadata=said))
            continue
        known = set(PARTITIONS[step.periods].get_partition_keys())
        figures = period_figures(warehouse, step.name)
        for period in done.periods:
            if period.isoformat() in known:
                one = said | figures_metadata(figures[period])
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(table, metadata=one, partition=period.isoformat())
                )
    if step.name in CHECKS:
        check = CHECKS[step.name]
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(check.table), check_name=check.name, passed=passed, metadata={}
            )
        )
