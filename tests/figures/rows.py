"""Small, awkward rows of every published table: two currencies, three months, ties, nulls, edges of windows.

Each table has rows that are current, in several batches, and rows of a replaced and of a failed batch with other numbers:
whoever reads one of those is wrong. Rows stay plain Python, for the independent counts of ``counted``.
"""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from models.schemas import SCHEMAS
from sql.publish import WHOLE_TABLE, new_batch_id, publish, publish_periods
from sql.warehouse import Warehouse

Row = dict[str, Any]

COST_DAY = date(2026, 3, 11)
"""The day pages ask for, a Wednesday; later rows exist."""
MONTHS = (date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1))
TEAMS = ("alpha", "beta", "Ops, unassigned", "unassigned")
APPS = {f"app-{number}": TEAMS[number % 4] for number in range(1, 10)}
CURRENCIES = ("EUR", "USD")
SOURCES = ("aws", "azure")
DAYS = sorted(
    {
        COST_DAY - timedelta(days=back)
        for back in (-2, -1, 0, 1, 2, 3, 6, 7, 8, 9, 10, 12, 28, 29, 30, 31, 58, 59, 60, 61)
    }
    | {date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)}
)
"""Edges of every window a page has: 30 and 60 days, ISO weeks, billing months, and the days beside them."""

SCOPES = {
    "core_apps": "registry",
    "core_teams": "registry",
    "core_identities": "identities",
    "core_app_costs_daily": "costs",
    "core_cost_allocations": "costs",
    "mart_chargeback_lines": "costs",
    "mart_app_unit_costs_daily": "unit_costs",
    "core_app_telemetry_daily": "slices",
    "core_app_resources": "slices",
    "mart_slo_status": "slo",
    "mart_app_silences": "slo",
    "mart_as_of": "slo",
    "mart_slo_burn": "slo",
    "mart_slo_budgets": "slo",
    "mart_slo_objectives": "slo",
    "mart_cost_anomalies": "anomalies",
    "mart_cost_causes": "anomalies",
    "mart_cost_anomaly_rollups": "anomalies",
    "mart_charges_apart": "anomalies",
    "mart_cost_forecasts": "forecasts",
    "mart_budget_states": "forecasts",
    "mart_team_costs_weekly": "marts",
    "mart_app_inventory": "marts",
}
BY_MONTH = {"costs": "billing_period", "unit_costs": "usage_date"}
MONEY = pl.Decimal(38, 18)


@dataclass
class Sample:
    """Current rows by table, and the batch each month's rows of ``costs`` tables and each source's bill are in."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    batches: dict[tuple[str, date], uuid.UUID] = field(default_factory=dict)
    releases: int = 0

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables[table]


class Draw:
    """Values by chance from a seed; equal ones often enough to tie, and no two columns alike."""

    def __init__(self, seed: int, current: bool = True) -> None:
        self.chance = random.Random(seed)
        self.current = current
        self.apps = APPS if current else {**APPS, "gone": "alpha"}
        """What is not current names an app nobody else does."""

    def money(self, least: int = -4_000, most: int = 9_000) -> Decimal:
        if self.chance.random() < 0.2:
            return Decimal(self.chance.choice((0, 1, 2, 2)))
        places = self.chance.choice((0, 2, 6, 18))
        return Decimal(self.chance.randint(least * 10**places // 100, most * 10**places // 100)).scaleb(
            -places
        )

    def of(self, values: Any) -> Any:
        return self.chance.choice(list(values))

    def number(self, most: int, zero: float = 0.2) -> int:
        return 0 if self.chance.random() < zero else self.chance.randint(1, most)

    def moment(self) -> datetime:
        day = self.of(DAYS)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
            seconds=self.chance.randrange(86_400)
        )

    def team(self, app: str) -> str:
        """The app's team, or now and then another one: a tag said so that day."""
        return self.apps[app] if self.chance.random() < 0.9 else str(self.of(TEAMS))


def title_of(app: str) -> str:
    """A title that does not hold the app's id: who searches for one finds no other."""
    return app.replace("app-", "Title no. ")


def month_of(day: date) -> date:
    return day.replace(day=1)


