"""Reads what shared cost rules need of one month and has the pools split; the rules are ``models.shared_costs``.

Whoever compares rules and whoever publishes what they give asks here, so that a rule does the same before and after it is
adopted. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import polars as pl

from models.identity import UNALLOCATED
from models.money import units_in
from models.ownership import ALWAYS
from models.policy import shared_cost_policy
from models.registry import OPEN_END
from models.shared_costs import LOOKED_AT, PLACES, Split, Weights, Window, shared_costs, window_of
from models.shared_rules import Rules
from sql.publish import Release, heads
from sql.warehouse import Warehouse

MONTHS_BEFORE = timedelta(days=62)
"""Charges of a month may be of days so long before it; telemetry of older ones is read, but what is new of it is not seen."""


def rules_of(rules: Rules, month: date) -> Rules:
    """Rules that may take charges of a billing month, which may be used on days outside it."""
    return rules.in_month(month - MONTHS_BEFORE, month + MONTHS_BEFORE)


def rules_print(rules: Rules, month: date, slices: Iterable[Release]) -> list[Any]:
    """What of rules and of the telemetry they measure decides a month; nothing where no rule holds in it."""
    held = rules_of(rules, month)
    if not held.lines:
        return []
    # pieces of a rule as they are, wherever in the file it stands
    told = [held.version, *(repr(replace(one, where="")) for one in held.lines)]
    first, last = month - MONTHS_BEFORE, month + MONTHS_BEFORE
    measured = [(one.period, one.sha256) for one in slices if held.measures and first <= one.period <= last]
    return [told, measured]


class MonthOfRules(NamedTuple):
    """What rules are applied to in a month: arguments of ``models.shared_costs``, and what a statement is asked with that reads
    charges of the pools."""

    pools: pl.DataFrame
    apps: pl.DataFrame
    weights: Weights
    asked: Mapping[str, Any]


def split_month(
    warehouse: Warehouse,
    rules: Rules,
    month: date,
    identities: UUID,
    costs_batch: UUID,
    others: Collection[str] = (),
) -> Split:
    """What rules make of a month's pools: of what they take from, and of ``others``, which pass as they are.

    Args:
        costs_batch: of ``core_app_costs_daily``: direct cost of every app that is not of the pools.

    Raises:
        ConfigurationError: rules give to each other in a circle, or against their order.
        ModelError: a rule has nobody to give to, or nothing to weigh by and says to refuse.
    """
    bills = {
        one.scope.removeprefix("billing/"): one.batches["raw_focus_costs"]
        for one in heads(warehouse, "billing/")
        if one.period == month
    }
    given = month_of_rules(warehouse, rules, month, bills, identities, costs_batch, others)
    return shared_costs(month, given.pools, rules, given.apps, given.weights, shared_cost_policy().confidence)


def month_of_rules(
    warehouse: Warehouse,
    rules: Rules,
    month: date,
    bills: Mapping[str, UUID],
    identities: UUID,
    costs_batch: UUID,
    others: Collection[str] = (),
) -> MonthOfRules:
    """Reads a month for ``split_month`` and for whoever splits its single charges.

    Args:
        bills: source -> batch of ``raw_focus_costs``.
    """
    apart = sorted({*rules.apps, *others})
    asked: dict[str, Any] = {
        "billing_period": month,
        "sources": sorted(bills),
        "batches": sorted(bills.values(), key=str),
        "identities_batch": identities,
        **what_tells_charges_apart(rules),
        "pools": apart,
    }
    pools = warehouse.frame("queries/costs/pools", **asked)
    direct = _direct(warehouse, month, costs_batch, pools, apart)

    def usage(by: str, days: Sequence[date]) -> pl.DataFrame:
        return warehouse.frame(f"queries/costs/usage_{by}", days=days, measures=rules.measures)

    return MonthOfRules(
        pools,
        _apps(warehouse.frame("queries/costs/chargeable_apps"), direct),
        _weights(rules, pools, direct, usage),
        asked,
    )


def what_tells_charges_apart(rules: Rules) -> dict[str, Any]:
    """Parameters of a query of pools that say what rules take from and look at."""
    return {
        "pools": sorted(rules.apps),
        "looked_at": [name for name in LOOKED_AT if rules.uses(name)],
        "tag_keys": rules.tag_keys,
        "hourly": any(one.split in rules.measures and one.over == "charge_period" for one in rules.lines),
    }


@dataclass(frozen=True)
class KeptRules:
    """What the shared cost of a month was split by when it was closed or reclassified: rules, and batches of what they looked at.

    ``bills`` are by source; ``usage`` is by day, of telemetry where rules measure it.
    """

    rules: Rules
    bills: Mapping[str, UUID]
    identities: UUID
    costs: UUID
    apps: UUID
    usage: Mapping[date, UUID]


def split_as_kept(
    warehouse: Warehouse, kept: KeptRules, month: date, pools: Sequence[pl.DataFrame]
) -> list[pl.DataFrame]:
    """Of each of some pools of a month what its rules made of them when it was closed: rows of ``core_app_costs_daily``.

    Raises:
        ModelError: a rule has nobody to give to, or nothing to weigh by and says to refuse.
    """
    then = month_as_kept(warehouse, kept, month, pools)
    own = [one.select(then.pools.columns) for one in pools]
    confidence = shared_cost_policy().confidence
    return [shared_costs(month, one, kept.rules, then.apps, then.weights, confidence).costs for one in own]


def month_as_kept(
    warehouse: Warehouse, kept: KeptRules, month: date, others: Sequence[pl.DataFrame] = ()
) -> MonthOfRules:
    """What ``month_of_rules`` reads, as it was when the month was closed: apps, their direct cost, and their telemetry at the
    times of its own charges and of ``others``."""
    rules = kept.rules
    asked: dict[str, Any] = {
        "billing_period": month,
        "sources": sorted(kept.bills),
        "batches": sorted(kept.bills.values(), key=str),
        "identities_batch": kept.identities,
        **what_tells_charges_apart(rules),
    }
    pools = warehouse.frame("queries/costs/pools", **asked)
    direct = _direct(warehouse, month, kept.costs, pools, rules.apps)

    def usage(by: str, days: Sequence[date]) -> pl.DataFrame:
        known = [day for day in days if day in kept.usage]
        return warehouse.frame(
            f"queries/closing/usage_{by}",
            days=known,
            batches=[kept.usage[day] for day in known],
            measures=rules.measures,
        )

    every = pl.concat([pools, *(one.select(pools.columns) for one in others)])
    return MonthOfRules(
        pools,
        _apps(warehouse.frame("queries/closing/chargeable_apps", batch_id=kept.apps), direct),
        _weights(rules, every, direct, usage),
        asked,
    )


def _direct(
    warehouse: Warehouse, month: date, costs_batch: UUID, pools: pl.DataFrame, apart: Collection[str]
) -> pl.DataFrame:
    """What every app cost by what is its own, those of the pools too."""
    direct = warehouse.frame("queries/costs/direct", billing_period=month, batch_id=costs_batch)
    return pl.concat([direct.filter(~pl.col("app_id").is_in(sorted(apart))), _direct_of(pools)])


def _direct_of(pools: pl.DataFrame) -> pl.DataFrame:
    """What apps that rules take from cost by what is theirs, like ``queries/costs/direct``."""
    return (
        pools.filter(pl.col("app_id") != UNALLOCATED)
        .group_by("usage_date", "app_id", "billing_currency")
        .agg(pl.col("effective_cost").sum(), pl.col("team", "cost_center").max())
        .sort("usage_date", "app_id", "billing_currency")
    )


def _apps(registered: pl.DataFrame, direct: pl.DataFrame) -> pl.DataFrame:
    """Lines of the registry, and one of every app that only the bill knows."""
    billed = (
        direct.sort("usage_date", "app_id", "billing_currency")
        .unique("app_id", keep="last", maintain_order=True)
        .join(registered, on="app_id", how="anti")
        .select(
            "app_id",
            pl.lit(ALWAYS).alias("valid_from"),
            pl.lit(OPEN_END).alias("valid_to"),
            "team",
            "cost_center",
            pl.lit("").alias("system"),
            pl.lit("").alias("lifecycle"),
            pl.lit("").alias("criticality"),
            pl.lit([], pl.List(pl.String)).alias("tags"),
        )
    )
    return pl.concat([registered, billed])


def _weights(
    rules: Rules,
    pools: pl.DataFrame,
    direct: pl.DataFrame,
    usage: Callable[[str, Sequence[date]], pl.DataFrame],
) -> Weights:
    """What apps are weighed by; ``usage`` reads telemetry by ``days`` or ``hours`` of some days."""
    costs: dict[date, dict[str, dict[str, int]]] = {}
    for (day, currency), own in direct.partition_by("usage_date", "billing_currency", as_dict=True).items():
        units = units_in(own["effective_cost"])
        costs.setdefault(day, {})[currency] = dict(zip(own["app_id"].to_list(), units, strict=True))
    windows = _windows(rules, pools)
    days = sorted({day for window in windows if not window.is_hour for day in window.days})
    hours = sorted({window.start.date() for window in windows if window.is_hour})
    return Weights(
        costs,
        hours=_measured(usage("hours", hours)) if hours else {},
        days=_measured(usage("days", days)) if days else {},
    )


def _windows(rules: Rules, pools: pl.DataFrame) -> set[Window]:
    """Where rules that measure telemetry may look, for the pools there are."""
    periods = pools.select("usage_date", "period_start", "period_end").unique().rows()
    measuring = [rule for rule in rules.lines if rule.split in rules.measures]
    return {window_of(rule, *period) for rule in measuring for period in periods}


def _measured(usage: pl.DataFrame) -> dict[str, dict[Any, dict[str, int]]]:
    found: dict[str, dict[Any, dict[str, int]]] = {}
    when, measure, app, quantity = usage.get_columns()
    rows = zip(when.to_list(), measure.to_list(), app.to_list(), units_in(quantity, PLACES), strict=True)
    for one, by, who, units in rows:
        found.setdefault(by, {}).setdefault(one, {})[who] = units
    return found
