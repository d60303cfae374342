"""The charges of one cloud in one month, as FOCUS columns with exact amounts and the right answer beside them.

Amounts are whole numbers of 1e-10 of the currency, so every sum is exact; the writers turn them into what a
provider delivers. Names starting with ``_`` are the truth and never reach a bill.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from pipelines.simulate.fleet import (
    BILLING_ACCOUNTS,
    CURRENCIES,
    PLATFORM,
    REGIONS,
    UNALLOCATED,
    CostAnomaly,
    Fleet,
    profile,
    services,
)

UNIT = 10**10
"""Amounts are counted in 1 / UNIT of the currency."""

GRAIN = 1000
"""List prices are multiples of this, so that a discount in whole percent is exact."""

CENT = UNIT // 100

ISSUERS = {"aws": "Amazon Web Services, Inc.", "azure": "Microsoft"}
PROVIDERS = {"aws": "AWS", "azure": "Microsoft"}

COSTS = ("ListCost", "ContractedCost", "BilledCost", "EffectiveCost")
TEXTS = (
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "PricingCategory",
    "PricingUnit",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuMeter",
    "SubAccountId",
    "SubAccountName",
    "_operation",
    "_code",
    "_group",
    "_tags_json",
    "_app_id",
    "_rule",
)
PAIRS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(TEXTS, pl.String),
    "_tags": PAIRS,
    "ChargePeriodStart": pl.Date,
    "ChargePeriodEnd": pl.Date,
    "PricingQuantity": pl.Float64,
    "ListUnitPrice": pl.Float64,
    **dict.fromkeys(COSTS, pl.Int64),
}
"""Columns of a month's charges."""


def tags_json(tags: list[tuple[str, str]]) -> str:
    """Tags as the JSON text Azure delivers."""
    return json.dumps(dict(tags), separators=(",", ":")) if tags else ""


def seasonal_cost(app: Any, days: np.ndarray, weekdays: np.ndarray) -> np.ndarray:
    """Mean daily cost of an app without noise and anomalies; zero where it does not live."""
    level = app.daily_cost * (1 + app.trend) ** (days / 365)
    level = np.where(weekdays >= 5, level * app.weekend, level)
    return np.where((days >= app.start) & (days < app.stop), level, 0.0)


def anomaly_factor(anomaly: CostAnomaly, days: np.ndarray) -> np.ndarray:
    """What the cost of an app is multiplied with on each day of a planted anomaly."""
    inside = (days >= anomaly.start) & (days <= anomaly.end)
    if anomaly.kind == "ramp":
        done = (days - anomaly.start + 1) / (anomaly.end - anomaly.start + 1)
        return np.where(inside, 1 + (anomaly.factor - 1) * done, 1.0)
    return np.where(inside, anomaly.factor, 1.0)