def _costs(draw: Draw) -> Iterator[Row]:
    for number in range(420):
        unallocated = draw.chance.random() < 0.12
        app = "unallocated" if unallocated else draw.of(draw.apps)
        day = draw.of(DAYS)
        late = draw.chance.random() < 0.1 and month_of(day) < MONTHS[-1]
        yield {
            "billing_period": MONTHS[MONTHS.index(month_of(day)) + late],
            "usage_date": day,
            "source_name": draw.of(SOURCES),
            "app_id": app,
            "team": "unassigned" if unallocated else draw.team(app),
            "cost_center": draw.of(("", "0012", "000420")),
            "environment": draw.of(("", "prod", "test")),
            "provider": draw.of(("Amazon", "Microsoft")),
            "service_name": draw.of(("Compute", "Storage", "Support")),
            "charge_category": draw.of(("Usage", "Usage", "Usage", "Tax", "Credit")),
            "charge_class": draw.of(("", "", "", "Correction")),
            "charge_frequency": ("Usage-Based", "", "Recurring", "One-Time")[number % 4],
            "billing_currency": draw.of(CURRENCIES),
            "billed_cost": draw.money(),
            "effective_cost": draw.money(),
            "attribution_rule": "unallocated" if unallocated else draw.of(("app_tag", "pattern", "shared")),
            "confidence": draw.of((0.5, 0.75, 1.0)),
        }
    if draw.current:
        yield from _planted_costs()
    else:  # a pair of months nothing current has
        yield {**next(_planted_costs()), "billing_period": MONTHS[0], "usage_date": COST_DAY}


def _planted_costs() -> Iterator[Row]:
    """Rows that stand alone: a currency each at the edges of windows, ties of every order, more lines than a page has."""
    usual = {
        "billing_period": MONTHS[2], "usage_date": COST_DAY, "source_name": "aws", "app_id": "app-1", "team": "beta",
        "cost_center": "0012", "environment": "prod", "provider": "Amazon", "service_name": "Compute", "charge_category": "Usage",
        "charge_class": "", "charge_frequency": "", "billing_currency": "SEK", "billed_cost": Decimal(7), "effective_cost": Decimal(5),
        "attribution_rule": "app_tag", "confidence": 1.0,
    }  # fmt: skip
    edges = [
        ("AUD", COST_DAY, 0), ("BRL", COST_DAY + timedelta(days=1), 0), ("CAD", date(2026, 3, 2), 0), ("CHF", date(2026, 3, 1), 0),
        ("DKK", date(2026, 1, 1), 1), ("GBP", date(2026, 1, 1), 2), ("INR", date(2026, 1, 1), 0), ("NOK", date(2026, 3, 1), 1),
        ("ILS", date(2026, 2, 28), 1),  # between the days of a month and those of the one before it
    ]  # fmt: skip
    for currency, day, month in edges:
        yield {**usual, "billing_currency": currency, "usage_date": day, "billing_period": MONTHS[month]}
    for day, billed, effective in ((DAYS[0], 0, 0), (DAYS[1], 0, 3), (COST_DAY, 4, 0), (COST_DAY, 0, 0)):
        costs = {"billed_cost": Decimal(billed), "effective_cost": Decimal(effective)}
        month = month_of(day)
        yield {**usual, **costs, "billing_period": month, "usage_date": day, "billing_currency": "ZAR"}
    for rule in ("shared", "app_tag", "pattern"):
        for confidence in (0.75, 0.5):
            yield {**usual, "attribution_rule": rule, "confidence": confidence, "billing_currency": "NZD"}
    for number in range(55):
        yield {
            **usual,
            "service_name": f"service {number:02d}",
            "billing_currency": "PLN",
            "billed_cost": Decimal(number // 2),
        }
    for app, cost in (
        ("app-1", "0.5"),
        ("app-2", "-0.5"),
        ("app-3", "0.25"),
        ("app-4", "-0.25"),
        ("app-5", "2"),
        ("app-6", "-2"),
    ):
        yield {
            **usual,
            "app_id": app,
            "team": APPS[app],
            "billing_currency": "THB",
            "billed_cost": Decimal(cost),
        }
    for number in (3, 0, 7, 5, 1, 6, 2, 4):
        yield {**usual, "team": f"team {number}", "billing_currency": "HUF"}


def _allocations(draw: Draw) -> Iterator[Row]:
    for day in DAYS:
        for _ in range(12):
            app, basis = draw.of(draw.apps), draw.of(("requests", "even"))
            first = datetime(day.year, day.month, draw.of((1, day.day)), tzinfo=UTC)
            # what is weighed in a window is one number, however many charges are split by it
            weighed = Decimal(sum(map(ord, f"{app}{basis}{first}")))
            yield {
                "billing_period": month_of(day),
                "usage_date": day,
                "source_name": draw.of(SOURCES),
                "allocation_rule": draw.of(("cluster", "support")),
                "rule_version": "1",
                "from_app_id": draw.of(("unallocated", "app-1")),
                "app_id": app,
                "team": draw.team(app),
                "basis": basis,
                "instead_of": draw.of(("", "requests")) if basis == "even" else "",
                "window_start": first,
                "window_end": datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1),
                "quantity": weighed / 8,
                "total_quantity": weighed * 7,
                "ratio": draw.money(1, 99),
                "confidence": 0.5 if basis == "even" else 0.75,
                "charges": draw.number(9),
                "billing_currency": draw.of(CURRENCIES),
                "billed_cost": draw.money(),
                "effective_cost": draw.money(),
            }


