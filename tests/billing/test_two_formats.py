"""One bill delivered in two formats is found by its money and waits for a person; different bills never do."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.settings import BillingSource
from pipelines.ingest.billing import BillingOutcome, ingest_source
from pipelines.ingest.billing.held import accept, waiting
from pipelines.ingest.billing.policy import policy
from pipelines.ingest.billing.sameness import SameMoney, same_money_reason
from tests.billing.conftest import Bills

MONTH = date(2023, 11, 1)


@dataclass(frozen=True)
class Hour:
    """One charge of a resource in an hour, as any format may write it; a fee has no resource."""

    account: str
    resource: str
    day: date
    hour: int
    cost: Decimal


def drawn(
    seed: int, accounts: Sequence[str] = ("111111111111", "222222222222"), resources: int = 6
) -> list[Hour]:
    """A bill of some days: instances of one price that run some hours, storage of odd amounts, fees."""
    rng = random.Random(seed)
    found = []
    for account in accounts:
        for number in range(resources):
            name = f"i-{account[:3]}{seed:02}{number:04x}" if number % 3 else ""
            for day in range(4):
                for hour in range(rng.randint(1, 3)):
                    odd = Decimal(rng.randrange(1, 10**9)) / 10 ** rng.choice((6, 9, 12))
                    cost = Decimal("0.0416") if number == 1 else odd
                    found.append(Hour(account, name, MONTH + timedelta(days=day), hour, cost))
    return found


def written(columns: Mapping[str, Callable[[Hour], str]], hours: Sequence[Hour]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(one) for cell in columns.values()] for one in hours)
    return text.getvalue()


def cur(hours: Sequence[Hour]) -> str:
    """A Cost and Usage Report by the hour: bare resource ids, product codes, amounts in scientific notation."""
    columns: dict[str, Callable[[Hour], str]] = {
        "identity/LineItemId": lambda one: f"l{hash(one) & 0xFFFF:x}",
        "identity/TimeInterval": lambda one: (
            f"{one.day}T{one.hour:02}:00:00Z/{one.day}T{one.hour + 1:02}:00:00Z"
        ),
        "bill/PayerAccountId": lambda one: "999999999999",
        "bill/BillingPeriodStartDate": lambda one: "2023-11-01T00:00:00.000Z",
        "bill/BillingPeriodEndDate": lambda one: "2023-12-01T00:00:00.000Z",
        "lineItem/UsageAccountId": lambda one: one.account,
        "lineItem/LineItemType": lambda one: "Usage",
        "lineItem/UsageStartDate": lambda one: f"{one.day}T{one.hour:02}:00:00.000Z",
        "lineItem/UsageEndDate": lambda one: f"{one.day}T{one.hour + 1:02}:00:00.000Z",
        "lineItem/ProductCode": lambda one: "AmazonEC2",
        "lineItem/ResourceId": lambda one: one.resource,
        "lineItem/CurrencyCode": lambda one: "USD",
        "lineItem/UnblendedCost": lambda one: f"{one.cost:E}",
    }
    return written(columns, hours)


def focus(hours: Sequence[Hour]) -> str:
    """The same by the day, in FOCUS: ARNs, service names, hours of a resource in one row."""
    days: dict[tuple[str, str, date], Decimal] = {}
    for one in hours:
        key = one.account, one.resource, one.day
        days[key] = days.get(key, Decimal(0)) + one.cost
    summed = [Hour(account, name, day, 0, cost) for (account, name, day), cost in days.items()]
    columns: dict[str, Callable[[Hour], str]] = {
        "BilledCost": lambda one: f"{one.cost:f}",
        "EffectiveCost": lambda one: f"{one.cost:f}",
        "BillingCurrency": lambda one: "USD",
        "BillingAccountId": lambda one: "999999999999",
        "SubAccountId": lambda one: one.account,
        "BillingPeriodStart": lambda one: "2023-11-01T00:00:00Z",
        "BillingPeriodEnd": lambda one: "2023-12-01T00:00:00Z",
        "ChargePeriodStart": lambda one: f"{one.day}T00:00:00Z",
        "ChargePeriodEnd": lambda one: f"{one.day + timedelta(days=1)}T00:00:00Z",
        "ChargeCategory": lambda one: "Usage",
        "ServiceName": lambda one: "Amazon Elastic Compute Cloud",
        "ProviderName": lambda one: "AWS",
        "ResourceId": lambda one: (
            f"arn:aws:ec2:eu-west-1:{one.account}:instance/{one.resource}" if one.resource else ""
        ),
    }
    return written(columns, summed)


FORMATS = {"aws-cur": cur, "focus": focus}


@pytest.fixture
def two(bills: Bills) -> Callable[[str, Sequence[Hour]], BillingOutcome]:
    """Delivers a bill under a source of each format, and ingests it."""
    sources = tuple(BillingSource(name, name, name) for name in FORMATS)
    settings = replace(bills.settings, billing=sources)

    def deliver(name: str, hours: Sequence[Hour]) -> BillingOutcome:
        bills.put(f"../{name}/a.csv", FORMATS[name](hours))
        source = next(one for one in sources if one.name == name)
        outcome = ingest_source(bills.warehouse, settings, source)
        assert outcome.refusals == ()
        return outcome

    return deliver


@pytest.mark.parametrize("order", [("focus", "aws-cur"), ("aws-cur", "focus")])
def test_one_bill_in_two_formats_waits_for_a_person_whichever_comes_first(
    two: Callable[[str, Sequence[Hour]], BillingOutcome], bills: Bills, order: tuple[str, str]
) -> None:
    hours = drawn(1)
    total = sum((one.cost for one in hours), Decimal(0))
    assert [one.state for one in two(order[0], hours).periods] == ["published"]
    (held,) = two(order[1], hours).periods
    assert held.state == "held"
    assert f"source {order[0]} to the last digit" in held.reason
    assert bills.published() == {MONTH: total}
    # a part of it too: one account of two, and the month so far
    (held,) = two(order[1], [one for one in hours if one.account[0] == "1" and one.day.day < 4]).periods
    assert held.state == "held"
    assert bills.published() == {MONTH: total}
    # a person may know better
    accept(bills.warehouse, bills.settings, waiting(bills.warehouse)[0].id, "ada", "a test")
    assert bills.published()[MONTH] > total


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(drawn(2), id="other resources of the same accounts"),
        pytest.param(drawn(1, ("333333333333", "444444444444")), id="other accounts"),
        pytest.param([replace(one, day=one.day + timedelta(days=7)) for one in drawn(1)], id="other days"),
        pytest.param([replace(one, cost=one.cost * 2) for one in drawn(1)], id="other amounts"),
        pytest.param(
            # machines of one price in both, under no name
            [replace(one, resource="", cost=Decimal("0.0416"), hour=0) for one in drawn(1)][:1] + drawn(3),
            id="an equal fee",
        ),
    ],
)
def test_different_bills_of_two_formats_are_both_published(
    two: Callable[[str, Sequence[Hour]], BillingOutcome], bills: Bills, other: list[Hour]
) -> None:
    hours = drawn(1)
    for name, delivered in (("focus", hours), ("aws-cur", other)):
        assert [one.state for one in two(name, delivered).periods] == ["published"]
    assert bills.published() == {MONTH: sum((one.cost for one in (*hours, *other)), Decimal(0))}


sizes = st.integers(1, 1000)


@given(sums=sizes, other_sums=sizes, found=sizes, amounts=sizes)
def test_money_is_the_same_by_share_and_by_different_amounts(
    sums: int, other_sums: int, found: int, amounts: int
) -> None:
    found, amounts = min(found, sums, other_sums), min(amounts, found, sums, other_sums)
    one = SameMoney("cur", "BilledCost", sums, other_sums, found, amounts)
    wanted = (found * 10 >= min(sums, other_sums) and amounts >= 3) or found == sums == other_sums
    reason = same_money_reason([one], policy())
    assert (reason is not None) == wanted
    if reason:
        assert reason.cause == "overlap" and f"{found} of its {sums} sums of BilledCost" in reason.sentence
