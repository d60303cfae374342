"""Writes a month of the bill as FOCUS of a version, CSV and Parquet, row by row: of a closed month the bill it was closed with.

What a row says is decided by ``models.focus_export``. Rows come in pieces and go out at once, so memory does not grow with
the bill; files take their names once everything is written and its sums are those of the release.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow.parquet as pq

from models.chargeback import ROUNDING, SPLIT_COST_TYPES
from models.closing import sums_by_currency
from models.errors import ConfigurationError, ControlTotalError
from models.focus_export import as_csv_cells, exported, written_columns
from models.money import exact_sums, exact_total
from models.settings import Settings
from models.statement_csv import plain
from pipelines.compute.adjustments import BILL, IDENTITIES, METRICS
from pipelines.compute.costs import billed_months
from pipelines.reports.statements import read_statement
from sql.closings import Closing, batches_of, closed_lines, closed_months
from sql.publish import WHOLE_TABLE, head, heads
from sql.warehouse import Warehouse

_ROW_GROUP = 65_536


@dataclass(frozen=True)
class Snapshot:
    """What a month is written from: the batch of each source's bill, identities, and the exact sums it must have, by
    ``<currency>/<metric>``."""

    period: date
    bills: Mapping[str, UUID]
    identities: UUID
    sums: Mapping[str, Decimal]


@dataclass(frozen=True)
class Exported:
    """What was written; ``shared`` is what shared cost rules gave of the month, by currency: charges are of the apps they were
    of before.
    """

    paths: tuple[Path, ...]
    rows: int
    sums: Mapping[str, Decimal]
    columns: tuple[str, ...]
    shared: Mapping[str, Decimal]


def export_focus(
    warehouse: Warehouse, settings: Settings, period: date, version: str, out_dir: Path
) -> Exported:
    """Writes ``focus-<version>-YYYY-MM.csv`` and ``.parquet`` into ``out_dir``, both or neither.

    Raises:
        ConfigurationError: the month has no published bill, or its costs are not computed from it as it is now.
        ControlTotalError: what was written does not sum to what is published; no file is there.
    """
    taken = snapshot(warehouse, settings, period)
    asked: dict[str, Any] = {
        "billing_period": period,
        "sources": sorted(taken.bills),
        "batches": sorted(taken.bills.values(), key=str),
    }
    survey = warehouse.frame("queries/export/filled", **asked).row(0, named=True)
    written = written_columns(version, {name for name, is_filled in survey.items() if is_filled})
    stem = f"focus-{version}-{period:%Y-%m}"
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = (out_dir / f"{stem}.csv", out_dir / f"{stem}.parquet")
    sums: dict[str, Decimal] = defaultdict(Decimal)
    rows = 0
    with _both_or_neither(paths) as partial, ExitStack() as stack:
        as_csv = _CsvFile(partial[0], stack)
        as_parquet = _ParquetFile(partial[1], stack)
        for piece in _pieces(warehouse, asked, taken.identities):
            frame = exported(piece, version, written)
            as_csv.write(frame)
            as_parquet.write(frame)
            rows += frame.height
            for key, amount in _sums(frame).items():
                sums[key] = exact_total([sums[key], amount])
        if not rows:
            raise ConfigurationError(
                f"the bill of {period:%Y-%m} has no charge, so there is nothing to export"
            )
        _equals(period, sums, taken.sums)
    return Exported(paths, rows, dict(sums), tuple(written), _shared(warehouse, period))


def _shared(warehouse: Warehouse, period: date) -> dict[str, Decimal]:
    """Billed cost by currency that a month's statement has by shared cost rules, which an export does not follow."""
    lines = read_statement(warehouse, period).lines.filter(pl.col("cost_type").is_in(SPLIT_COST_TYPES))
    totals = exact_sums(lines, ["billing_currency"], ("billed_cost",))
    return {row["billing_currency"]: row["billed_cost"] for row in totals.iter_rows(named=True)}


