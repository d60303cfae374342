"""What Dagster is told of a step, whoever ran it: an asset of its own, or a command, for which no run is made.

Rows and sums are those of one partition of one table, as published. Nothing is decided here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from sqlalchemy import Engine, event

from pipelines.orchestration.partitions import learn
from pipelines.steps import Step
from pipelines.work import ALL_TAKEN, CHECKS, DELIVERED_TO, Done, Figures, published_figures
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
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    step: Step,
    done: Done,
    seconds: float,
    periods: Collection[date] | None = None,
    known: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Writes the materialisations of a step, of ``periods`` or of all there are, and the answers of its checks.

    ``known`` are sentences of checks that were asked already, by name.
    """
    said = metadata(warehouse, step, done, seconds, periods)
    if step.periods:
        learn(instance, step.periods, {period for found in said.values() for period in found})
    for table, found in said.items():
        for period, one in found.items():
            key = period.isoformat() if step.periods else None
            instance.report_runless_asset_event(dg.AssetMaterialization(table, metadata=one, partition=key))
    for check in CHECKS.get(step.name, ()):
        asked = (known or {}).get(check.name)
        wrong = check.wrong(warehouse, datetime.now(UTC)) if asked is None else asked
        instance.report_runless_asset_event(evaluation(check.table, check.name, wrong, check.blocks))
    if step.name in DELIVERED_TO:
        table = DELIVERED_TO[step.name]
        instance.report_runless_asset_event(evaluation(table, ALL_TAKEN, [*done.refused, *done.held]))


def metadata(
    warehouse: Warehouse, step: Step, done: Done, seconds: float, periods: Collection[date] | None = None
) -> dict[str, dict[date, dict[str, Any]]]:
    """Table -> period -> what Dagster shows of it, of ``periods`` that are published or of all.

    Sums are exact text, so no float comes near money. The newest period carries the columns, which are the table's.
    """
    common: dict[str, Any] = {
        "seconds": round(seconds, 3),
        "published": done.published,
        "unchanged": done.unchanged,
        **done.facts,
        **{
            key: dg.MetadataValue.json(list(sentences))
            for key, sentences in (
                ("refused", done.refused),
                ("set aside", done.set_aside),
                ("held", done.held),
                ("notes", done.notes),
            )
            if sentences
        },
    }
    schemas = _column_schemas(warehouse, step)
    said: dict[str, dict[date, dict[str, Any]]] = {}
    for table, found in published_figures(warehouse, step).items():
        told = {
            period: {"dagster/table_name": table, **_figures(figures, step), **common}
            for period, figures in found.items()
            if periods is None or period in periods
        }
        for period in sorted(told)[-1:]:
            told[period]["dagster/column_schema"] = schemas[table]
        said[table] = told
    return said


def evaluation(
    table: str, check: str, wrong: Sequence[str], is_failure: bool = False
) -> dg.AssetCheckEvaluation:
    """The answer of a check: what is wrong, in sentences, or that nothing is."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(table),
        check_name=check,
        passed=not wrong,
        metadata={"wrong": dg.MetadataValue.json(list(wrong))},
        severity=severity(is_failure),
        description=wrong[0] if wrong else None,
    )


def severity(is_failure: bool) -> dg.AssetCheckSeverity:
    """How Dagster colours a red check: what stops a pass is an error, everything else a warning."""
    return dg.AssetCheckSeverity.ERROR if is_failure else dg.AssetCheckSeverity.WARN


def _figures(figures: Figures, step: Step) -> dict[str, Any]:
    rows = "dagster/partition_row_count" if step.periods else "dagster/row_count"
    sums = {f"sum {key}": format(amount, "f") for key, amount in sorted(figures.sums.items())}
    return {rows: figures.rows, **sums}


def _column_schemas(warehouse: Warehouse, step: Step) -> dict[str, dg.TableSchema]:
    """Table -> its columns, as the warehouse has them: names, types and what each says."""
    columns: dict[str, list[dg.TableColumn]] = {table: [] for table in step.tables}
    for row in warehouse.frame("queries/ledger/columns", tables=list(step.tables)).iter_rows(named=True):
        may_be_null = dg.TableColumnConstraints(nullable=bool(row["is_nullable"]))
        columns[row["table_name"]].append(
            dg.TableColumn(row["name"], row["type"], row["comment"], may_be_null)
        )
    return {table: dg.TableSchema(found) for table, found in columns.items()}
