"""Writes the chargeback statement of a month: a CSV a ledger can import, and a JSON sidecar that says how it came about.

The lines are computed and published elsewhere; here they become files, the same bytes each time: no clock is read.
"""

from __future__ import annotations

import csv
import hashlib
import io
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

from models.errors import ConfigurationError, ControlTotalError
from models.identity import RULE_VERSION
from models.money import exact_total
from models.schemas import MONEY
from pipelines.settings import Settings
from sql.publish import Release, heads
from sql.warehouse import Warehouse

TABLE = "mart_chargeback_lines"

LAYOUT_VERSION = 1
"""Raised when a column of the CSV is added (at the end); columns are never moved or renamed."""

COLUMNS = (
    "statement_id",
    "statement_version",
    "period",
    "cost_center",
    "team",
    "owner",
    "app_id",
    "app_name",
    "source_name",
    "provider",
    "service_name",
    "charge_category",
    "charge_class",
    "cost_type",
    "attribution_rule",
    "billing_currency",
    "billed_cost",
    "effective_cost",
    "amount",
    "description",
)
"""Header of the CSV."""

METRICS = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost"}
"""Column of a line -> metric of the published bill it must sum to."""

_BLANK = "[\\s\\ufeff\\u200b]*"
_FORMULA = re.compile(f"{_BLANK}[=+\\-@\uff1d\uff0b\uff0d\uff20]|[ \\u00a0\\ufeff\\u200b]*[\\t\\r\\n\\x00]")
_SHARE = Decimal("0.000001")


@dataclass(frozen=True)
class StatementFiles:
    """What was written; ``sums`` has keys ``<currency>/<column>`` over the lines of the file."""

    csv_path: Path
    sidecar_path: Path
    rows: int
    sums: dict[str, Decimal]


def write_statement(
    warehouse: Warehouse, settings: Settings, billing_period: date, out_dir: Path, team: str | None = None
) -> StatementFiles:
    """Writes ``chargeback-YYYY-MM[-team].csv`` and its ``.json`` sidecar into ``out_dir``, each at once or not at all.

    A team's file has the lines of that team; the rounding lines belong to the whole statement only.

    Raises:
        ConfigurationError: the month has no statement, or the team no line in it; names those that exist.
        ControlTotalError: the statement does not sum to the bill now published.
    """
    statement = _published(warehouse, billing_period)
    sources = [one for one in heads(warehouse, "billing/") if one.period == billing_period]
    bound = {"billing_period": billing_period, "batch_id": statement.batches[TABLE]}
    whole = warehouse.frame("queries/chargeback/sums", **bound)
    published = _ties_to_bill(whole, sources, billing_period)
    lines = warehouse.frame("queries/chargeback/lines", **bound, team=team or "")
    if team and lines.is_empty():
        teams = warehouse.frame("queries/chargeback/teams", **bound)["team"].to_list()
        raise ConfigurationError(
            f"team {team} has no line in the statement of {billing_period:%Y-%m}; teams in it: {', '.join(teams) or 'none'}"
        )
    stamped = _stamped(lines, statement, billing_period, team)
    content, escaped = csv_bytes(stamped.select(COLUMNS))
    sums = _sums(stamped)
    stem = f"chargeback-{billing_period:%Y-%m}" + (f"-{_file_part(team)}" if team else "")
    sidecar = {
        "layout_version": LAYOUT_VERSION,
        "csv": f"{stem}.csv",
        "sha256": hashlib.sha256(content).hexdigest(),
        "statement_id": _statement_id(lines, billing_period, team),
        "statement_version": statement.seq,
        "period": f"{billing_period:%Y-%m}",
        "team": team,
        "rows": lines.height,
        "escaped_cells": escaped,
        "rule_version": RULE_VERSION,
        "sums": _by_currency(sums),
        "statement": _whole(whole, published),
        "computed": {
            "release": statement.seq,
            "batch_id": str(statement.batches[TABLE]),
            "sha256": statement.sha256,
        },
        "sources": [
            {
                "source": one.scope.removeprefix("billing/"),
                "release": one.seq,
                "batch_ids": {table: str(batch) for table, batch in sorted(one.batches.items())},
                "version": one.version.isoformat(),
                "sha256": one.sha256,
            }
            for one in sources
        ],
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    csv_path, sidecar_path = out_dir / f"{stem}.csv", out_dir / f"{stem}.json"
    _replace(csv_path, content)
    _replace(sidecar_path, (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode())
    return StatementFiles(csv_path, sidecar_path, lines.height, sums)


def csv_bytes(frame: pl.DataFrame) -> tuple[bytes, int]:
    """A frame as RFC 4180 CSV in UTF-8, and the number of text cells that had to be made safe.

    By column type: amounts are plain decimals, text that a spreadsheet would run as a formula gets a leading ``'``.
    """
    escaped = 0
    columns = []
    for series in frame:
        if series.dtype == MONEY:
            columns.append([plain(value) for value in series])
        elif series.dtype == pl.String:
            cells = [safe(text) for text in series]
            escaped += sum(cell != text for cell, text in zip(cells, series, strict=True))
            columns.append(cells)
        else:
            columns.append([str(value) for value in series])
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*columns, strict=True))
    return buffer.getvalue().encode(), escaped


