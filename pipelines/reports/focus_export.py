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
from models.focus_export import (
    ALLOCATION,
    QUANTITIES,
    SHARED_COSTS,
    SPLIT,
    Share,
    as_csv_cells,
    exported,
    with_allocations,
    written_columns,
)
from models.money import exact_sums, exact_total, units_of
from models.policy import shared_cost_policy
from models.schemas import MONEY
from models.settings import Settings
from models.shared_costs import PLACES, ChargePart, ChargeSplitting
from models.shared_rules import DIRECT_COST, Rules
from models.statement_csv import plain
from pipelines.compute.adjustments import BILL, IDENTITIES, METRICS, kept_rules
from pipelines.compute.costs import billed_months
from pipelines.compute.shared_costs import KeptRules, MonthOfRules, month_as_kept, month_of_rules, rules_of
from pipelines.ingest.shared_rules import load_rules, rules_text
from pipelines.reports.statements import read_statement
from sql.closings import Closing, batch_key, batches_of, closed_lines, closed_months
from sql.publish import WHOLE_TABLE, head, heads
from sql.warehouse import Warehouse

COSTS = "core_app_costs_daily"
_ROW_GROUP = 65_536


@dataclass(frozen=True)
class Snapshot:
    """What a month is written from: the batch of each source's bill, identities, costs per app, the exact sums it must have, by
    ``<currency>/<metric>``, the shared cost rules it was closed by (None: those of the workspace), and what they looked at then
    (None: what is there now)."""

    period: date
    bills: Mapping[str, UUID]
    identities: UUID
    costs: UUID
    sums: Mapping[str, Decimal]
    rules: Rules | None = None
    kept: KeptRules | None = None


@dataclass(frozen=True)
class Exported:
    """What was written; ``unsplit`` is what shared cost rules gave of the month, by currency, where the files do not follow
    them.
    """

    paths: tuple[Path, ...]
    rows: int
    sums: Mapping[str, Decimal]
    columns: tuple[str, ...]
    unsplit: Mapping[str, Decimal]


def export_focus(
    warehouse: Warehouse,
    settings: Settings,
    period: date,
    version: str,
    out_dir: Path,
    is_split: bool = True,
) -> Exported:
    """Writes ``focus-<version>-YYYY-MM.csv`` and ``.parquet`` into ``out_dir``, both or neither.

    Args:
        is_split: whether charges are split by the shared cost rules, as the statement is; else each is of the app it was of
            before.

    Raises:
        ConfigurationError: the month has no published bill, or its costs are not computed from it as it is now.
        ControlTotalError: what was written does not sum to what is published, in all or of an app; no file is there.
    """
    taken = snapshot(warehouse, settings, period)
    asked: dict[str, Any] = {
        "billing_period": period,
        "sources": sorted(taken.bills),
        "batches": sorted(taken.bills.values(), key=str),
    }
    statement = _own_lines(warehouse, period)
    charges = (_split(warehouse, settings, taken) if is_split else None) or _Unsplit(warehouse, taken, asked)
    survey = warehouse.frame("queries/export/filled", **asked).row(0, named=True)
    filled = {name for name, is_filled in survey.items() if is_filled} | charges.columns
    written = written_columns(version, filled)
    stem = f"focus-{version}-{period:%Y-%m}"
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = (out_dir / f"{stem}.csv", out_dir / f"{stem}.parquet")
    sums: dict[str, Decimal] = defaultdict(Decimal)
    of_apps: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    rows = 0
    with _both_or_neither(paths) as partial, ExitStack() as stack:
        as_csv = _CsvFile(partial[0], stack)
        as_parquet = _ParquetFile(partial[1], stack)
        for piece in charges.pieces():
            frame = exported(piece, version, written)
            as_csv.write(frame)
            as_parquet.write(frame)
            rows += frame.height
            for key, amount in _sums(frame).items():
                sums[key] = exact_total([sums[key], amount])
            for app, amount in _app_sums(piece, _OF_A_ROW, tuple(METRICS.values())).items():
                of_apps[app] = exact_total([of_apps[app], amount])
        if not rows:
            raise ConfigurationError(
                f"the bill of {period:%Y-%m} has no charge, so there is nothing to export"
            )
        _equals(period, sums, taken.sums)
        if is_split:
            _follows(period, of_apps, _app_sums(statement, _OF_A_LINE, tuple(METRICS)))
    return Exported(paths, rows, dict(sums), tuple(written), {} if is_split else _given(statement))


