"""From a published bill, its attribution and telemetry to why cost changed: each part counted in plain Python.

The rows are drawn and awkward: two currencies, two sources of which one is late, charges that are no usage, lines without a
quantity, cost that is on no line of the bill, an app nobody asked about, replaced batches.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from models.comparison import week_so_far
from models.schemas import MONEY
from pipelines.compute.causes import cause_tables
from pipelines.compute.publishing import insert
from sql.publish import WHOLE_TABLE, new_batch_id, publish, publish_periods
from sql.warehouse import Warehouse

AS_OF = date(2026, 3, 12)  # a Thursday
DAYS = [AS_OF - timedelta(days=back) for back in range(70, -1, -1)]
NEWEST = {"aws": AS_OF, "azure": AS_OF - timedelta(days=2)}
APPS = {"shop": "sales", "mail": "sales", "cron": "ops", "other": "ops"}
HASHES = {app: number for number, app in enumerate(APPS, start=1)}
SHARED = "Shared network"

Row = dict[str, Any]


def charges(seed: int) -> list[Row]:
    """Charges of every app and day: usage of five lines, and now and then something else."""
    draw = random.Random(seed)
    rows = []
    for app in APPS:
        for day in DAYS:
            for service, sku, unit in (
                ("db", "a", "h"),
                ("db", "b", "h"),
                ("fn", "c", "GB"),
                ("log", "", ""),
            ):
                kind = draw.choice([("Usage", "", "")] * 9 + [("Tax", "", ""), ("Usage", "", "Recurring"), ("Usage", "Correction", ""), ("Usage", "", "Usage-Based")])  # fmt: skip
                rows.append(
                    {
                        "app": app,
                        "day": day,
                        "source": draw.choice(("aws", "azure")),
                        "currency": draw.choice(("USD", "USD", "USD", "EUR")),
                        "service": service,
                        "account": draw.choice(("", "1")),
                        "region": draw.choice(("eu", "us")),
                        "sku": sku,
                        "unit": unit,
                        "category": kind[0],
                        "class": kind[1],
                        "frequency": kind[2],
                        "billed": Decimal(draw.randrange(1, 10**12)).scaleb(-11),
                        "effective": Decimal(draw.randrange(1, 10**12)).scaleb(-11),
                        "quantity": Decimal(draw.randrange(1, 10**9)).scaleb(-6)
                        if service != "log"
                        else None,
                    }
                )
    return rows


def is_usage(row: Row) -> bool:
    return row["category"] == "Usage" and not row["class"] and row["frequency"] in ("", "Usage-Based")


def shared_cost(row: Row) -> Decimal:
    """A rule gave each app a cent a charge of what is on no line of its own."""
    return Decimal("0.01") if is_usage(row) else Decimal(0)


def released(warehouse: Warehouse, scope: str, period: date, table: str, frame: pl.DataFrame) -> None:
    batch = new_batch_id()
    if table == "raw_focus_costs":
        warehouse.insert(table, frame.with_columns(x_BatchId=pl.lit(str(batch))))
    else:
        insert(warehouse, table, frame, batch)
    publish(warehouse, scope, period, batches={table: batch}, rows=frame.height, sha256=str(batch), version=datetime(2026, 3, 13, tzinfo=UTC))  # fmt: skip


def publish_bill(warehouse: Warehouse, rows: list[Row]) -> None:
    for source in NEWEST:
        for month in sorted({row["day"].replace(day=1) for row in rows}):
            own = [row for row in rows if row["source"] == source and row["day"].replace(day=1) == month]
            raw = [
                {
                    "BilledCost": row["billed"],
                    "EffectiveCost": row["effective"],
                    "BillingCurrency": row["currency"],
                    "ChargePeriodStart": datetime(
                        row["day"].year, row["day"].month, row["day"].day, tzinfo=UTC
                    ),
                    "ChargePeriodEnd": datetime(
                        row["day"].year, row["day"].month, row["day"].day, 1, tzinfo=UTC
                    ),
                    "ChargeCategory": row["category"],
                    "ChargeClass": row["class"] or None,
                    "ChargeFrequency": row["frequency"] or None,
                    "ServiceName": row["service"],
                    "SubAccountId": row["account"] or None,
                    "RegionId": row["region"],
                    "SkuId": row["sku"] or None,
                    "PricingUnit": row["unit"] or None,
                    "PricingQuantity": row["quantity"],
                    "x_SourceName": source,
                    "x_BillingPeriod": month,
                    "x_IdentityHash": HASHES[row["app"]],
                }
                for row in own
            ]
            types = dict.fromkeys(("BilledCost", "EffectiveCost", "PricingQuantity"), MONEY)
            frame = pl.DataFrame(
                raw, schema_overrides={**types, "x_IdentityHash": pl.UInt64}, infer_schema_length=None
            )
            released(warehouse, f"billing/{source}", month, "raw_focus_costs", frame)
    for month in sorted({row["day"].replace(day=1) for row in rows}):
        own = [row for row in rows if row["day"].replace(day=1) == month]
        costs = [
            {
                "billing_period": month,
                "usage_date": row["day"],
                "source_name": row["source"],
                "app_id": row["app"],
                "team": APPS[row["app"]],
                "service_name": service,
                "charge_category": row["category"],
                "charge_class": row["class"],
                "charge_frequency": row["frequency"],
                "billing_currency": row["currency"],
                "billed_cost": billed,
                "effective_cost": effective,
            }
            for row in own
            for service, billed, effective in (
                (row["service"], row["billed"], row["effective"]),
                (SHARED, shared_cost(row), shared_cost(row)),
            )
        ]
        frame = pl.DataFrame(costs, schema_overrides=dict.fromkeys(("billed_cost", "effective_cost"), MONEY))
        released(warehouse, "costs", month, "core_app_costs_daily", frame)
    identities = pl.DataFrame(
        [{"x_IdentityHash": number, "valid_from": date(2000, 1, 1), "app_id": app} for app, number in HASHES.items()],
        schema_overrides={"x_IdentityHash": pl.UInt64},
    )  # fmt: skip
    released(warehouse, "identities", WHOLE_TABLE, "core_identities", identities)


def requests_of(app: str, day: date) -> int:
    """Of shop twice as many in March; of mail none before March, so that nothing can be said of it; of others none."""
    if app == "shop":
        return 200 if day >= date(2026, 3, 1) else 100
    return 50 if app == "mail" and day >= date(2026, 3, 1) else 0


def publish_telemetry(warehouse: Warehouse) -> None:
    daily = [
        {"usage_date": day, "app_id": app, "spans": 1, "requests": requests_of(app, day), "last_seen": datetime(2026, 3, 1, tzinfo=UTC)}
        for app in APPS for day in DAYS if requests_of(app, day)
    ]  # fmt: skip
    slices = [
        {"slice_start": datetime(2026, 2, 1, 10, tzinfo=UTC), "app_id": "shop", "version": "1", "kind": "server", "requests": 5},
        {"slice_start": datetime(2026, 2, 28, 9, 5, tzinfo=UTC), "app_id": "shop", "version": "2", "kind": "server", "requests": 1},
        {"slice_start": datetime(2026, 3, 3, tzinfo=UTC), "app_id": "shop", "version": "2", "kind": "server", "requests": 70},
        {"slice_start": datetime(2026, 2, 28, 9, tzinfo=UTC), "app_id": "shop", "version": "probe", "kind": "health", "requests": 900},
        {"slice_start": datetime(2026, 3, 10, 3, tzinfo=UTC), "app_id": "shop", "version": "3", "kind": "consumer", "requests": 2},
    ]  # fmt: skip
    frames = {
        "core_app_telemetry_daily": pl.DataFrame(daily),
        "core_request_slices": pl.DataFrame(slices),
    }
    batches = {table: new_batch_id() for table in frames}
    for table, frame in frames.items():
        insert(warehouse, table, frame, batches[table])
    publish_periods(warehouse, "slices", batches, dict.fromkeys(DAYS, "telemetry"), {})


EPISODES = [
    ("shop", "USD", date(2026, 3, 1), AS_OF, "up", "open", "40", "90"),
    ("shop", "EUR", date(2026, 2, 20), date(2026, 2, 21), "up", "ended", "90", "30.5"),
    ("mail", "USD", date(2026, 3, 2), date(2026, 3, 4), "ramp", "ended", "1", "30"),
    ("cron", "USD", date(2026, 3, 8), AS_OF, "zero", "open", "70", "1"),
]


def episodes() -> pl.DataFrame:
    rows = [
        {
            "app_id": app, "team": APPS[app], "billing_currency": currency, "start_date": first, "end_date": last, "kind": kind,
            "state": state, "expected_cost": Decimal(expected), "actual_cost": Decimal(actual),
            "impact": Decimal(actual) - Decimal(expected),
        }
        for app, currency, first, last, kind, state, expected, actual in EPISODES
    ]  # fmt: skip
    return pl.DataFrame(
        rows, schema_overrides=dict.fromkeys(("expected_cost", "actual_cost", "impact"), MONEY)
    )


@pytest.fixture(scope="module")
def bill() -> list[Row]:
    return charges(1)


@pytest.fixture(scope="module")
def found(fresh_warehouse: Warehouse, bill: list[Row]) -> dict[str, pl.DataFrame]:
    publish_bill(fresh_warehouse, charges(2))  # which the next one replaces
    publish_bill(fresh_warehouse, bill)
    publish_telemetry(fresh_warehouse)
    usage = pl.DataFrame(
        {"app_id": ["shop"], "team": ["sales"], "billing_currency": ["USD"], "usage_date": [AS_OF], "cost": [Decimal(1)]},
        schema_overrides={"cost": MONEY},
    )  # fmt: skip
    return cause_tables(fresh_warehouse, episodes(), usage, AS_OF, NEWEST)


def costs_of(
    bill: Iterable[Row], app: str, currency: str, first: date, last: date, metric: str, dimension: str
) -> dict[str, Decimal]:
    """What each value of a dimension cost in some days, complete ones where it is effective cost."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in bill:
        if (row["app"], row["currency"]) != (app, currency) or not first <= row["day"] <= last:
            continue
        if is_usage(row) and (metric == "billed" or row["day"] <= NEWEST[row["source"]]):
            sums[row[dimension]] += row[metric]
            sums[SHARED if dimension == "service" else ""] += shared_cost(row)
    return dict(sums)


