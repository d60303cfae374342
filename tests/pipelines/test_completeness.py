"""From published bills to whole days, and what is left out of anomalies and forecasts because of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from models.schemas import SCHEMAS
from models.settings import BillingSource, Settings
from pipelines.compute import AsOf, compute_anomalies, compute_completeness, compute_forecasts, cost_days
from pipelines.compute.publishing import insert
from sql.publish import WHOLE_TABLE, new_batch_id, publish
from sql.warehouse import Warehouse

MONTHS = (date(2026, 2, 1), date(2026, 3, 1))
LAST = date(2026, 3, 20)
CLOCK = datetime(2026, 3, 21, 8, tzinfo=UTC)
APPS = 30
HOLE, THIN = date(2026, 3, 10), date(2026, 3, 20)


def bill(warehouse: Warehouse, source: str, missing: dict[date, int], until: date = LAST) -> None:
    """Publishes thirty apps at a hundred dollars a day, on some days fewer of them; both the bill and its costs."""
    for month in MONTHS:
        rows = [
            (day, f"{source}-{number:02}")
            for day in (month + timedelta(days=one) for one in range(31))
            if day.month == month.month and day <= until
            for number in range(missing.get(day, APPS))
        ]
        raw, batch = new_batch_id(), new_batch_id()
        warehouse.insert(
            "raw_focus_costs",
            pl.DataFrame(
                {
                    "x_SourceName": [source] * len(rows),
                    "x_BillingPeriod": [month] * len(rows),
                    "x_BatchId": [str(raw)] * len(rows),
                    "ChargeCategory": ["Usage"] * len(rows),
                    "ChargePeriodStart": [datetime(d.year, d.month, d.day, tzinfo=UTC) for d, _ in rows],
                    "ChargePeriodEnd": [
                        datetime(d.year, d.month, d.day, tzinfo=UTC) + timedelta(days=1) for d, _ in rows
                    ],
                }
            ),
        )
        publish(
            warehouse,
            f"billing/{source}",
            month,
            batches={"raw_focus_costs": raw},
            rows=len(rows),
            sha256=f"{source}{month}",
            version=CLOCK,
        )
        costs = pl.DataFrame(
            {
                "billing_period": [month] * len(rows),
                "usage_date": [day for day, _ in rows],
                "source_name": [source] * len(rows),
                "app_id": [app for _, app in rows],
                "team": ["red"] * len(rows),
                "charge_category": ["Usage"] * len(rows),
                "charge_frequency": ["Usage-Based"] * len(rows),
                "billing_currency": ["USD"] * len(rows),
                "billed_cost": [Decimal(100)] * len(rows),
                "effective_cost": [Decimal(100)] * len(rows),
            },
            schema_overrides=dict.fromkeys(("billed_cost", "effective_cost"), pl.Decimal(38, 18)),
        )
        insert(warehouse, "core_app_costs_daily", costs, batch)
        publish(
            warehouse,
            "costs",
            month,
            batches={"core_app_costs_daily": batch},
            rows=len(rows),
            sha256=f"costs{month}",
            version=CLOCK,
        )


def test_a_day_that_is_not_whole_is_no_anomaly_and_no_forecast_s_input(
    fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    """All cost nothing on one day and most on the last: as a bill that lacks them it says nothing, as one that is settled it
    is a fall of each of them."""
    warehouse = fresh_warehouse
    settings = Settings(tmp_path, tmp_path, tmp_path, billing=(BillingSource("aws", "focus", "bills"),))
    bill(warehouse, "aws", {HOLE: 0, THIN: 10})
    assert cost_days(warehouse, LAST) == {"aws": LAST}  # nothing is judged yet: what arrived counts
    assert compute_completeness(warehouse, settings, CLOCK).releases
    assert compute_completeness(warehouse, settings, CLOCK).unchanged == 1
    opens = warehouse.frame("queries/freshness/open_days", until=LAST)
    assert opens["usage_date"].to_list() == [HOLE, THIN]
    assert "10 charges of usage came of it, at least 30" in opens["reason"][1]
    assert cost_days(warehouse, LAST) == {"aws": LAST - timedelta(days=1)}

    as_of = AsOf(CLOCK, LAST)
    compute_anomalies(warehouse, settings, as_of)
    compute_forecasts(warehouse, settings, as_of)
    found = "SELECT kind, start_date, end_date, count() AS apps FROM mart_cost_anomalies_current GROUP BY ALL ORDER BY end_date"
    assert warehouse.frame_of(found).is_empty()
    ends = (
        "SELECT usage_to_date, round(expected_total, 6) FROM mart_cost_forecasts_current WHERE scope = 'app'"
    )
    # eighteen whole days of which one lacks, then twelve to come
    assert set(warehouse.frame_of(ends).rows()) == {(Decimal(1800), 3000.0)}

    settled = Settings(
        tmp_path, tmp_path, tmp_path, billing=(BillingSource("aws", "focus", "bills", settled_after_days=0),)
    )
    compute_completeness(warehouse, settled, CLOCK)
    assert warehouse.frame("queries/freshness/open_days", until=LAST).is_empty()
    compute_anomalies(warehouse, settled, as_of)
    assert warehouse.frame_of(found).rows() == [
        ("zero", HOLE, HOLE, APPS)
    ]  # who had a day off may have another


def test_a_source_published_since_is_known_by_what_arrived(
    fresh_warehouse: Warehouse, tmp_path: Path
) -> None:
    warehouse = fresh_warehouse
    settings = Settings(tmp_path, tmp_path, tmp_path)
    bill(warehouse, "late", {}, until=LAST - timedelta(days=2))
    compute_completeness(warehouse, settings, CLOCK)
    # an app of a late source is awaited for two weeks
    opens = warehouse.frame("queries/freshness/open_series", until=LAST, awaited_days=14)
    assert opens["usage_date"].unique().sort().to_list() == [LAST - timedelta(days=1), LAST]
    assert opens["app_id"].n_unique() == APPS
    assert warehouse.frame("queries/freshness/open_series", until=LAST, awaited_days=1).height == APPS
    bill(warehouse, "late", {})
    assert cost_days(warehouse, LAST)["late"] == LAST


def test_pages_are_told_of_days_by_source(fresh_warehouse: Warehouse) -> None:
    """Published by hand: what a page reads is a count of rows."""
    rows = [
        (source, date(2026, 3, day), state, state != "open", datetime(2026, 4, day, tzinfo=UTC), f"why {state} {day // 10}", 1)
        for source, of_days in (("a", {range(1, 12): "settled", range(12, 20): "arrived", range(20, 26): "open"}), ("b", {range(3, 5): "open"}))
        for span, state in of_days.items()
        for day in span
    ]  # fmt: skip
    batch = new_batch_id()
    frame = pl.DataFrame(rows, schema=SCHEMAS["core_cost_days"], orient="row")
    insert(fresh_warehouse, "core_cost_days", frame, batch)
    publish(
        fresh_warehouse, "completeness", WHOLE_TABLE, batches={"core_cost_days": batch}, rows=len(rows), sha256="x", version=CLOCK
    )  # fmt: skip
    opens = fresh_warehouse.frame("queries/dashboards/open_days", teams=["t"])
    assert opens.rows() == [
        ("a", date(2026, 3, 20), date(2026, 3, 25), 6, "why open 2"),
        ("b", date(2026, 3, 3), date(2026, 3, 4), 2, "why open 0"),
    ]
    assert fresh_warehouse.frame("queries/dashboards/open_days", teams=[]).is_empty()
    given = {"teams": ["t"], "see_whole_bills": True, "billing_period": date(2026, 3, 1)}
    days = fresh_warehouse.frame("queries/finance/days", **given)
    assert days.drop("since").rows() == [
        ("a", "settled", 11, date(2026, 3, 1), date(2026, 3, 11), "why settled 1"),
        ("a", "arrived", 8, date(2026, 3, 12), date(2026, 3, 19), "why arrived 1"),
        ("a", "open", 6, date(2026, 3, 20), date(2026, 3, 25), "why open 2"),
        ("b", "open", 2, date(2026, 3, 3), date(2026, 3, 4), "why open 0"),
    ]
    assert [moment.day for moment in days["since"]] == [11, 19, 25, 4]
    for less in ({"teams": []}, {"see_whole_bills": False}, {"billing_period": date(2026, 4, 1)}):
        assert fresh_warehouse.frame("queries/finance/days", **{**given, **less}).is_empty()
