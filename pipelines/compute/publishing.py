"""What every computation shares: the fingerprint of its inputs, and frames to one published release.

Nothing here decides a number or knows a table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import polars as pl

from models.settings import Settings
from pipelines.compute.as_of import AsOf
from pipelines.compute.rules import rules_sha256
from sql.leases import lease
from sql.publish import (
    WHOLE_TABLE,
    Release,
    collect,
    head,
    new_batch_id,
    publish,
)
from sql.warehouse import Warehouse

LEASE_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What one computation did: releases published (empty when nothing was new), and what a person asks."""

    releases: tuple[Release, ...] = ()
    unchanged: int = 0
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """What stays as it was because of what it would be made from."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows published."""
        return sum(release.rows for release in self.releases)


def fingerprint(*parts: Any) -> str:
    """sha256 over the inputs of a computation and everything it is made by."""
    text = json.dumps([rules_sha256(), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def frame_fingerprint(frame: pl.DataFrame) -> str:
    """sha256 of a frame's cells in their order."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()


def publish_frames(
    warehouse: Warehouse,
    settings: Settings,
    scope: str,
    tables: Mapping[str, pl.DataFrame],
    print_: str,
    as_of: AsOf | None,
) -> Outcome:
    """Writes frames under fresh batches and publishes them as one whole-table release, unless current."""
    with lease(settings.root, scope, LEASE_WAIT_SECONDS):
        if is_current(warehouse, scope, print_):
            return Outcome(unchanged=1)
        batches = {table: new_batch_id() for table in tables}
        for table, frame in tables.items():
            insert(warehouse, table, frame, batches[table])
        release = publish(
            warehouse,
            scope,
            WHOLE_TABLE,
            batches=batches,
            rows=sum(frame.height for frame in tables.values()),
            sha256=print_,
            version=as_of.slice_end if as_of else datetime(1970, 1, 1, tzinfo=UTC),
        )
        collect(warehouse, [release])
    return Outcome((release,))


def insert(warehouse: Warehouse, table: str, frame: pl.DataFrame, batch: UUID) -> None:
    warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batch))))


def table_sha256(released: Mapping[str, Sequence[Release]], scope: str) -> str:
    """Fingerprint of a scope that is released as a whole table; empty where it never was."""
    return next((one.sha256 for one in released.get(scope, ()) if one.period == WHOLE_TABLE), "")


def is_current(warehouse: Warehouse, scope: str, print_: str) -> bool:
    release = head(warehouse, scope, WHOLE_TABLE)
    return (release.sha256 if release else "") == print_
