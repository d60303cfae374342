"""From published costs and a file of budgets to published forecasts: which days count, what is read again, what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from models.errors import ConfigurationError
from models.settings import Settings
from pipelines.compute import AsOf, forecasts
from pipelines.compute.publishing import insert
from pipelines.ingest.budgets import load_budgets
from sql.publish import new_batch_id, publish
from sql.warehouse import Warehouse

LAST = date(2026, 3, 20)
AS_OF = AsOf(datetime(2026, 3, 21, tzinfo=UTC), LAST)
BUDGETS = """
budgets:
  - {team: red, amount: "250.00", currency: USD, from: 2026-01-01}
  - {app: blue-one, amount: 1000, currency: USD, period: quarter, from: 2026-01-01}
  - {team: misspelt, amount: 10, currency: USD, from: 2026-01-01}
"""


@pytest.fixture(scope="module")
def costs(fresh_warehouse: Warehouse) -> Warehouse:
    """Ten dollars a day of one app, twenty of another whose bill is two days late, for eighty days, and a day to come."""
    rows = [
        {
            "billing_period": day.replace(day=1),
            "usage_date": day,
            "source_name": source,
            "app_id": app,
            "team": team,
            "charge_category": "Usage",
            "charge_frequency": "Usage-Based",
            "billing_currency": "USD",
            "billed_cost": Decimal(cost),
        }
        for app, team, source, cost, until in (
            ("red-one", "red", "aws", 10, LAST + timedelta(days=1)),
            ("blue-one", "blue", "azure", 20, LAST - timedelta(days=2)),
        )
        for number in range(80)
        for day in (until - timedelta(days=number),)
    ]
    for month in sorted({row["billing_period"] for row in rows}):
        batch = new_batch_id()
        own = [row for row in rows if row["billing_period"] == month]
        frame = pl.DataFrame(own, schema_overrides={"billed_cost": pl.Decimal(38, 18)})
        insert(fresh_warehouse, "core_app_costs_daily", frame, batch)
        publish(
            fresh_warehouse,
            "costs",
            month,
            batches={"core_app_costs_daily": batch},
            rows=len(own),
            sha256="costs",
            version=AS_OF.slice_end,
        )
    return fresh_warehouse


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    days = {"aws": LAST + timedelta(days=1), "azure": LAST - timedelta(days=2)}
    monkeypatch.setattr(forecasts, "cost_days", lambda warehouse, until: days)
    (tmp_path / "budgets.yaml").write_text(BUDGETS)
    return Settings(tmp_path, tmp_path, tmp_path)


def test_each_app_is_known_as_far_as_its_own_bill_and_budgets_count_what_is_complete(
    costs: Warehouse, workspace: Settings
) -> None:
    outcome = forecasts.compute_forecasts(costs, workspace, AS_OF)
    ends = costs.frame_of(
        "SELECT toString(scope), name, usage_to_date, round(expected_total, 6) FROM mart_cost_forecasts_current ORDER BY 1, 2"
    )
    assert ends.rows() == [
        ("app", "blue-one", 20 * 18, 620.0),
        ("app", "red-one", 10 * 20, 310.0),
        ("fleet", "", 560, 930.0),
        ("team", "blue", 360, 620.0),
        ("team", "red", 200, 310.0),
    ]
    states = costs.frame_of(
        "SELECT name, spent, toString(state), expected_on FROM mart_budget_states_current ORDER BY name"
    )
    assert states.rows() == [
        ("blue-one", 20 * (31 + 28 + 18), "exhausted", None),  # its eighty days begin in December
        ("misspelt", 0, "unknown", None),
        ("red", 200, "over", date(2026, 3, 25)),
    ]
    assert len(outcome.notes) == 1 and "team misspelt" in outcome.notes[0]


def test_what_is_current_is_left_alone_and_a_changed_budget_is_computed_again(
    costs: Warehouse, workspace: Settings
) -> None:
    forecasts.compute_forecasts(costs, workspace, AS_OF)
    assert forecasts.compute_forecasts(costs, workspace, AS_OF).unchanged == 1
    (workspace.root / "budgets.yaml").write_text(BUDGETS.replace("250.00", "5000"))
    assert forecasts.compute_forecasts(costs, workspace, AS_OF).releases
    state = costs.frame_of("SELECT toString(state) FROM mart_budget_states_current WHERE name = 'red'")
    assert state.rows() == [("ok",)]
    (workspace.root / "budgets.yaml").unlink()
    assert forecasts.compute_forecasts(costs, workspace, AS_OF).releases
    assert costs.frame_of("SELECT count() FROM mart_budget_states_current").item() == 0


def test_a_file_of_budgets_is_one_document_and_may_be_named(tmp_path: Path) -> None:
    assert load_budgets(Settings(tmp_path, tmp_path, tmp_path)) == []
    elsewhere = tmp_path / "money.yaml"
    elsewhere.write_text(BUDGETS)
    assert len(load_budgets(Settings(tmp_path, tmp_path, tmp_path, budgets=elsewhere))) == 3
    elsewhere.write_text(BUDGETS + "---\n" + BUDGETS)
    with pytest.raises(ConfigurationError, match="money.yaml holds 2 documents"):
        load_budgets(Settings(tmp_path, tmp_path, tmp_path, budgets=elsewhere))


def test_a_warehouse_without_costs_has_no_forecast(fresh_warehouse: Warehouse, workspace: Settings) -> None:
    nothing = AsOf(datetime(1970, 1, 2, tzinfo=UTC), date(1970, 1, 1))
    outcome = forecasts.compute_forecasts(fresh_warehouse, workspace, nothing)
    assert outcome.rows == 0 and outcome.notes == ()
