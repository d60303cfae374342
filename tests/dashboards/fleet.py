"""A small believable fleet as plain rows, and the one function that publishes them.

Five teams, 24 apps, two billing sources in two currencies, 60 days. The rows stay plain Python so that a
test counts what a page must show with ``decimal`` and a loop, never with our own SQL.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import polars as pl

from models.causes import EFFECTS
from models.people import DOWNLOAD_STATEMENTS, SEE_ACCESS_LOG, SEE_STATEMENTS, SEE_WHOLE_BILLS, Viewer
from models.policy import request_slices, slo_defaults
from models.requests import ladder_ms
from sql.publish import WHOLE_TABLE, new_batch_id, publish, publish_periods
from sql.warehouse import Warehouse
from tests.dashboards.worth_rows import worth_frames

Row = dict[str, Any]

COST_DAY = date(2026, 3, 11)
"""Newest day with cost: a Wednesday."""
FIRST_DAY = COST_DAY - timedelta(days=59)
AS_OF = datetime(2026, 3, 11, 23, 55, tzinfo=UTC)
NOBODY = "unassigned"
UNALLOCATED = "unallocated"

TEAMS = {
    "payments": ("0101", "Ada Moreno"),
    "logistics": ("0102", "Ben Okafor"),
    "insights": ("0103", "Chen Li"),
    "people": ("0204", "Dana Weiss"),
    "storefront": ("0205", "Eli Novak"),
}
ALL_TEAMS = (*TEAMS, NOBODY)
EVERYTHING = Viewer(
    "Ada Moreno", ALL_TEAMS, (SEE_WHOLE_BILLS, SEE_STATEMENTS, DOWNLOAD_STATEMENTS, SEE_ACCESS_LOG)
)
"""Who sees all rows and whole bills."""

SOURCES = {"aws-main": ("Amazon Web Services", "USD"), "azure-eu": ("Microsoft Azure", "EUR")}
SERVICES = {
    "aws-main": ("AWS Lambda", "Amazon DynamoDB", "Amazon S3"),
    "azure-eu": ("Azure Functions", "Azure SQL Database", "Storage"),
}

# app, team, sources, cost of a day, requests of a day, what is special
_APPS: list[tuple[str, str, tuple[str, ...], str, int, str]] = [
    ("checkout", "payments", ("aws-main", "azure-eu"), "41.20", 182_000, "page"),
    ("invoice-bot", "payments", ("aws-main",), "3.75", 4_100, ""),
    ("card-vault", "payments", ("azure-eu",), "12.10", 61_000, "ticket"),
    ("refund-helper", "payments", ("aws-main",), "0.94", 310, ""),
    ("payout-sheet", "payments", ("aws-main",), "1.42", 0, "idle"),
    ("route-planner", "logistics", ("aws-main",), "18.60", 22_400, ""),
    ("depot-map", "logistics", ("azure-eu",), "6.33", 9_800, "up"),
    ("pallet-count", "logistics", ("aws-main",), "0.51", 140, ""),
    ("courier-desk", "logistics", ("azure-eu",), "2.27", 3_300, ""),
    ("customs-forms", "logistics", ("aws-main",), "0.88", 260, ""),
    ("daily-kpi", "insights", ("aws-main",), "9.05", 1_200, "ended"),
    ("churn-model", "insights", ("azure-eu",), "22.70", 480, ""),
    ("ad-hoc-sql", "insights", ("aws-main",), "4.18", 2_900, ""),
    ("survey-mart", "insights", ("azure-eu",), "1.06", 0, "idle"),
    ("report-mailer", "insights", ("aws-main",), "0.37", 75, "no_data"),
    ("shift-swap", "people", ("azure-eu",), "1.95", 5_600, ""),
    ("onboarding", "people", ("azure-eu",), "2.61", 1_700, ""),
    ("payslip-view", "people", ("azure-eu",), "3.44", 8_200, "breached"),
    ("desk-booking", "people", ("aws-main",), "0.72", 2_050, ""),
    ("search", "storefront", ("aws-main",), "27.90", 241_000, ""),
    ("price-tags", "storefront", ("aws-main",), "5.15", 38_000, ""),
    ("gift-cards", "storefront", ("aws-main",), "2.08", 6_900, ""),
    ("legacy-sync", NOBODY, ("aws-main",), "1.63", 0, "unregistered"),
    ("hackday-poll", NOBODY, (), "0", 90, "unregistered"),
]

# day, app, team, source, category, class, cost: what is on a bill beside usage
OTHER_CHARGES: list[tuple[date, str, str, str, str, str, str]] = [
    (date(2026, 3, 1), "checkout", "payments", "aws-main", "Tax", "", "900.5"),
    (date(2026, 3, 1), "checkout", "payments", "azure-eu", "Purchase", "", "1200"),
    (date(2026, 2, 1), "depot-map", "logistics", "azure-eu", "Tax", "", "33.25"),
    (date(2026, 3, 9), "depot-map", "logistics", "azure-eu", "Credit", "", "-20.125"),
    (date(2026, 3, 10), "depot-map", "logistics", "azure-eu", "Usage", "Correction", "-7.5"),
    (date(2026, 3, 10), "legacy-sync", NOBODY, "aws-main", "Adjustment", "", "2.75"),
]

_PARTS = {0: (), 1: (Decimal(1),), 2: (Decimal("0.65"), Decimal("0.35"))}
"""Split of an app's cost over its sources."""

