"""What good, failed and repeated requests of an app cost on a day: its effective cost in parts that sum to it exactly.

Pure: daily figures and what is known of each day in, a frame out. A day that is not whole, of the bill or of telemetry, is
not known and never zero. Windows, verdicts and credits are made of these days by ``models.reliability_cost_windows`` and
``models.reliability_credits``; the numbers live in ``models/policy/worth.yaml``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

from models.errors import ModelError
from models.money import decimal_series, money_series, split_units
from models.schemas import MONEY, QUANTITY, SCHEMAS

COLUMNS = SCHEMAS["mart_reliability_costs_daily"].names()

KNOWN = ("known", "no_requests")
"""States of a day everything is known of."""

PER_QUANTITY: int = 10**QUANTITY.scale
"""Last places of a quantity in one."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CohortPolicy(_Section):
    """Least apps of a cohort, and up to and from which share of them one is cheap and dear."""

    least_apps: int
    cheap_to: Decimal
    dear_from: Decimal


class NinePolicy(_Section):
    """What two windows need before one is held against the other."""

    least_requests: int
    least_failures: int
    least_nines: Decimal


class CreditPolicy(_Section):
    """Teams beside its own that must call an app before it is shared."""

    least_teams: int


class TelemetryPolicy(_Section):
    """Caps of telemetry."""

    share_cap: Decimal
    times_equal_share: int
    series_of_a_metric: int


class WorthPolicy(_Section):
    """The numbers of ``worth.yaml``."""

    window_days: int
    windows: int
    over_reliable_below: Decimal
    least_allowed_failures: int
    cohort: CohortPolicy
    price_of_a_nine: NinePolicy
    credits: CreditPolicy
    retries: dict[str, int]
    telemetry: TelemetryPolicy


@cache
def worth_policy() -> WorthPolicy:
    """The package's own numbers."""
    text = resources.files(__package__).joinpath("policy/worth.yaml").read_text(encoding="utf-8")
    return WorthPolicy.model_validate(yaml.safe_load(text))


@dataclass(frozen=True)
class Whole:
    """How far days are whole: the last one of telemetry and of cost, None without any, and the days any app sent spans on."""

    telemetry_day: date | None
    cost_day: date | None
    telemetry_days: Collection[date]


def daily(days: pl.DataFrame, calls: pl.DataFrame, silences: pl.DataFrame, whole: Whole) -> pl.DataFrame:
    """Cost of good, failed and repeated requests per app, day and currency: ``COLUMNS``.

    With E the effective cost of the day, the requests are told apart into failed ones, repeats that went right and the rest;
    each has the share of E that it has of the requests, by largest remainder, so that the three sum to E. Repeats that went
    wrong are failed ones. ``cost_per_good_request = E / good``, rounded half to even at 18 places, NULL without a good one;
    ``good`` is what the requests that went right stand for, at 9 places.

    Retries are known only where some call says that it repeats one: elsewhere they are NULL, and the cost is that of good
    and failed requests. Of the states of a day the first that is true counts, in the order of the table's comment.

    Args:
        days: result of ``queries/worth/days``.
        calls: result of ``queries/worth/calls``.
        silences: ``app_id, environment, silent_since`` of what stopped.
        whole: how far days are whole.

    Raises:
        ModelError: more requests failed than there were.
    """
    wrong = days.filter(pl.col("errors") > pl.col("requests"))
    if wrong.height:
        row = wrong.row(0, named=True)
        raise ModelError(
            f"app {row['app_id']} has {row['errors']} failed of {row['requests']} requests on {row['usage_date']}: its slices are not sound"
        )
    stated = _with_state(days, silences, whole).join(
        _good_retries(calls), on=["usage_date", "app_id"], how="left"
    )
    return _with_parts(stated).select(COLUMNS).sort("app_id", "usage_date", "billing_currency")