def _lines(draw: Draw) -> Iterator[Row]:
    for month in MONTHS:
        for line in range(1, 31):
            app = draw.of((*draw.apps, "unallocated"))
            team = "unassigned" if app == "unallocated" else draw.team(app)
            rounding = line % 10 == 0
            yield {
                "billing_period": month,
                "line": line,
                "cost_center": "" if rounding else draw.of(("", "0012", "000420")),
                "team": "" if rounding else team,
                "owner": "" if rounding else f"Lead of {team}",
                "app_id": "" if rounding else app,
                "app_name": "rounding to minor units" if rounding else title_of(app),
                "source_name": "" if rounding else draw.of(SOURCES),
                "provider": "" if rounding else draw.of(("Amazon", "Microsoft")),
                "service_name": "" if rounding else draw.of(("Compute", "Storage", "Support")),
                "charge_category": "" if rounding else draw.of(("Usage", "Tax")),
                "charge_class": "" if rounding else draw.of(("", "Correction")),
                "cost_type": "rounding"
                if rounding
                else "unallocated"
                if app == "unallocated"
                else draw.of(("direct", "shared")),
                "attribution_rule": "" if rounding else draw.of(("app_tag", "pattern")),
                "billing_currency": draw.of(CURRENCIES),
                "billed_cost": Decimal(0) if rounding else draw.money(),
                "effective_cost": Decimal(0) if rounding else draw.money(),
                "amount": Decimal(draw.chance.choice((-1250, -10, 10, 1250, 99, 401))).scaleb(-2),
            }

    for month in () if draw.current else (date(2025, 12, 1), *MONTHS):
        texts = dict.fromkeys(SCHEMAS["mart_chargeback_lines"].names(), "")
        amounts = dict.fromkeys(("billed_cost", "effective_cost", "amount"), Decimal(1))
        yield {**texts, **amounts, "billing_period": month, "line": 99, "team": "left"}


def _unit_costs(draw: Draw) -> Iterator[Row]:
    for day in DAYS:
        for app in draw.apps:
            for currency in draw.chance.sample((*CURRENCIES, ""), 2):
                requests = draw.number(900)
                yield {
                    "usage_date": day,
                    "app_id": app,
                    "team": draw.team(app),
                    "billing_currency": currency,
                    "billed_cost": draw.money(),
                    "effective_cost": draw.money(),
                    "requests": requests,
                    "errors": draw.number(50),
                    "duration_p95_ms": draw.chance.randint(1, 999) / 4 if requests else None,
                    "cost_per_1000_requests": draw.money() if requests else None,
                }


def _telemetry(draw: Draw) -> Iterator[Row]:
    for day in DAYS:
        for app in draw.chance.sample((*APPS, "", "unallocated", "seen-only"), 9):
            for environment in draw.chance.sample(("", "prod", "test"), draw.of((1, 2))):
                yield {
                    "usage_date": day,
                    "app_id": app,
                    "environment": environment,
                    "spans": draw.number(5_000),
                    "logs": draw.number(400),
                    "metric_points": draw.number(70),
                    "requests": draw.number(900),
                    "errors": draw.number(50),
                    "health_checks": draw.number(90),
                    "health_errors": draw.number(9),
                    "duration_p50_ms": draw.chance.randint(1, 400) / 4,
                    "duration_p95_ms": draw.chance.randint(401, 999) / 4,
                    "last_seen": datetime(day.year, day.month, day.day, tzinfo=UTC)
                    + timedelta(seconds=draw.chance.randrange(86_400)),
                    "last_span_at": None,
                }