@pytest.mark.parametrize("dimension", ["service", "account", "region", "sku"])
def test_each_value_of_a_dimension_has_what_was_charged(
    found: dict[str, pl.DataFrame], bill: list[Row], dimension: str
) -> None:
    week = week_so_far(AS_OF)
    parts = found["mart_cost_cause_parts"].filter(pl.col("dimension") == dimension)
    causes = found["mart_cost_causes"]
    weeks = causes.filter(pl.col("subject") == "week")
    assert weeks.height == 8  # the apps of both teams in both currencies: no more than three of each
    for one in causes.iter_rows(named=True):
        key = [one["app_id"], one["billing_currency"]]
        metric = "billed" if one["subject"] == "week" else "effective"
        now = costs_of(bill, *key, one["first_day"], one["last_day"], metric, dimension)
        before = costs_of(bill, *key, one["before_first_day"], one["before_last_day"], metric, dimension)
        own = parts.filter(
            (pl.col("subject") == one["subject"])
            & (pl.col("app_id") == one["app_id"])
            & (pl.col("billing_currency") == one["billing_currency"])
            & (pl.col("first_day") == one["first_day"])
        )
        shown = {row["value"]: row for row in own.iter_rows(named=True)}
        assert sum(row["change"] for row in shown.values()) == one["change"]
        # what the episode says beyond the charges of its days is a part without a name
        extra = one["cost_now"] - sum(now.values(), Decimal(0))
        now[""] = now.get("", Decimal(0)) + extra
        assert {value: row["cost_now"] for value, row in shown.items() if row["cost_now"]} == {
            value: cost for value, cost in now.items() if cost
        }
        scale = Fraction(one["cost_before"]) / Fraction(sum(before.values(), Decimal(0)))
        for value, cost in before.items():
            assert abs(Fraction(shown[value]["cost_before"]) - Fraction(cost) * scale) < Fraction(1, 10**17)
        if one["subject"] == "week":
            assert (one["first_day"], one["last_day"]) == (week.first, week.last) and scale == 1 and not extra


