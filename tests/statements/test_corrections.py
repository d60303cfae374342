"""What a later bill corrects in a month stands beside that month and counts in the month it is billed in."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from dashboards.queries import reads_of
from models.people import SEE_STATEMENTS, Viewer
from pipelines.ingest.billing import ingest_source
from sql.opening import open_warehouse
from tests.conftest import Migrated
from tests.statements.conftest import books_in

JANUARY, FEBRUARY, MARCH = (date(2026, month, 1) for month in (1, 2, 3))
D = Decimal
COLUMNS = [
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "BilledCost",
    "EffectiveCost",
    "ChargeCategory",
    "ChargeClass",
    "BillingCurrency",
    "ServiceName",
    "ProviderName",
    "BillingAccountId",
    "Tags",
]
# billed in, charged on, amount, category, class, app
CHARGES = (
    (JANUARY, "2026-01-05", "10", "Usage", "", "shop"),
    (JANUARY, "2025-12-31", "1", "Usage", "", "shop"),  # a month that begins with another zone's midnight
    (FEBRUARY, "2026-02-05", "20", "Usage", "", "shop"),
    (FEBRUARY, "2026-01-05", "-4", "Usage", "Correction", "shop"),
    (FEBRUARY, "2026-01-20", "0.125", "Usage", "Correction", "batch"),
    (FEBRUARY, "2026-01-31", "3", "Usage", "", "shop"),  # within a day of the month's begin
    (FEBRUARY, "2026-01-31", "-1", "Credit", "Correction", "shop"),
    (MARCH, "2026-03-02", "30", "Usage", "", "shop"),
    (MARCH, "2026-01-09", "7", "Tax", "", "shop"),  # an invoice that came weeks later
    (MARCH, "2026-02-09", "-2", "Usage", "Correction", "batch"),
)


def bill(month: date) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    end = date(month.year, month.month + 1, 1)
    for billed, day, amount, category, kind, app in CHARGES:
        if billed == month:
            moment = (f"{month}T00:00:00Z", f"{end}T00:00:00Z", f"{day}T00:00:00Z", f"{day}T12:00:00Z")
            tags = f'{{"app_id": "{app}"}}'
            writer.writerow([*moment, amount, amount, category, kind, "USD", "Compute", "AWS", "b", tags])
    return text.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Path]:
    root = migrated(tmp_path_factory.mktemp("corrected"))
    with open_warehouse(root) as warehouse:
        books = books_in(root, warehouse)
        books.owners({"shop": "web", "batch": "jobs"})
        for number, month in enumerate((JANUARY, FEBRUARY, MARCH)):
            path = root / "bills" / f"{month:%Y-%m}.csv"
            path.write_text(bill(month))
            os.utime(path, (1_796_000_000 + number, 1_796_000_000 + number))
        assert ingest_source(warehouse, books.settings, books.settings.billing[0]).refusals == ()
        books.compute()
        sums = books.booked()
        for month in (JANUARY, FEBRUARY, MARCH):  # each amount counts in the month it is billed in
            wanted = sum((D(row[2]) for row in CHARGES if row[0] == month), D(0))
            assert sums[month, "USD"] == (wanted, wanted)
    yield root
    st.cache_resource.clear()


def shown(root: Path, month: date, *teams: str) -> list[tuple[Any, ...]]:
    frame = reads_of(root, Viewer("v", teams, (SEE_STATEMENTS,))).frame(
        "finance/corrections", billing_period=month
    )
    columns = ("billed_in", "of_month", "team", "app_id", "charge_category", "charge_class", "billed_cost")
    return sorted(frame.select(columns).rows())


@pytest.mark.parametrize("month", [JANUARY, FEBRUARY, MARCH])
@pytest.mark.parametrize("teams", [("web", "jobs"), ("jobs",)])
def test_a_month_shows_what_was_billed_later_of_it_and_what_it_billed_of_others(
    root: Path, month: date, teams: tuple[str, ...]
) -> None:
    wanted = []
    for billed, day, amount, category, kind, app in CHARGES:
        of_month = date.fromisoformat(day).replace(day=1)
        is_other = of_month < billed and (kind == "Correction" or (billed - date.fromisoformat(day)).days > 1)
        team = {"shop": "web", "batch": "jobs"}[app]
        if is_other and month in (billed, of_month) and team in teams:
            wanted.append((billed, of_month, team, app, category, kind, D(amount)))
    assert shown(root, month, *teams) == sorted(wanted)
    assert wanted