_OF_RULES = ("looked_at", "tag_keys", "hourly")
"""What only a statement is asked with that reads charges of the pools."""

_OF_A_ROW = ("BillingCurrency", "x_AppId", "x_Team", "x_AttributionRule")
_OF_A_LINE = ("billing_currency", "app_id", "team", "attribution_rule")
"""What an amount of an export and one of the statement must agree for."""


def _own_lines(warehouse: Warehouse, period: date) -> pl.DataFrame:
    """Lines of a month's statement that are of its own bill."""
    lines = read_statement(warehouse, period).lines
    return lines.filter((pl.col("adjustment") == "") & (pl.col("cost_type") != ROUNDING))


def _given(lines: pl.DataFrame) -> dict[str, Decimal]:
    """Billed cost by currency that statement lines have by shared cost rules."""
    given = lines.filter(pl.col("cost_type").is_in(SPLIT_COST_TYPES))
    totals = exact_sums(given, ["billing_currency"], ("billed_cost",))
    return {row["billing_currency"]: row["billed_cost"] for row in totals.iter_rows(named=True)}


class _Unsplit:
    """Charges of a month with the app each is of by the bill and the registry."""

    columns: frozenset[str] = frozenset()

    def __init__(self, warehouse: Warehouse, taken: Snapshot, asked: Mapping[str, Any]) -> None:
        self._warehouse = warehouse
        self._asked = {**asked, "identities_batch": taken.identities, "pools": []}

    def pieces(self) -> Iterator[pl.DataFrame]:
        """Rows of ``queries/export/focus``."""
        yield from self._warehouse.frames("queries/export/focus", **self._asked)


class _Split:
    """Charges of a month, those that shared cost rules take as the parts they are given in."""

    columns = frozenset((*(name for name in ALLOCATION if name != "AllocatedResourceName"), *SPLIT))

    def __init__(self, warehouse: Warehouse, rules: Rules, taken: Snapshot, given: MonthOfRules) -> None:
        self._warehouse, self._given = warehouse, given
        confidence = shared_cost_policy().confidence
        self._splitting = ChargeSplitting(
            taken.period, given.pools, rules, given.apps, given.weights, confidence
        )

    def pieces(self) -> Iterator[pl.DataFrame]:
        """Rows as of ``queries/export/focus``."""
        asked = self._given.asked
        others = {name: asked[name] for name in asked if name not in _OF_RULES}
        yield from self._warehouse.frames("queries/export/focus", **others)
        first = 1
        for piece in self._warehouse.frames("queries/export/focus_shared", **asked):
            yield from with_allocations(piece, self._shares, first)
            first += piece.height

    def _shares(self, row: Mapping[str, Any]) -> list[Share]:
        """Who has a charge; nobody is told apart of one that costs nothing."""
        amounts = {
            name: units_of(row[name]) for name in (*SHARED_COSTS, *QUANTITIES) if row[name] is not None
        }
        if not any(amounts.get(name) for name in SHARED_COSTS):
            return []
        grown = {name: amounts.pop(name) for name in METRICS.values()}
        return [self._share(one, row) for one in self._splitting.parts(row, grown, amounts)]

    @staticmethod
    def _share(part: ChargePart, row: Mapping[str, Any]) -> Share:
        unit = shared_cost_policy().units.get(part.basis, "")
        if part.basis == DIRECT_COST:
            unit = row["BillingCurrency"]
        return Share(
            part.app_id,
            part.rule,
            _decimal(part.ratio, MONEY.scale),
            {name: _decimal(units, MONEY.scale) for name, units in part.amounts.items()},
            part.team,
            part.cost_center,
            confidence=part.confidence,
            quantity=_decimal(part.quantity, PLACES) if unit else None,
            unit=unit,
        )