def test_what_an_anomaly_is_compared_with_depends_on_its_kind(found: dict[str, pl.DataFrame]) -> None:
    anomalies = found["mart_cost_causes"].filter(pl.col("subject") == "anomaly")
    days = {
        one["kind"]: ((one["first_day"] - one["before_first_day"]).days, (one["first_day"] - one["before_last_day"]).days)
        for one in anomalies.iter_rows(named=True)
    }  # fmt: skip
    assert days == {"up": (28, 1), "zero": (28, 1), "ramp": (56, 29)}


def test_requests_explain_where_telemetry_has_seen_enough(found: dict[str, pl.DataFrame]) -> None:
    ratios = {
        (one["subject"], one["app_id"], one["billing_currency"]): one["requests_ratio"]
        for one in found["mart_cost_causes"].iter_rows(named=True)
    }
    assert ratios["anomaly", "shop", "USD"] == pytest.approx(2.0)
    assert ratios["anomaly", "shop", "EUR"] == pytest.approx(1.0)
    assert ratios["anomaly", "mail", "USD"] is None and ratios["anomaly", "cron", "USD"] is None
    assert ratios["week", "shop", "USD"] == pytest.approx(1.0)


def test_the_version_that_came_just_then_is_named(found: dict[str, pl.DataFrame]) -> None:
    versions = {
        (one["subject"], one["app_id"], one["billing_currency"]): (one["version"], one["version_since"])
        for one in found["mart_cost_causes"].iter_rows(named=True)
        if one["version"]
    }
    assert versions == {
        ("anomaly", "shop", "USD"): ("2", datetime(2026, 2, 28, 9, 5, tzinfo=UTC)),
        ("week", "shop", "USD"): ("3", datetime(2026, 3, 10, 3, tzinfo=UTC)),
        ("week", "shop", "EUR"): ("3", datetime(2026, 3, 10, 3, tzinfo=UTC)),
    }
    [sentence] = found["mart_cost_causes"].filter(
        (pl.col("subject") == "anomaly")
        & (pl.col("app_id") == "shop")
        & (pl.col("billing_currency") == "USD")
    )["sentence"]
    assert sentence.startswith("USD 50.00 more than expected (+125 %)")
    assert sentence.endswith("it began with version 2, first seen 2026-02-28 09:05 UTC.")


