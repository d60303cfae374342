"""What reliability is worth, and what pages by the newest minutes, in the fleet of these tests: rows of two teams, each with a word or a
figure of its own. Which figures follow from which is ``models.reliability_costs``, and no business of rows that are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from models.schemas import SCHEMAS

APPS = {
    "checkout": ("payments", "USD"),
    "route-planner": ("logistics", "USD"),
    "depot-map": ("logistics", "EUR"),
}
"""App -> its team, and the currency its failures are told in."""
HURT = 41


def worth_frames(last_day: date, as_of: datetime) -> Mapping[str, pl.DataFrame]:
    """Rows of the tables of worth for the four weeks to a day, and of the newest minutes at a moment."""
    first = last_day - timedelta(days=27)
    rows: dict[str, list[dict[str, Any]]] = {
        "mart_app_worth": [_worth(app, first, last_day) for app in APPS],
        "mart_reliability_costs_daily": [
            _day(app, first + timedelta(days=number), number) for app in APPS for number in range(28)
        ],
        "mart_reliability_credits": [
            {
                "month": last_day.replace(day=1), "first_day": first, "last_day": last_day, "from_app_id": "search",
                "from_team": "storefront", "app_id": app, "team": team, "billing_currency": currency, "failed_calls": 60,
                "hurt_requests": HURT, "credit": Decimal("1.25"),
            }
            for app, (team, currency) in APPS.items()
        ],
        "mart_slo_newest": [
            {
                "app_id": app, "environment": "production", "objective": "latency", "team": APPS[app][0], "target": 0.99,
                "threshold_ms": 500, "since": as_of - timedelta(minutes=2), "fired_at": as_of, "seen_at": as_of,
                "bad": 77, "total": 140, "window_seconds": 120, "route": "GET /routes", "version": "",
            }
            for app in ("route-planner",)
        ],
    }  # fmt: skip
    return {table: pl.DataFrame(told, schema=SCHEMAS[table], orient="row") for table, told in rows.items()}


def _worth(app: str, first: date, last: date) -> dict[str, Any]:
    team, currency = APPS[app]
    nothing = dict.fromkeys(SCHEMAS["mart_app_worth"].names(), 0)
    known = {
        "cost_per_good_request": Decimal("0.0012345678"), "failed_cost": Decimal("12.5"), "retry_cost": None,
        "budget_cost": Decimal(10), "burnt_share": 1.25, "target": Decimal("0.99"), "telemetry_share": 0.5,
        "cohort_apps": 9, "cohort_place": 2,
    }  # fmt: skip
    words = {
        "verdict": "failing", "price_of_a_nine": None, "price_inputs": "not known: never moved",
        "proposal": f"keep 10 % of the traces of {app}", "sentence": f"{app} is cheap, and fails",
    }  # fmt: skip
    of = {"app_id": app, "team": team, "billing_currency": currency, "first_day": first, "last_day": last}
    return {**nothing, **of, "days_known": 25, "days_not_known": 3, **known, **words}


def _day(app: str, day: date, number: int) -> dict[str, Any]:
    """A day of an app; three of them nobody knows."""
    team, currency = APPS[app]
    of = {"usage_date": day, "app_id": app, "team": team, "billing_currency": currency}
    if number in (4, 5, 6):
        return {**dict.fromkeys(SCHEMAS["mart_reliability_costs_daily"].names()), **of, "state": "silent"}
    cost = Decimal(number + 1) / 1000
    return {
        **of, "state": "known", "effective_cost": Decimal(5), "requests": 1000, "failed": number, "retries": 0,
        "good": Decimal(1000 - number), "cost_per_good_request": cost, "good_cost": Decimal(4), "failed_cost": Decimal(1),
        "retry_cost": None,
    }  # fmt: skip
