"""What a shared platform's failures cost the apps they hurt: a proposal in exact parts.

Pure: days of cost and calls between apps in, a frame out. Whether a credit is given is finance's to decide (``models.credit_proposals``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from models.money import money_series, split_units
from models.reliability_costs import WorthPolicy
from models.schemas import SCHEMAS

NOBODY = "unassigned"


def shared_apps(calls: pl.DataFrame, teams: Mapping[str, str], policy: WorthPolicy) -> set[str]:
    """Apps that enough teams beside their own call; an app nobody owns stands for no team."""
    callers: defaultdict[str, set[str]] = defaultdict(set)
    for caller, callee in calls.select("caller", "callee").unique().iter_rows():
        team = teams.get(caller, NOBODY)
        if team not in (NOBODY, teams.get(callee, NOBODY)):
            callers[callee].add(team)
    return {app for app, found in callers.items() if len(found) >= policy.credits.least_teams}


def credits(
    days: pl.DataFrame, calls: pl.DataFrame, teams: Mapping[str, str], policy: WorthPolicy
) -> pl.DataFrame:
    """What each shared app owes each app its failures hurt, per month and currency: ``mart_reliability_credits``.

    The cost of an app's failed requests of a day is split among the shared apps of other teams that hurt it, by the failed
    requests each did, and the rest, by largest remainder: credits and rest sum to that cost. Days that are not known have no
    credit.

    Args:
        days: result of ``models.reliability_costs.daily``.
        calls: result of ``queries/worth/calls``.
        teams: app -> its team.
        policy: who is shared.
    """
    shared = shared_apps(calls, teams, policy)
    hurting: defaultdict[tuple[date, str], list[tuple[str, int, int]]] = defaultdict(list)
    hurts = calls.filter((pl.col("hurt") > 0) & pl.col("callee").is_in(sorted(shared)))
    for row in hurts.sort("usage_date", "caller", "callee").iter_rows(named=True):
        if teams.get(row["caller"], NOBODY) != teams.get(row["callee"], NOBODY):
            hurting[row["usage_date"], row["caller"]].append((row["callee"], row["hurt"], row["failed"]))
    found: dict[tuple[date, str, str, str], dict[str, Any]] = {}
    failing = days.filter((pl.col("failed") > 0) & (pl.col("billing_currency") != ""))
    costs = failing["failed_cost"].to_physical()
    for row, cost in zip(failing.iter_rows(named=True), costs, strict=True):
        day, app, currency = row["usage_date"], row["app_id"], row["billing_currency"]
        by = hurting.get((day, app), [])
        rest = max(0, row["failed"] - sum(hurt for _, hurt, _ in by))
        parts = split_units(cost, [*(hurt for _, hurt, _ in by), rest]) if by else []
        for (callee, hurt, failed), part in zip(by, parts, strict=False):
            key = (day.replace(day=1), callee, app, currency)
            own = found.setdefault(key, {"first": day, "last": day, "failed": 0, "hurt": 0, "credit": 0})
            own["first"], own["last"] = min(own["first"], day), max(own["last"], day)
            own["failed"] += failed
            own["hurt"] += hurt
            own["credit"] += part
    rows = [
        {
            "month": month,
            "first_day": one["first"],
            "last_day": one["last"],
            "from_app_id": callee,
            "from_team": teams.get(callee, NOBODY),
            "app_id": app,
            "team": teams.get(app, NOBODY),
            "billing_currency": currency,
            "failed_calls": one["failed"],
            "hurt_requests": one["hurt"],
        }
        for (month, callee, app, currency), one in sorted(found.items())
    ]
    schema = SCHEMAS["mart_reliability_credits"]
    frame = pl.DataFrame(
        rows, schema={name: kind for name, kind in schema.items() if name != "credit"}, orient="row"
    )
    return frame.with_columns(
        money_series("credit", [one["credit"] for _, one in sorted(found.items())])
    ).select(schema.names())
