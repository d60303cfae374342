"""Why cost changed, in frames to publish: reads the lines, requests and versions of what moved; ``models.causes`` explains.

Reads nothing of apps that did not move. What is an anomaly is decided before this is called.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from models import anomaly, causes, charges, rollups
from models.causes import Amount, Cause, Change, Leaf, SeenRequests, Version
from models.comparison import month_so_far, week_so_far
from models.money import exact_sums
from models.schemas import SCHEMAS
from sql.warehouse import Warehouse

NO_TREND = list(charges.NO_TREND)


@dataclass(frozen=True)
class _Moved:
    """A change that is to be explained: whose, in which days, against which, and what it is called."""

    subject: str
    app_id: str
    team: str
    currency: str
    kind: str
    metric: str
    first: date
    last: date
    before_first: date
    before_last: date
    before: Decimal
    now: Decimal
    against: str


def cause_tables(
    warehouse: Warehouse, episodes: pl.DataFrame, usage: pl.DataFrame, as_of: date, newest: Mapping[str, date]
) -> dict[str, pl.DataFrame]:
    """``mart_cost_causes``, ``mart_cost_cause_parts``, ``mart_cost_anomaly_rollups`` and ``mart_charges_apart``.

    Args:
        episodes: what ``models.anomaly.episodes`` found, with ``team``.
        usage: what it was found in: ``app_id, billing_currency, usage_date, cost, team``.
        newest: source -> its newest complete day, to which effective cost is looked at.
    """
    moved = [*_anomalies(episodes), *_movers(warehouse, as_of)]
    explained = _explained(warehouse, moved, as_of, newest)
    parts = _parts(moved, [cause for cause, _ in explained])
    days = month_so_far(as_of)
    return {
        "mart_cost_causes": _framed("mart_cost_causes", _rows(moved, explained)),
        "mart_cost_cause_parts": parts,
        "mart_cost_anomaly_rollups": _rollups(warehouse, episodes, parts, usage),
        "mart_charges_apart": charges.apart(
            warehouse.frame(
                "queries/causes/apart", first_day=days.before_first, last_day=days.last, no_trend=NO_TREND
            ),
            as_of,
        ),
    }


def _anomalies(episodes: pl.DataFrame) -> list[_Moved]:
    return [
        _Moved(
            "anomaly",
            one["app_id"],
            one["team"],
            one["billing_currency"],
            one["kind"],
            "effective_cost",
            one["start_date"],
            one["end_date"],
            one["start_date"] - timedelta(days=causes.POLICY.before[one["kind"]].from_days),
            one["start_date"] - timedelta(days=causes.POLICY.before[one["kind"]].to_days),
            one["expected_cost"],
            one["actual_cost"],
            "expected",
        )
        for one in episodes.iter_rows(named=True)
    ]


def _movers(warehouse: Warehouse, as_of: date) -> list[_Moved]:
    """The largest changes of the week so far, of every team and currency."""
    days = week_so_far(as_of)
    found = warehouse.frame(
        "queries/causes/movers",
        first_day=days.first,
        last_day=days.compared_last,
        before_first_day=days.before_first,
        before_last_day=days.before_last,
        no_trend=NO_TREND,
        row_limit=causes.POLICY.movers,
    )
    return [
        _Moved(
            "week",
            one["app_id"],
            one["team"],
            one["billing_currency"],
            "week",
            "billed_cost",
            days.first,
            days.compared_last,
            days.before_first,
            days.before_last,
            one["cost_before"],
            one["cost_now"],
            f"the {days.before_words}",
        )
        for one in found.iter_rows(named=True)
    ]


def _explained(
    warehouse: Warehouse, moved: Sequence[_Moved], as_of: date, newest: Mapping[str, date]
) -> list[tuple[Cause, Version | None]]:
    """The cause of each change, and the version that began it."""
    if not moved:
        return []
    windows: dict[str, Any] = {
        "apps": [one.app_id for one in moved],
        "currencies": [one.currency for one in moved],
        "metrics": [one.metric for one in moved],
        "first_days": [one.first for one in moved],
        "last_days": [one.last for one in moved],
        "before_first_days": [one.before_first for one in moved],
        "before_last_days": [one.before_last for one in moved],
    }
    usage: dict[str, Any] = {"no_trend": NO_TREND, "as_of": as_of, "newest": dict(newest)}
    lines = _lines(warehouse.frame("queries/causes/lines", **windows, **usage))
    services = _services(warehouse.frame("queries/causes/services", **windows, **usage))
    requests = {
        one["number"]: one
        for one in warehouse.frame("queries/causes/requests", **windows).iter_rows(named=True)
    }
    versions = defaultdict(list)
    for one in warehouse.frame("queries/causes/versions", **windows).iter_rows(named=True):
        versions[one["number"]].append(Version(one["version"], one["first_seen"], one["requests"]))
    return [
        (
            causes.explained(
                Change(
                    one.before,
                    one.now,
                    causes.with_unlisted(lines[number, "before"], services[number, "before"]),
                    causes.with_unlisted(lines[number, "now"], services[number, "now"]),
                    _requests(requests.get(number), "before"),
                    _requests(requests.get(number), "now"),
                )
            ),
            causes.version_that_began(versions[number], one.first, one.kind),
        )
        for number, one in enumerate(moved, start=1)
    ]


def _lines(found: pl.DataFrame) -> defaultdict[tuple[int, str], dict[Leaf, Amount]]:
    """Lines of the bill per change and side."""
    lines: defaultdict[tuple[int, str], dict[Leaf, Amount]] = defaultdict(dict)
    for one in found.iter_rows(named=True):
        leaf = Leaf(one["service_name"], one["account"], one["region"], one["sku"], one["unit"])
        for side in ("before", "now"):
            cost, quantity = Decimal(one[f"cost_{side}"]), one[f"quantity_{side}"]
            amount = Amount(cost, None if quantity is None else Decimal(quantity))
            if amount != Amount():
                lines[one["number"], side][leaf] = amount
    return lines


def _services(found: pl.DataFrame) -> defaultdict[tuple[int, str], dict[str, Decimal]]:
    """Cost of each service per change and side."""
    services: defaultdict[tuple[int, str], dict[str, Decimal]] = defaultdict(dict)
    for one in found.iter_rows(named=True):
        for side in ("before", "now"):
            services[one["number"], side][one["service_name"]] = Decimal(one[f"cost_{side}"])
    return services


def _requests(row: Mapping[str, int] | None, side: str) -> SeenRequests | None:
    if row is None:
        return None
    return SeenRequests(row[f"requests_{side}"], row[f"days_seen_{side}"], row[f"days_{side}"])


def _rows(moved: Iterable[_Moved], explained: Iterable[tuple[Cause, Version | None]]) -> list[dict[str, Any]]:
    return [
        {
            "subject": one.subject,
            "app_id": one.app_id,
            "team": one.team,
            "billing_currency": one.currency,
            "kind": one.kind,
            "first_day": one.first,
            "last_day": one.last,
            "before_first_day": one.before_first,
            "before_last_day": one.before_last,
            "cost_before": one.before,
            "cost_now": one.now,
            "change": cause.change.amount,
            **{f"{name}_change": amount for name, amount in cause.effects.items()},
            "requests_ratio": None if cause.requests_ratio is None else float(cause.requests_ratio),
            "driver_service": cause.driver.value if cause.driver else "",
            **{f"driver_{name}": cause.named.get(name, "") for name in ("account", "region", "sku")},
            "driver_change": cause.driver.change if cause.driver else Decimal(0),
            "driver_share": None if cause.share is None else float(cause.share),
            "version": version.name if version else "",
            "version_since": version.first_seen if version else None,
            "sentence": causes.sentence(cause, one.kind, one.currency, one.against, version),
        }
        for one, (cause, version) in zip(moved, explained, strict=True)
    ]


def _parts(moved: Iterable[_Moved], found: Iterable[Cause]) -> pl.DataFrame:
    rows = [
        {
            "subject": one.subject,
            "app_id": one.app_id,
            "team": one.team,
            "billing_currency": one.currency,
            "first_day": one.first,
            "dimension": part.dimension,
            "value": part.value,
            "cost_before": part.before,
            "cost_now": part.now,
            "change": part.change,
        }
        for one, cause in zip(moved, found, strict=True)
        for part in cause.parts
    ]
    return _framed("mart_cost_cause_parts", rows)


def _framed(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMAS[table], orient="row")


# ---------------------------------------------------------------- roll-ups


def _rollups(
    warehouse: Warehouse, episodes: pl.DataFrame, parts: pl.DataFrame, usage: pl.DataFrame
) -> pl.DataFrame:
    """Anomalies of teams and services, and those of teams that no app of theirs shows."""
    by_service = (
        parts.filter((pl.col("subject") == "anomaly") & (pl.col("dimension") == "service"))
        .join(
            episodes.select("app_id", "billing_currency", "end_date", "state", first_day="start_date"),
            on=["app_id", "billing_currency", "first_day"],
        )
        .rename(
            {
                "value": "service_name",
                "first_day": "start_date",
                "cost_before": "expected_cost",
                "cost_now": "actual_cost",
                "change": "impact",
            }
        )
    )
    found = [
        _with_group_cost(
            warehouse, scope, rollups.rolled_up(episodes if scope == "team" else by_service, keys)
        )
        for scope, keys in rollups.SCOPES.items()
    ]
    shown = [rollups.worth_telling(one) for one in found]
    whole = _wholes(usage, shown[0])
    return pl.concat([_as_table(one) for one in (*shown, whole)])


def _with_group_cost(warehouse: Warehouse, scope: str, rolled: pl.DataFrame) -> pl.DataFrame:
    """Roll-ups of a scope with what their whole group cost in their days."""
    named = rolled.with_columns(
        pl.lit(scope).alias("scope"),
        *(pl.lit("").alias(name) for name in ("team", "service_name") if name not in rolled.columns),
    )
    if named.is_empty():
        return named.with_columns(group_cost=pl.lit(Decimal(0), anomaly.MONEY))
    costs = warehouse.frame(
        "queries/causes/groups",
        teams_of=named["team"].to_list(),
        services_of=named["service_name"].to_list(),
        currencies=named["billing_currency"].to_list(),
        first_days=named["start_date"].to_list(),
        last_days=named["end_date"].to_list(),
        by_team=scope != "fleet",
        by_service=scope != "team",
        no_trend=NO_TREND,
    )
    return (
        named.with_row_index("number", offset=1)
        .join(costs.select(pl.col("number").cast(pl.UInt32), "group_cost"), on="number", how="left")
        .with_columns(pl.col("group_cost").fill_null(pl.lit(Decimal(0), anomaly.MONEY)))
        .drop("number")
    )


def _wholes(usage: pl.DataFrame, teams: pl.DataFrame) -> pl.DataFrame:
    """Anomalies of the sum of a team's apps in which none of them has one."""
    by = ("team", "billing_currency")
    many = pl.col("app_id").n_unique().over(by) >= anomaly.POLICY.rollup.least_apps_whole
    sums = exact_sums(usage.filter(many), [*by, "usage_date"], ("cost",))
    found = anomaly.episodes(anomaly.detect(sums, by), by)
    return rollups.worth_telling(
        rollups.thin(found, teams, ("team",)).with_columns(
            scope=pl.lit("team"),
            service_name=pl.lit(""),
            apps=pl.lit(0, pl.UInt32),
            top_app=pl.lit(""),
            top_impact=pl.lit(Decimal(0), anomaly.MONEY),
            group_cost="actual_cost",
        )
    )


def _as_table(rolled: pl.DataFrame) -> pl.DataFrame:
    schema = SCHEMAS["mart_cost_anomaly_rollups"]
    return rolled.select(pl.col(name).cast(kind) for name, kind in schema.items())
