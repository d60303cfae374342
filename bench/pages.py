"""Milliseconds the warehouse needs for what each page reads, on whatever a workspace has published.

The statements of a page are those under ``sql/queries/<page>``, and those every page's head reads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dashboards.access import UNASSIGNED
from dashboards.formats import ROWS_SHOWN
from sql.catalog import statement, statements
from sql.warehouse import Warehouse

PAGES = ("fleet", "app", "team", "oncall", "finance")
HEAD = "dashboards"
LOADS = 20
"""Loads of a page measured; those of the App page are of different apps."""
LONGEST_DAYS = 395
"""The App page's longest window."""


def page_queries(
    warehouse: Warehouse, teams: Sequence[str] = (), loads: int = LOADS
) -> dict[str, list[float]]:
    """Milliseconds of all statements of a page, per page and load, for a viewer of ``teams`` (default: every team)."""
    viewer = [*(teams or warehouse.frame("queries/identities/teams")["team"]), UNASSIGNED]
    day = warehouse.frame(f"queries/{HEAD}/as_of", teams=viewer)["cost_day"].item()
    apps = warehouse.frame("queries/app/choices", teams=viewer)["app_id"].to_list()
    months = warehouse.frame("queries/finance/months", teams=viewer)["billing_period"].to_list()
    found: dict[str, list[float]] = {page: [] for page in PAGES}
    for load in range(loads):
        parameters = {
            "teams": viewer,
            "cost_day": day,
            "first_day": day - timedelta(days=LONGEST_DAYS - 1),
            "last_day": day,
            "billing_period": months[load % len(months)],
            "app_id": apps[load * len(apps) // loads],
            "search": "",
            "only": [],
            "order_by": "cost",
            "order_currency": "USD",
            "row_limit": ROWS_SHOWN,
        }
        for page in PAGES:
            names = statements(f"queries/{HEAD}") + statements(f"queries/{page}")
            found[page].append(sum(_milliseconds(warehouse, name, parameters) for name in names))
    return found


def _milliseconds(warehouse: Warehouse, name: str, parameters: dict[str, Any]) -> float:
    text = statement(name)
    bound = {key: value for key, value in parameters.items() if f"{{{key}:" in text}
    started = time.perf_counter()
    warehouse.frame(name, **bound)
    return (time.perf_counter() - started) * 1000
