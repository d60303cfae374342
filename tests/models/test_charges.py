"""Charges that are no usage of a day: told apart by kind, all of them and nothing else, and compared with the month before."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from models import charges
from models.schemas import MONEY

CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
CLASSES = ("", "Correction")
FREQUENCIES = ("", "Usage-Based", "Recurring", "One-Time")

KINDS = {
    ("Usage", "", ""): None,
    ("Usage", "", "Usage-Based"): None,
    ("Usage", "", "Recurring"): "recurring",
    ("Usage", "", "One-Time"): "one_time",
    ("Purchase", "", "Recurring"): "purchase",
    ("Purchase", "", "One-Time"): "purchase",
    ("Tax", "", ""): "tax",
    ("Credit", "", "One-Time"): "credit",
    ("Adjustment", "", ""): "adjustment",
    ("Usage", "Correction", ""): "correction",
    ("Tax", "Correction", "Recurring"): "correction",
}


def frame(rows: list[tuple[str, str, str, date, Decimal]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "app_id": "shop",
                "team": "sales",
                "billing_currency": "EUR",
                "charge_category": category,
                "charge_class": kind,
                "charge_frequency": frequency,
                "usage_date": day,
                "billed_cost": amount,
            }
            for category, kind, frequency, day, amount in rows
        ],
        schema_overrides={"billed_cost": MONEY},
    )


@pytest.mark.parametrize(("charge", "kind"), KINDS.items())
def test_a_charge_is_of_one_kind(charge: tuple[str, str, str], kind: str | None) -> None:
    told = frame([(*charge, date(2026, 3, 1), Decimal(1))]).select(
        kind=charges.kind_apart(), is_trend=charges.is_trend()
    )
    assert told.rows() == [(kind, kind is None)]


def test_every_charge_is_usage_or_listed_apart_and_no_money_is_dropped() -> None:
    """All categories, classes and frequencies on days of two months: usage plus kinds is all that was billed."""
    as_of = date(2026, 3, 12)
    rows = [
        (*charge, day, Decimal(place * place + number).scaleb(-18))
        for place, charge in enumerate(itertools.product(CATEGORIES, CLASSES, FREQUENCIES), start=1)
        for number, day in enumerate((date(2026, 3, 1), as_of, date(2026, 2, 12)))
    ]
    found = charges.apart(frame(rows), as_of)

    def billed(usage: bool, first: date, last: date) -> Decimal:
        is_usage = [one[:3] in (("Usage", "", ""), ("Usage", "", "Usage-Based")) for one in rows]
        return sum(
            (
                row[4]
                for row, used in zip(rows, is_usage, strict=True)
                if used is usage and first <= row[3] <= last
            ),
            Decimal(0),
        )

    assert found["billed"].sum() == billed(False, date(2026, 3, 1), as_of)
    assert found["billed_before"].sum() == billed(False, date(2026, 2, 1), date(2026, 2, 12))
    assert set(found["kind"]) == set(charges.APART)
    assert frame(rows).filter(charges.is_trend())["billed_cost"].sum() == billed(
        True, date(2026, 1, 1), as_of
    )


def test_the_same_days_of_the_month_before_stand_beside() -> None:
    as_of = date(2026, 3, 12)
    tax = [
        ("Tax", "", "", day, Decimal(amount))
        for day, amount in (
            (as_of, 5),
            (date(2026, 2, 12), 3),
            (date(2026, 2, 13), 70),
            (as_of + timedelta(1), 900),
        )
    ]
    gone = ("Credit", "", "", date(2026, 2, 3), Decimal("-2.5"))
    nothing = ("Usage", "", "One-Time", as_of, Decimal(0))
    found = charges.apart(frame([*tax, gone, nothing]), as_of)
    assert found.select("kind", "billed", "billed_before", "before_last_day").rows() == [
        ("credit", Decimal(0), Decimal("-2.5"), date(2026, 2, 12)),
        ("tax", Decimal(5), Decimal(3), date(2026, 2, 12)),
    ]
