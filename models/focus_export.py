"""A month of the bill as a FOCUS file of a stated version: which columns it has, what stands in them, and how a charge that
was split among apps is told.

Frames in, frames out. Reading the bill, and the bytes of a file, do not belong here. How versions differ is data:
``policy/focus_export.csv`` has a row per column and version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import polars as pl

from models.errors import ModelError
from models.focus import policy_rows
from models.money import split
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
    """One app's part of a shared charge: its weight in the whole, and the usage it was measured by."""

    app_id: str
    weight: Decimal
    team: str = ""
    cost_center: str = ""
    environment: str = ""
    quantity: Decimal | None = None
    unit: str = ""


@dataclass(frozen=True)
class Allocation:
    """How a shared charge was split: the rule by which, and the shares, of which one at least weighs more than nothing."""

    method_id: str
    shares: Sequence[Share]


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
    frame: pl.DataFrame, key: str, allocations: Mapping[str, Allocation], first: int = 1
) -> Iterator[pl.DataFrame]:
    """Rows of ``queries/export/focus``, those whose ``key`` has an allocation as one row per app with a share.

    Costs and quantities are split by largest remainder, so that the parts of each sum to the charge to the last digit;
    everything else of the charge stays, its tags too. A part of nothing is left out where its weight is zero. At most
    ``MOST_PARTS`` rows of parts are held at once; charges that are split are numbered from ``first`` on.

    Raises:
        ModelError: no share of an allocation weighs more than nothing.
    """
    is_shared = frame[key].is_in(list(allocations))
    if not is_shared.any():
        yield frame
        return
    whole = frame.filter(~is_shared)
    if whole.height:
        yield whole
    parts: list[dict[str, object]] = []
    for number, row in enumerate(frame.filter(is_shared).iter_rows(named=True), start=first):
        parts += _parts(row, allocations[row[key]], number)
        if len(parts) >= MOST_PARTS:
            yield pl.DataFrame(parts, schema=frame.schema)
            parts = []
    if parts:
        yield pl.DataFrame(parts, schema=frame.schema)


def _parts(row: Mapping[str, object], allocation: Allocation, number: int) -> Iterator[dict[str, object]]:
    shares = [one for one in allocation.shares if one.weight]
    weights = [one.weight for one in shares]
    divided = {
        name: split(amount, weights)
        for name in (*SHARED_COSTS, *QUANTITIES)
        if isinstance(amount := row.get(name), Decimal)
    }
    ratios = split(Decimal(1), weights)
    for place, share in enumerate(shares):
        tags = {"app_id": share.app_id, "team": share.team} if share.team else {"app_id": share.app_id}
        yield {
            **row,
            **{name: amounts[place] for name, amounts in divided.items()},
            "AllocatedMethodId": allocation.method_id,
            "AllocatedMethodDetails": _method_details(ratios[place], share),
            "AllocatedResourceId": share.app_id,
            "AllocatedTags": _json(tags),
            "x_AppId": share.app_id,
            "x_Team": share.team,
            "x_CostCenter": share.cost_center,
            "x_Environment": share.environment,
            "x_AttributionRule": allocation.method_id,
            "x_SplitOriginId": f"{row['x_SourceName']}/{number}",
            "x_SplitOriginCost": row["BilledCost"],
        }


def _method_details(ratio: Decimal, share: Share) -> str:
    """``AllocatedMethodDetails`` of a part; numbers are written digit by digit, as JSON's own would be floats."""
    said = f'"AllocatedRatio":{plain(ratio)}'
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
