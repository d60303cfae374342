"""A month of the bill as a FOCUS file of a stated version: which columns it has, what stands in them, and how a charge that
was split among apps is told.

Frames in, frames out. Reading the bill, and the bytes of a file, do not belong here. How versions differ is data:
``policy/focus_export.csv`` has a row per column and version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl

from models.errors import ModelError
from models.focus import policy_rows
from models.money import exact_total
from models.statement_csv import plain

VERSIONS = ("1.2", "1.4")
"""Versions of FOCUS a month is written in."""

FILLED = "x_FilledColumns"
"""Says which cells of a row are not the bill's: names of columns, a blank between them."""

OWN = {
    "x_AppId": "the app the charge is attributed to, or unallocated",
    "x_Team": "its team",
    "x_CostCenter": "its cost centre",
    "x_Environment": "its environment",
    "x_AttributionRule": "rule that gave the app",
    "x_AttributionConfidence": "how sure that rule is, 0 to 1",
    "x_SourceName": "billing source",
    "x_ResourceGroupName": "resource group",
}
"""Columns of ours beside those of FOCUS."""

ALLOCATION = (
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
)
"""Columns by which FOCUS 1.3 and later tell a split charge; an export of an older version has them behind ``x_``."""

SPLIT = {
    "x_SplitOriginId": "the same in all parts of one charge of the bill, in this file",
    "x_SplitOriginCost": "BilledCost of that charge",
}
"""Columns that tell which parts were one charge; the names are those the FOCUS Data Toolkit knows."""

SHARED_COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingCurrencyEffectiveCost")
QUANTITIES = ("PricingQuantity", "ConsumedQuantity", "CommitmentDiscountQuantity")
MOST_PARTS = 50_000
"""Rows of split charges that are held at once."""

_IN_BRACES = re.compile(r"\{(\w+)\}")
_MANDATORY = "mandatory"


@dataclass(frozen=True)
class ExportColumn:
    """A column in one version; ``instead`` is what stands in a cell the bill has nothing for, first found first: names of
    columns, or after ``=`` a text with columns in braces."""

    name: str
    level: str
    nullable: bool
    instead: tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """One app's part of a charge that was split: its amounts by column of FOCUS, and the usage it was measured by."""

    app_id: str
    rule: str
    ratio: Decimal
    amounts: Mapping[str, Decimal]
    team: str = ""
    cost_center: str = ""
    environment: str = ""
    confidence: float = 0.0
    quantity: Decimal | None = None
    unit: str = ""


@cache
def export_columns(version: str) -> tuple[ExportColumn, ...]:
    """Columns of a version in the order of the file.

    Raises:
        ModelError: no such version.
    """
    found = tuple(
        ExportColumn(
            row["column"],
            row["level"],
            row["nullable"] == "1",
            tuple(row["instead"].split("|")) if row["instead"] else (),
        )
        for row in policy_rows("focus_export.csv")
        if row["version"] == version
    )
    if not found:
        raise ModelError(
            f"{version!r} is no version an export is written in; there are {', '.join(VERSIONS)}"
        )
    return found


def written_columns(version: str, filled: Collection[str]) -> list[str]:
    """Columns of a file of a month in which ``filled`` columns have a value somewhere: FOCUS's, then ours.

    A column that is not mandatory and that nothing fills would claim that the provider supports what it does not.
    """
    own = [name for name in OWN if name in filled or name != "x_ResourceGroupName"]
    known = [one.name for one in export_columns(version)]
    kept = [one.name for one in export_columns(version) if one.level == _MANDATORY or one.name in filled]
    older = [f"x_{name}" for name in ALLOCATION if name not in known and name in filled]
    parts = [name for name in SPLIT if name in filled]
    return [*kept, *own, *older, *parts, FILLED]


def exported(frame: pl.DataFrame, version: str, written: Sequence[str]) -> pl.DataFrame:
    """Rows of ``queries/export/focus`` as a version has them, columns ``written``.

    A cell that may not be NULL and is has what its column says ``instead``, and its name in ``x_FilledColumns``. Money and
    quantities stay as they are.
    """
    specs = {one.name: one for one in export_columns(version)}
    older = [name for name in ALLOCATION if name not in specs]
    frame = frame.rename({name: f"x_{name}" for name in older})
    fills = {name: specs[name].instead for name in written if name in specs and specs[name].instead}
    before = frame
    for name, instead in fills.items():
        frame = frame.with_columns(pl.coalesce(pl.col(name), *map(_instead, instead)).alias(name))
    named = [pl.when(before[name].is_null() & frame[name].is_not_null()).then(pl.lit(name)) for name in fills]
    told = pl.concat_str(named, separator=" ", ignore_nulls=True) if named else pl.lit("")
    said = told.replace("", None).alias(FILLED)
    return frame.with_columns(said).select(written)


