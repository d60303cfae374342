"""What the page of an app draws of its budgets' days, read from a warehouse without a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from dashboards.budgets import days_spent
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class AllTeams:
    """Reads of a page that sees every team."""

    warehouse: Warehouse

    def frame(self, name: str, /, **parameters: Any) -> pl.DataFrame:
        teams = self.warehouse.frame_of("SELECT DISTINCT team FROM mart_slo_states_current").to_series()
        return self.warehouse.frame(f"queries/{name}", teams=teams.to_list(), **parameters)


def spent_by_day(warehouse: Warehouse, app: str) -> pl.DataFrame:
    """What the page of an app says each day spent."""
    reads: Any = AllTeams(warehouse)
    objectives = reads.frame("app/objectives", app_id=app)
    return days_spent(reads, app, reads.frame("app/budgets", app_id=app), objectives)
