"""The inventory from rows in a real warehouse: who is known, what is idle, what is worst."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from models.inventory import COLUMNS, inventory
from models.schemas import MONEY
from sql.publish import WHOLE_TABLE, publish
from sql.warehouse import Warehouse

TODAY = date(2026, 3, 31)
MONTHS = (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1))


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


REGISTRY = [
    ("worker", "The worker", "jobs"),
    ("shop", "The shop", "web"),
    ("paper", "Only on paper", "unassigned"),
]

COSTS = [  # day, app, team, currency, billed, effective
    (ago(0), "shop", "web", "USD", "1.5", "1.25"),
    (ago(29), "shop", "web", "USD", "2", "2"),
    (ago(30), "shop", "web", "USD", "64", "64"),
    (ago(5), "shop", "web", "EUR", "0.000000000000000001", "0"),
    (ago(60), "old", "unassigned", "USD", "7", "7"),
    (ago(59), "old", "former", "USD", "0", "0"),
    (ago(1), "asleep", "web", "USD", "3", "3"),
    (ago(1), "worker", "jobs", "USD", "3", "3"),
    (ago(1), "stopped-worker", "jobs", "USD", "3", "3"),
    (ago(1), "blind", "web", "USD", "0", "9"),
    (ago(1), "free", "web", "USD", "0", "0"),
    (ago(1), "covered", "web", "USD", "0", "9"),  # by credits or a commitment
    (ago(1), "prepaid", "web", "USD", "9", "0"),
    (ago(1), "unallocated", "unassigned", "USD", "100", "100"),
]

TELEMETRY = [  # day, app, spans, logs, requests
    (ago(0), "shop", 10, 0, 4),
    (ago(3), "shop", 10, 0, 5),
    (ago(30), "shop", 10, 0, 1000),
    (ago(40), "asleep", 5, 0, 5),
    (ago(2), "asleep", 0, 8, 0),
    (ago(2), "worker", 0, 3, 0),
    (ago(45), "stopped-worker", 0, 3, 0),
    (ago(1), "free", 1, 0, 0),
    (ago(40), "covered", 5, 0, 5),
    (ago(40), "prepaid", 5, 0, 5),
    (ago(1), "stray", 1, 0, 1),
]


@pytest.fixture(scope="module")
def warehouse(fresh_warehouse: Warehouse) -> Iterator[Warehouse]:
    store = fresh_warehouse
    now = datetime(2026, 4, 1, tzinfo=UTC)
    batch = uuid.uuid4()
    stamp = pl.lit(str(batch)).alias("batch_id")
    apps = pl.DataFrame(REGISTRY, schema=["app_id", "app_name", "team"], orient="row")
    store.insert(
        "core_apps",
        apps.with_columns(stamp, valid_from=pl.lit(date(1970, 1, 1)), lifecycle=pl.lit("production")),
    )
    publish(store, "registry", WHOLE_TABLE, batches={"core_apps": batch}, rows=3, sha256="", version=now)
    names = ["usage_date", "app_id", "team", "billing_currency", "billed_cost", "effective_cost"]
    costs = pl.DataFrame(COSTS, schema=names, orient="row").with_columns(
        stamp,
        pl.col("billed_cost", "effective_cost").cast(MONEY),
        billing_period=pl.col("usage_date").dt.month_start(),
    )
    for month in MONTHS:
        store.insert("core_app_costs_daily", costs.filter(pl.col("billing_period") == month))
        publish(
            store, "costs", month, batches={"core_app_costs_daily": batch}, rows=1, sha256="", version=now
        )
    signals = pl.DataFrame(
        TELEMETRY, schema=["usage_date", "app_id", "spans", "logs", "requests"], orient="row"
    )
    signals = signals.with_columns(
        stamp, last_seen=pl.col("usage_date").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    )
    for month in MONTHS:
        store.insert(
            "core_app_telemetry_daily", signals.filter(pl.col("usage_date").dt.month_start() == month)
        )
    for day in signals["usage_date"].unique():
        publish(
            store, "slices", day, batches={"core_app_telemetry_daily": batch}, rows=1, sha256="", version=now
        )
    status = pl.DataFrame(
        {
            "app_id": ["shop", "shop", "shop", "asleep", "stray"],
            "environment": ["prod", "prod", "staging", "", "test"],
            "is_production": [True, True, False, True, False],
            "objective": ["availability", "latency", "latency", "latency", "latency"],
            "state": ["ok", "silent", "ticket", "no_data", "ticket"],
            "state_rank": [7, 4, 2, 8, 2],
        }
    ).cast({"state_rank": pl.UInt8})
    store.insert("mart_slo_status", status.with_columns(stamp))
    publish(store, "slo", WHOLE_TABLE, batches={"mart_slo_status": batch}, rows=3, sha256="", version=now)
    yield store


@pytest.fixture(scope="module")
def found(warehouse: Warehouse) -> dict[str, dict[str, object]]:
    frame = inventory(
        warehouse.frame("queries/inventory/apps"),
        warehouse.frame("queries/inventory/costs", as_of=TODAY),
        warehouse.frame("queries/inventory/telemetry", as_of=TODAY),
        warehouse.frame("queries/inventory/slo_states"),
    )
    assert frame.columns == COLUMNS
    assert frame["app_id"].is_sorted()
    batch = uuid.uuid4()
    warehouse.insert("mart_app_inventory", frame.with_columns(batch_id=pl.lit(str(batch))))
    publish(
        warehouse,
        "marts",
        WHOLE_TABLE,
        batches={"mart_app_inventory": batch},
        rows=frame.height,
        sha256="",
        version=datetime(2026, 4, 1, tzinfo=UTC),
    )
    stored = warehouse.frame_of("SELECT * FROM mart_app_inventory_current ORDER BY app_id")
    return {row["app_id"]: row for row in stored.iter_rows(named=True)}


def test_every_app_is_listed_once_and_what_nobody_owns_is_no_app(found: dict[str, dict[str, object]]) -> None:
    known = {
        name: (row["is_registered"], row["is_billed"], row["is_observed"]) for name, row in found.items()
    }
    assert known == {
        "asleep": (False, True, True),
        "blind": (False, True, False),
        "covered": (False, True, True),
        "free": (False, True, True),
        "old": (False, True, False),
        "paper": (True, False, False),
        "prepaid": (False, True, True),
        "shop": (True, True, True),
        "stopped-worker": (False, True, True),
        "stray": (False, False, True),
        "worker": (True, True, True),
    }


def test_names_and_owners(found: dict[str, dict[str, object]]) -> None:
    assert (found["shop"]["app_name"], found["shop"]["team"], found["shop"]["lifecycle"]) == (
        "The shop",
        "web",
        "production",
    )
    assert (found["paper"]["app_name"], found["paper"]["team"]) == ("Only on paper", "unassigned")
    assert (found["old"]["app_name"], found["old"]["team"], found["old"]["lifecycle"]) == (
        "old",
        "former",
        "",
    )
    assert found["stray"]["team"] == "unassigned"


def test_costs_are_exact_by_currency_and_thirty_days_wide(found: dict[str, dict[str, object]]) -> None:
    assert dict(found["shop"]["billed_cost_30d"]) == {"USD": Decimal("3.5"), "EUR": Decimal("1e-18")}
    assert dict(found["shop"]["effective_cost_30d"]) == {"USD": Decimal("3.25"), "EUR": Decimal(0)}
    assert dict(found["stray"]["billed_cost_30d"]) == {}
    assert (found["shop"]["first_cost_date"], found["shop"]["last_cost_date"]) == (ago(30), ago(0))
    assert (found["old"]["first_cost_date"], found["old"]["last_cost_date"]) == (ago(60), ago(60))
    assert (found["free"]["first_cost_date"], found["free"]["last_cost_date"]) == (None, None)


def test_activity(found: dict[str, dict[str, object]]) -> None:
    assert found["shop"]["requests_30d"] == 9
    assert found["shop"]["last_seen"] == datetime.combine(TODAY, datetime.min.time(), UTC)
    assert found["blind"]["last_seen"] is None
    assert {name for name, row in found.items() if row["has_indicator"]} == {"shop", "stray"}


def test_idle_costs_and_serves_nobody(found: dict[str, dict[str, object]]) -> None:
    assert {name for name, row in found.items() if row["is_idle"]} == {
        "asleep",
        "covered",
        "prepaid",
        "stopped-worker",
    }


def test_worst_state(found: dict[str, dict[str, object]]) -> None:
    states = {name: row["worst_state"] for name, row in found.items()}
    assert (
        states.pop("shop") == "silent"
    )  # what fails in staging is not the app's word where it has a production
    assert states.pop("stray") == "ticket"
    assert set(states.values()) == {"no_data"}
