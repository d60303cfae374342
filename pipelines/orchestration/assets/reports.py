"""What an asset tells Dagster of its work: rows, exact sums, seconds, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

OWNERS = ["team:platform"]
REFUSED = "refused"
HELD = "held"
NOTES = "notes"
SECONDS = "seconds"
PUBLISHED = "published"
UNCHANGED = "unchanged"


def result(
    table: str,
    *,
    rows: int,
    seconds: float,
    published: int = 0,
    unchanged: int = 0,
    sums: Mapping[str, Decimal] | None = None,
    refused: Sequence[str] = (),
    held: Sequence[str] = (),
    notes: Sequence[str] = (),
    facts: Mapping[str, Any] | None = None,
) -> dg.MaterializeResult[None]:
    """Result of an asset; sums are exact text, so no float comes near money."""
    metadata: dict[str, Any] = {
        "dagster/table_name": table,
        "dagster/partition_row_count": rows,
        SECONDS: round(seconds, 3),
        PUBLISHED: published,
        UNCHANGED: unchanged,
        **{f"sum {key}": format(amount, "f") for key, amount in sorted((sums or {}).items())},
        **(facts or {}),
    }
    if refused:
        metadata[REFUSED] = dg.MetadataValue.json(list(refused))
    if held:
        metadata[HELD] = dg.MetadataValue.json(list(held))
    if notes:
        metadata[NOTES] = dg.MetadataValue.json(list(notes))
    return dg.MaterializeResult(asset_key=table, metadata=metadata)


def total(sums: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Sums added up key by key."""
    added: dict[str, Decimal] = {}
    for one in sums:
        for key, amount in one.items():
            added[key] = added.get(key, Decimal(0)) + amount
    return added