def plain(amount: Decimal) -> str:
    """Exact decimal text: point, no exponent, no zeros at the end, no minus before zero."""
    if not amount:
        return "0"
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def safe(text: str) -> str:
    """Text no spreadsheet runs: one that starts as a formula, also after blanks, gets a leading ``'``."""
    return f"'{text}" if _FORMULA.match(text) else text


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


def _ties_to_bill(
    whole: pl.DataFrame, sources: Sequence[Release], period: date
) -> dict[str, dict[str, Decimal]]:
    """Published sums per currency and column, after the statement's are equal to them."""
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


def _stamped(lines: pl.DataFrame, statement: Release, period: date, team: str | None) -> pl.DataFrame:
    """Lines with what a ledger wants on each of them."""
    month = f"{period:%Y-%m}"
    rounding = pl.format("Rounding of {} " + month + " to minor units", "billing_currency")
    charge = pl.format("{} {} of {}, " + month, "service_name", "charge_category", "app_name")
    return lines.with_columns(
        statement_id=pl.lit(_statement_id(lines, period, team)),
        statement_version=pl.lit(statement.seq),
        period=pl.lit(month),
        description=pl.when(pl.col("cost_type") == "rounding")
        .then(rounding)
        .otherwise(charge)
        .str.strip_chars(),
    )


def _statement_id(lines: pl.DataFrame, period: date, team: str | None) -> str:
    """Fingerprint of what the statement says: the same lines by the same rules have the same id, wherever written."""
    said = hashlib.sha256(json.dumps([RULE_VERSION, team]).encode())
    said.update(csv_bytes(lines)[0])
    return f"{period:%Y-%m}-{said.hexdigest()[:16]}"


def _sums(lines: pl.DataFrame) -> dict[str, Decimal]:
    """Exact sums of a file by Python's decimals, ``<currency>/<column>``."""
    return {
        f"{currency}/{column}": exact_total(part[column])
        for (currency,), part in lines.group_by("billing_currency", maintain_order=True)
        for column in (*METRICS, "amount")
    }


def _by_currency(sums: Mapping[str, Decimal]) -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = {}
    for key, value in sorted(sums.items()):
        currency, column = key.split("/")
        told.setdefault(currency, {})[column] = plain(value)
    return told


def _whole(whole: pl.DataFrame, published: Mapping[str, Mapping[str, Decimal]]) -> dict[str, Any]:
    """The whole statement per currency: its sums, those of the published bill, and what nobody owns."""
    told = {}
    for row in whole.iter_rows(named=True):
        currency = row["billing_currency"]
        told[currency] = {
            **{column: plain(row[column]) for column in (*METRICS, "amount")},
            "published": {column: plain(amount) for column, amount in published.get(currency, {}).items()},
            "unallocated": {
                column: {
                    "cost": plain(row[f"unallocated_{column}"]),
                    "share": _share(row[f"unallocated_{column}"], row[column]),
                }
                for column in METRICS
            },
        }
    return told


def _share(part: Decimal, whole: Decimal) -> str | None:
    return plain((part / whole).quantize(_SHARE, ROUND_HALF_EVEN)) if whole else None


def _file_part(team: str) -> str:
    """A team as part of a file name; one that has to be changed keeps a fingerprint, so that no two meet."""
    part = re.sub(r"[^A-Za-z0-9_-]+", "-", team).strip("-")
    return part if part == team else f"{part}-{hashlib.sha256(team.encode()).hexdigest()[:8]}".strip("-")


def _replace(path: Path, content: bytes) -> None:
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
