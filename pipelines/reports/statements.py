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
from sql.publish import Release, heads
from sql.warehouse import Warehouse

TABLE = "mart_chargeback_lines"

METRICS = {"billed_cost": "BilledCost", "effective_cost": "EffectiveCost"}
"""Column of a line -> metric of the published bill it must sum to."""

_SHARE = Decimal("0.000001")


@dataclass(frozen=True)
class StatementFiles:
    """What was written; ``sums`` has keys ``<currency>/<column>`` over the lines of the file."""

    csv_path: Path
    sidecar_path: Path
    rows: int
    sums: dict[str, Decimal]


def write_statement(
    warehouse: Warehouse,
    settings: Settings,
    billing_period: date,
    out_dir: Path,
    team: str | None = None,
    reader: Reader = Reader.spreadsheet,
) -> StatementFiles:
    """Writes ``chargeback-YYYY-MM[-team].csv`` and its ``.json`` sidecar into ``out_dir``, each at once or not at all.

    ``reader`` says who opens the file. A team's file has the lines of that team; the rounding lines belong to the whole statement only.

    Raises:
        ConfigurationError: the month has no statement, or the team no line in it; names those that exist.
        ControlTotalError: the statement does not sum to the bill now published.
    """
    statement = _published(warehouse, billing_period)
    sources = [one for one in heads(warehouse, "billing/") if one.period == billing_period]
    bound: dict[str, Any] = {"billing_period": billing_period, "batch_id": statement.batches[TABLE]}
    whole = warehouse.frame("queries/chargeback/sums", **bound)
    published = _ties_to_bill(whole, sources, billing_period)
    lines = warehouse.frame("queries/chargeback/lines", **bound, team=team or "")
    if team and lines.is_empty():
        teams = warehouse.frame("queries/chargeback/teams", **bound)["team"].to_list()
        raise ConfigurationError(
            f"team {team} has no line in the statement of {billing_period:%Y-%m}; teams in it: {', '.join(teams) or 'none'}"
        )
    version = int(warehouse.frame("queries/chargeback/version", billing_period=billing_period)["version"][0])
    of_teams = [team] if team else None
    stamped = stamped_lines(lines, version, billing_period, of_teams)
    content, made_safe = csv_bytes(stamped.select(COLUMNS), reader)
    sums = _sums(stamped)
    stem = f"chargeback-{billing_period:%Y-%m}" + (f"-{_file_part(team)}" if team else "")
    sidecar = {
        "layout_version": LAYOUT_VERSION,
        "csv": f"{stem}.csv",
        "sha256": hashlib.sha256(content).hexdigest(),
        "statement_id": statement_id(lines, billing_period, of_teams),
        "statement_version": version,
        "period": f"{billing_period:%Y-%m}",
        "team": team,
        "rows": lines.height,
        "reader": str(reader),
        "escaped_cells": made_safe,
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
        told.setdefault(currency, {})[column] = _told(column, value, currency)
    return told


def _whole(whole: pl.DataFrame, published: Mapping[str, Mapping[str, Decimal]]) -> dict[str, Any]:
    """The whole statement per currency: its sums, those of the published bill, and what nobody owns."""
    told = {}
    for row in whole.iter_rows(named=True):
        currency = row["billing_currency"]
        told[currency] = {
            **{column: _told(column, row[column], currency) for column in (*METRICS, "amount")},
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


def _told(column: str, value: Decimal, currency: str) -> str:
    return in_places(value, currency) if column == "amount" else plain(value)


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