_SCOPES: dict[str, tuple[str, ...]] = {
    "registry": ("core_apps", "core_teams"),
    "completeness": ("core_cost_days",),
    "identities": ("core_identities",),
    "slo": ("mart_slo_status", "mart_slo_burn", "mart_slo_budgets", "mart_app_silences"),
    "marts": ("mart_cost_anomalies", "mart_team_costs_weekly", "mart_app_inventory"),
    "causes": ("mart_cost_causes", "mart_cost_anomaly_rollups", "mart_charges_apart"),
    "forecasts": ("mart_cost_forecasts", "mart_budget_states"),
    "alerts": ("core_alerts",),
}
_MONTHLY_SCOPES = {
    "costs": (("core_app_costs_daily", "core_identity_costs", "mart_chargeback_lines"), "billing_period"),
    "unit_costs": (("mart_app_unit_costs_daily",), "usage_date"),
}
_MONEY = pl.Decimal(38, 18)
_MONEY_BY_CURRENCY = pl.Map(pl.String, _MONEY)
_TEXTS = pl.Map(pl.String, pl.String)
_TYPES: dict[str, Any] = {
    **dict.fromkeys(
        (
            "billed_cost",
            "effective_cost",
            "amount",
            "expected_cost",
            "actual_cost",
            "impact",
            "cost_per_1000_requests",
            "usage_to_date",
            "other_charges",
            "recurring_expected",
            "budget",
            "spent",
            "alert_share",
            "next_share",
            "cost_before",
            "cost_now",
            "change",
            *(f"{name}_change" for name in EFFECTS),
            "driver_change",
            "top_impact",
            "billed",
            "billed_before",
        ),
        _MONEY,
    ),
    "billed_cost_30d": _MONEY_BY_CURRENCY,
    "effective_cost_30d": _MONEY_BY_CURRENCY,
    "resource_ids": pl.List(pl.String),
    "members": pl.List(pl.String),
    "silent_since": pl.Datetime("us", "UTC"),
    "first_bad": pl.Datetime("us", "UTC"),
    "since": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("fired_at", "clear_at", "frozen_at", "resolved_at"), pl.Datetime("us", "UTC")),
    "threshold_ms": pl.UInt32,
    "burn_rate": pl.Float64,
    **dict.fromkeys(("events_left", "slices_bad", "coverage"), pl.Float64),
    **dict.fromkeys(("slices_counted", "slices_missing", "slices_quiet"), pl.UInt32),
    "exhausts_at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("days_bad", "days_counted"), pl.List(pl.Float64)),
    "within": pl.List(pl.UInt32),
    "covered": _TEXTS,
    "first_cost_date": pl.Date,
    "last_cost_date": pl.Date,
    "version_since": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("requests_ratio", "driver_share", "share"), pl.Float64),
    "apps": pl.UInt32,
    **dict.fromkeys(("expected_rest", "expected_total", "low_total", "high_total"), pl.Float64),
    **dict.fromkeys(("exhausted_on", "expected_on", "earliest_on", "latest_on"), pl.Date),
}


