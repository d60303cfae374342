"""A statement in the reporting currency against Python's fractions, digit by digit."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.chargeback import KEY
from models.errors import ModelError
from models.rates import parse_rates
from models.reporting import (
    file_lines,
    line_days,
    missing_sentence,
    needed_rates,
    reporting_lines,
)
from models.schemas import MONEY, SCHEMAS
from models.statement_csv import csv_bytes, stamped_lines

D = Decimal
MARCH = date(2026, 3, 1)
MINOR = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
DAYS = {"line": pl.UInt64, "billing_currency": pl.String, "usage_date": pl.Date, "billed_cost": MONEY, "effective_cost": MONEY}  # fmt: skip
amounts = st.decimals(D("-1e9"), D("1e9"), places=18)
cells = st.tuples(st.integers(1, 4), st.sampled_from(("USD", "EUR")), st.integers(0, 30), amounts, amounts)
some_rates = st.lists(st.decimals(D("0.000001"), D(200), places=12), min_size=31, max_size=31)


def table_of(rates: list[Decimal], own: str = "USD", to: str = "EUR") -> str:
    rows = [f"{MARCH + timedelta(days=place)},{own},{to},{rate:f},ECB" for place, rate in enumerate(rates)]
    return "\n".join(["date,from,to,rate,source", *rows])


def days_of(rows: list[tuple[int, str, int, Decimal, Decimal]]) -> pl.DataFrame:
    placed = [(line, own, MARCH + timedelta(days=day), one, other) for line, own, day, one, other in rows]
    return pl.DataFrame(placed, schema=DAYS, orient="row")


def rounded(exact: Fraction, places: int) -> Decimal:
    """Half to even, by whole numbers alone."""
    scaled = exact * 10**places
    low = scaled.numerator // scaled.denominator
    rest = scaled - low
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1)
    with localcontext() as context:
        context.prec = 80
        return D(low + up).scaleb(-places)


@given(
    st.lists(cells, min_size=1, max_size=20),
    some_rates,
    st.sampled_from(("day", "month_end")),
    st.sampled_from(sorted(MINOR)),
)
def test_every_line_is_its_days_at_their_rates_rounded_once(rows, rates, by, currency) -> None:
    text = table_of(rates, "USD", currency) if currency != "USD" else "date,from,to,rate,source"
    if currency != "EUR":
        text += "".join(
            f"\n{line.replace('USD', 'EUR', 1)}" for line in table_of(rates, "USD", currency).splitlines()[1:]
        )
    table = parse_rates(text, "rates.csv")
    days = days_of(rows)
    found = needed_rates(days, MARCH, currency, by, 0, table)
    assert missing_sentence(found, MARCH, "rates.csv") == ""
    lines = reporting_lines(days, [1, 2, 3, 4, 5], found, MARCH, currency, MINOR)
    exact = {line: [Fraction(0), Fraction(0)] for line in range(1, 6)}
    for line, own, day, one, other in rows:
        rate = Fraction(1) if own == currency else Fraction(rates[30 if by == "month_end" else day])
        exact[line][0] += Fraction(one) * rate
        exact[line][1] += Fraction(other) * rate
    places = MINOR[currency]
    *own_lines, rounding = lines.iter_rows(named=True)
    for row in own_lines:
        billed, effective = exact[row["line"]]
        assert row["billed_cost"] == rounded(billed, 18)
        assert row["effective_cost"] == rounded(effective, 18)
        assert row["amount"] == rounded(billed, places)
    total = rounded(sum((one[0] for one in exact.values()), Fraction(0)), places)
    with localcontext() as context:
        context.prec = 80
        assert sum(lines["amount"].to_list(), D(0)) == total
    assert (rounding["line"], rounding["billed_cost"]) == (6, 0)


@given(
    st.sets(st.integers(0, 30)),
    st.lists(st.tuples(st.integers(0, 30), amounts), min_size=1, max_size=8),
    st.integers(0, 5),
)
def test_a_day_without_a_rate_refuses_the_month_and_nothing_else(known, used, hold_days) -> None:
    rows = "".join(f"\n{MARCH + timedelta(days=day)},USD,EUR,0.9,ECB" for day in known)
    table = parse_rates(f"date,from,to,rate,source{rows}", "rates.csv")
    days = days_of([(1, "USD", day, amount, amount) for day, amount in used])
    found = needed_rates(days, MARCH, "EUR", "day", hold_days, table)
    missing = sorted({day for day, _ in used if not any(day - hold_days <= one <= day for one in known)})
    said = missing_sentence(found, MARCH, "rates.csv")
    lines = reporting_lines(days, [1], found, MARCH, "EUR", MINOR)
    assert lines.is_empty() == bool(missing)
    assert bool(said) == bool(missing)
    if missing:
        assert (
            f"rates.csv has no rate from USD to EUR for usage of {MARCH + timedelta(days=missing[0])}" in said
        )


def statement(*lines: tuple[str, Decimal]) -> pl.DataFrame:
    schema = SCHEMAS["mart_chargeback_lines"]
    rows = [
        {
            **dict.fromkeys(schema.names(), ""), "billing_period": MARCH, "line": place, "app_id": app, "team": app,
            "billing_currency": "USD", "billed_cost": cost, "effective_cost": cost, "amount": cost.quantize(D("0.01"), ROUND_HALF_EVEN),
            "cost_type": "direct" if app else "rounding",
        }
        for place, (app, cost) in enumerate(lines, start=1)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def test_days_are_those_of_the_lines_and_adjustments_are_of_the_first() -> None:
    own = statement(("a", D("3.5")), ("b", D(2)), ("", D(0)))
    days = pl.concat(
        [
            own.filter(app_id=app).select(*KEY, usage_date=pl.lit(date(2026, 3, day)), billed_cost=pl.lit(cost, MONEY), effective_cost=pl.lit(cost, MONEY))
            for app, day, cost in (("a", 2, D(3)), ("a", 3, D("0.5")), ("b", 3, D(2)))
        ]
    )  # fmt: skip
    adjusting = statement(("c", D(-1)), ("", D(0))).with_columns(line=pl.col("line") + 3)
    split = line_days(own, adjusting, days, MARCH)
    assert sorted(split.select("line", "usage_date", "billed_cost").rows()) == [
        (1, date(2026, 3, 2), D(3)), (1, date(2026, 3, 3), D("0.5")), (2, date(2026, 3, 3), D(2)), (4, MARCH, D(-1)),
    ]  # fmt: skip
    for wrong in (
        days.head(2),
        days.with_columns(billed_cost=pl.col("billed_cost") * 2),
        days.with_columns(app_id=pl.lit("z")),
    ):
        with pytest.raises(ModelError, match="the days of 2026-03 are not those of its statement"):
            line_days(own, adjusting, wrong.cast({"billed_cost": MONEY}), MARCH)


def test_a_file_has_the_statement_beside_the_reporting_currency() -> None:
    own = statement(("a", D("1.005")), ("", D(0)))
    days = own.filter(app_id="a").select(
        "line", "billing_currency", "billed_cost", "effective_cost", usage_date=pl.lit(MARCH)
    )
    rates = needed_rates(
        days, MARCH, "KWD", "day", 0, parse_rates(table_of([D("0.3")], "USD", "KWD"), "r.csv")
    )
    lines = reporting_lines(days, [1, 2], rates, MARCH, "KWD", MINOR)
    told = file_lines(stamped_lines(own, 1, MARCH, None), lines)
    text = csv_bytes(told)[0].decode("utf-8-sig").splitlines()
    cells = [line.split(",") for line in text]
    assert [row[-4:] for row in cells[1:]] == [
        ["KWD", "0.3015", "0.3015", "0.302"], ["KWD", "0", "0", "0.000"], ["KWD", "0", "0", "0.000"],
    ]  # fmt: skip
    assert [row[12] for row in cells[1:]] == ["direct", "rounding", "rounding"]
    assert len({row[0] for row in cells[1:]}) == 1