def _objectives(draw: Draw) -> Iterator[Row]:
    ranks = {"page": 1, "ticket": 2, "spent": 3, "silent": 4, "too_few": 5, "stale": 6, "ok": 7, "no_data": 8}
    for app in draw.apps:
        team, environments = draw.team(app), draw.of((("production",), ("stage",), ("", "stage")))
        for environment, objective in itertools.product(environments, ("availability", "latency")):
            total = draw.number(90_000)
            state = draw.of([name for name in ranks if name != "no_data"]) if total else "no_data"
            yield {
                "as_of": datetime(2026, 3, 11, 23, 55, tzinfo=UTC),
                "app_id": app,
                "team": team,
                "environment": environment,
                "is_production": environment != "stage",
                "objective": objective,
                "threshold_ms": 500 if objective == "latency" else None,
                "target": draw.of((0.99, 0.95)),
                "window_days": draw.of((28, 30)),
                "good": draw.number(total) if total else 0,
                "total": total,
                "sli": draw.chance.randint(0, 64) / 64 if total else None,
                "budget_remaining": draw.of((-2.5, -0.25, 0.0, 0.5, 1.0)) if total else None,
                "is_spent": bool(total) and draw.of((True, False)),
                "state": state,
                "state_rank": ranks[state],
                "since": draw.of((None, draw.moment())),
                "silent_since": draw.of((None, draw.moment())),
                "health_checks": draw.number(900),
                "health_errors": draw.number(90),
                "route": ("", "GET /a", "/b")[total % 3],
                "without_cold_starts": total % 2 == 0,
                "kept_out": total // 3,
                "sampled": total // 5,
                "stands_for": total / 4 if total % 7 else None,
                "sli_scaled": total % 64 / 64 if total % 5 else None,
                "fired_by": ("", "fast", "fast, slow")[total % 3],
                "maintenance_minutes": total % 4 * 5,
                "maintenance_events": total // 6,
                "maintained_until": draw.of((None, draw.moment())),
                "maintenance_reason": ("", "patches")[total % 2],
            }
    if draw.current:  # whose budget is spent is told to the team of the objective, not of the app
        usual = {
            "as_of": datetime(2026, 3, 11, 23, 55, tzinfo=UTC),
            "environment": "production",
            "is_production": True,
        }
        counts = {
            "target": 0.99,
            "window_days": 28,
            "good": 1,
            "total": 2,
            "sli": 0.5,
            "budget_remaining": -1.0,
        }
        state = {"is_spent": True, "state": "spent", "state_rank": 3, "health_checks": 0, "health_errors": 0}
        for app, team in (("app-4", "beta"), ("app-1", "alpha")):
            none = dict.fromkeys(
                ("threshold_ms", "since", "silent_since", "stands_for", "sli_scaled", "maintained_until")
            )
            none |= {"maintenance_minutes": 0, "maintenance_events": 0, "maintenance_reason": ""}
            none |= {"route": "", "fired_by": "", "without_cold_starts": False, "kept_out": 0, "sampled": 0}
            yield {**usual, **counts, **state, **none, "app_id": app, "team": team, "objective": "planted"}


QUESTION = "freshness {}"
"""An indicator that is none of requests."""