@dataclass
class Fleet:
    """Rows by table, and what the ledger says about the bill."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def costs(self, **equal: Any) -> list[Row]:
        """Cost rows whose columns equal the given values."""
        return [
            row
            for row in self.tables["core_app_costs_daily"]
            if all(row[key] == value for key, value in equal.items())
        ]

    def rows(self, table: str, **equal: Any) -> list[Row]:
        """Rows of a table whose columns equal the given values."""
        return [row for row in self.tables[table] if all(row[k] == v for k, v in equal.items())]


HOSTILE = (
    "![p](https://evil.example/p.png) [l](https://evil.example) https://evil.example www.evil.example a@evil.example "
    ":material/bolt: :red[x] :smile: $x^2$ **b** _i_ `c` <img src=x> # -> -- ~s~ | &amp;"
)
"""A title that would be a picture, links, an icon, colour, a formula, marks and tags, were it not shown as text."""


def _title(app: str) -> str:
    return HOSTILE if app == "pallet-count" else app.replace("-", " ").capitalize()


def month_of(day: date) -> date:
    """First day of the month of a day."""
    return day.replace(day=1)


def build() -> Fleet:
    """The fleet, the same each time."""
    fleet = Fleet()
    costs = _costs()
    fleet.tables["core_app_costs_daily"] = costs
    fleet.tables["core_identity_costs"] = [_reason(number, row) for number, row in enumerate(costs)]
    fleet.tables["core_apps"] = _apps()
    fleet.tables["core_teams"] = [
        {"team": team, "lead": lead, "cost_center": center, "members": [lead]}
        for team, (center, lead) in TEAMS.items()
    ]
    fleet.tables["core_identities"] = _identities()
    fleet.tables["core_cost_days"] = _cost_days()
    fleet.tables["core_app_telemetry_daily"] = _telemetry()
    fleet.tables["mart_slo_status"], fleet.tables["mart_slo_burn"] = _objectives()
    fleet.tables["mart_slo_budgets"] = [_budget_left(row) for row in fleet.tables["mart_slo_status"]]
    fleet.tables["mart_app_silences"] = [
        _silence("desk-booking", "people", hours=7, received=3, expected=41.4),
        _silence("customs-forms", "logistics", hours=30, received=0, expected=212.4),
    ]
    fleet.tables["core_alerts"] = [
        _alert("slo/checkout/production/availability", "checkout", "payments", "page"),
        _alert("silent/customs-forms/production", "customs-forms", "logistics", "ticket"),
        _alert("slo/card-vault/production/availability", "card-vault", "payments", "ticket", "frozen"),
        _alert("slo/desk-booking/production/availability", "desk-booking", "people", "ticket"),
        _alert("stale/aws-main", "aws-main", "", "ticket"),
        _alert("slo/depot-map/production/latency", "depot-map", "logistics", "page", "resolved"),
    ]
    fleet.tables["core_request_slices"] = _slices()
    fleet.tables["otel.otel_traces"] = _spans()
    fleet.tables["mart_cost_anomalies"] = _anomalies(costs)
    fleet.tables["mart_cost_causes"] = _causes(fleet.tables["mart_cost_anomalies"])
    fleet.tables["mart_cost_anomaly_rollups"] = _rollups(fleet.tables["mart_cost_anomalies"])
    fleet.tables["mart_charges_apart"] = [
        {
            "team": team, "app_id": app, "billing_currency": SOURCES[source][1], "kind": category.lower(),
            "first_day": month_of(COST_DAY), "last_day": COST_DAY, "billed": Decimal(cost), "billed_before": Decimal("1.5"),
            "before_first_day": date(2026, 2, 1), "before_last_day": date(2026, 2, 11),
        }
        for day, app, team, source, category, kind, cost in OTHER_CHARGES if not kind and day >= month_of(COST_DAY)
    ]  # fmt: skip
    fleet.tables["mart_cost_forecasts"] = _forecasts()
    fleet.tables["mart_budget_states"] = _budgets()
    fleet.tables["mart_app_unit_costs_daily"] = _unit_costs(costs, fleet.tables["core_app_telemetry_daily"])
    fleet.tables["mart_team_costs_weekly"] = _weekly(costs)
    fleet.tables["mart_chargeback_lines"] = _lines(costs)
    fleet.tables["mart_app_inventory"] = _inventory(costs, fleet.tables["core_app_telemetry_daily"])
    return fleet


def _forecasts() -> list[Row]:
    """Of a fleet, a team and some apps: with a band, without one, and not to be predicted."""
    told: list[tuple[str, str, str, str, float | None, float | None, float | None, str, int]] = [
        ("fleet", "", "", "USD", 5123.4, 4800.0, 5500.0, "ok", 1),
        ("fleet", "", "", "EUR", 2210.5, 2100.0, 2400.0, "ok", 0),
        ("team", "payments", "payments", "USD", 1834.56, 1790.2, 1901.9, "ok", 1),
        ("team", "payments", "payments", "EUR", 1650.0, None, None, "no_band", 0),
        ("team", "logistics", "logistics", "EUR", 77.0, 70.0, 99.0, "ok", 0),
        ("app", "checkout", "payments", "USD", 87.654, 80.0, 99.5, "ok", 0),
        ("app", "checkout", "payments", "EUR", None, None, None, "too_few", 1),
    ]
    return [
        {
            "scope": scope, "name": name, "team": team, "billing_currency": currency, "month": month_of(COST_DAY),
            "as_of": COST_DAY, "usage_to_date": Decimal("612.25"), "other_charges": Decimal("900.5"),
            "recurring_expected": Decimal("3.125"), "expected_rest": 1.0, "expected_total": total, "low_total": low,
            "high_total": high, "state": state, "apps": 5, "apps_unpredicted": young, "known_days": 60,
        }
        for scope, name, team, currency, total, low, high, state, young in told
    ]  # fmt: skip


def _budgets() -> list[Row]:
    """One that is spent, one that will be, one that lasts, and that of the fleet."""
    nothing = dict.fromkeys(
        ("exhausted_on", "expected_on", "earliest_on", "latest_on", "alert_share", "next_share")
    )
    told: list[tuple[str, str, str, str, str, str, Row]] = [
        ("team", "payments", "payments", "2000", "1512.75", "over", {"alert_share": Decimal("0.5"), "next_share": Decimal(1), "expected_on": date(2026, 3, 29), "earliest_on": date(2026, 3, 27)}),
        ("app", "checkout", "payments", "500", "512.75", "exhausted", {"alert_share": Decimal(1), "exhausted_on": date(2026, 3, 10)}),
        ("app", "shift-swap", "people", "900", "12.5", "ok", {}),
        ("fleet", "", "", "90000", "1512.75", "ok", {}),
    ]  # fmt: skip
    return [
        {
            "scope": scope, "name": name, "team": team, "billing_currency": "USD", "period": "month",
            "first_day": month_of(COST_DAY), "last_day": date(2026, 3, 31), "as_of": COST_DAY, "budget": Decimal(budget),
            "spent": Decimal(spent), "expected_total": 2834.5, "low_total": 2790.0, "high_total": 2901.0, "state": state,
            "basis": f"USD {budget} a month from 2026-01-01", **nothing, **other,
        }
        for scope, name, team, budget, spent, state, other in told
    ]  # fmt: skip


def _days() -> list[date]:
    return [FIRST_DAY + timedelta(days=number) for number in range(60)]


def _wave(app: str, day: date) -> Decimal:
    """A factor near one with weekends low, from the name and the day alone."""
    noise = (sum(map(ord, app)) * 31 + day.toordinal() * 17) % 23
    weekday = Decimal("0.62") if day.weekday() >= 5 else Decimal(1)
    return weekday * (Decimal("0.89") + Decimal(noise) / 100)


def _costs() -> list[Row]:
    rows: list[Row] = []
    for app, team, sources, per_day, _, special in _APPS:
        for source, part in zip(sources, _PARTS[len(sources)], strict=True):
            rule, confidence = ("pattern", 0.6) if special == "unregistered" else ("app_tag", 1.0)
            for day in _days():
                factor = _wave(app, day)
                if special == "up" and (COST_DAY - day).days < 2:
                    factor *= 4
                if special == "ended" and 20 <= (COST_DAY - day).days < 23:
                    factor *= 3
                for place, service in enumerate(SERVICES[source][:2]):
                    share = (Decimal("0.7"), Decimal("0.3"))[place]
                    cost = Decimal(per_day) * factor * share * part
                    rows.append(_cost_row(day, source, app, team, service, cost, rule, confidence))
    rows += [
        {
            **_cost_row(day, source, app, team, SERVICES[source][0], Decimal(cost), "app_tag", 1.0),
            "charge_category": category,
            "charge_class": kind,
        }
        for day, app, team, source, category, kind, cost in OTHER_CHARGES
    ]
    for source in SOURCES:
        for day in _days():
            cost = Decimal("7.40") * _wave(source, day)
            rows.append(
                _cost_row(day, source, UNALLOCATED, NOBODY, SERVICES[source][2], cost, UNALLOCATED, 0.0)
            )
    return rows


def _cost_row(
    day: date, source: str, app: str, team: str, service: str, cost: Decimal, rule: str, confidence: float
) -> Row:
    provider, currency = SOURCES[source]
    return {
        "billing_period": month_of(day),
        "usage_date": day,
        "source_name": source,
        "app_id": app,
        "team": team,
        "cost_center": TEAMS.get(team, ("", ""))[0],
        "environment": "prod",
        "provider": provider,
        "service_name": service,
        "charge_category": "Usage",
        "charge_class": "",
        "billing_currency": currency,
        "billed_cost": cost,
        "effective_cost": cost * Decimal("0.875"),
        "attribution_rule": rule,
        "confidence": confidence,
    }


def _apps() -> list[Row]:
    return [
        {
            "app_id": app,
            "valid_from": date(2025, 1, 1),
            "valid_to": date(2149, 6, 6),
            "app_name": _title(app),
            "team": team,
            "system": f"{team}-suite",
            "lifecycle": "experimental" if number % 7 == 3 else "production",
            "lead": TEAMS[team][1],
            "cost_center": TEAMS[team][0],
            "resource_ids": [],
            "source": f"catalog/{team}.yaml",
        }
        for number, (app, team, *_rest, special) in enumerate(_APPS)
        if special != "unregistered"
    ]


def _reason(number: int, row: Row) -> Row:
    """A cost of an app as an identity's: by a tag, by telemetry or by nobody, some of it cut at a change of owner."""
    names = ("billing_period", "source_name", "service_name", "app_id", "team", "cost_center", "attribution_rule", "confidence",
             "billing_currency", "billed_cost", "effective_cost")  # fmt: skip
    rule = row["attribution_rule"]
    basis = "ambiguous" if rule == "unallocated" else rule if number % 3 else "host.id"
    day = datetime(row["usage_date"].year, row["usage_date"].month, row["usage_date"].day, tzinfo=UTC)
    cut = number % 11 == 0
    return {
        **{name: row[name] for name in names},
        "x_IdentityHash": number,
        "resource_id": f"arn:{row['app_id']}:{number % 4}",
        "basis": basis,
        "evidence": f"{basis} {row['app_id']}",
        "spans": 7 if basis == "host.id" else 0,
        "first_seen": day,
        "last_seen": day + timedelta(hours=3),
        "covered": {
            "app_id": "tag" if basis == "app_tag" else "",
            "team": "tag",
            "pool": "virtual: all" if number % 2 else "",
        },
        "owner_basis": "owner_changed" if cut else "",
        "charge_start": day,
        "charge_end": day + timedelta(days=1),
        "owned_from": day,
        "owned_to": day + timedelta(hours=14),
        "charges": 1,
    }


