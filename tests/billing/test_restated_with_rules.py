"""With shared cost rules in force too, a bill restated is the bill loaded alone, and one in parts is the whole one: what apps
cost, what rules gave to whom, and the lines of the statement."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.schemas import SCHEMAS
from pipelines.compute import compute_costs, compute_identities
from pipelines.compute.publishing import insert
from pipelines.ingest.billing.held import accept, waiting
from sql.publish import publish_periods
from tests.billing.conftest import OCTOBER, Bills
from tests.billing.test_aws_cur import empty
from tests.billing.test_restated import text_columns

RULES = """\
version: "1"
rules:
  - {name: stored, take: {service: Storage}, split: fixed, shares: {a: 1, b: 2.5}}
  - {name: asked, take: {tags: {env: shared}}, split: requests, over: day, fallback: even}
  - {name: rest, split: direct_cost, fallback: even}
  - {name: handed, take: {app: c}, split: even, to: {except: a}}
"""
READ = (
    "SELECT * FROM core_app_costs_daily_current ORDER BY ALL",
    "SELECT * FROM core_cost_allocations_current ORDER BY ALL",
    "SELECT * FROM mart_chargeback_lines_current ORDER BY billing_period, line",
)
Row = dict[str, str]


def drawn(dice: random.Random, count: int) -> list[Row]:
    """Charges of two months: of an app, of what rules take by tag or service, and of nobody. Every app has one in each, above
    zero, as rules name and weigh them."""
    found = []
    for number in range(count):
        own = ("a", "b", "c")[number // 2 % 3] if number < 6 else dice.choice(("a", "b", "c", "", "", ""))
        cost = Decimal(dice.randrange(1 if own else -(10**6), 10**9)) / 10 ** dice.choice((2, 6, 12, 18))
        day = dice.randrange(1, 28)
        row = {
            "BilledCost": f"{cost:f}",
            "EffectiveCost": f"{cost / 2:f}",
            "ServiceName": dice.choice(("Compute", "Compute", "Storage")) if not own else "Compute",
            "ResourceId": f"r{number}-{dice.randrange(10**6)}",
            "Tags": json.dumps({"app_id": own} if own else dice.choice(({}, {"Env": "Shared"}))),
        }
        month = "2024-10" if number % 2 == 0 else "2024-09"
        period = {
            "ChargePeriodStart": f"{month}-{day:02d}T00:00:00Z",
            "ChargePeriodEnd": f"{month}-{day + 1:02d}T00:00:00Z",
        }
        found.append({**(OCTOBER if number % 2 == 0 else {}), **row, **period})
    return found


def measured(bills: Bills) -> None:
    """Publishes how many requests apps had on every second day; on the others there is nothing to split by."""
    days, batch = [date(2024, 9, 1) + timedelta(days=offset) for offset in range(0, 58, 2)], uuid.uuid4()
    frame = pl.DataFrame(
        [
            {
                "hour": datetime(day.year, day.month, day.day, 3, tzinfo=UTC), "app_id": app, "measure": "requests",
                "quantity": Decimal(day.day * weight), "counted": 1,
            }
            for day in days
            for app, weight in (("a", 1), ("b", 3), ("c", 7))
        ],
        schema=SCHEMAS["core_app_usage_hours"],
    )  # fmt: skip
    insert(bills.warehouse, "core_app_usage_hours", frame, batch)
    rows = dict.fromkeys(days, 3)
    publish_periods(
        bills.warehouse, "slices", {"core_app_usage_hours": batch}, dict.fromkeys(days, "x"), rows
    )


def delivered(
    bills: Bills, focus_csv: Callable[..., str], parts: list[list[Row]], one_by_one: bool = False
) -> None:
    """Delivers the parts in the place of what was there: at once, or one after the other, each beside those before it."""
    for path in bills.folder.glob("*"):
        path.unlink()
    for number, part in enumerate(parts):
        bills.put(f"part-{number}.csv", focus_csv(*part, columns=list(text_columns(part))))
        if not one_by_one and number + 1 < len(parts):
            continue
        bills.ingest()
        for held in waiting(
            bills.warehouse
        ):  # a month that shrinks or grows much waits for a person, who is us
            accept(bills.warehouse, bills.settings, held.id, "ada", "a test")


def attributed(bills: Bills) -> list[pl.DataFrame]:
    """What apps cost, what rules gave, and statement lines, computed from what is published."""
    compute_identities(bills.warehouse, bills.settings)
    assert compute_costs(bills.warehouse, bills.settings).refused == ()
    return [bills.warehouse.frame_of(text) for text in READ]


@pytest.mark.parametrize("examples", [1, pytest.param(25, marks=pytest.mark.slow)])
def test_restated_or_in_parts_it_is_the_bill_loaded_whole(
    bills: Bills, focus_csv: Callable[..., str], examples: int
) -> None:
    (bills.settings.root / "rules.yaml").write_text(RULES)

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.explicit, Phase.generate],  # a smaller seed is no smaller bill
    )
    @given(seed=st.integers(0, 2**32))
    def holds(seed: int) -> None:
        dice = random.Random(seed)
        before, after = drawn(dice, 24), drawn(dice, 24)
        after[:8] = before[:8]  # some of it stays
        empty(bills)
        measured(bills)
        delivered(bills, focus_csv, [before])
        attributed(bills)
        mixed = dice.sample(after, len(after))
        cut = dice.randrange(2, 22)
        one_by_one = examples > 1 and dice.random() < 0.5
        delivered(bills, focus_csv, [mixed[:cut], mixed[cut:]], one_by_one)
        restated = attributed(bills)
        empty(bills)
        measured(bills)
        delivered(bills, focus_csv, [after])
        whole = attributed(bills)
        for found, wanted in zip(restated, whole, strict=True):
            assert found.equals(wanted)
        costs, allocations, _ = whole
        assert sum(costs["billed_cost"]) == sum(Decimal(row["BilledCost"]) for row in after)
        assert {"stored", "rest"} <= set(allocations["allocation_rule"])

    holds()
