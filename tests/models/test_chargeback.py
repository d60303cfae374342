"""Statement lines counted by hand, by Python decimals over generated costs, and over a real bill."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chargeback import COLUMNS, KEY, statement_lines
from models.errors import ModelError
from models.schemas import MONEY

MINOR_UNITS = {"USD": 2, "JPY": 0, "KWD": 3}
APPS = pl.DataFrame({"app_id": ["shop", "shop"], "app_name": ["Old shop", "The shop"]})
TEAMS = pl.DataFrame({"team": ["web"], "lead": ["Ada"]})


def costs(*rows: dict[str, str]) -> pl.DataFrame:
    usual = {
        "billing_currency": "USD",
        "cost_center": "0012",
        "team": "web",
        "app_id": "shop",
        "source_name": "aws",
        "provider": "AWS",
        "service_name": "EC2",
        "charge_category": "Usage",
        "charge_class": "",
        "attribution_rule": "app_tag",
        "billed_cost": "0",
        "effective_cost": "0",
    }
    schema = dict.fromkeys(usual, pl.String)
    frame = pl.DataFrame([{**usual, **row} for row in rows], schema=schema)
    return frame.with_columns(pl.col("billed_cost", "effective_cost").cast(MONEY))


def lines(*rows: dict[str, str]) -> list[dict[str, object]]:
    return statement_lines(costs(*rows), APPS, TEAMS, MINOR_UNITS).to_dicts()


def test_a_line_says_who_what_and_how_much() -> None:
    first, rounding = lines(
        {"billed_cost": "1.005", "effective_cost": "0.9"},
        {"billed_cost": "1.01", "effective_cost": "0.123456789"},
    )
    assert first == {
        "line": 1,
        "cost_center": "0012",
        "team": "web",
        "owner": "Ada",
        "app_id": "shop",
        "app_name": "The shop",
        "source_name": "aws",
        "provider": "AWS",
        "service_name": "EC2",
        "charge_category": "Usage",
        "charge_class": "",
        "cost_type": "direct",
        "attribution_rule": "app_tag",
        "billing_currency": "USD",
        "billed_cost": Decimal("2.015"),
        "effective_cost": Decimal("1.023456789"),
        "amount": Decimal("2.02"),
    }
    assert rounding["cost_type"] == "rounding"
    assert (rounding["app_id"], rounding["team"], rounding["amount"]) == ("", "", Decimal(0))
    assert (rounding["billed_cost"], rounding["effective_cost"]) == (Decimal(0), Decimal(0))


def test_rounding_line_carries_what_the_lines_lost() -> None:
    found = lines(*({"app_id": f"app-{n}", "billed_cost": "0.004"} for n in range(5)))
    assert [line["amount"] for line in found] == [Decimal(0)] * 5 + [Decimal("0.02")]
    found = lines(*({"app_id": f"app-{n}", "billed_cost": "0.006"} for n in range(5)))
    assert [line["amount"] for line in found] == [Decimal("0.01")] * 5 + [Decimal("-0.02")]


def test_each_currency_has_its_own_minor_unit_rounding_line_and_place() -> None:
    found = lines(
        {"billing_currency": "USD", "billed_cost": "1.234"},
        {"billing_currency": "JPY", "billed_cost": "1.5"},
        {"billing_currency": "KWD", "billed_cost": "-1.2345"},
    )
    assert [(line["billing_currency"], line["cost_type"], line["amount"]) for line in found] == [
        ("JPY", "direct", Decimal(2)),
        ("JPY", "rounding", Decimal(0)),
        ("KWD", "direct", Decimal("-1.234")),
        ("KWD", "rounding", Decimal(0)),
        ("USD", "direct", Decimal("1.23")),
        ("USD", "rounding", Decimal(0)),
    ]
    assert [line["line"] for line in found] == [1, 2, 3, 4, 5, 6]


def test_cost_types() -> None:
    found = lines(
        {"app_id": "unallocated", "team": "unassigned", "attribution_rule": "unallocated"},
        {"attribution_rule": "shared:support"},
        {"attribution_rule": "idle:cluster"},
        {"attribution_rule": "pattern"},
    )
    assert [(line["attribution_rule"], line["cost_type"]) for line in found] == [
        ("unallocated", "unallocated"),
        ("idle:cluster", "idle"),
        ("pattern", "direct"),
        ("shared:support", "shared"),
        ("", "rounding"),
    ]
    assert (found[0]["owner"], found[0]["app_name"]) == ("", "unallocated")


def test_a_month_without_cost_has_no_lines() -> None:
    empty = statement_lines(costs().clear(), APPS, TEAMS, MINOR_UNITS)
    assert empty.columns == COLUMNS
    assert empty.is_empty()


def test_a_currency_nobody_knows_is_refused() -> None:
    with pytest.raises(ModelError, match="ZZZ is no currency"):
        lines({"billing_currency": "ZZZ"})


cost_rows = st.lists(
    st.fixed_dictionaries(
        {
            "billing_currency": st.sampled_from(sorted(MINOR_UNITS)),
            "app_id": st.sampled_from(["shop", "unallocated", "=cmd"]),
            "cost_center": st.sampled_from(["", "0012"]),
            "billed_cost": st.decimals("-10000", "10000", places=18).map(str),
            "effective_cost": st.decimals("-10000", "10000", places=18).map(str),
        }
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(cost_rows, st.randoms())
def test_sums_are_exact_and_order_does_not_matter(rows: list[dict[str, str]], source: object) -> None:
    found = statement_lines(costs(*rows), APPS, TEAMS, MINOR_UNITS)
    for metric in ("billed_cost", "effective_cost"):
        expected: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            expected[row["billing_currency"]] += Decimal(row[metric])
        told: dict[str, Decimal] = defaultdict(Decimal)
        for currency, cost in found.select("billing_currency", metric).iter_rows():
            told[currency] += cost
        assert told == expected
        if metric == "billed_cost":
            charged: dict[str, Decimal] = defaultdict(Decimal)
            for currency, amount in found.select("billing_currency", "amount").iter_rows():
                charged[currency] += amount
                assert amount == amount.quantize(Decimal(1).scaleb(-MINOR_UNITS[currency]))
            for currency, total in expected.items():
                unit = Decimal(1).scaleb(-MINOR_UNITS[currency])
                assert charged[currency] == total.quantize(unit, ROUND_HALF_EVEN)
    shuffled = list(rows)
    source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert statement_lines(costs(*shuffled), APPS, TEAMS, MINOR_UNITS).equals(found)


def test_real_bill_is_charged_to_the_cent(shared_data: Path) -> None:
    [path] = (shared_data / "billing" / "focus-1.0").glob("*.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        bill = list(csv.DictReader(file))
    rows = [
        {
            "billing_currency": row["BillingCurrency"],
            "service_name": row["ServiceName"],
            "charge_category": row["ChargeCategory"],
            "billed_cost": row["BilledCost"],
            "effective_cost": row["EffectiveCost"],
        }
        for row in bill
    ]
    found = statement_lines(costs(*rows), APPS, TEAMS, MINOR_UNITS)
    assert sum(found["billed_cost"], Decimal(0)) == Decimal("2.08320743876")
    assert sum(found["effective_cost"], Decimal(0)) == sum(
        (Decimal(row["EffectiveCost"]) for row in bill), Decimal(0)
    )
    assert sum(found["amount"], Decimal(0)) == Decimal("2.08")
    assert found.height == len({(row["ServiceName"], row["ChargeCategory"]) for row in bill}) + 1
    assert set(KEY) <= set(found.columns)