def _identities() -> list[Row]:
    rows = []
    for number, (app, team, sources, *_rest, special) in enumerate(_APPS):
        for source in sources:
            known = special != "unregistered"
            rows.append(
                {
                    "x_IdentityHash": 1000 + number * 10 + len(source),
                    "valid_from": date(1970, 1, 1),
                    "app_id": app,
                    "team": team,
                    "cost_center": TEAMS.get(team, ("", ""))[0],
                    "environment": "prod",
                    "attribution_rule": "app_tag" if known else "pattern",
                    "confidence": 1.0 if known else 0.6,
                    "evidence": f"tag app_id={app}" if known else f"name {app}-*",
                }
            )
    return rows


def _telemetry() -> list[Row]:
    rows = []
    for app, _, _, _, per_day, special in _APPS:
        days = _days()[:20] if special == "idle" else _days()
        daily = per_day or (500 if special == "idle" else 0)
        if not daily:
            continue
        for day in days:
            requests = 0 if special == "no_data" else int(daily * _wave(app, day))
            bad = {"page": 40, "ticket": 70, "breached": 60}.get(special, 2000)
            rows.append(
                {
                    "usage_date": day,
                    "app_id": app,
                    "environment": "prod",
                    "spans": requests * 3 or daily,
                    "logs": requests,
                    "metric_points": 1440,
                    "requests": requests,
                    "errors": requests // bad,
                    "health_checks": requests // 10,
                    "health_errors": 0,
                    "duration_p50_ms": 40.0 + day.day,
                    "duration_p95_ms": 120.0 + 3 * day.day,
                    "last_seen": datetime(day.year, day.month, day.day, 23, 54, tzinfo=UTC),
                    "last_span_at": datetime(day.year, day.month, day.day, 23, 54, tzinfo=UTC),
                }
            )
    return rows


def _unit_costs(costs: list[Row], telemetry: list[Row]) -> list[Row]:
    cost_of: dict[tuple[date, str, str, str], list[Decimal]] = {}
    for row in costs:
        if row["app_id"] == UNALLOCATED:
            continue
        key = (row["usage_date"], row["app_id"], row["team"], row["billing_currency"])
        pair = cost_of.setdefault(key, [Decimal(0), Decimal(0)])
        pair[0] += row["billed_cost"]
        pair[1] += row["effective_cost"]
    seen = {(row["usage_date"], row["app_id"]): row for row in telemetry}
    rows = []
    for (day, app, team, currency), (billed, effective) in cost_of.items():
        signals = seen.get((day, app), {"requests": 0, "errors": 0, "duration_p95_ms": None})
        requests = signals["requests"]
        rows.append(
            {
                "usage_date": day,
                "app_id": app,
                "team": team,
                "billing_currency": currency,
                "billed_cost": billed,
                "effective_cost": effective,
                "requests": requests,
                "errors": signals["errors"],
                "duration_p95_ms": signals["duration_p95_ms"] if requests else None,
                "cost_per_1000_requests": effective * 1000 / requests if requests else None,
            }
        )
    return rows


BURN_WINDOWS = {"5m": 300, "30m": 1800, "1h": 3600, "2h": 7200, "6h": 21_600, "1d": 86_400, "3d": 259_200}


def _objectives() -> tuple[list[Row], list[Row]]:
    """An answer per objective, and its burn in every window."""
    rows, burns = [], []
    for app, team, _, _, per_day, special in _APPS:
        if special in ("idle", "no_data") or not per_day:
            continue
        for objective in ("availability", "latency"):
            total = per_day * 30
            state, bad, burn = "ok", total // 2000, 0.05
            if objective == "availability":
                if special == "page":
                    state, bad, burn = "page", total * 25 // 1000, 21.5
                elif special == "ticket":
                    state, bad, burn = "ticket", total * 8 // 1000, 3.4
                elif special == "breached":
                    state, bad, burn = "spent", total * 13 // 1000, 0.4
            rows.append(_objective(app, team, objective, state, total, bad))
            burns += _burns(rows[-1], burn)
    rows.append(_objective("report-mailer", "insights", "availability", "no_data", 0, 0))
    return rows, burns + _burns(rows[-1], None)