def _instead(text: str) -> pl.Expr:
    if not text.startswith("="):
        return pl.col(text)
    template = text[1:]
    names = _IN_BRACES.findall(template)
    return pl.format(_IN_BRACES.sub("{}", template), *names) if names else pl.lit(template)


def with_allocations(
    frame: pl.DataFrame, shares: Callable[[Mapping[str, Any]], Sequence[Share]], first: int = 1
) -> Iterator[pl.DataFrame]:
    """Rows of ``queries/export/focus``, those that ``shares`` divides as one row per share.

    A row is given to ``shares`` as it is, with whatever columns the frame has beside; none leaves it whole. Of a part, costs and
    quantities, app and owner are its share's; everything else is the charge's, its tags too. A charge that one share has whole,
    and that stays with the app it was of, is no allocation: it has the rule, and no columns of one. About ``MOST_PARTS`` rows of
    parts are held at once; charges that are split are numbered from ``first`` on.

    Raises:
        ModelError: the parts of a cost or quantity do not sum to the charge.
    """
    places: list[int] = []
    told: list[dict[str, Any]] = []
    number = first
    for place, row in enumerate(frame.iter_rows(named=True)):
        parts = shares(row)
        if not parts:
            parts_told: list[dict[str, Any]] = [{}]
        elif len(parts) == 1 and parts[0].app_id == row["x_AppId"]:
            parts_told = [_taken(parts[0])]
        else:
            parts_told = _parts(row, parts, number)
            number += 1
        places += [place] * len(parts_told)
        told += parts_told
        if len(told) >= MOST_PARTS:
            yield _rows(frame, places, told)
            places, told = [], []
    if told:
        yield _rows(frame, places, told)


def _rows(frame: pl.DataFrame, places: Sequence[int], told: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of a frame at some places, with what is told of each in place of its own cells."""
    rows = frame[places]
    changed = [
        pl.Series(
            name,
            [one.get(name, own) for one, own in zip(told, rows[name], strict=True)],
            dtype=frame.schema[name],
        )
        for name in dict.fromkeys(name for one in told for name in one)
    ]
    return rows.with_columns(changed)


def _taken(share: Share) -> dict[str, Any]:
    """What a rule changes of a charge that it takes and leaves where it is."""
    return {
        "x_Team": share.team,
        "x_CostCenter": share.cost_center,
        "x_Environment": share.environment,
        "x_AttributionRule": share.rule,
        "x_AttributionConfidence": share.confidence,
    }


def _parts(row: Mapping[str, Any], shares: Sequence[Share], number: int) -> list[dict[str, Any]]:
    """What is a part's own, of each part of a charge."""
    amounts = [name for name in (*SHARED_COSTS, *QUANTITIES) if row.get(name) is not None]
    for name in amounts:
        if exact_total(one.amounts[name] for one in shares) != row[name]:
            raise ModelError(f"the parts of a charge do not sum to it in {name}: {plain(row[name])}")
    return [
        {
            **{name: share.amounts[name] for name in amounts},
            **_taken(share),
            "AllocatedMethodId": share.rule,
            "AllocatedMethodDetails": _method_details(share),
            "AllocatedResourceId": share.app_id,
            "AllocatedTags": _json(
                {"app_id": share.app_id, "team": share.team} if share.team else {"app_id": share.app_id}
            ),
            "x_AppId": share.app_id,
            "x_SplitOriginId": f"{row['x_SourceName']}/{number}",
            "x_SplitOriginCost": row["BilledCost"],
        }
        for share in shares
    ]


def _method_details(share: Share) -> str:
    """``AllocatedMethodDetails`` of a part; numbers are written digit by digit, as JSON's own would be floats."""
    said = f'"AllocatedRatio":{plain(share.ratio)}'
    if share.quantity is not None:
        said += f',"UsageUnit":{_json(share.unit)},"UsageQuantity":{plain(share.quantity)}'
    return f'{{"Elements":[{{{said}}}]}}'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_csv_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Every cell as FOCUS writes it in text: plain decimals without zeros at the end, times as ``YYYY-MM-DDTHH:MM:SSZ``."""
    cells = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if isinstance(kind, pl.Decimal):
            column = column.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
        elif isinstance(kind, pl.Datetime):
            column = column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif kind != pl.String:
            column = column.cast(pl.String)
        cells.append(column)
    return frame.select(cells)
