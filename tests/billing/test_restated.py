"""A FOCUS bill restated is the bill loaded alone, in whatever files, order and packing it comes."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from decimal import Decimal

import polars as pl
import pytest

from pipelines.ingest.billing.held import accept, waiting
from tests.billing.conftest import OCTOBER, Bills
from tests.billing.test_aws_cur import empty, rows

Row = dict[str, str]


def drawn(dice: random.Random, count: int) -> list[Row]:
    """Rows of two months, each of a resource of its own: usage, credits, corrections of the month before."""
    found = []
    for number in range(count):
        places = dice.choice((2, 6, 12, 20))
        cost = Decimal(dice.randrange(-(10**6), 10**9)) / 10**places
        row = {
            "BilledCost": f"{cost:f}",
            "EffectiveCost": f"{cost / 2:f}",
            "ChargeCategory": dice.choice(("Usage", "Credit", "Tax")),
            "ChargeClass": dice.choice(("", "", "Correction")),
            "ResourceId": f"r{number}-{dice.randrange(10**6)}",
        }
        found.append({**row, **OCTOBER} if number % 3 == 0 else row)
    return found


def deliver(bills: Bills, parts: list[list[Row]], text: Callable[..., str], packed: bool) -> None:
    for path in bills.folder.glob("*"):
        path.unlink()
    for number, part in enumerate(parts):
        content = text(*part, columns=list(text_columns(part))).encode()
        name = f"part-{number}.csv" + (".gz" if packed else "")
        bills.put(name, gzip.compress(content) if packed else content)
    bills.ingest()
    for held in waiting(bills.warehouse):  # a month that shrinks or grows much waits for a person, who is us
        accept(bills.warehouse, bills.settings, held.id, "ada", "a test")


def text_columns(part: list[Row]) -> dict[str, None]:
    from tests.billing.conftest import ROW

    return dict.fromkeys([*ROW, *(name for row in part for name in row)])


@pytest.mark.parametrize("seed", range(3))
def test_a_restated_bill_is_the_bill_loaded_alone_in_whatever_parts(
    bills: Bills, focus_csv: Callable[..., str], seed: int
) -> None:
    dice = random.Random(seed)
    before, after = drawn(dice, 30), drawn(dice, 30)
    after[:15] = before[:15]  # half of it stays
    deliver(bills, [before], focus_csv, packed=False)
    shuffled = dice.sample(after, len(after))
    cut = dice.randrange(3, 27)
    deliver(bills, [shuffled[:cut], shuffled[cut:]], focus_csv, packed=True)
    restated, sums = rows(bills), bills.published()
    wanted: dict[str, Decimal] = {}
    for row in after:
        month = row.get("BillingPeriodStart", "2024-09")[:7]
        kept = Decimal(row["BilledCost"]).quantize(Decimal(10) ** -18, rounding="ROUND_DOWN")
        wanted[month] = wanted.get(month, Decimal(0)) + kept
    assert {f"{month:%Y-%m}": amount for month, amount in sums.items()} == wanted
    empty(bills)
    deliver(bills, [after], focus_csv, packed=False)
    assert rows(bills).equals(restated)
    assert isinstance(restated, pl.DataFrame) and restated.height == len(after)