def _burns(objective: Row, burn: float | None) -> list[Row]:
    keys = ("as_of", "app_id", "team", "environment", "objective")
    counts = {"bad": 0 if burn is None else 5, "total": 0 if burn is None else 500, "bad_slices": 1}
    return [
        {
            **{key: objective[key] for key in keys},
            "window": window,
            "window_seconds": seconds,
            **counts,
            "burn_rate": burn,
            "first_bad": objective["since"],
        }
        for window, seconds in BURN_WINDOWS.items()
    ]


def _budget_left(row: Row) -> Row:
    """What is left of an objective's budget: of latency by slices of time, too much of which is missing of one app."""
    by_slices = row["objective"] == "latency"
    return {
        **{key: row[key] for key in ("as_of", "app_id", "team", "environment", "objective")},
        "events_left": None if by_slices else row["total"] / 100 - (row["total"] - row["good"]),
        "minutes_spent": 35.0 if by_slices else 21.6,
        "minutes_allowed": 86.4,
        "exhausts_at": AS_OF + timedelta(days=2) if row["state"] == "ticket" else None,
        "sli_low": 0.98,
        "sli_high": 0.999,
        "requests_per_day": row["total"] / 30,
        "clustering": 1.0,
        "unseen": "At 75 requests a day: an outage shorter than about 2 hours can pass unseen." if row["total"] < 9000 else "",
        "budgeting_method": "Timeslices" if by_slices else "Occurrences",
        "slices_bad": 7.0 if by_slices else None,
        "slices_counted": 1728 if by_slices else None,
        "slices_missing": 4 if by_slices else None,
        "slices_quiet": 0 if by_slices else None,
        "coverage": 0.9977 if by_slices else None,
        "coverage_recent": 0.0 if row["app_id"] == "card-vault" else 1.0,
        "is_frozen": row["app_id"] == "card-vault",
        "days": [COST_DAY - timedelta(days=1), COST_DAY] if by_slices else [],
        "days_bad": [3.0, 4.0] if by_slices else [],
        "days_counted": [864.0, 864.0] if by_slices else [],
    }  # fmt: skip


def _slices() -> list[Row]:
    """Requests of the two apps that fire, in the five hours they have done so and just before."""
    # app, minutes before as-of, version, route, kind, requests, errors
    planned = [
        ("checkout", 300, "2.1", "POST /pay", "server", 100, 30),
        ("checkout", 5, "2.1", "POST /pay", "server", 100, 40),
        ("checkout", 5, "2.0", "GET /cart", "server", 400, 4),
        ("checkout", 305, "2.0", "GET /old", "server", 100, 100),
        ("checkout", 10, "2.0", "GET /healthz", "health", 50, 50),
        ("card-vault", 60, "7", "", "server", 80, 8),
        ("card-vault", 120, "7", "GET /card", "server", 60, 2),
    ]
    bounds = len(ladder_ms(request_slices(), slo_defaults()))
    return [
        {
            "slice_start": AS_OF - timedelta(minutes=minutes),
            "app_id": app,
            "environment": "prod",
            "version": version,
            "route": route,
            "kind": kind,
            "requests": requests,
            "errors": errors,
            "timed": requests,
            "within": [requests] * bounds,
        }
        for app, minutes, version, route, kind, requests, errors in planned
    ]


FAILED_TRACE = "c0ffee" + "0" * 26
"""The newest request of checkout that failed at its worst route and version."""


def _spans() -> list[Row]:
    """Requests of checkout's last five minutes: two failed ones, and a newer one that went well."""
    return [
        {
            "Timestamp": AS_OF - timedelta(seconds=seconds),
            "TraceId": trace,
            "SpanName": "POST /pay",
            "SpanKind": "Server",
            "ServiceName": "checkout",
            "ResourceAttributes": {
                "service.name": "checkout",
                "service.version": "2.1",
                "deployment.environment.name": "prod",
            },
            "StatusCode": status,
        }
        for seconds, trace, status in (
            (200, "0ld" + "0" * 29, "Error"),
            (100, FAILED_TRACE, "Error"),
            (50, "f" * 32, "Unset"),
        )
    ]


STATE_RANKS = {"page": 1, "ticket": 2, "spent": 3, "ok": 7, "no_data": 8}


def _objective(app: str, team: str, objective: str, state: str, total: int, bad: int) -> Row:
    firing = state in ("page", "ticket")
    return {
        "as_of": AS_OF,
        "app_id": app,
        "team": team,
        "environment": "prod",
        "is_production": True,
        "objective": objective,
        "target": 0.99,
        "threshold_ms": 500 if objective == "latency" else None,
        "window_days": 30,
        "good": total - bad,
        "total": total,
        "sli": (total - bad) / total if total else None,
        "budget_remaining": 1 - (bad / total) / 0.01 if total else None,
        "is_spent": bad >= 3 and bad * 100 >= total,
        "state": state,
        "state_rank": STATE_RANKS[state],
        "since": AS_OF - timedelta(hours=5) if firing else None,
        "silent_since": None,
        "health_checks": total // 10,
        "health_errors": 0,
    }


def _silence(app: str, team: str, hours: int, received: int, expected: float) -> Row:
    return {
        "app_id": app,
        "team": team,
        "environment": "production",
        "silent_since": AS_OF - timedelta(hours=hours),
        "received": received,
        "expected": expected,
        "requests_per_day": expected * 24 / hours,
        "clustering": 1.0,
        "apps_together": 0,
    }


def _alert(key: str, subject: str, team: str, severity: str, state: str = "firing") -> Row:
    began = AS_OF - timedelta(hours=5)
    ended = AS_OF if state == "resolved" else None
    return {
        "alert_key": key, "kind": key.split("/")[0], "subject": subject, "environment": "", "team": team,
        "severity": severity, "state": state, "cause": "", "sentence": f"{subject} is not well", "since": began,
        "pending_at": began, "fired_at": began, "clear_at": ended, "frozen_at": None, "resolved_at": ended, "episode": 1,
    }  # fmt: skip


def _acts() -> list[Row]:
    """What somebody did about an alert of a team, and about one of no team."""
    return [
        {
            "act_id": key, "act": "ack", "acted_by": "ida", "acted_at": AS_OF, "reason": "seen", "alert_key": key,
            "episode": 1, "severity": "ticket",
        }
        for key in ("slo/desk-booking/production/availability", "stale/aws-main")
    ]  # fmt: skip


