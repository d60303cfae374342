"""What others read of the bill: the current view, identities, daily costs and control totals."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl

from models.focus import columns
from sql.publish import WHOLE_TABLE, publish
from tests.billing.conftest import ROW, Bills

SEPTEMBER = date(2024, 9, 1)
IDENTITIES, COSTS = UUID(int=1), UUID(int=2)


def _attribute(bills: Bills, app_of: dict[str, str]) -> None:
    """Publishes identities that give ``app_of[tag app_id]`` to each identity, as attribution would."""
    found = bills.warehouse.frame("queries/identities/distinct")
    rows = [
        {
            "x_IdentityHash": row["x_IdentityHash"],
            "valid_from": WHOLE_TABLE,
            "app_id": app_of[dict(row["tags"]).get("app_id", "")],
            "team": "t",
            "attribution_rule": "app_tag",
            "confidence": 1.0,
            "batch_id": str(IDENTITIES),
        }
        for row in found.iter_rows(named=True)
        if dict(row["tags"]).get("app_id", "") in app_of
    ]
    bills.warehouse.insert(
        "core_identities", pl.DataFrame(rows, schema_overrides={"x_IdentityHash": pl.UInt64})
    )
    publish(
        bills.warehouse,
        "identities",
        WHOLE_TABLE,
        batches={"core_identities": IDENTITIES},
        rows=len(rows),
        sha256="",
        version=datetime.now(UTC),
    )


def _cost_days(bills: Bills) -> pl.DataFrame:
    bills.warehouse.execute(
        "statements/core_app_costs_daily",
        billing_period=SEPTEMBER,
        batch_id=COSTS,
        identities_batch=IDENTITIES,
        pools=[],
    )
    publish(
        bills.warehouse,
        "costs",
        SEPTEMBER,
        batches={"core_app_costs_daily": COSTS},
        rows=0,
        sha256="",
        version=datetime.now(UTC),
    )
    return bills.warehouse.frame_of("SELECT * FROM core_app_costs_daily_current ORDER BY usage_date, app_id")


def test_costs_follow_their_identity_and_nothing_is_lost(bills: Bills, focus_csv) -> None:
    bills.put(
        "a.csv",
        focus_csv(
            {"BilledCost": "0.1", "Tags": '{"app_id": "a"}'},
            {"BilledCost": "0.2", "Tags": '{"app_id": "a"}', "ResourceId": "r1"},
            {"BilledCost": "-0.05", "Tags": '{"app_id": "b"}'},
            {"BilledCost": "7e-18", "Tags": ""},
        ),
    )
    bills.ingest()
    found = bills.warehouse.frame("queries/identities/distinct")
    assert len(found) == 4
    assert found["variants"].to_list() == [1] * 4
    _attribute(bills, {"a": "app-a", "b": "app-b"})
    frame = bills.warehouse.frame_of("SELECT x_AppId AS app, BilledCost AS cost FROM raw_focus_costs_current")
    by_app: dict[str, Decimal] = defaultdict(Decimal)
    for row in frame.iter_rows(named=True):
        by_app[row["app"]] += row["cost"]
    expected = {"app-a": Decimal("0.3"), "app-b": Decimal("-0.05"), "unallocated": Decimal("7e-18")}
    assert by_app == expected
    days = _cost_days(bills)
    assert {row["app_id"]: row["billed_cost"] for row in days.iter_rows(named=True)} == expected
    assert set(days["usage_date"]) == {date(2024, 9, 2)}
    assert days.filter(pl.col("app_id") == "unallocated")["team"].to_list() == ["unassigned"]
    assert set(days["provider"]) == {"AWS"}
    totals = bills.warehouse.frame("queries/billing/control_totals")
    assert totals.select("source_name", "metric", "published", "difference", "damage").rows() == [
        ("bill", "BilledCost", Decimal("0.250000000000000007"), Decimal(0), Decimal(0)),
        ("bill", "EffectiveCost", Decimal(4), Decimal(0), Decimal(0)),
    ]


def test_control_totals_see_rows_that_are_gone(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({"BilledCost": "5"}, {"BilledCost": "3"}))
    bills.ingest()
    bills.warehouse.execute_text("DELETE FROM raw_focus_costs WHERE BilledCost = 3")
    totals = bills.warehouse.frame("queries/billing/control_totals")
    assert totals["damage"].to_list() == [Decimal(3), Decimal(1)]
    assert totals["difference"].to_list() == [Decimal(8), Decimal(2)]


def test_before_any_attribution_everything_is_unallocated(bills: Bills, focus_csv) -> None:
    bills.put("a.csv", focus_csv({}, {}))
    bills.ingest()
    frame = bills.warehouse.frame_of("SELECT x_AppId, x_SourceName FROM raw_focus_costs_current")
    assert frame.rows() == [("unallocated", "bill")] * 2


def test_the_table_has_the_columns_of_focus_and_each_says_what_it_is(warehouse, tmp_path: Path) -> None:
    frame = warehouse.frame_of(
        "SELECT name, type, comment FROM system.columns WHERE table = 'raw_focus_costs' AND database = currentDatabase()"
    )
    types = dict(frame.select("name", "type").iter_rows())
    own = {
        "x_SourceName",
        "x_BillingPeriod",
        "x_BatchId",
        "x_IdentityHash",
        "x_ObjectName",
        "x_ChargeHash",
        "x_Repairs",
    }
    assert set(types) == set(columns()) | own
    assert all(frame["comment"])
    for column in columns().values():
        stored = types[column.name]
        assert ("LowCardinality" in stored, "Nullable" in stored) == (column.low_cardinality, column.nullable)
        expected = {
            "decimal": "Decimal(38, 18)",
            "time": "DateTime64(9, 'UTC')",
            "tags": "Map(String, String)",
        }
        assert expected.get(column.type, "String") in stored
    assert set(columns()) >= set(ROW)
