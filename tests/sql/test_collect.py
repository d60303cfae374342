"""Old batches of computed tables go, and only those: the current release, the one before it, and other scopes stay."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

import polars as pl

from sql.publish import WHOLE_TABLE, collect, new_batch_id, publish
from sql.warehouse import Warehouse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def written(warehouse: Warehouse, team: str) -> UUID:
    batch = new_batch_id()
    warehouse.insert("core_teams", pl.DataFrame({"team": [team], "batch_id": [str(batch)]}))
    return batch


def held(warehouse: Warehouse) -> list[str]:
    return warehouse.frame_of("SELECT toString(team) AS team FROM core_teams ORDER BY team")["team"].to_list()


def test_failed_attempts_and_third_oldest_releases_are_collected(fresh_warehouse: Warehouse) -> None:
    written(fresh_warehouse, "failed attempt")
    for team in ("first", "second", "third"):
        release = publish(
            fresh_warehouse,
            "registry",
            WHOLE_TABLE,
            batches={"core_teams": written(fresh_warehouse, team)},
            rows=1,
            sha256=team,
            version=NOW,
        )
        collect(fresh_warehouse, [release])
        if team == "second":
            assert held(fresh_warehouse) == ["failed attempt", "first", "second"]
    deadline = time.monotonic() + 60
    while held(fresh_warehouse) != ["second", "third"] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert held(fresh_warehouse) == ["second", "third"]
