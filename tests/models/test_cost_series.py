"""Every day of an app's life, once, in order."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl

from models.cost_series import every_day


def test_days_without_a_row_cost_nothing_up_to_the_last_day() -> None:
    costs = pl.DataFrame(
        {
            "app_id": ["b", "a", "a", "a"],
            "usage_date": [date(2026, 1, 4), date(2026, 1, 1), date(2026, 1, 3), date(2026, 1, 6)],
            "cost": [Decimal("9"), Decimal("1.5"), Decimal("2.5"), Decimal("7")],
            "team": ["y", "x", "z", "z"],
        },
        schema_overrides={"cost": pl.Decimal(38, 18)},
    )
    filled = every_day(costs, date(2026, 1, 4), ["app_id"], ["team"])
    assert filled.select("app_id", "usage_date", "cost", "team").rows() == [
        ("a", date(2026, 1, 1), Decimal("1.5"), "x"),
        ("a", date(2026, 1, 2), Decimal("0"), "x"),
        ("a", date(2026, 1, 3), Decimal("2.5"), "z"),
        ("a", date(2026, 1, 4), Decimal("0"), "z"),
        ("b", date(2026, 1, 4), Decimal("9"), "y"),
    ]
    assert filled.schema["cost"] == pl.Decimal(38, 18)