def snapshot(warehouse: Warehouse, settings: Settings, period: date) -> Snapshot:
    """What a month is written from: what it was closed with, else what is published now.

    Raises:
        ConfigurationError: it has no published bill, or its costs are not computed from it as it is now.
    """
    closing = closed_months(warehouse).get(period)
    if closing:
        return _closed_snapshot(warehouse, closing)
    releases = [one for one in heads(warehouse, "billing/") if one.period == period]
    identities = head(warehouse, "identities", WHOLE_TABLE)
    if not releases:
        months = sorted({one.period for one in heads(warehouse, "billing/")})
        known = ", ".join(f"{month:%Y-%m}" for month in months) or "none"
        raise ConfigurationError(f"no bill of {period:%Y-%m} is published; months with one: {known}")
    if identities is None or period in billed_months(warehouse, settings)[1]:
        raise ConfigurationError(
            f"the costs of {period:%Y-%m} are not computed from the bill as it is now: `appfleet run`, then export it"
        )
    keys = {key for one in releases for key in one.sums if key.partition("/")[2] in METRICS.values()}
    return Snapshot(
        period,
        {one.scope.removeprefix("billing/"): one.batches[BILL] for one in releases},
        identities.batches[IDENTITIES],
        {key: exact_total(one.sums.get(key, Decimal(0)) for one in releases) for key in keys},
    )


def _closed_snapshot(warehouse: Warehouse, closing: Closing) -> Snapshot:
    period = closing.statement_period
    lines = closed_lines(warehouse, [closing])
    own = lines.filter((pl.col("adjustment") == "") & (pl.col("cost_type") != ROUNDING))
    sums = sums_by_currency(own, tuple(METRICS))
    bills = batches_of(closing.batches, "billing/", period)
    return Snapshot(
        period,
        {scope.removeprefix("billing/"): batch for scope, batch in bills.items()},
        next(iter(batches_of(closing.batches, "identities", period).values())),
        {f"{key.split('/')[0]}/{METRICS[key.split('/')[1]]}": amount for key, amount in sums.items()},
    )


def _pieces(warehouse: Warehouse, asked: Mapping[str, Any], identities: UUID) -> Iterator[pl.DataFrame]:
    yield from warehouse.frames("queries/export/focus", identities_batch=identities, **asked)


def _sums(frame: pl.DataFrame) -> dict[str, Decimal]:
    totals = exact_sums(frame, ["BillingCurrency"], tuple(METRICS.values()))
    return {
        f"{row['BillingCurrency']}/{metric}": row[metric]
        for row in totals.iter_rows(named=True)
        for metric in METRICS.values()
    }


def _equals(period: date, written: Mapping[str, Decimal], published: Mapping[str, Decimal]) -> None:
    for key in sorted({*written, *published}):
        told, wanted = written.get(key, Decimal(0)), published.get(key, Decimal(0))
        if told != wanted:
            raise ControlTotalError(
                f"the export of {period:%Y-%m} has {key} {plain(told)}, published is {plain(wanted)}: no file was written, run "
                "it again, then `appfleet doctor`"
            )


class _CsvFile:
    """A CSV in UTF-8 without a mark, its header written with the first rows."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._file = stack.enter_context(path.open("wb"))
        self._is_begun = False

    def write(self, frame: pl.DataFrame) -> None:
        """Appends rows."""
        as_csv_cells(frame).write_csv(
            self._file, include_header=not self._is_begun, line_terminator="\n", null_value=""
        )
        self._is_begun = True


class _ParquetFile:
    """A Parquet file; amounts are decimals of 38 digits, 18 of them places, times are UTC."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._writer: pq.ParquetWriter | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Appends rows as a row group."""
        times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
        frame = frame.with_columns(pl.col(times).dt.cast_time_unit("us"))
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).replace_schema_metadata(None)
        if self._writer is None:
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(self._path, table.schema, compression="zstd", store_schema=False)
            )
        self._writer.write_table(table.cast(self._writer.schema), row_group_size=_ROW_GROUP)


@contextmanager
def _both_or_neither(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files under other names until the end of the block, which must write them all; none where it fails."""
    partial = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path in paths]
    try:
        yield partial
        for one, path in zip(partial, paths, strict=True):
            one.replace(path)
    finally:
        for one in partial:
            with suppress(FileNotFoundError):
                one.unlink()
