"""Files of a month in the reporting currency: its statement converted line by line, and the rates it was converted by.

Lines and rates are published elsewhere; of a closed month they are those it was closed with. A file of their own, so that
the statement a ledger imports stays as it is.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

import polars as pl

from models.readers import Reader
from models.reporting import LINES, RATES, file_lines
from models.statement_csv import csv_bytes
from pipelines.compute.reporting import SCOPE
from pipelines.reports.statements import MonthStatement, file_stem
from sql.publish import NO_BATCH, head
from sql.warehouse import Warehouse

REPORTED = "reporting"
"""How a file in the reporting currency is asked for."""

NO_REPORTING = "no reporting currency is named: set `reporting` in appfleet.yaml"


def reporting_files(
    warehouse: Warehouse, statement: MonthStatement, team: str | None = None
) -> dict[str, bytes]:
    """``reporting-YYYY-MM.csv`` of a team or of all, and ``rates-YYYY-MM.csv``; none where the month is not converted."""
    lines, rates = converted(warehouse, statement)
    if lines.is_empty():
        return {}
    told = file_lines(statement.stamped(), lines)
    if team:
        told = told.filter(pl.col("team") == team)
    return {
        reporting_name(statement.period, team): csv_bytes(told, Reader.erp)[0],
        f"rates-{statement.period:%Y-%m}.csv": csv_bytes(rates, Reader.erp)[0],
    }


def converted(warehouse: Warehouse, statement: MonthStatement) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines and rates of a month in the reporting currency, as closed or as published."""
    batches = _batches(warehouse, statement)
    return (
        warehouse.frame("queries/reporting/lines_of", batch_id=batches.get(LINES, NO_BATCH)),
        warehouse.frame("queries/reporting/rates_of", batch_id=batches.get(RATES, NO_BATCH)),
    )


def reporting_name(period: date, team: str | None = None) -> str:
    """Name of a statement in the reporting currency."""
    return file_stem(period, team).replace("chargeback", REPORTED, 1) + ".csv"


def _batches(warehouse: Warehouse, statement: MonthStatement) -> dict[str, UUID]:
    if statement.closing:
        return {
            table: batch
            for key, batch in statement.closing.batches.items()
            for scope, month, table in [key.rsplit(" ", 2)]
            if scope == SCOPE and month == f"{statement.period:%Y-%m}"
        }
    release = head(warehouse, SCOPE, statement.period)
    return dict(release.batches) if release else {}
