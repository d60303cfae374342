"""Writes the chargeback statement of a month: a CSV a ledger can import, and a JSON sidecar that says how it came about.

The lines are computed and published elsewhere; here they become files, the same bytes each time: no clock is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import polars as pl

from models.closing import open_lines, sums_by_currency
from models.errors import ConfigurationError, ControlTotalError
from models.identity import RULE_VERSION
from models.money import exact_total
from models.readers import Reader
from models.settings import Settings
from models.statement_csv import (
    COLUMNS,
    LAYOUT_VERSION,
    csv_bytes,
    in_places,
    plain,
    stamped_lines,
    statement_id,
)
from pipelines.compute.adjustments import METRICS, SCOPE
from pipelines.compute.adjustments import TABLE as ADJUSTMENTS
from sql.closings import Closing, closed_file, closed_lines, closed_months
from sql.publish import NO_BATCH, Release, head, heads
from sql.warehouse import Warehouse

TABLE = "mart_chargeback_lines"

_SHARE = Decimal("0.000001")


@dataclass(frozen=True)
class StatementFiles:
    """What was written; ``sums`` has keys ``<currency>/<column>`` over the lines of the file."""

    csv_path: Path
    sidecar_path: Path
    rows: int
    sums: dict[str, Decimal]


@dataclass(frozen=True)
class MonthStatement:
    """A month's statement as it is now: every line (columns of ``mart_statement_lines``), and what it was made of.

    ``closing`` is None while the month is open; ``release`` and ``sources`` are then those it was computed from.
    """

    period: date
    lines: pl.DataFrame
    version: int
    closing: Closing | None = None
    release: Release | None = None
    sources: Sequence[Release] = ()

    @property
    def id(self) -> str:
        """Fingerprint of what it says."""
        return self.closing.statement_id if self.closing else statement_id(self.lines, self.period, None)

    def stamped(self, team: str | None = None) -> pl.DataFrame:
        """Lines of a team, or all, as a file has them."""
        lines = self.lines.filter(pl.col("team") == team) if team else self.lines
        return stamped_lines(lines, self.version, self.period, [team] if team else None)


def read_statement(warehouse: Warehouse, period: date) -> MonthStatement:
    """The statement of a month: as it was closed, else its own lines and the adjustments it will have.

    Raises:
        ConfigurationError: the month has no statement; names those that exist.
    """
    closing = closed_months(warehouse).get(period)
    if closing:
        return MonthStatement(period, closed_lines(warehouse, [closing]), closing.statement_version, closing)
    release = _published(warehouse, period)
    batch = release.batches[TABLE]
    own = warehouse.frame("queries/chargeback/lines", billing_period=period, batch_id=batch, team="")
    adjusted = head(warehouse, SCOPE, period)
    more = warehouse.frame(
        "queries/closing/adjustments",
        statement_period=period,
        batch_id=adjusted.batches[ADJUSTMENTS] if adjusted else NO_BATCH,
    )
    version = int(warehouse.frame("queries/chargeback/version", billing_period=period)["version"][0])
    sources = [one for one in heads(warehouse, "billing/") if one.period == period]
    return MonthStatement(period, open_lines(own, more, period), version, None, release, sources)


def write_statement(
    warehouse: Warehouse,
    settings: Settings,
    billing_period: date,
    out_dir: Path,
    team: str | None = None,
    reader: Reader = Reader.spreadsheet,
) -> StatementFiles:
    """Writes ``chargeback-YYYY-MM[-team].csv`` and its ``.json`` sidecar into ``out_dir``, each at once or not at all.

    ``reader`` says who opens the file. A team's file has the lines of that team; the rounding lines belong to the whole
    statement only. The whole of a closed month is the bytes it was closed with.

    Raises:
        ConfigurationError: the month has no statement, or the team no line in it; names those that exist.
        ControlTotalError: the statement does not sum to the bill now published, or a closed file is not what it was.
    """
    statement = read_statement(warehouse, billing_period)
    published = {} if statement.closing else ties_to_bill(warehouse, statement)
    stamped = statement.stamped(team)
    if team and stamped.is_empty():
        teams = sorted(set(statement.lines["team"]) - {""})
        raise ConfigurationError(
            f"team {team} has no line in the statement of {billing_period:%Y-%m}; teams in it: {', '.join(teams) or 'none'}"
        )
    content, made_safe = csv_bytes(stamped.select(COLUMNS), reader)
    stem = file_stem(billing_period, team)
    if statement.closing and not team:
        content = closed_file(warehouse, statement.closing, csv_name(billing_period, reader))
    sums = sums_by_currency(stamped)
    sidecar = {
        "layout_version": statement.closing.layout_version if statement.closing else LAYOUT_VERSION,
        "csv": f"{stem}.csv",
        "sha256": hashlib.sha256(content).hexdigest(),
        "statement_id": statement_id(
            statement.lines.filter(pl.col("team") == team) if team else statement.lines,
            billing_period,
            [team] if team else None,
        ),
        "statement_version": statement.version,
        "period": f"{billing_period:%Y-%m}",
        "team": team,
        "rows": stamped.height,
        "reader": str(reader),
        "escaped_cells": made_safe,
        "rule_version": statement.closing.rule_version if statement.closing else RULE_VERSION,
        "sums": _by_currency(sums),
        "statement": _whole(statement.lines, published),
        **_made_of(statement),
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    csv_path, sidecar_path = out_dir / f"{stem}.csv", out_dir / f"{stem}.json"
    replace_file(csv_path, content)
    replace_file(sidecar_path, (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode())
    return StatementFiles(csv_path, sidecar_path, stamped.height, sums)


def file_stem(period: date, team: str | None = None) -> str:
    """Name of a statement's files without what tells their format."""
    return f"chargeback-{period:%Y-%m}" + (f"-{_file_part(team)}" if team else "")


