"""From published costs to published episodes: up to which day a series goes, and whose it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from models.settings import Settings
from pipelines.compute import AsOf, anomalies
from pipelines.compute.publishing import insert
from sql.publish import new_batch_id, publish
from sql.warehouse import Warehouse

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
AS_OF = AsOf(datetime(2026, 4, 1, tzinfo=UTC), LAST)


def test_an_app_of_two_sources_stops_when_its_newest_one_says_so_and_is_its_last_owners(
    fresh_warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred dollars a day: of one app until the 28th, of one whose bill is late until the day that bill reaches."""
    days = {"aws": LAST, "azure": LAST - timedelta(days=2)}
    monkeypatch.setattr(anomalies, "cost_days", lambda warehouse, until: days)
    rows = [
        {
            "billing_period": FIRST,
            "usage_date": FIRST + timedelta(days=day),
            "source_name": source,
            "app_id": app,
            "team": "before" if day < 20 else "after",
            "charge_category": "Usage",
            "billing_currency": "USD",
            "effective_cost": Decimal(100),
        }
        for app, first_source, source_later, until in (
            ("stops", "azure", "aws", 28),
            ("late", "azure", "azure", 29),
        )
        for day in range(until)
        for source in (first_source if day == 0 else source_later,)
    ]
    batch = new_batch_id()
    frame = pl.DataFrame(rows, schema_overrides={"effective_cost": pl.Decimal(38, 18)})
    insert(fresh_warehouse, "core_app_costs_daily", frame, batch)
    publish(
        fresh_warehouse,
        "costs",
        FIRST,
        batches={"core_app_costs_daily": batch},
        rows=len(rows),
        sha256="costs",
        version=AS_OF.slice_end,
    )
    anomalies.compute_anomalies(fresh_warehouse, Settings(tmp_path, tmp_path, tmp_path), AS_OF)
    found = fresh_warehouse.frame_of(
        "SELECT app_id, toString(team), start_date, end_date, toString(kind), actual_cost FROM mart_cost_anomalies_current"
    )
    assert found.rows() == [("stops", "after", date(2026, 3, 29), LAST, "zero", Decimal(0))]