@dataclass
class Bill:
    """Makes the charges of one cloud, a month at a time."""

    fleet: Fleet
    cloud: str

    @cached_property
    def _static(self) -> pl.DataFrame:
        """What never changes about a line, one row per line."""
        lines, fleet, catalogue = self.fleet.lines[self.cloud], self.fleet, services(self.cloud)
        rows = []
        drawn = zip(lines.resource.tolist(), lines.service.tolist(), lines.meter.tolist(), strict=True)
        for number, service, place in drawn:
            resource, sold = fleet.resources[number], catalogue[service]
            meter = sold["meters"].split("|")[place]
            rows.append(
                {
                    "ChargeCategory": "Usage",
                    "ChargeDescription": f"{sold['service']}: {meter}",
                    "ChargeFrequency": "Usage-Based",
                    "PricingCategory": "Standard",
                    "PricingUnit": sold["unit"],
                    "ResourceId": resource.resource_id,
                    "ResourceName": resource.name,
                    "ResourceType": sold["resource_type"],
                    "ServiceCategory": sold["category"],
                    "ServiceName": sold["service"],
                    "ServiceSubcategory": sold["subcategory"],
                    "SkuMeter": meter,
                    "SubAccountId": resource.account,
                    "SubAccountName": f"{self.cloud}-{_owner_of(fleet, resource.app)}",
                    "_operation": sold["operation"],
                    "_code": sold["code"],
                    "_group": resource.group,
                    "_tags": [{"key": key, "value": value} for key, value in resource.tags],
                    "_tags_json": tags_json(resource.tags),
                    "_app_id": resource.answer,
                    "_rule": resource.rule,
                    "ListUnitPrice": float(sold["unit_price"]),
                }
            )
        schema = {name: SCHEMA[name] for name in rows[0]}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def month(self, month: date, first: int, stop: int) -> pl.DataFrame:
        """Charges of the days [first, stop) of one billing period: columns of ``SCHEMA``."""
        usage = self._usage(month, first, stop)
        special = self._special(month, first, stop, usage)
        return pl.concat([usage, special])

    def _usage(self, month: date, first: int, stop: int) -> pl.DataFrame:
        amounts = self._amounts(month, first, stop)
        line, offset = np.nonzero(amounts)
        units = amounts[line, offset]
        covered = self.fleet.lines[self.cloud].covered[line]
        discounted = units * profile()["commitment"]["price"] // 100
        day = pl.Series(offset + first).cast(pl.Int32)
        return (
            self._static[line]
            .with_columns(
                ChargePeriodStart=pl.lit(self.fleet.first_day) + pl.duration(days=pl.lit(day)),
                covered=pl.Series(covered),
                ListCost=pl.Series(units),
                ContractedCost=pl.Series(units),
                BilledCost=pl.Series(np.where(covered, 0, units)),
                EffectiveCost=pl.Series(np.where(covered, discounted, units)),
            )
            .with_columns(
                ChargeClass=pl.lit(None, pl.String),
                ChargePeriodEnd=pl.col("ChargePeriodStart") + pl.duration(days=1),
                PricingQuantity=(pl.col("ListCost") / UNIT / pl.col("ListUnitPrice")).round(6),
                PricingCategory=pl.when("covered").then(pl.lit("Committed")).otherwise("PricingCategory"),
                CommitmentDiscountId=pl.when("covered").then(pl.lit(self._commitment)),
                CommitmentDiscountStatus=pl.when("covered").then(pl.lit("Used")),
            )
            .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        )

    def _amounts(self, month: date, first: int, stop: int) -> np.ndarray:
        """Cost per line and day in units; zero where there is no charge."""
        fleet, lines = self.fleet, self.fleet.lines[self.cloud]
        rng = fleet.rng(1, list(CURRENCIES).index(self.cloud), month.year, month.month)
        days = np.arange(first, stop)
        weekdays = (days + fleet.first_day.weekday()) % 7
        planted = {one.app_id: one for one in fleet.anomalies}
        levels = np.ones((len(fleet.apps) + 1, len(days)))  # the last row is the platform: app -1
        for index, app in enumerate(fleet.apps):
            level = seasonal_cost(app, days, weekdays) * np.exp(rng.normal(0, app.noise, len(days)))
            if app.app_id in planted:
                level = level * anomaly_factor(planted[app.app_id], days)
            levels[index] = level
        apps = np.array([one.app for one in fleet.resources])[lines.resource]
        jitter = np.exp(rng.normal(0, 0.02, (len(apps), len(days))))
        amounts = levels[apps] * lines.share[:, None] * jitter
        units: np.ndarray = np.rint(amounts * (UNIT / GRAIN)).astype(np.int64) * GRAIN
        return units

    @property
    def _commitment(self) -> str:
        if self.cloud == "aws":
            return f"arn:aws:savingsplans::{BILLING_ACCOUNTS['aws']}:savingsplan/7f2d1c1e-apps"
        return "/providers/microsoft.billingbenefits/savingsplanorders/7f2d1c1e-apps"

    def _special(self, month: date, first: int, stop: int, usage: pl.DataFrame) -> pl.DataFrame:
        """Commitment, credit, correction and tax: what no resource causes."""
        rows = [*self._commitment_rows(usage, first, stop), *self._credits(month, first, stop, usage)]
        charged = int(usage["BilledCost"].sum()) + sum(row["BilledCost"] for row in rows)
        rows.append(self._tax(first, stop, charged))
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")

    def _commitment_rows(self, usage: pl.DataFrame, first: int, stop: int) -> list[dict[str, Any]]:
        """The daily fee of a commitment, half of it paid upfront long ago, and the part nobody used."""
        used = dict(
            usage.filter(pl.col("CommitmentDiscountStatus") == "Used")
            .group_by("ChargePeriodStart")
            .agg(pl.col("EffectiveCost").sum())
            .iter_rows()
        )
        if not used:
            return []
        fee = -(-max(used.values()) * profile()["commitment"]["headroom"] // 100 // CENT) * CENT
        rows = []
        for day in (self._day(index) for index in range(first, stop)):
            common = {"CommitmentDiscountId": self._commitment, "PricingCategory": "Committed"}
            rows.append(
                self._row(
                    "Purchase",
                    "Savings plan fee",
                    day,
                    {
                        "ListCost": fee // 2,
                        "ContractedCost": fee // 2,
                        "BilledCost": fee // 2,
                        "EffectiveCost": 0,
                    },
                    ChargeFrequency="Recurring",
                    **common,
                )
            )
            unused = fee - used.get(day, 0)
            rows.append(
                self._row(
                    "Usage",
                    "Savings plan: unused commitment",
                    day,
                    {"ListCost": 0, "ContractedCost": 0, "BilledCost": 0, "EffectiveCost": unused},
                    CommitmentDiscountStatus="Unused",
                    **common,
                )
            )
        return rows

    def _credits(self, month: date, first: int, stop: int, usage: pl.DataFrame) -> list[dict[str, Any]]:
        """A credit on the whole bill, one for a single app, and a late correction of the month before."""
        percent = profile()["credit"]
        whole = -(int(usage["BilledCost"].sum()) * percent // 100 // CENT) * CENT
        last = self._day(stop - 1)
        rows = [self._row("Credit", "Volume discount credit", last, dict.fromkeys(COSTS, whole))]
        app = next((a for a in self.fleet.apps if a.cloud == self.cloud and a.registered), None)
        if app is None:
            return rows
        tagged = {
            "_tags": [{"key": "app_id", "value": app.app_id}],
            "_tags_json": tags_json([("app_id", app.app_id)]),
            "_app_id": app.app_id,
            "_rule": "app_tag",
        }
        rows.append(
            self._row(
                "Credit",
                "Service credit",
                last,
                dict.fromkeys(COSTS, -profile()["app_credit"] * CENT),
                **tagged,
            )
        )
        if first > 0:
            rows.append(
                self._row(
                    "Usage",
                    "Correction of the month before",
                    month - timedelta(days=1),
                    dict.fromkeys(COSTS, -profile()["correction"] * CENT),
                    ChargeClass="Correction",
                    **tagged,
                )
            )
        return rows

    def _tax(self, first: int, stop: int, charged: int) -> dict[str, Any]:
        percent = profile()["tax"][self.cloud]
        amount = (charged * percent // 100 + CENT // 2) // CENT * CENT
        row = self._row(
            "Tax", f"{percent} % on the charges of the month", self._day(first), dict.fromkeys(COSTS, amount)
        )
        return {**row, "ChargePeriodEnd": self._day(stop)}

    def _day(self, index: int) -> date:
        return self.fleet.first_day + timedelta(days=index)

    def _row(self, category: str, text: str, day: date, costs: dict[str, int], **more: Any) -> dict[str, Any]:
        return {
            **dict.fromkeys(SCHEMA),
            "ChargeCategory": category,
            "ChargeDescription": text,
            "ChargeFrequency": "One-Time",
            "ChargePeriodStart": day,
            "ChargePeriodEnd": day + timedelta(days=1),
            "ServiceCategory": "Other",
            "ServiceName": {"aws": "AWS Billing", "azure": "Azure Billing"}[self.cloud],
            "ServiceSubcategory": "Other (Other)",
            "SubAccountId": None,
            "_code": "Billing",
            "_tags": [],
            "_tags_json": "",
            "_app_id": UNALLOCATED,
            "_rule": UNALLOCATED,
            **costs,
            **more,
        }


def _owner_of(fleet: Fleet, app: int) -> str:
    return PLATFORM if app < 0 else fleet.apps[app].team


def period_columns(cloud: str, month: date) -> list[pl.Expr]:
    """What every row of a month's bill says about itself: account, currency, period, provider, place."""
    following = (month + timedelta(days=32)).replace(day=1)
    region_id, region_name = REGIONS[cloud]
    values = {
        "BillingAccountId": BILLING_ACCOUNTS[cloud],
        "BillingAccountName": "Example Company",
        "BillingAccountType": {"aws": "BillingAccount", "azure": "Billing Profile"}[cloud],
        "BillingCurrency": CURRENCIES[cloud],
        "BillingPeriodStart": month,
        "BillingPeriodEnd": following,
        "InvoiceIssuerName": ISSUERS[cloud],
        "PricingCurrency": CURRENCIES[cloud],
        "ProviderName": PROVIDERS[cloud],
        "PublisherName": PROVIDERS[cloud],
        "SubAccountType": {"aws": "Account", "azure": "Subscription"}[cloud],
    }
    regions = [
        pl.when(pl.col("ResourceId").is_not_null()).then(pl.lit(value)).alias(name)
        for name, value in (("RegionId", region_id), ("RegionName", region_name))
    ]
    return [pl.lit(value).alias(name) for name, value in values.items()] + regions


def decimal_text(units: pl.Expr) -> pl.Expr:
    """Amounts as plain decimal text without trailing zeros."""
    whole, part = units.abs() // UNIT, units.abs() % UNIT
    text = pl.concat_str(
        pl.when(units < 0).then(pl.lit("-")).otherwise(pl.lit("")),
        whole.cast(pl.String),
        pl.lit("."),
        part.cast(pl.String).str.zfill(10),
    )
    return text.str.strip_chars_end("0").str.strip_chars_end(".")