def _with_state(days: pl.DataFrame, silences: pl.DataFrame, whole: Whole) -> pl.DataFrame:
    """The days with what is known of each."""
    silent = silences.group_by("app_id").agg(silent_from=pl.col("silent_since").min().dt.date())
    state = (
        pl.when(_is_after("usage_date", whole.telemetry_day))
        .then(pl.lit("telemetry_open"))
        .when(~pl.col("usage_date").is_in(sorted(whole.telemetry_days)))
        .then(pl.lit("telemetry_missing"))
        .when((pl.col("usage_date") >= pl.col("silent_from")).fill_null(False))
        .then(pl.lit("silent"))
        .when(pl.col("sends") == 0)
        .then(pl.lit("no_telemetry"))
        .when((pl.col("is_open") == 1) | _is_after("usage_date", whole.cost_day))
        .then(pl.lit("cost_open"))
        .when(pl.col("requests") == 0)
        .then(pl.lit("no_requests"))
        .otherwise(pl.lit("known"))
    )
    return days.join(silent, on="app_id", how="left").with_columns(state=state)


def _is_after(column: str, day: date | None) -> pl.Expr:
    return pl.lit(True) if day is None else pl.col(column) > day


def _good_retries(calls: pl.DataFrame) -> pl.DataFrame:
    """Repeats that went right per app and day, of days on which any call to the app says it is one."""
    return (
        calls.filter(pl.col("retries") > 0)
        .group_by("usage_date", app_id="callee")
        .agg(retries=(pl.col("retries").sum() - pl.col("failed_retries").sum()).cast(pl.UInt64))
    )


def _with_parts(stated: pl.DataFrame) -> pl.DataFrame:
    """The columns of cost; without any where the day is not known."""
    is_known = pl.col("state").is_in(KNOWN)
    counted = stated.with_columns(
        pl.when(is_known).then("requests").alias("requests"),
        pl.when(is_known).then("errors").cast(pl.UInt64).alias("failed"),
        pl.when((pl.col("state") == "known") & pl.col("retries").is_not_null())
        .then(pl.min_horizontal("retries", pl.col("requests") - pl.col("errors")))
        .alias("retries"),
    )
    at = (
        counted.with_row_index("at")
        .filter(pl.col("state") == "known")
        .with_columns(pl.col("stands_for").fill_null(pl.col("requests").cast(QUANTITY)))
    )
    parts = pl.DataFrame(
        {"at": at["at"]},
        schema={"at": pl.UInt32},
    ).with_columns(*_parts(at))
    return counted.with_row_index("at").join(parts, on="at", how="left").drop("at")


def _parts(served: pl.DataFrame) -> list[pl.Series]:
    """Parts of the cost of days with requests, one value per row."""
    good_of, per_good, good, failed, repeated = [], [], [], [], []
    rows = zip(
        served["effective_cost"].to_physical().to_list(),
        served["requests"].to_list(),
        served["failed"].to_list(),
        served["retries"].to_list(),
        served["stands_for"].to_physical().to_list(),
        strict=True,
    )
    for cost, requests, wrong, retries, stands_for in rows:
        right = requests - wrong
        stood = rounded(stands_for * right, requests)
        good_of.append(stood)
        per_good.append(rounded(cost * PER_QUANTITY, stood) if stood else None)
        if wrong or retries:
            first, lost, again = split_units(cost, [right - (retries or 0), wrong, retries or 0])
        else:
            first, lost, again = cost, 0, 0
        good.append(first)
        failed.append(lost)
        repeated.append(None if retries is None else again)
    return [
        decimal_series("good", good_of, QUANTITY.scale),
        _maybe_money("cost_per_good_request", per_good),
        money_series("good_cost", good),
        money_series("failed_cost", failed),
        _maybe_money("retry_cost", repeated),
    ]


def _maybe_money(name: str, units: list[int | None]) -> pl.Series:
    """Amounts of which some are not known."""
    known = money_series(name, [one or 0 for one in units])
    return (
        known.to_frame()
        .select(
            pl.when(pl.Series([one is not None for one in units], dtype=pl.Boolean))
            .then(pl.col(name))
            .alias(name)
        )[name]
        .cast(MONEY)
    )


def rounded(numerator: int, denominator: int) -> int:
    """The whole number nearest to a quotient, half to even; the denominator is above zero."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest - denominator
    return whole + (twice > 0 or (twice == 0 and whole % 2 == 1))