def _decisions() -> list[Row]:
    """What playbooks decided about alerts of two teams, of no team, and of one that ended; a mark was taken off."""
    told = [
        ("1", "checkout", "slo/checkout/production/availability", "payments", "throttle", "proposed", ""),
        ("2", "checkout", "slo/checkout/production/availability", "payments", "flag", "acted", ""),
        ("3", "customs-forms", "silent/customs-forms/production", "logistics", "disable", "proposed", ""),
        ("4", "customs-forms", "silent/customs-forms/production", "logistics", "flag", "acted", ""),
        (
            "4",
            "customs-forms",
            "silent/customs-forms/production",
            "logistics",
            "flag",
            "declined",
            "line-4-acted",
        ),
        ("5", "aws-main", "stale/aws-main", "", "webhook", "dry_run", ""),
        (
            "7",
            "desk-booking",
            "slo/desk-booking/production/availability",
            "people",
            "webhook",
            "held_back",
            "",
        ),
        ("6", "depot-map", "slo/depot-map/production/latency", "logistics", "flag", "acted", ""),
    ]
    return [
        {
            "decision_id": f"line-{number}-{decision}", "action_id": f"act-{number}", "fence": 0 if answered else 1,
            "seq": 0 if answered else 1, "decision": decision, "decided_by": "ida" if answered else "appfleet", "decided_at": AS_OF,
            "reason": "because", "of_line": answered, "playbook": f"book-{number}", "version": "v", "action": action, "target": "gate",
            "risk": "high", "alert_key": key, "episode": 1, "kind": key.split("/")[0], "subject": app, "team": team,
            "event": f"of {app} <b>" if action == "flag" else "{}",
        }
        for number, app, key, team, action, decision, answered in told
    ]  # fmt: skip


def _anomalies(costs: list[Row]) -> list[Row]:
    planned = [("depot-map", 1, 0, "open", 4), ("daily-kpi", 22, 20, "ended", 3)]
    rows = []
    for app, first, last, state, factor in planned:
        start, end = COST_DAY - timedelta(days=first), COST_DAY - timedelta(days=last)
        own = [row for row in costs if row["app_id"] == app]
        actual = sum((row["billed_cost"] for row in own if start <= row["usage_date"] <= end), Decimal(0))
        rows.append(
            {
                "app_id": app,
                "team": own[0]["team"],
                "billing_currency": own[0]["billing_currency"],
                "start_date": start,
                "end_date": end,
                "kind": "up",
                "expected_cost": actual / factor,
                "actual_cost": actual,
                "impact": actual - actual / factor,
                "state": state,
            }
        )
    return rows


def _cause(
    subject: str,
    app: str,
    team: str,
    currency: str,
    first: date,
    last: date,
    before: Decimal,
    now: Decimal,
    sentence: str,
    **other: Any,
) -> Row:
    return {
        "subject": subject, "app_id": app, "team": team, "billing_currency": currency, "kind": "up", "first_day": first,
        "last_day": last, "before_first_day": first, "before_last_day": first, "cost_before": before, "cost_now": now,
        "change": now - before, **{f"{name}_change": Decimal(0) for name in EFFECTS}, "requests_ratio": None,
        "driver_service": "", "driver_account": "", "driver_region": "", "driver_sku": "", "driver_change": Decimal(0),
        "driver_share": None, "version": "", "version_since": None, "sentence": sentence, **other,
    }  # fmt: skip


def _causes(episodes: list[Row]) -> list[Row]:
    """One of an anomaly that is explained, and changes of the week of two teams, one told in words that look like markup."""
    rows = [
        _cause(
            "anomaly", one["app_id"], one["team"], one["billing_currency"], one["start_date"], one["end_date"],
            one["expected_cost"], one["actual_cost"], f"{one['app_id']} costs more; it began with version 2.0.{number}.",
            driver_service="Azure SQL Database" if one["state"] == "open" else "AWS Lambda",
            driver_change=one["impact"] / 2, driver_share=0.5, version=f"2.0.{number}", version_since=AS_OF,
        )
        for number, one in enumerate(episodes)
    ]  # fmt: skip
    weeks = [
        ("checkout", "payments", "USD", "10", "31.5"),
        ("invoice-bot", "payments", "USD", "4", "1.5"),
        ("refund-helper", "payments", "USD", "1", "1.25"),
        ("payout-sheet", "payments", "USD", "1", "1.125"),
        ("card-vault", "payments", "EUR", "3", "9"),
        ("pallet-count", "logistics", "USD", "5", "9"),
    ]
    for app, team, currency, before, now in weeks:
        told = f"{currency} {Decimal(now) - Decimal(before)} {HOSTILE if app == 'pallet-count' else 'by chance'}."
        rows.append(
            _cause(
                "week", app, team, currency, date(2026, 3, 9), COST_DAY, Decimal(before), Decimal(now), told
            )
        )
    return rows


def _rollups(episodes: list[Row]) -> list[Row]:
    """Each anomaly as its team's and as a service's, one of the fleet, and one that no app shows."""
    same = (
        "team",
        "billing_currency",
        "start_date",
        "end_date",
        "expected_cost",
        "actual_cost",
        "impact",
        "state",
    )
    return [
        {
            "scope": scope, "service_name": service, **{name: one[name] for name in same}, "share": 0.25, "apps": 1,
            "top_app": one["app_id"], "top_impact": one["impact"], **other,
        }
        for one in episodes
        for scope, service, other in (
            ("team", "", {}), ("service", "AWS Lambda", {}), ("fleet", "AWS Lambda", {"team": ""}),
            ("team", "", {"apps": 0, "top_app": "", "top_impact": Decimal(0), "share": None}),
        )
    ]  # fmt: skip


