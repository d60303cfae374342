"""The table of rates: what a day's rate is, and every mistake named by file, line and column."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigurationError
from models.rates import parse_rates

D = Decimal
FIRST = date(2026, 1, 1)
days = st.integers(0, 60).map(lambda days: FIRST + timedelta(days=days))
rates = st.decimals(D("0.000000000000000001"), D("999999999999999"), places=18)
tables = st.dictionaries(st.tuples(days, st.sampled_from(("USD", "GBP")), st.just("EUR")), rates, max_size=25)


def as_yaml(table: dict[tuple[date, str, str], Decimal]) -> str:
    lines = [
        f'  - {{date: {day}, from: {own}, to: {to}, rate: "{rate:f}", source: ECB}}'
        for (day, own, to), rate in table.items()
    ]
    return "rates:\n" + "\n".join(lines) if lines else ""


def as_csv(table: dict[tuple[date, str, str], Decimal]) -> str:
    lines = [f"{day},{own},{to},{rate:f},ECB" for (day, own, to), rate in table.items()]
    return "\n".join(["date,from,to,rate,source", *lines, ""])


@given(tables, days, st.sampled_from(("USD", "GBP", "JPY")), st.integers(0, 31))
def test_a_days_rate_is_its_own_or_the_newest_that_holds(table, day, own, hold_days) -> None:
    held = [
        (that, rate) for (that, one, _), rate in table.items()
        if one == own and day - timedelta(days=hold_days) <= that <= day
    ]  # fmt: skip
    wanted = max(held, default=None)
    for text, file in ((as_yaml(table), "rates.yaml"), (as_csv(table), "rates.csv")):
        found = parse_rates(text, file)
        one = found.on(day, own, "EUR", hold_days)
        assert (one and (one.date, one.rate)) == wanted
        assert found.on(day, "EUR", own, hold_days) is None  # nothing is inverted


GOOD = 'date: 2026-01-02, from: USD, to: EUR, rate: "0.9", source: ECB'


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ('rate: "0.9"|rate: 0.9', "line 2: rates[0].rate is 0.9; write a rate above zero in quotes"),
        ('"0.9"|"0"', "rates[0].rate is '0'; write a rate above zero"),
        ('"0.9"|"-0.9"', "rates[0].rate is '-0.9'"),
        ('"0.9"|"0,9"', "rates[0].rate is '0,9'"),
        ('"0.9"|"9e-1"', "rates[0].rate is '9e-1'"),
        ('"0.9"|"0.1234567890123456789"', "at most 18 places"),
        ("2026-01-02|soon", "rates[0].date is 'soon'; it must be a day such as 2026-01-31"),
        ("from: USD|from: EURO", "rates[0].from is 'EURO'; it can be AED, AFN"),
        ("from: USD|from: EUR", "rates[0].to is EUR as well: a currency needs no rate to itself"),
        ("source: ECB|", "rates[0].source is missing"),
        ("source: ECB|source: ECB, bank: x", "rates[0].bank is not a known key; known here: date, from, rate, source, to"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_line_and_key(changed: str, sentence: str) -> None:
    old, new = changed.split("|")
    text = f"rates:\n  - {{{GOOD.replace(old, new)}}}\n"
    with pytest.raises(ConfigurationError) as error:
        parse_rates(text, "rates.yaml")
    assert sentence in str(error.value) and str(error.value).startswith("rates.yaml, line 2")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("2026-01-02,USD,EUR,0.9", "rates.csv, line 3: has 4 cells, the header 5"),
        ("02.01.2026,USD,EUR,0.9,ECB", "rates.csv, line 3: date is '02.01.2026'; it must be a day"),
        ("2026-02-30,USD,EUR,0.9,ECB", "rates.csv, line 3: date is '2026-02-30'"),
        ("2026-01-02,USD,EUR,1.000,95,ECB", "has 6 cells"),
        ("2026-01-02,USD,EUR,nan,ECB", "rates.csv, line 3: rate is 'nan'"),
        ("2026-01-02,USD,XXX,0.9,ECB", "rates.csv, line 3: to is 'XXX'"),
        ("2026-01-02,USD,EUR,0.9,", "rates.csv, line 3: source is empty"),
        ("2026-01-01,USD,EUR,0.9,ECB", "rates.csv: rate is the second one from USD to EUR on 2026-01-01; keep one"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_csv_is_named_by_line_and_column(row: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_rates(f"date,from,to,rate,source\n2026-01-01,USD,EUR,0.8,ECB\n{row}\n", "rates.csv")
    assert sentence in str(error.value)


def test_a_table_is_one_document_with_one_header() -> None:
    with pytest.raises(ConfigurationError, match="line 1: the header must be date,from,to,rate,source"):
        parse_rates("day,rate\n", "rates.csv")
    with pytest.raises(ConfigurationError, match="holds 2 documents"):
        parse_rates("rates: []\n---\nrates: []\n", "rates.yaml")
    assert parse_rates("", "rates.yaml").rates == ()
