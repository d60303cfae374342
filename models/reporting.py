"""A month's statement in the reporting currency: which rates it needs, and its lines converted by them, exactly.

Frames in, frames out. Each day's cost of a line is multiplied by that day's rate without loss; the sum of a line's products
is rounded once, half to even, to 18 places, and the amount charged is the same sum in the minor unit of the currency. The
table of rates is ``models.rates``; where it is read and what is frozen do not belong here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

import polars as pl

from models.chargeback import KEY, ROUNDING
from models.closing import month_after
from models.errors import ModelError
from models.rates import By, RateTable
from models.schemas import MONEY, SCHEMAS

RATES, LINES = "mart_reporting_rates", "mart_reporting_lines"

_WIDE = Context(prec=120)
_PLACES = Decimal(1).scaleb(-MONEY.scale)
_LARGEST = Decimal(10) ** (MONEY.precision - MONEY.scale)
_SHOWN = 3


def line_days(own: pl.DataFrame, adjustments: pl.DataFrame, days: pl.DataFrame, period: date) -> pl.DataFrame:
    """What each line of a statement cost on which day: ``line, billing_currency, usage_date, billed_cost, effective_cost``.

    Own lines are split by ``days`` (``KEY``, ``usage_date`` and costs); a line that adjusts a closed month is of no day of
    usage and counts on the first day of the statement's month.

    Raises:
        ModelError: the days of a line do not sum to it.
    """
    keyed = own.filter(pl.col("cost_type") != ROUNDING).select("line", *KEY)
    columns = ["line", "billing_currency", "usage_date", "billed_cost", "effective_cost"]
    found = keyed.join(days, on=KEY, how="inner").select(columns)
    with localcontext(_WIDE):
        told = sum(found["billed_cost"].to_list(), Decimal(0))
        wanted = sum(own["billed_cost"].to_list(), Decimal(0))
    if found.height != days.height or told != wanted:
        raise ModelError(f"the days of {period:%Y-%m} are not those of its statement: compute it again")
    adjusting = adjustments.filter(pl.col("cost_type") != ROUNDING)
    return pl.concat([found, adjusting.with_columns(usage_date=pl.lit(period)).select(columns)])


def needed_rates(
    days: pl.DataFrame, period: date, currency: str, by: By, hold_days: int, table: RateTable
) -> pl.DataFrame:
    """Rates of every day and currency of ``days``: columns of ``mart_reporting_rates``, ``rate`` NULL where there is none.

    ``by`` ``month_end`` takes the rate of the month's last day for all of it. A currency to itself is 1.
    """
    last = month_after(period) - timedelta(days=1)
    rows = []
    for day, own in days.select("usage_date", "billing_currency").unique().sort(pl.all()).iter_rows():
        asked = last if by == "month_end" else day
        found = table.on(asked, own, currency, hold_days)
        told = (Decimal(1), asked, "") if own == currency else (None, None, "")
        if found:
            told = (found.rate, found.date, found.source)
        rows.append((period, day, own, currency, *told))
    return pl.DataFrame(rows, schema=SCHEMAS[RATES], orient="row")


def missing_sentence(rates: pl.DataFrame, period: date, file: str) -> str:
    """Why a month is not reported: the first days without a rate; empty where every day has one."""
    missing = rates.filter(pl.col("rate").is_null())
    if missing.is_empty():
        return ""
    own, currency = missing.row(0, named=True)["billing_currency"], rates["reporting_currency"][0]
    days = missing.filter(billing_currency=own)["usage_date"].to_list()
    named = ", ".join(f"{day}" for day in days[:_SHOWN])
    more = f" and {missing.height - len(days[:_SHOWN])} more" if missing.height > len(days[:_SHOWN]) else ""
    return (
        f"{period:%Y-%m} is not reported in {currency}: {file} has no rate from {own} to {currency} for usage of {named}{more}; "
        "the bill's own currencies are not affected"
    )


def reporting_lines(
    days: pl.DataFrame,
    lines: Sequence[int],
    rates: pl.DataFrame,
    period: date,
    currency: str,
    minor_units: Mapping[str, int],
) -> pl.DataFrame:
    """Lines of a statement in the reporting currency: columns of ``mart_reporting_lines``, none where a rate is missing.

    Each of ``lines`` has one, of nothing where it cost nothing; one behind the last holds the rounded total less the rounded
    amounts, so that the amounts sum to the rounded total.

    Raises:
        ModelError: the currency has no minor unit, or an amount needs more digits than there are.
    """
    if rates["rate"].null_count() or not lines:
        return pl.DataFrame(schema=SCHEMAS[LINES])
    if currency not in minor_units:
        raise ModelError(f"{currency} is no currency of ISO 4217, so its minor unit is not known")
    by_day = {
        (row["usage_date"], row["billing_currency"]): row["rate"] for row in rates.iter_rows(named=True)
    }
    billed: dict[int, Decimal] = defaultdict(Decimal)
    effective: dict[int, Decimal] = defaultdict(Decimal)
    unit = Decimal(1).scaleb(-minor_units[currency])
    with localcontext(_WIDE):
        for line, own, day, one, other in days.select(
            "line", "billing_currency", "usage_date", "billed_cost", "effective_cost"
        ).iter_rows():
            rate = by_day[day, own]
            billed[line] += one * rate
            effective[line] += other * rate
        amounts = {line: billed[line].quantize(unit, ROUND_HALF_EVEN) for line in lines}
        total = sum(billed.values(), Decimal(0)).quantize(unit, ROUND_HALF_EVEN)
        rows = [
            (period, line, currency, _stored(billed[line]), _stored(effective[line]), amounts[line])
            for line in sorted(lines)
        ]
        rest = total - sum(amounts.values(), Decimal(0))
    rows.append((period, max(lines) + 1, currency, Decimal(0), Decimal(0), rest))
    return pl.DataFrame(rows, schema=SCHEMAS[LINES], orient="row")


COLUMNS = (
    "statement_id",
    "statement_version",
    "period",
    "line",
    "cost_center",
    "team",
    "owner",
    "app_id",
    "app_name",
    "source_name",
    "service_name",
    "charge_category",
    "cost_type",
    "billing_currency",
    "billed_cost",
    "effective_cost",
    "reporting_currency",
    "reporting_billed_cost",
    "reporting_effective_cost",
    "reporting_amount",
)
"""Header of a statement in the reporting currency; ``line`` is that of the statement."""


def file_lines(stamped: pl.DataFrame, converted: pl.DataFrame) -> pl.DataFrame:
    """Lines of a statement (``models.statement_csv.stamped_lines``) beside what they are in the reporting currency:
    ``COLUMNS``, and last the rounding of that currency."""
    own = [name for name in COLUMNS if name in stamped.columns]
    renamed = converted.select(
        "line",
        "reporting_currency",
        *(pl.col(name).alias(f"reporting_{name}") for name in ("billed_cost", "effective_cost", "amount")),
    )
    both = renamed.join(stamped.select(own), on="line", how="left").sort("line")
    whole = ("statement_id", "statement_version", "period")
    is_rounding = pl.col("cost_type").is_null()
    return both.with_columns(
        *(pl.col(name).fill_null(strategy="forward") for name in whole),
        app_name=pl.when(is_rounding).then(pl.lit("rounding to minor units")).otherwise("app_name"),
        cost_type=pl.col("cost_type").fill_null(ROUNDING),
    ).select(COLUMNS)


def _stored(amount: Decimal) -> Decimal:
    """An exact amount as a table holds it."""
    if abs(amount) >= _LARGEST:
        raise ModelError(f"{amount:f} needs more than the 20 digits before the point that exist")
    return amount.quantize(_PLACES, ROUND_HALF_EVEN)