def _weekly(costs: list[Row]) -> list[Row]:
    sums: dict[tuple[date, str, str, str, str, str], list[Decimal]] = {}
    days: dict[date, set[date]] = {}
    for row in costs:
        monday = row["usage_date"] - timedelta(days=row["usage_date"].weekday())
        days.setdefault(monday, set()).add(row["usage_date"])
        key = (
            monday,
            row["team"],
            row["app_id"],
            row["charge_category"],
            row["charge_class"],
            row["billing_currency"],
        )
        pair = sums.setdefault(key, [Decimal(0), Decimal(0)])
        pair[0] += row["billed_cost"]
        pair[1] += row["effective_cost"]
    return [
        {
            "iso_week": "{}-W{:02d}".format(*monday.isocalendar()[:2]),
            "week_start": monday,
            "days": len(days[monday]),
            "team": team,
            "app_id": app,
            "charge_category": category,
            "charge_class": kind,
            "billing_currency": currency,
            "billed_cost": billed,
            "effective_cost": effective,
        }
        for (monday, team, app, category, kind, currency), (billed, effective) in sums.items()
    ]


def _lines(costs: list[Row]) -> list[Row]:
    keys = (
        "billing_period",
        "cost_center",
        "team",
        "app_id",
        "source_name",
        "provider",
        "service_name",
        "charge_category",
        "charge_class",
        "attribution_rule",
        "billing_currency",
    )
    sums: dict[tuple[Any, ...], list[Decimal]] = {}
    for row in costs:
        pair = sums.setdefault(tuple(row[key] for key in keys), [Decimal(0), Decimal(0)])
        pair[0] += row["billed_cost"]
        pair[1] += row["effective_cost"]
    rows = []
    for number, key in enumerate(sorted(sums), 1):
        named = dict(zip(keys, key, strict=True))
        unallocated = named["app_id"] == UNALLOCATED
        rows.append(
            {
                **named,
                "line": number,
                "owner": TEAMS.get(named["team"], ("", ""))[1],
                "app_name": named["app_id"].replace("-", " ").capitalize(),
                "cost_type": UNALLOCATED if unallocated else "direct",
                "billed_cost": sums[key][0],
                "effective_cost": sums[key][1],
                "amount": sums[key][0].quantize(Decimal("0.01"), ROUND_HALF_EVEN),
            }
        )
    return rows + _rounding(rows)


def _rounding(lines: list[Row]) -> list[Row]:
    """One line per month and currency: the rounded total minus the rounded lines."""
    rows: list[Row] = []
    for month, currency in sorted({(row["billing_period"], row["billing_currency"]) for row in lines}):
        own = [row for row in lines if (row["billing_period"], row["billing_currency"]) == (month, currency)]
        total = sum((row["billed_cost"] for row in own), Decimal(0))
        charged = sum((row["amount"] for row in own), Decimal(0))
        words = {key: "" for key, value in own[0].items() if isinstance(value, str)}
        rows.append(
            {
                **words,
                "billing_period": month,
                "billing_currency": currency,
                "line": len(lines) + len(rows) + 1,
                "app_name": "rounding to minor units",
                "cost_type": "rounding",
                "billed_cost": Decimal(0),
                "effective_cost": Decimal(0),
                "amount": total.quantize(Decimal("0.01"), ROUND_HALF_EVEN) - charged,
            }
        )
    return rows


def _inventory(costs: list[Row], telemetry: list[Row]) -> list[Row]:
    rows = []
    first_of_30 = COST_DAY - timedelta(days=29)
    for number, (app, team, _, _, per_day, special) in enumerate(_APPS):
        own = [row for row in costs if row["app_id"] == app]
        recent = [row for row in own if row["usage_date"] >= first_of_30]
        signals = [row for row in telemetry if row["app_id"] == app]
        registered = special != "unregistered"
        rows.append(
            {
                "app_id": app,
                "app_name": _title(app) if registered else app,
                "team": team,
                "lifecycle": ("experimental" if number % 7 == 3 else "production") if registered else "",
                "is_registered": registered,
                "is_billed": bool(own),
                "is_observed": bool(signals),
                "has_indicator": bool(per_day) and special not in ("idle", "no_data"),
                "first_cost_date": min((row["usage_date"] for row in own), default=None),
                "last_cost_date": max((row["usage_date"] for row in own), default=None),
                "last_seen": max((row["last_seen"] for row in signals), default=None),
                "requests_30d": sum(row["requests"] for row in signals if row["usage_date"] >= first_of_30),
                "billed_cost_30d": _by_currency(recent, "billed_cost"),
                "effective_cost_30d": _by_currency(recent, "effective_cost"),
                "is_idle": special == "idle",
                "worst_state": special
                if special in ("page", "ticket")
                else "spent"
                if special == "breached"
                else ("no_data" if special in ("idle", "no_data") or not per_day else "ok"),
            }
        )
    return rows


def _by_currency(rows: list[Row], metric: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["billing_currency"]] = sums.get(row["billing_currency"], Decimal(0)) + row[metric]
    return dict(sorted(sums.items()))


def publish_marts(warehouse: Warehouse, fleet: Fleet) -> None:
    """Inserts and publishes what is told of each app as a whole, and nothing else: enough to count them."""
    batches = {table: new_batch_id() for table in _SCOPES["marts"]}
    for table, batch in batches.items():
        _insert(warehouse, table, fleet.tables[table], batch)
    _publish(warehouse, "marts", WHOLE_TABLE, batches)


def _cost_days() -> list[Row]:
    """Every day to the newest whole one, and one day behind it that one source did not deliver yet."""
    ends = dict.fromkeys(SOURCES, COST_DAY) | {"azure-eu": COST_DAY + timedelta(days=1)}
    first = date(COST_DAY.year, 1, 1)
    return [
        {
            "source_name": source,
            "usage_date": day,
            "state": "arrived" if day <= COST_DAY else "open",
            "is_whole": day <= COST_DAY,
            "since": datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1),
            "reason": "usage came" if day <= COST_DAY else f"usage reaches {COST_DAY}",
            "usage_rows": 100,
        }
        for source, end in ends.items()
        for day in (first + timedelta(days=number) for number in range((end - first).days + 1))
    ]