def _decimal(units: int, places: int) -> Decimal:
    """A whole number of the last of some places as a decimal, exact whatever the context."""
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -places))


def _split(warehouse: Warehouse, settings: Settings, taken: Snapshot) -> _Split | None:
    """The charges of a month that rules take from; None where there are none."""
    rules = rules_of(load_rules(settings) if taken.rules is None else taken.rules, taken.period)
    if not rules.lines:
        return None
    given = (
        month_as_kept(warehouse, taken.kept, taken.period)
        if taken.kept
        else month_of_rules(warehouse, rules, taken.period, taken.bills, taken.identities, taken.costs)
    )
    return _Split(warehouse, rules, taken, given) if given.pools.height else None


def snapshot(warehouse: Warehouse, settings: Settings, period: date) -> Snapshot:
    """What a month is written from: what it was closed with, else what is published now.

    Raises:
        ConfigurationError: it has no published bill, or its costs are not computed from it as it is now.
    """
    closing = closed_months(warehouse).get(period)
    if closing:
        return _closed_snapshot(warehouse, closing)
    releases = [one for one in heads(warehouse, "billing/") if one.period == period]
    identities, costs = head(warehouse, "identities", WHOLE_TABLE), head(warehouse, "costs", period)
    if not releases:
        months = sorted({one.period for one in heads(warehouse, "billing/")})
        known = ", ".join(f"{month:%Y-%m}" for month in months) or "none"
        raise ConfigurationError(f"no bill of {period:%Y-%m} is published; months with one: {known}")
    if identities is None or costs is None or period in billed_months(warehouse, settings)[1]:
        raise ConfigurationError(
            f"the costs of {period:%Y-%m} are not computed from the bill as it is now: `appfleet run`, then export it"
        )
    keys = {key for one in releases for key in one.sums if key.partition("/")[2] in METRICS.values()}
    return Snapshot(
        period,
        {one.scope.removeprefix("billing/"): one.batches[BILL] for one in releases},
        identities.batches[IDENTITIES],
        costs.batches[COSTS],
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
        closing.batches[batch_key("costs", period, COSTS)],
        {f"{key.split('/')[0]}/{METRICS[key.split('/')[1]]}": amount for key, amount in sums.items()},
        rules_text(closing.shared_rules, f"the rules {period:%Y-%m} was closed by")
        if closing.shared_rules_sha256
        else None,
        kept_rules(period, closing),
    )


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


def _app_sums(
    frame: pl.DataFrame, by: Sequence[str], amounts: Sequence[str]
) -> dict[tuple[str, ...], Decimal]:
    """Sums by currency, app, team and rule, and the metric's name in the statement; none of nothing."""
    totals = exact_sums(frame, by, amounts)
    return {
        (*(row[name] for name in by), metric): row[column]
        for row in totals.iter_rows(named=True)
        for metric, column in zip(METRICS, amounts, strict=True)
    }


def _follows(
    period: date, written: Mapping[tuple[str, ...], Decimal], stated: Mapping[tuple[str, ...], Decimal]
) -> None:
    for key in sorted({*written, *stated}):
        told, wanted = written.get(key, Decimal(0)), stated.get(key, Decimal(0))
        if told != wanted:
            currency, app, _, rule, metric = key
            raise ControlTotalError(
                f"the export of {period:%Y-%m} gives {app} {currency} {plain(told)} of {metric} by {rule}, the statement "
                f"{plain(wanted)}: no file was written; what rules measure has changed since, export it with --unsplit"
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
