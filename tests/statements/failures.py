"""What failures of shared apps cost, published as a pass does it: what comes before a credit is tested elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from models.money import money_series, units_of
from models.reliability_cost_windows import windows_to
from models.reliability_costs import worth_policy
from models.schemas import SCHEMAS
from pipelines.compute.publishing import insert
from sql.publish import WHOLE_TABLE, collect, new_batch_id, publish
from sql.warehouse import Warehouse
from tests.statements.conftest import NOW

D = Decimal


def hurt(month: date, app: str, team: str, credit: str, requests: int, payer: str = "jobs") -> dict[str, Any]:
    """What gate's failures cost an app of a team in a month."""
    return {
        "month": month, "first_day": month, "last_day": month + timedelta(days=9), "from_app_id": "gate",
        "from_team": payer, "app_id": app, "team": team, "billing_currency": "USD", "failed_calls": requests,
        "hurt_requests": requests, "credit": D(credit),
    }  # fmt: skip


def failed(warehouse: Warehouse, rows: Sequence[dict[str, Any]], known_to: date) -> None:
    """Publishes what failures cost, as a pass does."""
    batches = {table: new_batch_id() for table in ("mart_reliability_credits", "mart_app_worth")}
    schema = SCHEMAS["mart_reliability_credits"]
    frame = pl.DataFrame(
        [{key: value for key, value in row.items() if key != "credit"} for row in rows],
        schema={name: kind for name, kind in schema.items() if name != "credit"},
    ).with_columns(money_series("credit", [units_of(row["credit"]) for row in rows]))
    insert(warehouse, "mart_reliability_credits", frame, batches["mart_reliability_credits"])
    window = windows_to(known_to, worth_policy())[0]
    worth = pl.DataFrame({"app_id": ["gate"], "first_day": [window[0]], "last_day": [window[1]]})
    insert(warehouse, "mart_app_worth", worth, batches["mart_app_worth"])
    batch = str(batches["mart_app_worth"])
    collect(
        warehouse,
        [publish(warehouse, "worth", WHOLE_TABLE, batches=batches, rows=len(rows) + 1, sha256=batch, version=NOW)],
    )  # fmt: skip