def publish_fleet(warehouse: Warehouse, fleet: Fleet, copies: int = 1) -> None:
    """Inserts every table and publishes each scope, as the pipeline does.

    With ``copies`` every app is there that many times, as itself and with a number behind its id; what is no app's once.
    """

    def insert(table: str, rows: list[Row], batch: uuid.UUID) -> None:
        _insert(warehouse, table, rows, batch)
        if copies > 1 and rows and "app_id" in rows[0]:
            warehouse.execute_text(
                f"INSERT INTO {table} SELECT * REPLACE (concat(one.app_id, '-', toString(copy)) AS app_id) "
                f"FROM {table} AS one ARRAY JOIN range(1, {copies}) AS copy "
                f"WHERE batch_id = '{batch}' AND one.app_id NOT IN ('', '{UNALLOCATED}')"
            )

    for scope, tables in _SCOPES.items():
        batches = {table: new_batch_id() for table in tables}
        for table, batch in batches.items():
            insert(table, fleet.tables[table], batch)
        _publish(warehouse, scope, WHOLE_TABLE, batches)
    for scope, (tables, column) in _MONTHLY_SCOPES.items():
        for month in sorted({month_of(row[column]) for row in fleet.tables[tables[0]]}):
            batches = {table: new_batch_id() for table in tables}
            for table, batch in batches.items():
                rows = [row for row in fleet.tables[table] if month_of(row[column]) == month]
                insert(table, rows, batch)
            _publish(warehouse, scope, month, batches)
    signals = new_batch_id()
    insert("core_app_telemetry_daily", fleet.tables["core_app_telemetry_daily"], signals)
    slices = new_batch_id()
    insert("core_request_slices", fleet.tables["core_request_slices"], slices)
    publish_periods(
        warehouse,
        "slices",
        {"core_app_telemetry_daily": signals, "core_request_slices": slices},
        dict.fromkeys(_days(), "fleet"),
        {},
    )
    worth = worth_frames(COST_DAY, AS_OF)
    batches = {table: new_batch_id() for table in worth}
    for table, frame in worth.items():
        warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batches[table]))))
    _publish(warehouse, "worth", WHOLE_TABLE, batches)
    warehouse.insert("alert_acts", pl.DataFrame(_acts()))
    warehouse.insert("remediation_decisions", pl.DataFrame(_decisions()))
    spans = pl.DataFrame(fleet.tables["otel.otel_traces"], schema_overrides={"ResourceAttributes": _TEXTS})
    warehouse.insert("otel.otel_traces", spans)
    for source in SOURCES:
        for month in sorted({row["billing_period"] for row in fleet.costs(source_name=source)}):
            _deliver(warehouse, source, month, fleet.costs(source_name=source, billing_period=month), copies)


def billed(rows: list[Row], column: str, copies: int = 1) -> Decimal:
    """Exact sum of cost rows, each app's as often as it is there."""
    return sum(
        (row[column] * (1 if row["app_id"] == UNALLOCATED else copies) for row in rows),
        Decimal(0),
    )


def _deliver(warehouse: Warehouse, source: str, month: date, rows: list[Row], copies: int) -> None:
    """The ledger's side of one bill: one object, its exact sums and the release they fed."""
    currency = SOURCES[source][1]
    sums = {
        f"{currency}/BilledCost": billed(rows, "billed_cost", copies),
        f"{currency}/EffectiveCost": billed(rows, "effective_cost", copies),
    }
    batch = new_batch_id()
    delivery = {
        "kind": "billing",
        "source_name": source,
        "object_name": f"{source}/{month:%Y-%m}.parquet",
        "object_sha256": f"{len(rows):064x}",
        "object_bytes": 40_000 + len(rows),
        "modified_at": AS_OF,
        "signal": "costs",
        "period": month,
        "rows": len(rows),
        "rejected": 0,
        "sums": sums,
        "state": "loaded",
        "reason": "",
        "recorded_at": AS_OF,
    }
    _insert(warehouse, "raw_deliveries", [delivery], batch)
    # pages read no row of the bill itself, so there is none
    _publish(warehouse, f"billing/{source}", month, {"raw_focus_costs": batch}, sums, rows=0)
    for state, share in (("lapsed", 1), ("held", 2)):
        held = {
            "source_name": source,
            "period": month,
            "sha256": f"{share:064x}",
            "state": state,
            "cause": "overlap",
            "reason": f"all of the {len(rows)} rows of a.csv are also in b.csv: they would count twice",
            "rows": share * len(rows),
            "sums": {key: share * amount for key, amount in sums.items()},
            "published_sums": sums,
            "version": AS_OF,
            "object_names": ["a.csv", "b.csv"],
            "recorded_at": AS_OF + timedelta(seconds=share),
        }
        _insert(warehouse, "raw_held_deliveries", [held], new_batch_id())


def _insert(warehouse: Warehouse, table: str, rows: list[Row], batch: uuid.UUID) -> None:
    types = {key: kind for key, kind in _TYPES.items() if rows and key in rows[0]}
    if rows and "days_bad" in rows[0]:
        types["days"] = pl.List(pl.Date)
    if rows and "sums" in rows[0]:
        types |= {key: _MONEY_BY_CURRENCY for key in ("sums", "published_sums") if key in rows[0]}
    frame = pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)
    warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batch))))


def _publish(
    warehouse: Warehouse,
    scope: str,
    period: date,
    batches: dict[str, uuid.UUID],
    sums: dict[str, Decimal] | None = None,
    rows: int | None = None,
) -> None:
    """Publishes what the tables hold of these batches, or another number of ``rows``."""
    counts = [
        warehouse.frame_of(f"SELECT count() AS n FROM {table} WHERE batch_id = '{batch}'")["n"][0]
        for table, batch in (batches.items() if rows is None else ())
    ]
    publish(
        warehouse,
        scope,
        period,
        batches=batches,
        rows=sum(counts) if rows is None else rows,
        sha256=scope,
        version=AS_OF,
        sums=sums,
    )


def write_settings(root: Path, viewer: Viewer) -> None:
    """The settings of a workspace for a viewer, as ``appfleet up`` would find them."""
    shown = {"name": viewer.name, "teams": list(viewer.teams), "rights": list(viewer.rights)}
    (root / "appfleet.yaml").write_text(json.dumps({"viewer": shown}), encoding="utf-8")