def csv_name(period: date, reader: Reader) -> str:
    """Name of the CSV of a closed statement, of each reader its own."""
    return file_stem(period) + ("-erp" if reader is Reader.erp else "") + ".csv"


def _made_of(statement: MonthStatement) -> dict[str, Any]:
    if statement.closing:
        one = statement.closing
        return {
            "closed": {
                "by": one.decided_by,
                "at": one.decided_at.isoformat(),
                "rules_sha256": one.rules_sha256,
                "shared_rules_version": one.shared_rules_version,
                "shared_rules_sha256": one.shared_rules_sha256,
                "batches": {key: str(batch) for key, batch in sorted(one.batches.items())},
                "releases": dict(sorted(one.releases.items())),
                "files": dict(sorted(one.files.items())),
            }
        }
    assert statement.release
    return {
        "computed": {
            "release": statement.release.seq,
            "batch_id": str(statement.release.batches[TABLE]),
            "sha256": statement.release.sha256,
        },
        "sources": [
            {
                "source": one.scope.removeprefix("billing/"),
                "release": one.seq,
                "batch_ids": {table: str(batch) for table, batch in sorted(one.batches.items())},
                "version": one.version.isoformat(),
                "sha256": one.sha256,
            }
            for one in statement.sources
        ],
    }


def _published(warehouse: Warehouse, billing_period: date) -> Release:
    """The release that holds the month's lines."""
    released = {one.period: one for one in heads(warehouse, "costs") if TABLE in one.batches}
    if billing_period not in released:
        months = ", ".join(f"{month:%Y-%m}" for month in sorted(released))
        raise ConfigurationError(
            f"there is no statement of {billing_period:%Y-%m}; "
            + (
                f"months with one: {months}"
                if months
                else "no month has one yet: `appfleet run` computes them"
            )
        )
    return released[billing_period]


def ties_to_bill(warehouse: Warehouse, statement: MonthStatement) -> dict[str, dict[str, Decimal]]:
    """Published sums of an open month per currency and column, after those of its own lines are equal to them.

    Raises:
        ControlTotalError: they are not.
    """
    assert statement.release
    sources, period = statement.sources, statement.period
    whole = warehouse.frame(
        "queries/chargeback/sums", billing_period=period, batch_id=statement.release.batches[TABLE]
    )
    currencies = {key.split("/")[0] for release in sources for key in release.sums}
    published = {
        currency: {
            column: exact_total(release.sums.get(f"{currency}/{metric}", Decimal(0)) for release in sources)
            for column, metric in METRICS.items()
        }
        for currency in currencies
    }
    stated = {row["billing_currency"]: row for row in whole.iter_rows(named=True)}
    for currency in sorted({*published, *stated}):
        for column in METRICS:
            bill = published.get(currency, {}).get(column, Decimal(0))
            told = stated[currency][column] if currency in stated else Decimal(0)
            if bill != told:
                raise ControlTotalError(
                    f"the statement of {period:%Y-%m} has {column} {plain(told)} {currency}, the bill published since "
                    f"has {plain(bill)}: compute it again with `appfleet run`"
                )
    return published


def _by_currency(sums: Mapping[str, Decimal]) -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = {}
    for key, value in sorted(sums.items()):
        currency, column = key.split("/")
        told.setdefault(currency, {})[column] = _told(column, value, currency)
    return told


def _whole(lines: pl.DataFrame, published: Mapping[str, Mapping[str, Decimal]]) -> dict[str, dict[str, Any]]:
    """The whole statement per currency: its sums, those of the published bill while it is open, and what nobody owns."""
    told: dict[str, dict[str, Any]] = {}
    nobodys = sums_by_currency(lines.filter(pl.col("cost_type") == "unallocated"))
    for key, value in sorted(sums_by_currency(lines).items()):
        currency, column = key.split("/")
        of_currency = told.setdefault(currency, {})
        of_currency[column] = _told(column, value, currency)
        if column in METRICS:
            cost = nobodys.get(key, Decimal(0))
            of_currency.setdefault("unallocated", {})[column] = {
                "cost": plain(cost),
                "share": _share(cost, value),
            }
        if published:
            of_currency["published"] = {
                name: plain(sum_) for name, sum_ in published.get(currency, {}).items()
            }
    return told


def _told(column: str, value: Decimal, currency: str) -> str:
    return in_places(value, currency) if column == "amount" else plain(value)


def _share(part: Decimal, whole: Decimal) -> str | None:
    return plain((part / whole).quantize(_SHARE, ROUND_HALF_EVEN)) if whole else None


def _file_part(team: str) -> str:
    """A team as part of a file name; one that has to be changed keeps a fingerprint, so that no two meet."""
    part = re.sub(r"[^A-Za-z0-9_-]+", "-", team).strip("-")
    return part if part == team else f"{part}-{hashlib.sha256(team.encode()).hexdigest()[:8]}".strip("-")


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file so that a reader, also after a crash, sees the old one or the new one whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
