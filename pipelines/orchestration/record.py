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
    """Writes the materialisations of a step, and the answer of its check.

    Of the periods it published; of all there are where a pass was cut before it told what it had published.
    """
    figures = period_figures(warehouse, step.name)
    known = set(PARTITIONS[step.periods].get_partition_keys()) if step.periods else set()
    for table in step.tables:
        said = metadata(table, done, seconds)
        if not figures:  # telemetry is counted, not published
            instance.report_runless_asset_event(dg.AssetMaterialization(table, metadata=said))
        for period in done.periods or figures:
            key = period.isoformat() if step.periods else None
            if key is None or key in known:
                one = said | figures_metadata(figures[period])
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(table, metadata=one, partition=key)
                )
    if step.name in CHECKS:
        check = CHECKS[step.name]
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(check.table), check_name=check.name, passed=passed, metadata={}
            )
        )