def test_teams_and_services_have_the_sum_of_their_anomalies(
    found: dict[str, pl.DataFrame], bill: list[Row]
) -> None:
    rolled = found["mart_cost_anomaly_rollups"]
    teams = {
        (one["team"], one["billing_currency"], one["impact"] > 0): one
        for one in rolled.filter(pl.col("scope") == "team").iter_rows(named=True)
    }
    one = teams["sales", "USD", True]
    assert (one["impact"], one["apps"], one["top_app"], one["state"]) == (Decimal(79), 2, "shop", "open")
    assert teams["ops", "USD", False]["impact"] == Decimal(-69)
    whole = sum(
        (row["effective"] + shared_cost(row))
        for row in bill
        if APPS[row["app"]] == "sales" and row["currency"] == "USD" and is_usage(row)
        and date(2026, 3, 1) <= row["day"] <= AS_OF
    )  # fmt: skip
    assert one["share"] == pytest.approx(79 / float(whole - 79), rel=1e-9)
    parts = found["mart_cost_cause_parts"].filter(
        (pl.col("subject") == "anomaly") & (pl.col("dimension") == "service")
    )
    for row in rolled.filter(pl.col("scope") != "team").iter_rows(named=True):
        own = parts.filter(
            (pl.col("value") == row["service_name"])
            & (pl.col("billing_currency") == row["billing_currency"])
            & (pl.col("first_day").is_between(row["start_date"], row["end_date"]))
            & ((pl.col("change") > 0) == (row["impact"] > 0))
            & (pl.col("team").is_in([row["team"]]) if row["scope"] == "service" else pl.lit(True))
        )
        assert own["change"].sum() == row["impact"]


def test_what_is_in_no_trend_is_listed_by_kind_and_all_of_it(
    found: dict[str, pl.DataFrame], bill: list[Row]
) -> None:
    apart = found["mart_charges_apart"]
    for app, currency, kind, is_it in (
        ("shop", "USD", "tax", lambda row: row["category"] == "Tax"),
        ("mail", "EUR", "recurring", lambda row: row["frequency"] == "Recurring"),
        ("cron", "USD", "correction", lambda row: bool(row["class"])),
    ):
        want = sum(
            (row["billed"] for row in bill if (row["app"], row["currency"]) == (app, currency) and is_it(row) and row["day"] >= date(2026, 3, 1)),
            Decimal(0),
        )  # fmt: skip
        got = apart.filter(
            (pl.col("app_id") == app) & (pl.col("billing_currency") == currency) & (pl.col("kind") == kind)
        )
        assert got["billed"].sum() == want
    in_march = sum(
        (row["billed"] for row in bill if row["day"] >= date(2026, 3, 1) and not is_usage(row)), Decimal(0)
    )
    assert apart["billed"].sum() == in_march


def test_a_fleet_in_which_nothing_moved_has_no_cause(fresh_warehouse: Warehouse, found: object) -> None:
    nothing = cause_tables(
        fresh_warehouse,
        episodes().clear(),
        pl.DataFrame(schema={"app_id": pl.String, "team": pl.String, "billing_currency": pl.String, "usage_date": pl.Date, "cost": MONEY}),
        AS_OF - timedelta(days=400),
        NEWEST,
    )  # fmt: skip
    assert all(frame.is_empty() for frame in nothing.values())
