"""Budgets: what a file may say, what a period's budget is by hand, and the day it runs out counted day by day."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.budgets import Budget, BudgetLine, budget_lines, budget_states, budgets_on, period_of
from models.errors import ConfigurationError
from models.forecast import usage_ahead
from models.yaml_reader import documents
from tests.models.test_forecast import charge, days_to, flat, frame

AS_OF = date(2026, 3, 10)


def lines(text: str) -> list[BudgetLine]:
    [document] = documents(text, "budgets.yaml")
    return budget_lines(document)


def one(amount: str, first: str, until: str = "", period: str = "month", **other: str) -> str:
    """A line of a file."""
    told = {"team": "red", "currency": "USD", **other, "amount": amount, "period": period, "from": first}
    if until:
        told["until"] = until
    return "  - {" + ", ".join(f"{key}: {value}" for key, value in told.items()) + "}\n"


def held(text: str, day: date = AS_OF) -> list[Budget]:
    return budgets_on(lines("budgets:\n" + text), day)


def states(text: str, rows: list[dict[str, Any]], as_of: date = AS_OF) -> dict[str, Any]:
    """The one state of a budget over charges."""
    budgets, charges = held(text, as_of), frame(rows, as_of)
    ahead_to = {last: usage_ahead(charges, as_of, last) for last in {budget.last for budget in budgets}}
    [row] = budget_states(budgets, charges, ahead_to, as_of).iter_rows(named=True)
    return row


def test_amounts_are_read_as_written_never_as_floats() -> None:
    [line] = lines("budgets:\n" + one("123456789012345.100000000000000001", "2026-01-01"))
    assert line.amount == Decimal("123456789012345.100000000000000001")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "budgets:\n  - {team: red, currency: USD, from: 2026-01-01}\n",
            "line 2: budgets[0].amount is missing",
        ),
        ("budgets:\n" + one("-5", "2026-01-01"), "is '-5'; it must be an amount above zero"),
        ("budgets:\n" + one("0.00", "2026-01-01"), "is '0.00'; it must be an amount above zero"),
        ("budgets:\n" + one("1e3", "2026-01-01"), "is '1e3'; it must be an amount"),
        ("budgets:\n" + one(".nan", "2026-01-01"), "is '.nan'; it must be an amount"),
        ("budgets:\n" + one("0.1234567890123456789", "2026-01-01"), "it must be an amount"),
        ("budgets:\n" + one("5", "2026-02-30"), "is '2026-02-30'; it must be a day"),
        ("budgets:\n" + one("5", "2026-02-10", "2026-02-09"), "before the line begins"),
        ("budgets:\n" + one("5", "2026-01-01", period="week"), "is 'week'; it can be month, quarter, year"),
        ("budgets:\n" + one("5", "2026-01-01", currency="EURO"), "which is no code of ISO 4217"),
        ("budgets:\n" + one("5", "2026-01-01", app="x"), "must name one of app, team or fleet: true"),
        ("budgets:\n" + one("5", "2026-01-01", alerts="[0]"), "is '0'; it must be a share"),
        ("budgets:\n" + one("5", "2026-01-01", owner="x"), "budgets[0].owner is not a known key"),
        (
            "budgets:\n  - {fleet: yes please, amount: 1, currency: USD, from: 2026-01-01}\n",
            "can only be true",
        ),
        (
            "budgets:\n" + one("5", "2026-01-01", "2026-03-05") + one("6", "2026-03-05"),
            "line 3: budgets of the team red in USD a month hold twice on 2026-03-05, by budgets.yaml, line 2 too; "
            "end that one by `until: 2026-03-04`",
        ),
    ],
)
def test_what_no_budget_can_be_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        lines(text)
    assert str(refused.value).startswith("budgets.yaml, line ") and sentence in str(refused.value)


def test_nothing_written_is_no_budget() -> None:
    assert lines("budgets:\n") == [] == lines("~\n")


@pytest.mark.parametrize(
    ("day", "period", "expected"),
    [
        (date(2024, 2, 29), "month", (date(2024, 2, 1), date(2024, 2, 29))),
        (date(2023, 2, 1), "month", (date(2023, 2, 1), date(2023, 2, 28))),
        (date(2026, 12, 31), "quarter", (date(2026, 10, 1), date(2026, 12, 31))),
        (date(2024, 3, 31), "quarter", (date(2024, 1, 1), date(2024, 3, 31))),
        (date(2026, 7, 4), "year", (date(2026, 1, 1), date(2026, 12, 31))),
    ],
)
def test_periods_are_those_of_the_calendar(day: date, period: str, expected: tuple[date, date]) -> None:
    assert period_of(day, period) == expected


def test_a_budget_that_changes_in_the_middle_of_a_month_is_each_lines_share_of_its_days() -> None:
    """Nine days at 1,000 and 22 at 1,500 of a month of 31: 290.32... and 1064.51..., cut to 18 places by largest remainder."""
    [budget] = held(one("1000", "2025-01-01", "2026-03-09") + one("1500", "2026-03-10"))
    exact = [Decimal(9000) / 31, Decimal(33000) / 31]
    assert budget.amount == Decimal("290.322580645161290323") + Decimal("1064.516129032258064516")
    assert abs(budget.amount - sum(exact)) < Decimal("1e-17")
    assert (budget.first, budget.last) == (date(2026, 3, 1), date(2026, 3, 31))
    [before] = held(one("1000", "2025-01-01", "2026-03-09") + one("1500", "2026-03-10"), date(2026, 2, 20))
    assert before.amount == 1000
    [after] = held(one("1000", "2025-01-01", "2026-03-09") + one("1500", "2026-03-10"), date(2026, 4, 1))
    assert after.amount == 1500


def test_a_gap_between_lines_is_no_part_of_a_budget() -> None:
    text = one("310", "2026-03-01", "2026-03-05") + one("620", "2026-03-08")
    [budget] = held(text)
    assert (budget.first, budget.last, budget.amount) == (date(2026, 3, 8), date(2026, 3, 31), 20 * 24)
    assert held(text, date(2026, 3, 6)) == []


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_lines_that_cut_a_period_anywhere_add_up_to_its_amount(seed: int) -> None:
    """The same amount before and after every cut is the amount, but for the last of 18 places of each cut."""
    draw = Random(seed)
    period = draw.choice(("month", "quarter", "year"))
    first, last = period_of(date(draw.choice((2023, 2024)), draw.randint(1, 12), 15), period)
    cuts = sorted(
        {first + timedelta(days=draw.randint(1, (last - first).days)) for _ in range(draw.randint(0, 3))}
    )
    begins = [first - timedelta(days=draw.randint(0, 40)), *cuts]
    ends = [*(cut - timedelta(days=1) for cut in cuts), last + timedelta(days=draw.randint(0, 40))]
    amount = Decimal(draw.randint(1, 10**12)).scaleb(-4)
    text = "".join(
        one(f"{amount:f}", str(begin), str(end), period) for begin, end in zip(begins, ends, strict=True)
    )
    [budget] = held(text, first + timedelta(days=draw.randint(0, (last - first).days)))
    assert (budget.first, budget.last) == (first, last)
    assert abs(budget.amount - amount) <= Decimal(len(begins)).scaleb(-18)


@pytest.mark.parametrize(
    ("amount", "day"), [(101, 11), (110, 11), (111, 12), (200, 20), (310, 31), (311, None), (101.5, 11)]
)
def test_ten_a_day_runs_out_on_the_day_that_reaches_it(amount: float, day: int | None) -> None:
    found = states(one(str(amount), "2026-01-01"), flat(AS_OF, 120))
    expected = date(2026, 3, day) if day else None
    assert (found["expected_on"], found["earliest_on"], found["latest_on"]) == (expected,) * 3
    assert found["spent"] == 100 and found["exhausted_on"] is None
    assert found["state"] == ("over" if day else "ok")


@pytest.mark.parametrize(("amount", "day"), [(1, 1), (10, 1), (11, 2), (95, 10), (100, 10)])
def test_a_spent_budget_says_since_when(amount: int, day: int) -> None:
    found = states(one(str(amount), "2026-01-01"), flat(AS_OF, 120))
    assert (found["state"], found["exhausted_on"]) == ("exhausted", date(2026, 3, day))
    assert found["expected_on"] is None and found["alert_share"] == 1


def test_a_credit_gives_a_budget_back() -> None:
    """Spent on the 3rd, given back on the 5th, spent for good on the 10th."""
    rows = [*flat(AS_OF, 120), charge(date(2026, 3, 5), -60, charge_category="Credit")]
    assert states(one("30", "2026-01-01"), rows)["exhausted_on"] == date(2026, 3, 9)
    assert states(one("45", "2026-01-01"), rows)["state"] == "over"


@pytest.mark.parametrize(
    ("amount", "alert", "following"),
    [
        (1000, None, None),
        (500, None, "0.5"),
        (200, "0.5", "1"),
        (112, "0.5", "1"),
        (111, "0.9", "1"),
        (90, "1", None),
    ],
)
def test_shares_spent_and_shares_to_come(amount: int, alert: str | None, following: str | None) -> None:
    """100 is spent and 310 expected; alerts at 50, 90 and 100 %."""
    found = states(one(str(amount), "2026-01-01", alerts='["0.5", "0.9", "1"]'), flat(AS_OF, 120))
    assert (found["alert_share"], found["next_share"]) == (
        Decimal(alert) if alert else None,
        Decimal(following) if following else None,
    )


def test_a_known_charge_to_come_runs_a_budget_out_on_its_day() -> None:
    rows = [*flat(AS_OF, 120), charge(date(2026, 3, 20), 500, charge_category="Purchase")]
    found = states(one("400", "2026-01-01"), rows)
    assert found["expected_on"] == date(2026, 3, 20) and found["expected_total"] == pytest.approx(810)


def test_only_the_days_the_currency_and_the_name_of_a_budget_count() -> None:
    rows = flat(AS_OF, 120)
    rows += flat(AS_OF, 120, "1000", app_id="two", team="blue")
    rows += flat(AS_OF, 120, "1000", app_id="three", billing_currency="EUR")
    found = states(one("290", "2026-03-03", "2026-03-29"), rows)
    assert found["spent"] == 80 and found["expected_total"] == pytest.approx(270)
    assert found["budget"] == Decimal("252.580645161290322581") and found["last_day"] == date(2026, 3, 29)
    everything = states(one("290", "2026-03-01", app="one").replace("team: red, ", ""), rows)
    assert everything["spent"] == 100 and everything["team"] == "red"
    fleet = states(one("99999", "2026-03-01", fleet="true").replace("team: red, ", ""), rows)
    assert fleet["spent"] == 10_100 and fleet["expected_total"] == pytest.approx(1010 * 31)


def test_a_budget_of_a_quarter_counts_its_months() -> None:
    """90 days at ten; what the days of a year to come are is seen with no more past than a few months."""
    found = states(one("850", "2025-10-01", period="quarter"), flat(AS_OF, 200))
    assert found["spent"] == 10 * (31 + 28 + 10) and found["expected_total"] == pytest.approx(900)
    assert found["expected_on"] == date(2026, 1, 1) + timedelta(days=84)


def test_what_cannot_be_predicted_is_unknown_and_what_is_spent_is_still_said() -> None:
    young = states(one("1000", "2026-01-01"), flat(AS_OF, 3))
    assert (young["state"], young["spent"], young["expected_total"]) == ("unknown", 30, None)
    nobody = states(one("1000", "2026-01-01", team="nobody"), flat(AS_OF, 90))
    assert (nobody["state"], nobody["spent"]) == ("unknown", 0)
    assert states(one("25", "2026-01-01"), flat(AS_OF, 3))["state"] == "exhausted"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_spent_is_the_exact_sum_of_a_loop_and_more_budget_never_runs_out_earlier(seed: int) -> None:
    draw = Random(seed)
    rows = [
        charge(day, str(Decimal(draw.randint(1, 10**9)).scaleb(-6)))
        for day in days_to(AS_OF, 100)
        if draw.random() < 0.95
    ]
    spent = sum((row["billed_cost"] for row in rows if row["usage_date"] >= date(2026, 3, 1)), Decimal(0))
    small = draw.randint(1, 20_000)
    found = [
        states(one(str(amount), "2026-01-01"), rows) for amount in (small, small + draw.randint(1, 5_000))
    ]
    assert [row["spent"] for row in found] == [spent, spent]
    never = date.max
    days = [row["exhausted_on"] or row["expected_on"] or never for row in found]
    assert days[0] <= days[1]
    for row in found:
        band = [row[side] or never for side in ("earliest_on", "expected_on", "latest_on")]
        assert row["state"] == "exhausted" or band == sorted(band)
