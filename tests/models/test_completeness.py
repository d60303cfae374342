"""Which days of a bill are whole, against cases told by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.completeness import (
    CLOSABLE,
    SourceDays,
    completeness_policy,
    cut_to_whole,
    judged_days,
)

MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
POLICY = completeness_policy()


def at(day: date, hour: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def march(day: int) -> date:
    return MARCH + timedelta(days=day - 1)


def states(source: SourceDays, as_of: datetime) -> dict[date, str]:
    return dict(judged_days({"s": source}, as_of).select("usage_date", "state").rows())


def test_a_day_is_settled_when_its_time_passed_and_something_was_delivered_since_its_end() -> None:
    """Delivered on the 21st, settled five days after a day's end, and usage reaches the 18th: told on the 30th."""
    source = SourceDays({MARCH: at(march(21), 6)}, {}, march(18), {}, settled_after=5)
    found = states(source, at(march(30), 12))
    assert set(found) == {march(day) for day in range(1, 30)}
    assert {day.day: state for day, state in found.items()} == {
        **dict.fromkeys(
            range(1, 21), "settled"
        ),  # the 20th ended before the delivery; nothing came of it, so it is nothing
        **dict.fromkeys(range(21, 30), "open"),
    }


def test_what_arrived_makes_a_day_whole_and_no_month_closable() -> None:
    source = SourceDays({MARCH: at(march(21))}, {}, march(18), {})
    found = states(source, at(march(22)))
    assert [day.day for day, state in found.items() if state == "arrived"] == list(range(1, 19))
    assert not {*found.values()} & {*CLOSABLE}
    days = judged_days({"s": source}, at(march(22)))
    assert days.filter(pl.col("usage_date") == march(19))["reason"].item() == "usage reaches 2026-03-18"
    assert days["is_whole"].to_list() == [day <= march(18) for day in days["usage_date"]]


def test_what_a_provider_calls_final_is_final_and_a_month_without_a_bill_is_open() -> None:
    versions = {MARCH: at(APRIL, 3), date(2026, 5, 1): at(date(2026, 5, 2))}
    source = SourceDays(versions, {MARCH: "its manifest says so"}, date(2026, 5, 1), {}, None)
    found = judged_days({"s": source}, at(date(2026, 5, 3)))
    by_month = {
        month: set(found.filter(pl.col("usage_date").dt.month() == month)["state"]) for month in (3, 4, 5)
    }
    assert by_month == {3: {"final"}, 4: {"open"}, 5: {"arrived", "open"}}
    assert set(found.filter(pl.col("usage_date").dt.month() == 4)["reason"]) == {
        "no bill of 2026-04 is published"
    }


def usual(days: int, rows: int = 100) -> dict[date, int]:
    """So many charges on each day, half on weekends."""
    return {march(day): rows // (2 if march(day).weekday() > 4 else 1) for day in range(1, days + 1)}


@pytest.mark.parametrize(
    ("rows", "later", "state"),
    [
        (24, 0, "open"),  # fewer than half of the quietest day before
        (25, 0, "arrived"),
        (24, 2, "open"),
        (24, 3, "arrived"),  # three days on, what there is is all there is
        (0, 3, "open"),  # unless there is nothing
    ],
)
def test_a_day_of_few_charges_is_open_until_usage_is_three_days_further(
    rows: int, later: int, state: str
) -> None:
    usage = {**usual(20 + later), march(20): rows}
    source = SourceDays({MARCH: at(march(25))}, {}, march(20 + later), usage)
    assert states(source, at(march(25)))[march(20)] == state


def test_a_small_bill_and_a_young_one_have_days_off() -> None:
    small = {**usual(20, 39), march(20): 0}  # 19 on the quietest day
    young = {**usual(14), march(14): 0}  # thirteen days before it
    for usage, last in ((small, 20), (young, 14)):
        source = SourceDays({MARCH: at(march(25))}, {}, march(last), usage)
        assert states(source, at(march(25)))[march(last)] == "arrived"


@given(
    settled=st.one_of(st.none(), st.integers(0, 20)),
    delivered=st.integers(1, 60),
    reach=st.integers(1, 60),
    asked=st.integers(1, 60),
    later=st.integers(0, 30),
)
def test_time_alone_never_opens_a_day_again(
    settled: int | None, delivered: int, reach: int, asked: int, later: int
) -> None:
    """Whatever is delivered, a day that was whole stays so, and each day has one row."""
    source = SourceDays(
        {MARCH: at(march(delivered)), APRIL: at(march(delivered))}, {}, march(reach), {}, settled
    )
    before, after = (judged_days({"s": source}, at(march(day))) for day in (asked, asked + later))
    assert not before["usage_date"].is_duplicated().any()
    whole = set(before.filter("is_whole")["usage_date"])
    assert whole <= set(after.filter("is_whole")["usage_date"])


def test_a_series_ends_before_the_open_days_it_ends_with() -> None:
    charges = pl.DataFrame(
        {
            "app_id": ["a", "a", "b", "c"],
            "billing_currency": ["USD", "EUR", "USD", "USD"],
            "complete_until": [march(20)] * 4,
            "billed_cost": [1, 2, 3, 4],
        }
    )
    opens = pl.DataFrame(
        [("a", "USD", march(day)) for day in (12, 19, 20)] + [("b", "USD", march(18))],
        schema=["app_id", "billing_currency", "usage_date"],
        orient="row",
    )
    assert cut_to_whole(charges, opens)["complete_until"].to_list() == [
        march(18),
        march(20),
        march(20),
        march(20),
    ]
    assert cut_to_whole(charges, opens).columns == charges.columns
    assert cut_to_whole(charges, opens.clear()).equals(charges)
