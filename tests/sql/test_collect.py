"""Old batches of computed tables go, and only those: the current release, the one before it, and other scopes stay."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import polars as pl
import pytest

from sql.publish import (
    IN_THE_BACKGROUND,
    WHOLE_TABLE,
    Release,
    collect,
    new_batch_id,
    publish,
    publish_periods,
)
from sql.warehouse import Warehouse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def written(warehouse: Warehouse, team: str) -> UUID:
    batch = new_batch_id()
    warehouse.insert("core_teams", pl.DataFrame({"team": [team], "batch_id": [str(batch)]}))
    return batch


def held(warehouse: Warehouse) -> list[str]:
    return warehouse.frame_of("SELECT toString(team) AS team FROM core_teams ORDER BY team")["team"].to_list()


def test_failed_attempts_and_third_oldest_releases_are_collected(
    fresh_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deletion is waited for here, so that what is held is read once: nothing can still be about to go."""
    monkeypatch.setitem(IN_THE_BACKGROUND, "lightweight_deletes_sync", 2)
    written(fresh_warehouse, "failed attempt")
    found = []
    for team in ("first", "second", "third", "fourth"):
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
        found.append(held(fresh_warehouse))
    assert found == [
        ["failed attempt", "first"],
        ["failed attempt", "first", "second"],
        ["second", "third"],
        ["fourth", "third"],
    ]


def test_a_period_keeps_its_own_two_releases(
    fresh_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One period on its third release does not take the rows of another on its first; nor does another scope's."""
    monkeypatch.setitem(IN_THE_BACKGROUND, "lightweight_deletes_sync", 2)
    days = [date(2026, 1, day) for day in (1, 2)]
    table = "core_app_resources"

    def publish_rows(scope: str, name: str, *of: date) -> list[Release]:
        batch = new_batch_id()
        fresh_warehouse.insert(
            table,
            pl.DataFrame({"usage_date": list(of), "app_id": name, "spans": 1, "batch_id": str(batch)}),
        )
        return publish_periods(fresh_warehouse, scope, {table: batch}, dict.fromkeys(of, name), {})

    publish_rows("slices", "both", *days)
    collect(fresh_warehouse, publish_rows("slices", "second", days[0]))
    collect(fresh_warehouse, publish_rows("slices", "third", days[0]))
    rows = fresh_warehouse.frame_of(
        f"SELECT app_id, toString(usage_date) AS day FROM {table} ORDER BY app_id, day"
    ).rows()
    assert rows == [
        ("both", "2026-01-01"),  # its batch still serves the second day
        ("both", "2026-01-02"),
        ("second", "2026-01-01"),
        ("third", "2026-01-01"),
    ]


def test_releases_that_do_not_feed_a_table_are_none_of_its_last_two(
    fresh_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scope that feeds one table more from some release on, or leaves one out, keeps two batches of each."""
    monkeypatch.setitem(IN_THE_BACKGROUND, "lightweight_deletes_sync", 2)
    fed = [("old", True), ("last but one", True), ("fed nothing", False), ("last", True)]
    for number, (team, feeds) in enumerate(fed):
        batches = {"core_apps": new_batch_id()}
        if feeds:
            batches["core_teams"] = written(fresh_warehouse, team)
        release = publish(
            fresh_warehouse,
            "sometimes",
            WHOLE_TABLE,
            batches=batches,
            rows=1,
            sha256=str(number),
            version=NOW,
        )
        collect(fresh_warehouse, [release])
    assert [team for team in held(fresh_warehouse) if team in dict(fed)] == ["last", "last but one"]