def _promised(draw: Draw) -> Iterator[Row]:
    """One objective that counts something else than requests and one that did once, beside one of requests."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    kinds = (("planted", QUESTION, None), ("latency", "latency", None), ("availability", QUESTION, moment))
    for objective, indicator, ended in kinds:
        yield {
            "app_id": "app-4" if draw.current else "app-1",
            "team": "beta",
            "environment": "production",
            "objective": objective,
            "generation": 1,
            "valid_from": moment - timedelta(days=9),
            "valid_to": ended,
            "indicator": indicator,
            "target": Decimal("0.5"),
            "threshold_ms": None,
            "time_window": "28d",
            "budgeting_method": "Occurrences",
            "slice_minutes": None,
            "slice_target": None,
            "missing_slices": "",
            "quiet_slices": "",
            "span_kinds": [],
            "source": "",
            "route": "",
            "without_cold_starts": False,
        }


def _slo_budgets(draw: Draw) -> Iterator[Row]:
    """What is left, by each method, of objectives that teams own otherwise than apps."""
    moment = datetime(2026, 3, 11, 23, 55, tzinfo=UTC)
    methods = ("Occurrences", "Timeslices", "RatioTimeslices")
    for app in draw.apps:
        for number, (environment, method) in enumerate(itertools.product(("production", ""), methods)):
            by_slices = method != "Occurrences"
            days = [COST_DAY - timedelta(days=back) for back in range(number % 3)] if by_slices else []
            yield {
                "as_of": moment,
                "app_id": app,
                "team": draw.team(app),
                "environment": environment,
                "objective": method.lower(),
                "events_left": None if by_slices else draw.number(90) / 4 - 9,
                "minutes_spent": draw.of((None, draw.number(900) / 8)),
                "minutes_allowed": draw.number(900) / 8,
                "exhausts_at": draw.of((None, moment, draw.moment())),
                "sli_low": draw.of((None, 0.5)),
                "sli_high": draw.of((None, 0.875)),
                "requests_per_day": 9.5,
                "clustering": 1.0,
                "shortest_outage_hours": None,
                "unseen": draw.of(("", "half an hour holds 0.2 of them")),
                "budgeting_method": method,
                "slices_bad": draw.number(90) / 8 if by_slices else None,
                "slices_counted": draw.number(900) if by_slices else None,
                "slices_missing": draw.number(9) if by_slices else None,
                "slices_quiet": draw.number(9) if by_slices else None,
                "coverage": draw.number(8) / 8 if by_slices else None,
                "coverage_recent": draw.number(8) / 8,
                "is_frozen": draw.of((True, False)),
                "days": days,
                "days_bad": [draw.number(9) / 8 for _ in days],
                "days_counted": [float(draw.number(288)) for _ in days],
            }


def _burns(draw: Draw) -> Iterator[Row]:
    """Burn of every objective in every window, in some of which nothing happened."""
    windows = {
        "5m": 300,
        "15m": 900,
        "30m": 1800,
        "1h": 3600,
        "2h": 7200,
        "6h": 21_600,
        "1d": 86_400,
        "3d": 259_200,
    }
    for app in APPS:
        for environment, objective in itertools.product(
            ("production", "", "stage"), ("availability", "latency")
        ):
            for window, seconds in windows.items():
                yield {
                    "as_of": datetime(2026, 3, 11, 23, 55, tzinfo=UTC),
                    "app_id": app,
                    "team": draw.team(app),
                    "environment": environment,
                    "objective": objective,
                    "window": window,
                    "window_seconds": seconds,
                    "bad": draw.number(9),
                    "total": draw.number(900),
                    "burn_rate": draw.of((None, draw.chance.randint(0, 400) / 8)),
                    "bad_slices": draw.number(9),
                    "first_bad": draw.of((None, draw.moment())),
                }


def _scopes(draw: Draw) -> Iterator[Row]:
    """What a forecast or a budget is of, in every currency: apps, teams, the fleet."""
    named = [("app", app, draw.apps[app]) for app in draw.apps] + [("team", team, team) for team in TEAMS]
    for scope, name, team in [*named, ("fleet", "", "")]:
        for currency in CURRENCIES:
            yield {
                "scope": scope,
                "name": name,
                "team": team,
                "billing_currency": currency,
                "as_of": COST_DAY,
            }


def _bounds(draw: Draw, number: int) -> Row:
    """A prediction and its bounds, now and then without them, or none."""
    total, low, high = (float(draw.chance.randint(1, 10**6)) / 64 for _ in range(3))
    return {
        "expected_total": None if number % 5 == 0 else total,
        "low_total": None if number % 5 < 2 else low,
        "high_total": None if number % 5 < 2 else high,
    }


def _forecasts(draw: Draw) -> Iterator[Row]:
    draw = Draw(
        draw.chance.getstate()[1][0], draw.current
    )  # draws of its own: those of other tables stay as they were
    for number, row in enumerate(_scopes(draw)):
        yield {
            **row,
            **_bounds(draw, number),
            "month": MONTHS[number % 3],
            "usage_to_date": draw.money(),
            "other_charges": draw.money(),
            "recurring_expected": draw.money(),
            "expected_rest": float(number),
            "state": draw.of(("ok", "no_band", "stopped", "too_few", "late")),
            "apps": draw.number(40),
            "apps_unpredicted": draw.number(3),
            "known_days": draw.number(400),
        }


def _budgets(draw: Draw) -> Iterator[Row]:
    draw = Draw(draw.chance.getstate()[1][1], draw.current)
    for number, row in enumerate(_scopes(draw)):
        if number % 3 == 1 and row["scope"] != "fleet":
            continue
        yield {
            **row,
            **_bounds(draw, number),
            "period": draw.of(("month", "quarter", "year")),
            "first_day": draw.of(DAYS),
            "last_day": draw.of(DAYS),
            "budget": draw.money(),
            "spent": draw.money(),
            "alert_share": draw.of((None, Decimal("0.5"), Decimal(1))),
            "next_share": draw.of((None, Decimal("0.9"))),
            "state": draw.of(("exhausted", "over", "alert", "unknown", "ok")),
            "exhausted_on": draw.of((None, *DAYS[:4])),
            "expected_on": draw.of((None, *DAYS[4:8])),
            "earliest_on": draw.of((None, *DAYS[8:12])),
            "latest_on": draw.of((None, *DAYS[12:16])),
            "basis": f"line {number}",
        }


def _anomalies(draw: Draw) -> Iterator[Row]:
    for number in range(40):
        app = draw.of(draw.apps)
        start = draw.of(DAYS[:-4])
        yield {
            "app_id": app,
            "team": draw.team(app),
            "billing_currency": draw.of(CURRENCIES),
            "start_date": start,
            "end_date": start + timedelta(days=number % 4),
            "kind": draw.of(("up", "ramp", "zero")),
            "expected_cost": draw.money(),
            "actual_cost": draw.money(),
            "impact": draw.money(),
            "state": draw.of(("open", "ended")),
        }
    for number in range(55 if draw.current else 0):
        yield {
            "app_id": "app-1",
            "team": "beta",
            "billing_currency": draw.of(CURRENCIES),
            "start_date": draw.of(DAYS[2:4]),
            "end_date": DAYS[4 + number % 2],
            "kind": draw.of(("up", "ramp")),
            "expected_cost": Decimal(number),
            "actual_cost": Decimal(55 - number),
            "impact": Decimal(number % 3),
            "state": "ended",
        }
    if draw.current:  # the same of an anomaly
        costs = dict.fromkeys(("expected_cost", "actual_cost", "impact"), Decimal(1))
        named = {"app_id": "app-3", "team": "alpha", "billing_currency": "EUR", "kind": "up", "state": "open"}
        yield {**named, **costs, "start_date": DAYS[3], "end_date": DAYS[4]}


def _weekly(draw: Draw) -> Iterator[Row]:
    for back in range(0 if draw.current else -1, 16):
        monday = date(2026, 3, 9) - timedelta(weeks=back)
        for app in draw.chance.sample(list(draw.apps), 5):
            yield {
                "iso_week": "{}-W{:02d}".format(*monday.isocalendar()[:2]),
                "week_start": monday,
                "days": draw.of((3, 7)),
                "team": draw.team(app),
                "app_id": app,
                "charge_category": draw.of(("Usage", "Usage", "Tax", "")),  # empty: of a layout before lines
                "charge_class": draw.of(("", "", "Correction")),
                "billing_currency": draw.of(CURRENCIES),
                "billed_cost": draw.money(),
                "effective_cost": draw.money(),
            }


FLAGS = {
    "is_registered": ("app-1", "app-2"),
    "is_billed": ("app-1", "app-3"),
    "is_observed": ("app-1", "app-4"),
    "has_indicator": ("app-2", "app-3"),
    "is_idle": ("app-3", "app-4"),
}
"""Of the first four apps those a flag is true of: no two flags say the same."""


def _inventory(draw: Draw) -> Iterator[Row]:
    for app in (*draw.apps, "unallocated"):
        flags = {
            name: app in of if app in ("app-1", "app-2", "app-3", "app-4") else draw.chance.random() < 0.5
            for name, of in FLAGS.items()
        }
        if app == "unallocated":
            flags["has_indicator"] = False
        held = draw.chance.sample(CURRENCIES, draw.of((0, 1, 2)))
        yield {
            "app_id": app,
            "app_name": title_of(app),
            "team": draw.apps.get(app, "beta"),
            "lifecycle": draw.of(("", "production", "experimental")),
            **flags,
            "first_cost_date": draw.of((None, draw.of(DAYS[:5]))),
            "last_cost_date": draw.of((None, draw.of(DAYS[-5:]))),
            "last_seen": draw.of((None, draw.moment())),
            "requests_30d": draw.number(900),
            "billed_cost_30d": {currency: draw.money() for currency in sorted(held)},
            "effective_cost_30d": {currency: draw.money() for currency in sorted(held)},
            "worst_state": draw.of(("page", "ticket", "spent", "silent", "ok", "no_data")),
        }
    for number in range(55 if draw.current else 0):
        held = {"EUR": Decimal(number // 3), "USD": Decimal(number // 2)}
        yield {
            "app_id": f"many-{(number * 7) % 55:02d}",
            "app_name": f"Many {number}",
            "team": "Ops, unassigned",
            "lifecycle": "",
            "is_registered": True,
            "is_billed": True,
            "is_observed": False,
            "has_indicator": False,
            "first_cost_date": None,
            "last_cost_date": None,
            "last_seen": None,
            "requests_30d": 0,
            "billed_cost_30d": held,
            "effective_cost_30d": {currency: cost + 1 for currency, cost in held.items()},
            "is_idle": True,
            "worst_state": "no_data",
        }


def _apps(draw: Draw) -> Iterator[Row]:
    for app in [*list(APPS)[:6], "registered-only"]:
        for since in (date(1970, 1, 1), date(2026, 2, 1))[: draw.of((1, 2))]:
            team = draw.of((APPS.get(app, "beta"), APPS.get(app, "beta"), "unassigned", "alpha"))
            yield {
                "app_id": app,
                "valid_from": since,
                "valid_to": date(2149, 6, 6),
                "holds_from": datetime(since.year, since.month, since.day, 5, tzinfo=UTC),
                "holds_to": datetime(2149, 6, 6, tzinfo=UTC),
                "app_name": draw.of((f"{app} of {team} {since:%Y}", ""))
                if app == "app-3"
                else f"{app} {draw.number(99)}",
                "team": team,
                "system": f"system {draw.number(99)}",
                "lifecycle": draw.of(("production", "experimental")),
                "criticality": draw.of(("critical", "high", "")),
                "lead": f"lead {draw.number(99)}",
                "cost_center": f"00{draw.number(99)}",
                "resource_ids": [f"arn:{draw.number(99)}"],
                "patterns": [{"key": "name", "value": f"{app}-{draw.number(99)}*"}],
                "source": f"catalog/{draw.number(99)}.yaml",
            }


def _teams(draw: Draw) -> Iterator[Row]:
    for team in TEAMS[:3]:
        yield {
            "team": team,
            "lead": f"lead {draw.number(99)}",
            "cost_center": f"00{draw.number(99)}",
            "members": [f"member {draw.number(99)}"],
            "holds_from": datetime(1970, 1, 1, draw.number(9), tzinfo=UTC),
            "holds_to": datetime(2149, 6, 6, tzinfo=UTC),
        }


LINES_HOLD_FROM = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, 13, 7, 5, 123_457, tzinfo=UTC))
"""When the first and the second line of an identity begin to hold: the second in the midst of a day."""


def _identities(draw: Draw) -> Iterator[Row]:
    for number in range(60):
        if number % 12 == 0:  # known from February on only
            continue
        app = draw.of((*draw.apps, *list(APPS)[:2] * 4))
        yield {
            "x_IdentityHash": 1000 + number // 2,
            "valid_from": (date(1970, 1, 1), date(2026, 2, 1))[number % 2],
            "holds_from": LINES_HOLD_FROM[number % 2],
            "app_id": app if number % 7 else "",
            "team": draw.team(app),
            "cost_center": draw.of(("0012", "000420")),
            "environment": draw.of(("prod", "test")),
            "attribution_rule": draw.of(("app_tag", "pattern")),
            "confidence": draw.of((0.5, 1.0)),
            "evidence": f"tag {draw.number(3)}",
        }
    for number in range(24 if draw.current else 0):
        yield {
            "x_IdentityHash": 5000 + number,
            "valid_from": date(1970, 1, 1),
            "holds_from": LINES_HOLD_FROM[0],
            "app_id": "app-2",
            "team": "Ops, unassigned",
            "cost_center": "",
            "environment": "",
            "attribution_rule": ("pattern", "app_tag")[number % 2],
            "confidence": (0.5, 0.25)[number // 2 % 2],
            "evidence": f"tag {number // 4}",
        }


def _resources(draw: Draw) -> Iterator[Row]:
    for day in DAYS:
        for _ in range(4):
            yield {
                "usage_date": day,
                "app_id": draw.of(draw.apps),
                "attribute": draw.of(("cloud.resource_id", "host.id")),
                "resource_id": f"arn:{draw.number(4)}",
                "spans": draw.number(70),
                "points": draw.number(7),
                "first_seen": draw.moment(),
                "last_seen": draw.moment(),
            }


def _causes(draw: Draw) -> Iterator[Row]:
    """Of an anomaly, where an episode begins with them and where none does; and of the week."""
    starts = itertools.product(draw.apps, CURRENCIES, DAYS[:-4:2])
    for number, (app, currency, first) in enumerate(starts):
        yield from _cause(draw, "anomaly", app, currency, first, number)
    for number, (app, currency) in enumerate(itertools.product(draw.apps, CURRENCIES)):
        yield from _cause(draw, "week", app, currency, DAYS[-5], number)


def _cause(draw: Draw, subject: str, app: str, currency: str, first: date, number: int) -> Iterator[Row]:
    yield {
        "subject": subject,
        "app_id": app,
        "team": draw.team(app),
        "billing_currency": currency,
        "kind": draw.of(("up", "ramp", "zero")),
        "first_day": first,
        "last_day": first + timedelta(days=number % 3),
        "cost_before": draw.money(0),
        "cost_now": draw.money(0),
        "change": draw.money(),
        "driver_service": draw.of(("", "db", "fn")),
        "driver_change": draw.money(),
        "driver_share": draw.of((None, 0.25, 1.5)),
        "version": draw.of(("", "1.2", "1.10")),
        "version_since": draw.of((None, datetime(2026, 3, 1, 4, tzinfo=UTC))),
        "sentence": f"{subject} {number}.",
    }


def _rollups(draw: Draw) -> Iterator[Row]:
    for number in range(60):
        scope = draw.of(("team", "service", "fleet"))
        start = draw.of(DAYS[:-4])
        yield {
            "scope": scope,
            "team": "" if scope == "fleet" else draw.of(TEAMS),
            "service_name": "" if scope == "team" else draw.of(("db", "fn")),
            "billing_currency": draw.of(CURRENCIES),
            "start_date": start,
            "end_date": start + timedelta(days=number % 4),
            "expected_cost": draw.money(),
            "actual_cost": draw.money(),
            "impact": Decimal(number),
            "share": draw.of((None, 0.5, -0.5, 0.125)),
            "apps": draw.number(5),
            "top_app": draw.of(draw.apps),
            "top_impact": draw.money(),
            "state": draw.of(("open", "ended")),
        }


def _charges_apart(draw: Draw) -> Iterator[Row]:
    kinds = ("tax", "credit", "recurring")
    for team, app, currency, kind in itertools.product(TEAMS, [*draw.apps, "unallocated"], CURRENCIES, kinds):
        yield {
            "team": team,
            "app_id": app,
            "billing_currency": currency,
            "kind": kind,
            "first_day": date(2026, 3, 1),
            "last_day": COST_DAY,
            "billed": draw.money(),
            "before_first_day": date(2026, 2, 1),
            "before_last_day": date(2026, 2, 11),
            "billed_before": draw.money(),
        }


def _silences(draw: Draw) -> Iterator[Row]:
    for app, team in APPS.items():
        for environment in ("production", ""):  # not in the order they are told in
            yield {
                "app_id": app,
                "team": team,
                "environment": environment,
                "silent_since": datetime(2026, 3, draw.of((1, 1, 2)), tzinfo=UTC),
                "received": draw.number(3),
                "expected": draw.number(700) / 4,
                "requests_per_day": draw.number(900) / 8,
                "clustering": 1 + draw.number(7) / 2,
                "apps_together": draw.of((0, 0, 6)),
                "wait_hours": 31 - draw.number(9),
            }


def _moments(draw: Draw) -> Iterator[Row]:
    yield {
        "slice_end": datetime(2026, 3, 12, tzinfo=UTC),
        "cost_day": date(2026, 3, 9) - timedelta(days=draw.of((1, 2))),  # days after it are not whole
        "basis": "past",
        "note": f"only {draw.of('abc')}{draw.number(99)} sent telemetry",
    }


MAKERS = {
    "core_apps": _apps,
    "core_teams": _teams,
    "core_identities": _identities,
    "core_app_costs_daily": _costs,
    "core_cost_allocations": _allocations,
    "mart_chargeback_lines": _lines,
    "mart_app_unit_costs_daily": _unit_costs,
    "core_app_telemetry_daily": _telemetry,
    "core_app_resources": _resources,
    "mart_slo_status": _objectives,
    "mart_app_silences": _silences,
    "mart_as_of": _moments,
    "mart_slo_burn": _burns,
    "mart_slo_budgets": _slo_budgets,
    "mart_slo_objectives": _promised,
    "mart_cost_anomalies": _anomalies,
    "mart_cost_causes": _causes,
    "mart_cost_anomaly_rollups": _rollups,
    "mart_charges_apart": _charges_apart,
    "mart_cost_forecasts": _forecasts,
    "mart_budget_states": _budgets,
    "mart_team_costs_weekly": _weekly,
    "mart_app_inventory": _inventory,
}


def publish_sample(warehouse: Warehouse, seed: int = 1) -> Sample:
    """Writes every table three times: replaced, failed, current; and returns what is current."""
    sample = Sample()
    for generation in ("replaced", "current"):
        draw = Draw(seed if generation == "current" else seed + 1000, generation == "current")
        tables = {table: list(make(draw)) for table, make in MAKERS.items()}
        _publish(warehouse, sample, tables)
        sample.tables = tables
    # computed again with the same lines: a release, and no other statement; a month restated to nothing
    march = {
        table: sample.batches[table, MONTHS[2]]
        for table in ("core_app_costs_daily", "core_cost_allocations", "mart_chargeback_lines")
    }
    _release(warehouse, sample, "costs", MONTHS[2], march)
    empty = dict.fromkeys(march, new_batch_id())
    _release(warehouse, sample, "costs", date(2026, 4, 1), empty, rows=0)
    failed = Draw(seed + 2000, current=False)
    for table, make in MAKERS.items():
        _insert(warehouse, table, list(make(failed)), new_batch_id())
    return sample


def _publish(warehouse: Warehouse, sample: Sample, tables: dict[str, list[Row]]) -> None:
    for scope in dict.fromkeys(SCOPES.values()):
        own = [table for table, its in SCOPES.items() if its == scope]
        if scope in BY_MONTH:
            for month in MONTHS:
                batches = {table: new_batch_id() for table in own}
                for table, batch in batches.items():
                    rows = [row for row in tables[table] if month_of(row[BY_MONTH[scope]]) == month]
                    _insert(warehouse, table, rows, batch)
                    sample.batches[table, month] = batch
                _release(warehouse, sample, scope, month, batches)
        elif scope == "slices":
            for days in (DAYS[:9], DAYS[9:]):
                batches = {table: new_batch_id() for table in own}
                for table, batch in batches.items():
                    _insert(
                        warehouse, table, [row for row in tables[table] if row["usage_date"] in days], batch
                    )
                publish_periods(warehouse, scope, batches, dict.fromkeys(days, str(batches)), {})
                sample.releases += len(days)
        else:
            batches = {table: new_batch_id() for table in own}
            for table, batch in batches.items():
                _insert(warehouse, table, tables[table], batch)
            _release(warehouse, sample, scope, WHOLE_TABLE, batches)


def _release(
    warehouse: Warehouse,
    sample: Sample,
    scope: str,
    period: date,
    batches: dict[str, uuid.UUID],
    sums: dict[str, Decimal] | None = None,
    rows: int = 1,
) -> None:
    publish(
        warehouse,
        scope,
        period,
        batches=batches,
        rows=rows,
        sha256=scope,
        version=datetime(2026, 3, 12, tzinfo=UTC),
        sums=sums,
    )
    sample.releases += 1


def _insert(warehouse: Warehouse, table: str, rows: list[Row], batch: uuid.UUID) -> None:
    maps = {"patterns": pl.List(pl.Struct({"key": pl.String, "value": pl.String}))}
    own = {name: kind for name, kind in SCHEMAS[table].items() if not rows or name in rows[0]}
    schema = {**own, **{name: kind for name, kind in maps.items() if name in own}}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = frame.with_columns(pl.col(name).cast(SCHEMAS[table][name]) for name in maps if name in schema)
    warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batch))))
