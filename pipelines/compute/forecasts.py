"""Publishes forecasts of the month's end and states of budgets; the methods are ``models.forecast`` and ``models.budgets``."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from models import budgets, completeness, forecast
from models.settings import Settings
from pipelines.compute.as_of import AsOf, cost_days
from pipelines.compute.completeness import days_not_whole
from pipelines.compute.publishing import Outcome, fingerprint, frame_fingerprint, is_current, publish_frames
from pipelines.ingest.budgets import budgets_sha256, load_budgets
from sql.publish import heads
from sql.warehouse import Warehouse

DAYS_READ = 400
"""Days of cost before the last one that are read: a year, and the weeks before it that the first windows are judged by."""


def compute_forecasts(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_cost_forecasts`` and ``mart_budget_states`` as of the last complete day of cost.

    An app is known to the last whole day of every source that charged it lately; a day before that is not whole counts as
    it stands in what was spent, and predicts nothing.

    Raises:
        ConfigurationError: ``budgets.yaml`` is wrong; names file, line and key.
    """
    lines = load_budgets(settings)
    unknown = days_not_whole(warehouse, as_of.cost_day)
    print_ = fingerprint(
        as_of.cost_day,
        budgets_sha256(settings),
        [(one.period, one.sha256) for one in heads(warehouse, "costs")],
        frame_fingerprint(unknown),
    )
    day = as_of.cost_day
    held = budgets.budgets_on(lines, day)
    if is_current(warehouse, "forecasts", print_):
        return Outcome(unchanged=1)
    until = max([forecast.month_of(day)[1], *(one.last for one in held)])
    first = min([day - timedelta(days=DAYS_READ), *(one.first for one in held)])
    charges = warehouse.frame(
        "queries/forecasts/charges",
        first_day=first,
        as_of=day,
        last_day=until,
        newest=cost_days(warehouse, day),
    ).with_columns(pl.col("complete_until").max().over("app_id", "billing_currency"))
    charges = completeness.cut_to_whole(charges, unknown)
    ends = forecast.month_ends(charges, day, unknown=unknown)
    ahead_to = {
        last: forecast.usage_ahead(charges, day, last, unknown=unknown) for last in {one.last for one in held}
    }
    states = budgets.budget_states(held, charges, ahead_to, day)
    tables = {"mart_cost_forecasts": ends, "mart_budget_states": states}
    outcome = publish_frames(warehouse, settings, "forecasts", tables, print_, as_of)
    return Outcome(outcome.releases, outcome.unchanged, tuple(_unknown(held, charges)))


def _unknown(held: list[budgets.Budget], charges: pl.DataFrame) -> list[str]:
    """A sentence for every budget of something that no charge is of: its name may be misspelt."""
    known = {
        scope: set(charges[columns[0]].unique()) if columns else {""}
        for scope, columns in forecast.SCOPES.items()
    }
    return [
        f"budgets: no charge of the last {DAYS_READ} days is of {one.key.scope} {one.key.name}; is it written as the registry writes it?"
        for one in held
        if one.key.name not in known[one.key.scope]
    ]
